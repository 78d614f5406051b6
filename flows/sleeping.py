"""Suspending a run while only its jobs run, or a person is asked: no process until it is resumed.

A shot whose job runs rests. Once every shot rests, is done, or waits for one that rests, the run
falls asleep. When it is resumed, Prefect starts the flow from its beginning, and the records lead
it to where it was. Who resumes it, and what it leaves behind for them, is the library's `sleeping`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput

from prefect_videogen.blocks import resume
from prefect_videogen.buying import Job
from prefect_videogen.buying.waiter import FOLLOW_EVERY
from prefect_videogen.errors import StudioError
from prefect_videogen.progress import tell
from prefect_videogen.records.listing import AttemptName
from prefect_videogen.reviewing import Question
from prefect_videogen.sleeping import (
    Sleep,
    bought_by,
    get_up,
    last_sleep,
    lie_down,
    pause_key,
    still_running,
)
from prefect_videogen.spending import Spending
from prefect_videogen.studio import OpenStudio

logger = logging.getLogger(__name__)

SHORTEST_SLEEP = 86400
"""Seconds after which Prefect fails a run that nobody resumed; or a result's life, if longer."""

LONGEST_REVIEW = 30 * 86400
"""Seconds after which Prefect fails a run that nobody answered; a new run finds all its clips."""

SHORTEST_GLANCE = 0.05


def can_suspend() -> bool:
    """Whether Prefect suspends the run: one of a deployment, and not inside another run."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return bool(run and run.deployment_id and not run.parent_task_run_id)


async def woken(studio: OpenStudio) -> Sleep | None:
    """The sleep that a run has woken from; the studio goes on as who it was before.

    Args:
        studio: The run's open studio.

    Returns:
        Its last sleep, with what it has bought by now; None if it never slept.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    sleep = await last_sleep(studio.store, studio.run)
    if sleep is None:
        return None
    studio.owner = sleep.owner  # it holds the money that was set aside
    await get_up(studio.store, studio.run, sleep)
    return sleep.model_copy(update={"bought": await bought_by(studio, sleep)})


@dataclass
class _Resting:
    job: Job
    again: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> AttemptName:
        return AttemptName(self.job.key, self.job.attempt)


class Rest:
    """The shots of a run that have nothing to do but wait, and the sleep they fall into.

    Args:
        spending: The run's money, which goes on when it wakes; knows its studio.
        suspends: Whether it may fall asleep; else nothing ever rests.
        before: The sleep that the run has woken from.

    Attributes:
        bought: How many clips the run has bought; who buys one adds it.
    """

    def __init__(
        self, spending: Spending, *, suspends: bool = False, before: Sleep | None = None
    ) -> None:
        self.studio = spending.studio
        self._spending = spending
        self.bought = before.bought if before else 0
        self._number = before.number if before else 0
        self._shots: Mapping[str, asyncio.Task[Any]] = {}
        self._resting: dict[str, _Resting] = {}
        self._waiting: dict[str, str] = {}
        self._falling = asyncio.Lock()
        self._stays_awake = not suspends
        self._sleeps = False

    def watch(self, shots: Mapping[str, asyncio.Task[Any]]) -> None:
        """Name all shots of the run; without, the one that rests is its only one."""
        self._shots = shots
        for task in shots.values():
            task.add_done_callback(lambda _: self._look_again())

    async def after(self, name: str, other: str) -> Any:
        """Wait for another shot.

        Args:
            name: The shot that waits.
            other: The shot it waits for.

        Returns:
            What became of that one.
        """
        self._waiting[name] = other
        self._look_again()
        try:
            return await self._shots[other]
        finally:
            del self._waiting[name]

    async def until_over(self, name: str, job: Job) -> None:
        """Return once a shot's job has ended by the records, or has to be asked for after all.

        Args:
            name: The shot.
            job: Its job.

        Raises:
            Pause: If the run falls asleep; Prefect ends the process then.
            RecordError: If the media store does not answer as it must.
        """
        if self._stays_awake or job.state != "submitted":
            return
        await self.studio.give_back(job.key)
        tell(job.shot, "running", f"job {job.job_id}", job.expected, about=job)
        resting = self._resting[name] = _Resting(job)
        every = max(FOLLOW_EVERY / self.studio.account(job.vendor).speed, SHORTEST_GLANCE)
        try:
            while await self._may_rest(resting):
                if self._all_rest():
                    await self._fall_asleep()
                await self.studio.time.sleep_unless(every, resting.again)
        finally:
            self._resting.pop(name, None)

    async def until_answered(self, question: Question, form: type[RunInput]) -> NoReturn:
        """Suspend the run until a person answers; its next process finds the answer.

        Args:
            question: What is asked.
            form: How the answer looks.

        Raises:
            Pause: As the run falls asleep; Prefect ends the process then.
            StudioError: If Prefect does not suspend it.
            RecordError: If the media store does not answer as it must.
        """
        self._spending.leave([shot.shot for shot in question.shots if not shot.key])
        sleep = self._sleep(question)
        await lie_down(self.studio, sleep)
        timeout = max(LONGEST_REVIEW, int(question.after) + SHORTEST_SLEEP)
        reason = "it has been resumed already"
        try:
            await asuspend_flow_run(
                wait_for_input=form, timeout=timeout, key=pause_key(sleep.number)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the run can't go on
            reason = str(error) or type(error).__name__
        message = f"the run could not be suspended for its review: {reason}"
        raise StudioError(message, next_step="Retry the run: what was bought is kept.")

    async def _may_rest(self, resting: _Resting) -> bool:
        if self._stays_awake:
            return False
        return bool(await still_running(self.studio, [resting.name]))

    def _all_rest(self) -> bool:
        return all(
            task.done() or name in self._resting or self._waits(name)
            for name, task in self._shots.items()
        )

    def _waits(self, name: str) -> bool:
        other = self._waiting.get(name)
        return other is not None and not self._shots[other].done()

    def _look_again(self) -> None:
        for resting in self._resting.values():
            resting.again.set()

    async def _fall_asleep(self) -> None:
        """Suspend the run, unless one of its jobs has ended meanwhile."""
        async with self._falling:
            if self._stays_awake or self._sleeps or not self._all_rest():
                return
            sleep = self._sleep()
            await lie_down(self.studio, sleep)
            running = await still_running(self.studio, sleep.jobs)
            if len(running) == len(sleep.jobs):
                await self._suspend(sleep)
            await get_up(self.studio.store, self.studio.run, sleep)
            ended = [name for name, one in self._resting.items() if one.name not in running]
            for name in ended:  # from here on it counts as busy
                self._resting.pop(name).again.set()

    def _sleep(self, review: Question | None = None) -> Sleep:
        self._number += 1
        return Sleep(
            at=self.studio.time.now(),
            number=self._number,
            owner=self.studio.owner,
            bought=self.bought,
            estimate=self._spending.estimate,
            unpriced=self._spending.unpriced,
            jobs=tuple(sorted({resting.name for resting in self._resting.values()})),
            keys=self._spending.keys,
            review=review,
        )

    async def _suspend(self, sleep: Sleep) -> None:
        """Suspend the run; returns only if Prefect will not."""
        ids = ", ".join(sorted(resting.job.job_id for resting in self._resting.values()))
        logger.info("Suspending until these jobs have ended: %s", ids)
        try:
            # Without a key of its own, a run's second sleep would count as its first, and be over.
            await asuspend_flow_run(timeout=self._at_most(), key=pause_key(sleep.number))
            reason = "it has been resumed already"
        except Pause:
            self._sleeps = True  # the shots that are not cancelled yet must not do it again
            await self._not_too_late(sleep)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, waiting awake still works
            reason = str(error) or type(error).__name__
        logger.warning("The run is not suspended, and waits awake: %s", reason)
        self._stays_awake = True
        self._look_again()

    async def _not_too_late(self, sleep: Sleep) -> None:
        """Resume ourselves if the last job ended before the server knew that we sleep.

        Whoever recorded that end has found a run that was not suspended yet.
        """
        try:
            if not await still_running(self.studio, sleep.jobs):
                await resume(self.studio.run)
        except Exception:  # the run sleeps, and collect-results wakes it
            logger.exception("Whether a job has ended meanwhile is not known")

    def _at_most(self) -> int:
        models = (self.studio.model_named(one.job.model) for one in self._resting.values())
        return max(SHORTEST_SLEEP, *(int(model.result_seconds) for model in models))
