"""The emulator's sense of time: a clock that can be replaced, and sleeping by that clock.

Documented durations are in the vendors' seconds and divided by the speed here, once; moments are
seconds on the clock, which is the wall clock unless a test brings its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

Clock = Callable[[], float]

# A foreign clock can't wake us, so it is asked this often (real seconds).
_LOOK_EVERY = 0.01


class ManualClock:
    """A clock that stands still until it is told to go on, for tests without waiting.

    Args:
        start: What it shows at first, in Unix seconds.

    Example:
        >>> clock = ManualClock(start=1_000.0)
        >>> clock.advance(60)
        >>> clock()
        1060.0
    """

    def __init__(self, start: float = 1_767_965_610.0) -> None:
        self._now = start

    def __call__(self) -> float:
        """Give what it shows, in Unix seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by `seconds` of clock time."""
        self._now += seconds


class Timeline:
    """Tells and waits for moments.

    Args:
        clock: Gives the present moment in Unix seconds.
        speed: How many of the vendor's seconds pass in one second of the clock.
    """

    def __init__(self, clock: Clock | None, speed: float) -> None:
        self._clock = clock or time.time
        self._step = None if clock is None else _LOOK_EVERY
        self.speed = speed

    def now(self) -> float:
        """Give the present moment, in Unix seconds."""
        return self._clock()

    def scaled(self, seconds: float, *, floor: float = 0.0) -> float:
        """Turn a documented duration into clock seconds, `floor` at the least."""
        return max(seconds / self.speed, floor)

    async def sleep_until(self, moment: float) -> None:
        """Sleep until the clock shows `moment`."""
        while (left := moment - self.now()) > 0:  # noqa: ASYNC110 - clocks have no events
            await asyncio.sleep(left if self._step is None else self._step)

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of clock time."""
        await self.sleep_until(self.now() + seconds)
