"""Keeping to a vendor's limits within one process: running jobs, and requests a minute.

Slots bound the jobs between submit and end; the pace spreads submits and polls on one key.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from prefect_videogen.waiting.loop import Time
from prefect_videogen.waiting.rules import LONGEST_PAUSE
from prefect_videogen.waiting.slots import Limit


@dataclass
class Pace:
    """Spaces requests: each gets the next free moment, and `Retry-After` slows all of them.

    Attributes:
        spacing: Least seconds between two requests.
        time: Clock and sleep.
    """

    spacing: float
    time: Time
    _next: float = field(default=0.0, init=False)
    _slowed_until: float = field(default=-math.inf, init=False)

    async def turn(self) -> None:
        """Wait for this request's turn; one that was slowed down meanwhile takes another."""
        while True:
            now = self.time.monotonic()
            mine = max(now, self._next)
            self._next = mine + self.spacing
            if mine > now:
                await self.time.sleep(mine - now)
            if mine >= self._slowed_until:
                return

    def slow_down(self, seconds: float) -> None:
        """Give nobody a turn for some seconds, `LONGEST_PAUSE` at most: jobs are waiting.

        Those who have a turn within that time, and wait for it, give it up.
        """
        until = self.time.monotonic() + min(seconds, LONGEST_PAUSE)
        self._slowed_until = max(self._slowed_until, until)
        self._next = max(self._next, until)


class LocalSlots:
    """Slots that one process hands out to itself; a source of slots that knows every limit."""

    def __init__(self) -> None:
        self._free: dict[str, asyncio.Semaphore] = {}

    async def take(self, limit: Limit) -> LocalSlot:
        """Wait for a slot."""
        free = self._free.setdefault(limit.name, asyncio.Semaphore(limit.most))
        await free.acquire()
        return LocalSlot(free)

    async def aclose(self) -> None:
        """Nothing to give back: every slot's holder does that."""


@dataclass
class LocalSlot:
    """A slot of this process."""

    _free: asyncio.Semaphore

    async def give_back(self, rest: float = 0.0) -> None:
        """Give it back at once: within one process the pace spaces all requests anyway."""
        del rest
        self._free.release()
