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
from typing import Any, TypeVar, cast

from prefect.exceptions import Pause
from prefect.runtime import flow_run
from prefect.utilities.annotations import quote

from prefect_videogen.allowances import Allowance, Cap
from prefect_videogen.blocks import opened
from prefect_videogen.buying import (
    MOST_JOBS,
    ClipRequest,
    Job,
    PictureInput,
)
from prefect_videogen.buying.beforehand import take_slots_beforehand
from prefect_videogen.errors import (
    BudgetExceeded,
    JobFailed,
    JobNotRecorded,
    Refused,
    StoryboardError,
    SubmissionUnknown,
    VendorError,
    VideoGenError,
)
from prefect_videogen.fetching import Clip
from prefect_videogen.filming import Film, Missing, deliver, finish, parts_of
from prefect_videogen.flows.options import RunOptions, check_cap, scheduled_start
from prefect_videogen.flows.reviewing import Held, Result, Reviewing
from prefect_videogen.flows.sleeping import Rest, woken
from prefect_videogen.flows.waiting_mode import choose_wait
from prefect_videogen.forecasting import forecast
from prefect_videogen.handing import Handed
from prefect_videogen.keys import without_queries
from prefect_videogen.plan import LAST_FRAME, Handing, Plan, PlannedClip
from prefect_videogen.progress import named, tell
from prefect_videogen.sleeping import Sleep
from prefect_videogen.spending import RunMoney, Spending, budgets_of
from prefect_videogen.studio import OpenStudio
from prefect_videogen.survey import Board, Survey, shareable, survey
from prefect_videogen.tasks import download, report, submit, wait
from prefect_videogen.tasks.films import stitch_asset, tell_finished
from prefect_videogen.tasks.showing import shown
from prefect_videogen.waiting import Rush

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


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
        if isinstance(making, Plan):
            return making
        async with shown(making.studio, making.plan):
            return await making.make()


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
        if isinstance(making, Plan):
            return making
        async with shown(making.studio, making.plan, only_clip=True):
            return await making.only_clip()


@asynccontextmanager
async def _making(board: Board, options: RunOptions) -> AsyncIterator[Plan | _Making]:
    """Survey and plan; what follows is a run, or nothing if only the plan was asked for."""
    options.check()
    async with opened(options.studio, run=flow_run.get_id() or "") as studio:
        suspends = choose_wait(studio, options.wait)
        if options.plan_only:
            plan = (await _survey(studio, board, options)).check()
            await report(plan)
            yield shareable(plan)
            return
        before = await woken(studio) if suspends or options.is_reviewed else None
        reviewing = await Reviewing.begin(studio, options, before)
        await reviewing.end_if_rejected()
        surveyed, spending = await _ready(studio, board, options, reviewing, before)
        rest = Rest(spending, suspends=suspends, before=before)
        try:
            yield _Making(surveyed, options, spending, rest, reviewing)
        except Pause:
            raise  # it sleeps, and goes on with what it has set aside
        except BaseException:
            await spending.settle()  # an edited board's run would find the budget full
            raise


async def _ready(
    studio: OpenStudio,
    board: Board,
    options: RunOptions,
    reviewing: Reviewing,
    before: Sleep | None,
) -> tuple[Survey, Spending]:
    """Survey the board as reviews have changed it, and set aside the money for it."""
    while True:
        try:
            surveyed = await _survey(studio, reviewing.board(board), options)
            return surveyed, await _set_aside(studio, surveyed, options, before)
        except (StoryboardError, BudgetExceeded) as error:
            await reviewing.refuse(error)


async def _survey(studio: OpenStudio, board: Board, options: RunOptions) -> Survey:
    return await survey(
        studio,
        board,
        variables=options.variables,
        scheduled=scheduled_start(),
        keep=not options.plan_only,
    )


async def _set_aside(
    studio: OpenStudio,
    surveyed: Survey,
    options: RunOptions,
    before: Sleep | None,
) -> Spending:
    """Find out what has to be bought, and set the money for it aside."""
    plan = surveyed.check()
    budgets = budgets_of(
        studio,
        amount=options.budget,
        name=options.budget_name,
        slug=plan.slug,
        scheduled=scheduled_start(),
    )
    ahead = await forecast(
        studio,
        plan,
        surveyed.digests,
        on_unknown=options.on_unknown,
        on_expired=options.on_expired,
    )
    check_cap(ahead, options.max_new_clips, before.bought if before else 0)
    spending = Spending(studio, budgets, ahead, before)
    await spending.begin()
    return spending


class _Making:
    """One run of one plan: the clips as they come, and what is missing."""

    def __init__(
        self,
        surveyed: Survey,
        options: RunOptions,
        spending: Spending,
        rest: Rest,
        reviewing: Reviewing,
    ) -> None:
        self.studio = spending.studio
        self.reviewing = reviewing
        self.spending = spending
        self.rest = rest
        self.bought_before = rest.bought
        self.cap = Cap(options.max_new_clips, len(spending.forecast.purchases) + rest.bought)
        self.plan = surveyed.plan
        self.surveyed = surveyed
        self.options = options
        self.asked: dict[str, dict[str, Any]] = {}
        self.rush = Rush(self.studio.time)

    async def make(self) -> Film:
        """Buy, fetch and stitch; ask where that has to be approved."""
        buying = self.spending.forecast.purchases
        await take_slots_beforehand(self.studio, [purchase.clip for purchase in buying])
        results = await self._results()
        clips = {name: result for name, result in results.items() if isinstance(result, Clip)}
        missing = [result for result in results.values() if isinstance(result, Missing)]
        await self.reviewing.of_shots(self.plan, results, self.rest)
        money = await self.spending.end(clips.values())
        film = await self._film(clips, missing, money)
        await self.reviewing.of_film(self.plan, results, film, self.rest)
        film = finish(film, self.plan, missing)
        if self.options.deliver_to:
            film = await deliver(self.studio, film, self.options.deliver_to)
        tell_finished(film)
        return film

    async def _results(self) -> dict[str, Result]:
        """What becomes of all clips, as far as they can be had without an approval."""
        runs: dict[str, asyncio.Task[Result]] = {}
        for clip in self.plan.clips:
            tell(clip.id, "waiting", expected=None)
            with named(clip.id):
                runs[clip.id] = asyncio.create_task(self._shot(clip), name=clip.id)
        self.rest.watch(runs)
        try:
            return dict(zip(runs, await asyncio.gather(*runs.values()), strict=True))
        except BaseException:
            for run in runs.values():
                run.cancel()
            await asyncio.gather(*runs.values(), return_exceptions=True)
            raise

    async def only_clip(self) -> Clip:
        """The one clip of a plan with one shot."""
        try:
            clip = await self.clip(self.plan.clips[0], {})
        except Exception as error:
            self._missing(self.plan.clips[0], error)  # for those who watch
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
            film = await stitch_asset(self.studio, title=plan.title, slug=plan.slug)(
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
        return film

    async def _shot(self, clip: PlannedClip) -> Result:
        handed: dict[str, Handed] = {}
        for name in clip.depends_on:
            before = await self.rest.after(clip.id, name)
            if isinstance(before, Missing):
                reason = f"starts on the last frame of {name}, which is missing"
                return self._missing(clip, VideoGenError(reason, next_step=f"Mend {name} first."))
            if isinstance(before, Held) or self.reviewing.holds(before):
                tell(clip.id, "waiting", f"until {name} is approved")
                return Held(clip.id, name)
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
                job = f" (job {error.job_id})" if error.job_id else ""
                text = "Shot %s: %s refuses it%s: %s"
                logger.warning(text, clip.id, option.model, job, error.message)
                await self.spending.settle(option)  # its money may pay for the fallback
        return await self._clip(self._request(last, handed), allowance, handing)

    async def _clip(self, request: ClipRequest, allowance: Allowance, handing: Handing) -> Clip:
        """Submit, wait and download; a job that failed for a passing reason is bought again."""
        options = self.options
        for number in range(1, MOST_JOBS + 1):
            with self.rush.buying():
                job = await self._submit(request, allowance)
            try:
                await self.rest.until_over(request.clip.id, job)
                await self.rush.over(self._silence(job))
                job_done = await wait(job, options.studio)
                async with self.studio.fetching:
                    made = await download(job_done, options.studio, handing=handing)
            except VendorError as error:
                if job.how == "bought" and error.billed == "no":
                    allowance.give_back()
                    self.rest.bought -= 1
                passing = isinstance(error, JobFailed) and error.transient
                if not passing or number == MOST_JOBS:
                    raise
                logger.warning("Shot %s: job %s: %s", job.shot, job.job_id, error.message)
            else:
                # Told here: a download that Prefect has cached does not run.
                tell(made.shot, "done", made.how, about=made)
                return made
        raise AssertionError  # the last round returns or raises

    def _silence(self, job: Job) -> float:
        """Seconds in which nothing can be known of a job yet: half of the shortest documented."""
        age = max(self.studio.time.now() - job.submitted_at, 0.0)
        return job.expected[0] / 2 / self.studio.account(job.vendor).speed - age

    async def _submit(self, request: ClipRequest, allowance: Allowance) -> Job:
        """Buy the clip within what the run may, or find the job that was bought before."""
        allowed = allowance.take()
        bought = True
        try:
            job = await submit(
                _whole(request),
                self.options.studio,
                on_unknown=self.options.on_unknown,
                on_expired=self.options.on_expired,
                may_buy=allowed,
                purse=_whole(self.spending.purse(request.clip, request.key)),
            )
            bought = job.how == "bought"
        except VideoGenError as error:
            bought = isinstance(error, SubmissionUnknown | JobNotRecorded)
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
        known = error if isinstance(error, VideoGenError) else None
        missing = Missing(
            shot=clip.id,
            error=type(error).__name__,
            reason=known.message if known else f"{type(error).__name__}: {error}",
            next_step=known.next_step if known else "This is a fault in the program.",
            billed=known.billed if known else "unknown",
            job_id=known.job_id if known else None,
        )
        tell(clip.id, "failed", str(getattr(error, "message", error)), about=missing)
        return missing


def _whole(argument: _T) -> _T:
    """An argument of a task that Prefect need not look through for results of other tasks."""
    return cast("_T", quote(argument))
