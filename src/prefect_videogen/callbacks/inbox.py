"""Deliveries that were taken in and are worked on: one case per attempt, whatever is repeated.

Kept in memory only. What a receiver that dies has not done is found by the waiters' slow poll, by a
delivery that the vendor repeats, or, if it names a job that no record knows, by the next receiver.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from prefect_videogen.callbacks.clerk import Case, Outcome
from prefect_videogen.callbacks.deliveries import Delivery
from prefect_videogen.waiting import Time

logger = logging.getLogger(__name__)

MOST_OPEN = 20_000
"""Cases open at once; more are refused, so that the vendor delivers them again."""

REMEMBERED = 100_000
"""Closed cases that are remembered, so that repeated deliveries cost nothing."""

LOOK_EVERY = 5.0
"""Least seconds between two looks at a job that has not ended, however often it is delivered."""

MOST_JOB_IDS = 4

Work = Callable[[Case], Awaitable[Outcome | float]]
_Name = tuple[str, int]


@dataclass
class _Open:
    case: Case
    again: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Inbox:
    """Takes deliveries in, and has every case worked on until nothing is left to do.

    Use it with `async with`; leaving drops what is open, so `finish` first.

    Args:
        work: Does what can be done for a case now; gives its outcome, or the seconds until it
            should be tried again.
        time: Clock and sleep.
        pause: Least seconds between two tries at a case that is delivered again and again.
    """

    def __init__(self, work: Work, time: Time, *, pause: float = LOOK_EVERY) -> None:
        self._work = work
        self._time = time
        self._pause = pause
        self._open: dict[_Name, _Open] = {}
        self._closed: OrderedDict[_Name, float | None] = OrderedDict()
        self._ending = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop what is open; waiters and vendors repeat it."""
        tasks = [entry.task for entry in self._open.values() if entry.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def finish(self, within: float) -> None:
        """Let what is worked on now come to its end; what waits for another try is left.

        Args:
            within: Seconds after which it is left, too.
        """
        self._ending = True
        for entry in self._open.values():
            entry.again.set()
        if tasks := [entry.task for entry in self._open.values() if entry.task]:
            await asyncio.wait(tasks, timeout=within)

    @property
    def open_cases(self) -> int:
        """How many cases are being worked on."""
        return len(self._open)

    def put(self, delivery: Delivery) -> bool:
        """Take a delivery in; returns at once.

        Returns:
            Whether it was taken; False if too much is open.
        """
        name = (delivery.key, delivery.attempt)
        entry = self._open.get(name)
        if entry is None:
            if name in self._closed and self._closed[name] is None:
                return True  # repeated, and there was nothing left to do
            if len(self._open) >= MOST_OPEN:
                return False
            entry = self._open[name] = _Open(Case(*name))
            entry.task = asyncio.create_task(self._run(name, entry))
        else:
            entry.again.set()
        known = entry.case.job_ids
        if delivery.job_id and delivery.job_id not in known and len(known) < MOST_JOB_IDS:
            known.append(delivery.job_id)
        return True

    async def _run(self, name: _Name, entry: _Open) -> None:
        outcome: Outcome = "left"
        try:
            left_at = self._closed.pop(name, None)
            if left_at is not None:
                await self._time.sleep(max(left_at + self._pause - self._time.monotonic(), 0.0))
            outcome = await self._until_nothing_is_left(entry)
        except Exception:  # one case's trouble, even a bug's, must not stop the receiver
            logger.exception("A callback for %.12s broke", entry.case.key)
        finally:
            del self._open[name]
            self._closed[name] = None if outcome == "done" else self._time.monotonic()
            while len(self._closed) > REMEMBERED:
                self._closed.popitem(last=False)

    async def _until_nothing_is_left(self, entry: _Open) -> Outcome:
        time = self._time
        while True:
            outcome = await self._work(entry.case)
            if isinstance(outcome, str):
                return outcome
            worked = time.monotonic()
            again = await time.sleep_unless(outcome, entry.again)
            if self._ending:
                return "left"
            if again:  # delivered again: sooner
                sooner = worked + min(outcome, self._pause) - time.monotonic()
                await time.sleep(max(sooner, 0.0))
