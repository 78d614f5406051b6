"""One clip in the style of Prefect's job blocks: trigger, wait for completion, fetch the result.

A front on what the flows do, and as safe: the records decide, so triggering twice buys once, and a
run can be taken up again by its key alone, in another process too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from prefect.blocks.abstract import JobBlock, JobRun
from prefect.runtime import flow_run
from pydantic import Field

from prefect_videogen.apart import run_apart
from prefect_videogen.blocks.callbacks import check_addresses
from prefect_videogen.blocks.logos import DOCUMENTATION, STUDIO_LOGO
from prefect_videogen.blocks.opening import opened
from prefect_videogen.buying import (
    Buyer,
    ClipRequest,
    Job,
    OnExpired,
    OnUnknown,
    PictureInput,
    job_of,
    wait_for,
)
from prefect_videogen.buying.policy import error_of
from prefect_videogen.errors import StudioError, SubmissionUnknown, how_to_settle
from prefect_videogen.fetching import Clip, fetch_clip
from prefect_videogen.forecasting import forecast
from prefect_videogen.records import Attempt
from prefect_videogen.records.listing import find_key
from prefect_videogen.settling import undecided_for
from prefect_videogen.spending import Spending, budgets_of
from prefect_videogen.storyboard import Shot, Storyboard, one_clip
from prefect_videogen.studio import OpenStudio
from prefect_videogen.survey import Board, Survey, survey

if TYPE_CHECKING:
    ClipJob = JobBlock[Clip]
else:
    ClipJob = JobBlock  # JobBlock[Clip] is a class of its own, that Prefect shows as a block type

GLANCE = 2.0
"""Seconds between glances at a purchase that another process is about to settle."""


class VideoGenerationRun(JobRun[Clip]):
    """A clip that was triggered: its job at the vendor, and then the clip.

    Attributes:
        key: Key of the clip.
        studio: Name of the studio.

    Example:
        ```python
        from prefect_videogen import VideoGenerationRun

        run = VideoGenerationRun.from_key("0f3a9c5e", studio="default")
        run.wait_for_completion()
        print(run.fetch_result().path)
        ```
    """

    def __init__(self, key: str, *, studio: str = "default", job: Job | None = None) -> None:
        self.key = key
        self.studio = studio
        self._job = job

    @classmethod
    def from_key(cls, key: str, *, studio: str = "default") -> VideoGenerationRun:
        """Take a run up again, in whatever process; reads nothing yet and buys nothing ever.

        Args:
            key: The clip's key, or its first 8 digits or more.
            studio: Name of the studio.
        """
        return cls(key, studio=studio)

    async def await_for_completion(self) -> None:
        """Wait until the clip can be fetched.

        Raises:
            VendorError: If the job ended without a clip, or `WaitTimeout` at the deadline;
                `SubmissionUnknown` if nobody knows whether it was accepted.
            StudioError: If nothing is recorded under the key, or the studio is missing or wrong.
            RecordError: If the media store does not answer.
        """
        async with opened(self.studio, run=flow_run.get_id() or "") as place:
            job = await self._recorded(place)
            self.logger.info("Waiting for job %s", job.job_id)
            await wait_for(place, job)

    def wait_for_completion(self) -> None:  # type: ignore[override] # sync here, see the a-version
        """`await_for_completion` for callers that are sync."""
        run_apart(self.await_for_completion)

    async def afetch_result(self) -> Clip:
        """Bring the clip into the media store, once.

        Returns:
            The clip.

        Raises:
            DownloadError: If its job has not ended yet, or it could not be fetched.
            VendorError: If the job ended without a clip, or its result has expired.
            StudioError: If nothing is recorded under the key, or the studio is missing or wrong.
            RecordError: If the media store does not answer.
        """
        async with opened(self.studio, run=flow_run.get_id() or "") as place:
            return await fetch_clip(place, await self._recorded(place))

    def fetch_result(self) -> Clip:  # type: ignore[override] # sync here, see the a-version
        """`afetch_result` for callers that are sync."""
        return run_apart(self.afetch_result)

    async def _recorded(self, place: OpenStudio) -> Job:
        """The job as the records have it now, however the run came about."""
        self.key = await find_key(place.store, self.key)
        attempt = await self._attempt(place)
        if attempt.end and not attempt.stored:
            raise error_of(attempt.end, attempt.claimed.shot if attempt.claimed else None)
        known = self._job
        if known and known.attempt == attempt.number:
            return known
        self._job = job_of(self.key, attempt)
        return self._job

    async def _attempt(self, place: OpenStudio) -> Attempt:
        """The attempt that counts, once it is settled whether the vendor accepted it."""
        while True:
            history = await place.records.history(self.key)
            attempt = history.stored or history.latest
            if attempt is None or attempt.claimed is None:
                message = f"nothing was bought under {self.key[:12]}"
                raise StudioError(message, next_step="Trigger the VideoGeneration block.")
            if attempt.submitted or attempt.end:
                return attempt
            left = undecided_for(place, attempt.claimed)
            if left <= 0:
                raise _unknown(self.key, attempt.claimed.shot)
            await place.time.sleep(min(left, GLANCE))


def _unknown(key: str, shot: str) -> SubmissionUnknown:
    message = "its submission got no answer, so whether the vendor makes it is not known"
    return SubmissionUnknown(message, shot=shot, next_step=f"{how_to_settle(key)}.")


class VideoGeneration(ClipJob):
    """One clip, made by a video-generation API and bought once.

    Example:
        ```python
        from prefect_videogen import VideoGeneration

        generation = VideoGeneration.load("BLOCK_NAME")
        run = generation.trigger()
        run.wait_for_completion()
        print(run.fetch_result().path)
        ```
    """

    _block_type_name = "Video Generation"
    _block_type_slug = "video-generation"
    _documentation_url = DOCUMENTATION
    _logo_url = STUDIO_LOGO

    prompt: str = Field(
        title="Prompt", description="What is seen and how the camera moves.", min_length=1
    )
    model: str = Field(
        title="Model", description="Model that makes the clip, for example vidu-q3.", min_length=1
    )
    first_frame: str = Field(
        "",
        title="First frame",
        description="Picture the clip starts on: a path, s3:// or https:// address.",
    )
    last_frame: str = Field(
        "",
        title="Last frame",
        description="Picture the clip ends on, where the model takes one.",
    )
    seconds: float = Field(
        0, ge=0, title="Seconds", description="Length in seconds; 0 is the model's default."
    )
    resolution: str = Field(
        "",
        title="Resolution",
        description="For example 720p; empty is the model's default.",
    )
    aspect_ratio: str = Field(
        "",
        title="Aspect ratio",
        description="For example 16:9; empty is the model's default.",
    )
    tier: Literal["", "standard", "pro", "master", "turbo"] = Field(
        "", title="Tier", description="Quality tier, where the model has tiers."
    )
    seed: int = Field(
        -1, title="Seed", description="Number that makes results repeat; -1 is random."
    )
    negative_prompt: str = Field(
        "", title="Negative prompt", description="What should not be in the picture."
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        title="Options",
        description="The vendor's own input fields, and `mode`.",
    )
    take: str = Field(
        "1",
        title="Take",
        description="Which deliberate version this is; another one is bought anew.",
    )
    studio: str = Field(
        "default",
        title="Studio",
        description="Name of the studio; env is made from the environment.",
    )
    on_unknown: OnUnknown = Field(
        "stop",
        title="On unknown",
        description="Whether to stop at, or to resubmit, a purchase whose outcome is unknown.",
    )
    on_expired: OnExpired = Field(
        "stop",
        title="On expired",
        description="Whether to stop at, or to rebuy, a bought clip that has expired.",
    )

    async def atrigger(self) -> VideoGenerationRun:
        """Buy the clip, or find the job that was bought before; the studio's limits hold.

        Returns:
            The run, as soon as the vendor has accepted the job.

        Raises:
            StoryboardError: With all faults, before anything is sent.
            BudgetExceeded: If a limit of the studio leaves no room for it.
            VendorError: What the vendor said; `SubmissionUnknown` if nobody knows.
            StudioError: If the studio is missing or wrong.
            RecordError: If the media store does not answer; nothing is bought then.
        """
        async with opened(self.studio, run=flow_run.get_id() or "") as place:
            check_addresses(place)
            job = await self._buy(place)
        self.logger.info("%s: job %s of %s", job.key[:12], job.job_id, job.model)
        return VideoGenerationRun(job.key, studio=self.studio, job=job)

    def trigger(self) -> VideoGenerationRun:  # type: ignore[override] # sync here, see atrigger
        """`atrigger` for callers that are sync.

        Returns:
            The run, as soon as the vendor has accepted the job.
        """
        return run_apart(self.atrigger)

    async def _buy(self, place: OpenStudio) -> Job:
        scheduled = flow_run.get_scheduled_start_time()
        surveyed = await survey(
            place, Board(self._storyboard()), variables={}, scheduled=scheduled, keep=True
        )
        plan = surveyed.check()
        budgets = budgets_of(place, amount=0, name="", slug=plan.slug, scheduled=scheduled)
        ahead = await forecast(
            place,
            plan,
            surveyed.digests,
            on_unknown=self.on_unknown,
            on_expired=self.on_expired,
        )
        spending = Spending(place, budgets, ahead)
        await spending.begin()
        request = request_of(surveyed)
        try:
            buyer = Buyer(
                place,
                request,
                on_unknown=self.on_unknown,
                on_expired=self.on_expired,
                purse=spending.purse(request.clip, request.key),
            )
            return await buyer.buy()
        finally:
            await spending.settle()

    def _storyboard(self) -> Storyboard:
        shot = Shot(
            prompt=self.prompt,
            model=self.model,
            first_frame=self.first_frame,
            last_frame=self.last_frame,
            seconds=self.seconds,
            resolution=self.resolution,
            tier=self.tier,
            seed=self.seed,
            negative_prompt=self.negative_prompt,
            options=self.options,
            take=self.take,
        )
        return one_clip(shot, aspect_ratio=self.aspect_ratio)


def request_of(surveyed: Survey) -> ClipRequest:
    """What to ask for: the survey's one clip, all of whose pictures are known."""
    clip = surveyed.check().clips[0]
    known = {name: (still.picture.sha256, still.path) for name, still in surveyed.stills.items()}
    if clip.key is None:
        message = "a picture of the clip is not known"
        raise StudioError(message, shot=clip.shot)
    pictures = []
    for use in clip.pictures:
        sha256, path = ("", "") if use.kind == "vendor" else known[use.ref]
        pictures.append(PictureInput(use=use, sha256=sha256, path=path))
    return ClipRequest(clip=clip, key=clip.key, pictures=tuple(pictures))
