"""What all generate-* flows share: survey, buy along the graph, stitch, and say what is missing.

Composition only; the work is in tasks. Chains run in sequence, everything else in parallel; one
shot's failure never cancels its siblings.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from prefect.runtime import flow_run

from prefect_videogen.blocks import opened
from prefect_videogen.buying import (
    MOST_JOBS,
    ClipRequest,
    Job,
    OnExpired,
    OnUnknown,
    PictureInput,
)
from prefect_videogen.errors import (
    BudgetExceeded,
    JobFailed,
    Refused,
    StudioError,
    SubmissionUnknown,
    VendorError,
    VideoGenError,
)
from prefect_videogen.fetching import Clip
from prefect_videogen.filming import Film, Missing, deliver, finish, parts_of
from prefect_videogen.flows.sleeping import Rest, woken
from prefect_videogen.flows.waiting_mode import Wait, choose_wait
from prefect_videogen.forecasting import Forecast, forecast
from prefect_videogen.handing import Handed
from prefect_videogen.keys import without_queries
from prefect_videogen.plan import LAST_FRAME, Handing, Plan, PlannedClip
from prefect_videogen.progress import tell
from prefect_videogen.spending import Allowance, Cap, RunMoney, Spending, budgets_of
from prefect_videogen.studio import OpenStudio
from prefect_videogen.survey import Board, Survey, survey
from prefect_videogen.tasks import download, report, stitch, submit, wait

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOptions:
    """The parameters that every generate-* flow ends with.

    Attributes:
        studio: Name of the studio.
        plan_only: Publish the plan and buy nothing.
        wait: How to wait for jobs.
        budget: Most money to spend; 0 is no limit.
        budget_name: Name of the journal that the budget is kept in.
        max_new_clips: Most clips to buy; 0 is no limit.
        on_unknown: What to do about an earlier submission whose outcome is unknown.
        on_expired: What to do about a bought clip whose result has expired.
        deliver_to: Where to copy the film to.
        variables: Values for the storyboard's variables.
    """

    studio: str = "default"
    plan_only: bool = False
    wait: Wait = "auto"
    budget: float = 0.0
    budget_name: str = ""
    max_new_clips: int = 0
    on_unknown: OnUnknown = "stop"
    on_expired: OnExpired = "stop"
    deliver_to: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what this version can't do, before anything is read or spent.

        Raises:
            StudioError: Naming the parameter and what would do.
        """
        if self.max_new_clips < 0:
            message = f"max_new_clips = {self.max_new_clips} is below 0"
            raise StudioError(message, next_step="Use 0 for no limit.")


async def make(board: Board, options: RunOptions) -> Film | Plan:
    """Make a film of a board, or only plan it.

    Args:
        board: The storyboard and where it came from.
        options: The run's parameters.

    Returns:
        The film; the plan if only that was asked for.

    Raises:
        StoryboardError: With all faults, before anything is spent.
        BudgetExceeded: If more would have to be bought or spent than allowed; nothing is bought.
        FilmIncomplete: If shots are missing and the storyboard does not allow it.
        StudioError: If the studio is missing or wrong.
    """
    async with _making(board, options) as making:
        return making if isinstance(making, Plan) else await making.make()


async def make_clip(board: Board, options: RunOptions) -> Clip | Plan:
    """Make the one clip of a board, or only plan it.

    Args:
        board: A storyboard with one shot.
        options: The run's parameters.

    Returns:
        The clip; the plan if only that was asked for.

    Raises:
        StoryboardError: With all faults, before anything is spent.
        BudgetExceeded: If it would have to be bought, and a limit is in the way.
        VideoGenError: What went wrong with the clip.
    """
    async with _making(board, options) as making:
        return making if isinstance(making, Plan) else await making.only_clip()


@asynccontextmanager
async def _making(board: Board, options: RunOptions) -> AsyncIterator[Plan | _Making]:
    """Survey and plan; what follows is a run, or nothing if only the plan was asked for."""
    options.check()
    scheduled = scheduled_start()
    async with opened(options.studio, run=flow_run.get_id() or "") as studio:
        suspends = choose_wait(studio, options.wait)
        surveyed = await survey(
            studio,
            board,
            variables=options.variables,
            scheduled=scheduled,
            keep=not options.plan_only,
        )
        plan = surveyed.check()
        if options.plan_only:
            await report(plan)
            yield plan
            return
        budgets = budgets_of(
            studio,
            amount=options.budget,
            name=options.budget_name,
            slug=plan.slug,
            scheduled=scheduled,
        )
        ahead = await forecast(
            studio,
            plan,
            surveyed.digests,
            on_unknown=options.on_unknown,
            on_expired=options.on_expired,
        )
        before = await woken(studio) if suspends else None
        check_cap(ahead, options.max_new_clips, before.bought if before else 0)
        spending = Spending(studio, budgets, ahead, before)
        rest = Rest(spending, suspends=suspends, before=before)
        await spending.begin()
        yield _Making(studio, surveyed, options, spending, rest)


def scheduled_start() -> datetime:
    """The run's scheduled start, the same on every retry; now outside a run."""
    return flow_run.get_scheduled_start_time()


def check_cap(ahead: Forecast, most: int, bought: int = 0) -> None:
    """Refuse to buy more clips than allowed; 0 allows all.

    Args:
        ahead: What has to be bought.
        most: Most clips that the run may buy.
        bought: How many it has bought, before it slept.

    Raises:
        BudgetExceeded: Before anything is bought.
    """
    count = len(ahead.purchases) + bought
    if most and count > most:
        message = f"{count} clips would have to be bought, max_new_clips is {most}"
        raise BudgetExceeded(message, next_step="Nothing was bought. Raise it or drop shots.")


class _Making:
    """One run of one plan: the clips as they come, and what is missing."""

    def __init__(
        self,
        studio: OpenStudio,
        surveyed: Survey,
        options: RunOptions,
        spending: Spending,
        rest: Rest,
    ) -> None:
        self.studio = studio
        self.spending = spending
        self.rest = rest
        self.bought_before = rest.bought
        self.cap = Cap(options.max_new_clips, len(spending.forecast.purchases) + rest.bought)
        self.plan = surveyed.plan
        self.surveyed = surveyed
        self.options = options
        self.asked: dict[str, dict[str, Any]] = {}

    async def make(self) -> Film:
        """Buy, fetch and stitch."""
        runs: dict[str, asyncio.Task[Clip | Missing]] = {}
        for clip in self.plan.clips:
            tell(clip.id, "waiting", expected=None)
            runs[clip.id] = asyncio.create_task(self._shot(clip), name=clip.id)
        self.rest.watch(runs)
        try:
            results = dict(zip(runs, await asyncio.gather(*runs.values()), strict=True))
        except BaseException:
            for run in runs.values():
                run.cancel()
            await asyncio.gather(*runs.values(), return_exceptions=True)
            raise
        clips = {name: result for name, result in results.items() if isinstance(result, Clip)}
        missing = [result for result in results.values() if isinstance(result, Missing)]
        money = await self.spending.end(clips.values())
        return await self._film(clips, missing, money)

    async def only_clip(self) -> Clip:
        """The one clip of a plan with one shot."""
        try:
            clip = await self.clip(self.plan.clips[0], {})
        except Exception:
            await self.spending.end([])
            raise
        await self.spending.end([clip])
        return clip

    async def _film(
        self, clips: dict[str, Clip], missing: list[Missing], money: RunMoney | None
    ) -> Film:
        plan = self.plan
        in_film = {clip.id for clip in plan.clips if clip.in_film}
        film = Film(
            title=plan.title, slug=plan.slug, media=self.studio.store.url, sandbox=plan.sandbox
        )
        parts = parts_of(plan, clips, self.surveyed.footage, self.surveyed.handed)
        gaps = [entry for entry in missing if entry.shot in in_film]
        there = not all(part.stands_in for part in parts)
        if there and (not gaps or plan.film.on_missing != "fail"):
            film = await stitch(
                parts,
                title=plan.title,
                slug=plan.slug,
                options=plan.film,
                music=self.surveyed.music,
                asked=self.asked,
                missing=[entry.shot for entry in gaps],
                studio=self.options.studio,
            )
        found = [part.clip for part in parts if part.clip]
        found += [clip for name, clip in clips.items() if name not in in_film]
        film = film.model_copy(
            update={
                "clips": tuple(found),
                "bought": self.bought_before + sum(clip.how == "bought" for clip in found),
                "missing": tuple(missing),
                "money": money,
            }
        )
        await report(film)
        film = finish(film, plan, missing)
        if self.options.deliver_to:
            film = await deliver(self.studio, film, self.options.deliver_to)
        return film

    async def _shot(self, clip: PlannedClip) -> Clip | Missing:
        handed: dict[str, Handed] = {}
        for name in clip.depends_on:
            before = await self.rest.after(clip.id, name)
            if isinstance(before, Missing):
                reason = f"starts on the last frame of {name}, which is missing"
                return self._missing(clip, VideoGenError(reason, next_step=f"Mend {name} first."))
            handed[name] = before.handed
        try:
            return await self.clip(clip, handed)
        except VideoGenError as error:
            return self._missing(clip, error)
        except Exception as error:  # one shot's failure, even a bug's, must not stop its siblings
            logger.exception("Shot %s failed unexpectedly", clip.id)
            return self._missing(clip, error)

    async def clip(self, clip: PlannedClip, handed: Mapping[str, Handed]) -> Clip:
        """The clip of the shot's model, or of the first fallback that does not refuse it."""
        handing = clip.handing if clip.id in self.plan.hands_over else LAST_FRAME
        allowance = Allowance(self.cap, int(clip.id in self.spending.forecast.shots))
        *others, last = (clip, *clip.fallback)
        for option in others:
            try:
                return await self._clip(self._request(option, handed), allowance, handing)
            except Refused as error:
                logger.warning("Shot %s: %s refuses it: %s", clip.id, option.model, error.message)
                await self.spending.settle(option)  # its money may pay for the fallback
        return await self._clip(self._request(last, handed), allowance, handing)

    async def _clip(self, request: ClipRequest, allowance: Allowance, handing: Handing) -> Clip:
        """Submit, wait and download; a job that failed for a passing reason is bought again."""
        options = self.options
        for number in range(1, MOST_JOBS + 1):
            job = await self._submit(request, allowance)
            try:
                await self.rest.until_over(request.clip.id, job)
                job_done = await wait(job, options.studio)
                return await download(job_done, options.studio, handing=handing)
            except VendorError as error:
                if job.how == "bought" and error.billed == "no":
                    allowance.give_back()
                    self.rest.bought -= 1
                passing = isinstance(error, JobFailed) and error.transient
                if not passing or number == MOST_JOBS:
                    raise
                logger.warning("Shot %s: job %s: %s", job.shot, job.job_id, error.message)
        raise AssertionError  # the last round returns or raises

    async def _submit(self, request: ClipRequest, allowance: Allowance) -> Job:
        """Buy the clip within what the run may, or find the job that was bought before."""
        allowed = allowance.take()
        bought = True
        try:
            job = await submit(
                request,
                self.options.studio,
                on_unknown=self.options.on_unknown,
                on_expired=self.options.on_expired,
                may_buy=allowed,
                purse=self.spending.purse(request.clip, request.key),
            )
            bought = job.how == "bought"
        except VideoGenError as error:
            bought = isinstance(error, SubmissionUnknown)
            raise
        finally:
            self.rest.bought += bought
            if allowed and not bought:
                allowance.give_back()
        return job

    def _request(self, clip: PlannedClip, handed: Mapping[str, Handed]) -> ClipRequest:
        known = {name: (s.picture.sha256, s.path) for name, s in self.surveyed.stills.items()}
        frames = {**self.surveyed.handed, **handed}
        known |= {name: (frame.sha256, frame.path) for name, frame in frames.items()}
        pictures = []
        for use in clip.pictures:
            sha256, path = ("", "") if use.kind == "vendor" else known[use.ref]
            pictures.append(PictureInput(use=use, sha256=sha256, path=path))
        model = self.studio.model(clip)
        key = clip.key_with({name: sha256 for name, (sha256, _) in known.items()}, model)
        if key is None:
            message = "a picture is not known"
            raise VideoGenError(message, shot=clip.shot)
        request = ClipRequest(clip=clip, key=key, pictures=tuple(pictures))
        asked = json.loads(clip.model_dump_json(include={"params", "routing", "extra", "take"}))
        asked["pictures"] = [
            {
                "role": picture.use.role,
                "ref": "" if picture.use.kind == "vendor" else picture.use.ref,
                "sha256": picture.sha256,
            }
            for picture in pictures
        ]
        self.asked[key] = without_queries(asked)
        return request

    def _missing(self, clip: PlannedClip, error: Exception) -> Missing:
        tell(clip.id, "failed", str(getattr(error, "message", error)))
        known = error if isinstance(error, VideoGenError) else None
        return Missing(
            shot=clip.id,
            error=type(error).__name__,
            reason=known.message if known else f"{type(error).__name__}: {error}",
            next_step=known.next_step if known else "This is a fault in the program.",
            billed=known.billed if known else "unknown",
            job_id=known.job_id if known else None,
        )
