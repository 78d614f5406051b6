"""The three tasks of a clip: submit, wait, download. Never one per poll.

Each can be repeated at any time, by any process: the records decide what is still to be done. Their
states are named `Reused` for a clip that was stored, `Resumed` for a job of an earlier run, and
`Refused` when the vendor said a definite no.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect.cache_policies import NO_CACHE, CacheKeyFnPolicy
from prefect.context import TaskRunContext
from prefect.runtime import flow_run

from prefect_videogen.blocks import opened
from prefect_videogen.blocks.jobs import request_of
from prefect_videogen.buying import Buyer, ClipRequest, Job, OnExpired, OnUnknown, wait_for
from prefect_videogen.fetching import Clip, fetch_clip
from prefect_videogen.keys import digest
from prefect_videogen.plan import LAST_FRAME, Handing
from prefect_videogen.progress import name_of
from prefect_videogen.reserving import Purse
from prefect_videogen.spending import purse_of_limits
from prefect_videogen.storyboard import Shot, one_clip
from prefect_videogen.survey import Board, survey
from prefect_videogen.tasks.naming import named_task
from prefect_videogen.tasks.running import RETRY_DELAYS, may_pass

CACHE_VERSION = 3
CACHED_FOR = timedelta(hours=12)
"""Shorter than the shortest life of a vendor's result (EvoLink: 24 h)."""


def job_cache_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """Name what a task does for one job: the same work has the same key, another job another."""
    job: Job = parameters["job"]
    handing: Handing = parameters.get("handing", LAST_FRAME)
    frame = "" if handing == LAST_FRAME else f"-{digest(handing.model_dump_json().encode())}"
    name = context.task.name
    # The shot counts as well: what is returned says which one it is of.
    made = f"{job.shot}-{job.key}-{job.attempt}-{job.job_id}-{job.how}"
    return f"videogen-{CACHE_VERSION}-{name}-{made}{frame}"


async def plan_clip(shot: Shot, studio: str = "default", *, aspect_ratio: str = "") -> ClipRequest:
    """Plan one clip outside of the flows: what `submit` buys. Nothing is spent.

    Args:
        shot: What is asked for, as in a storyboard with this one shot.
        studio: Name of the studio.
        aspect_ratio: For example `16:9`; empty is the model's default.

    Returns:
        The request; the same one for the same shot, however often it is planned.

    Raises:
        StoryboardError: With all that is wrong with the shot.
        StudioError: If the studio is missing or wrong.

    Example:
        >>> request = await plan_clip(Shot(prompt="A kite rises", model="wan-2-5"))
        >>> clip = await download(await wait(await submit(request)))
    """
    board = Board(one_clip(shot, aspect_ratio=aspect_ratio))
    async with opened(studio, run=flow_run.get_id() or "") as place:
        scheduled = flow_run.get_scheduled_start_time()
        found = await survey(place, board, variables={}, scheduled=scheduled, keep=True)
        return request_of(found)


def wait_name(parameters: dict[str, Any]) -> str:
    """Name of a task run that waits: a shot's takes are told apart."""
    return f"wait {name_of(parameters['job'].shot)}"


def download_name(parameters: dict[str, Any]) -> str:
    """Name of a task run that downloads: a shot's takes are told apart."""
    return f"download {name_of(parameters['job'].shot)}"


@named_task(
    name="submit",
    task_run_name="submit {request.clip.id}",
    cache_policy=NO_CACHE,
    retries=len(RETRY_DELAYS),
    retry_delay_seconds=RETRY_DELAYS,
    retry_condition_fn=may_pass,
)
async def submit(
    request: ClipRequest,
    studio: str = "default",
    *,
    on_unknown: OnUnknown = "stop",
    on_expired: OnExpired = "stop",
    may_buy: bool = True,
    purse: Purse | None = None,
) -> Job:
    """Buy a clip, or find the job that was bought before.

    Args:
        request: What is asked for.
        studio: Name of the studio.
        on_unknown: What to do about an earlier submission whose outcome is unknown.
        on_expired: What to do about a bought clip whose result has expired.
        may_buy: Whether a new purchase is allowed; an earlier one is gone on with in any case.
        purse: What pays for a purchase; without one the studio's limits still hold.

    Returns:
        The job: newly bought, resumed, or of a clip that is stored.

    Raises:
        VendorError: What the vendor said; `SubmissionUnknown` if nobody knows.
        BudgetExceeded: If a purchase is needed that no limit leaves room for.
        RecordError: If the media store does not answer; nothing is bought then.
        StudioError: If the studio is missing or wrong.
    """
    async with opened(studio, run=flow_run.get_id() or "") as place:
        if purse is None and may_buy:
            scheduled = flow_run.get_scheduled_start_time()
            purse = await purse_of_limits(place, request.clip, request.key, scheduled)
        buyer = Buyer(
            place,
            request,
            on_unknown=on_unknown,
            on_expired=on_expired,
            may_buy=may_buy,
            purse=purse,
        )
        return await buyer.buy()


@named_task(
    name="wait",
    task_run_name=wait_name,  # type: ignore[arg-type] # no function fits its protocol
    cache_policy=NO_CACHE,  # the records answer it, and a thousand copies of them take seconds
    retries=len(RETRY_DELAYS),
    retry_delay_seconds=RETRY_DELAYS,
    retry_condition_fn=may_pass,
)
async def wait(job: Job, studio: str = "default") -> Job:
    """Wait until a job's clip can be fetched, in one task run however long it takes.

    Args:
        job: The job.
        studio: Name of the studio.

    Returns:
        The job, `ready` or `stored`.

    Raises:
        VendorError: If the job ended without a clip, or `WaitTimeout` at the deadline.
    """
    async with opened(studio, run=flow_run.get_id() or "") as place:
        return await wait_for(place, job)


@named_task(
    name="download",
    task_run_name=download_name,  # type: ignore[arg-type] # no function fits its protocol
    cache_policy=CacheKeyFnPolicy(cache_key_fn=job_cache_key),
    cache_expiration=CACHED_FOR,
    result_serializer="json",
    retries=len(RETRY_DELAYS),
    retry_delay_seconds=RETRY_DELAYS,
    retry_condition_fn=may_pass,
)
async def download(job: Job, studio: str = "default", *, handing: Handing = LAST_FRAME) -> Clip:
    """Bring a ready clip into the media store, with the frame that it hands over as PNG.

    Args:
        job: A job that is ready or stored.
        studio: Name of the studio.
        handing: Which frame that is.

    Returns:
        The clip.

    Raises:
        ResultExpired: If its URL no longer serves it.
        DownloadError: If it could not be fetched, or is no video.
        MediaError: If its trim leaves nothing of it.
    """
    async with opened(studio, run=flow_run.get_id() or "") as place:
        return await fetch_clip(place, job, handing)
