"""Keeping to a vendor's limits within one process: running jobs, and requests a minute.

Slots bound the jobs between submit and end; the pace spreads submits and polls on one key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prefect_videogen.waiting.loop import Time


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

    async def turn(self) -> None:
        """Wait for this request's turn."""
        now = self.time.monotonic()
        mine = max(now, self._next)
        self._next = mine + self.spacing
        if mine > now:
            await self.time.sleep(mine - now)

    def slow_down(self, seconds: float) -> None:
        """Give nobody a turn for some seconds."""
        self._next = max(self._next, self.time.monotonic() + seconds)


@dataclass
class Slots:
    """Running jobs of one key and model; None is no limit."""

    limit: int | None
    _free: asyncio.Semaphore | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Make the semaphore, if there is a limit."""
        self._free = asyncio.Semaphore(self.limit) if self.limit else None

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold a slot, from submit until the job has ended."""
        if self._free is None:
            yield
            return
        async with self._free:
            yield
