"""Buying goes first: while many clips are being bought, waiting for those that are begins later.

A job that was just accepted has nothing to tell for a while. To begin its wait costs a process and
its Prefect server as much as to buy a clip does, and the last to be bought ends the film.
"""

from __future__ import annotations

from asyncio import Event
from collections.abc import Iterator
from contextlib import contextmanager

from prefect_videogen.waiting.loop import Time

MANY = 100
"""Clips being bought at once from which on it is a rush; it is over once none is."""


class Rush:
    """Counts those who buy, and holds back those who could begin to wait.

    Args:
        time: Sleeps for those who are held back.
    """

    def __init__(self, time: Time) -> None:
        self._time = time
        self._buying = 0
        self._is_on = False
        self._held: set[Event] = set()

    @contextmanager
    def buying(self) -> Iterator[None]:
        """Count somebody who buys."""
        self._buying += 1
        self._is_on = self._is_on or self._buying >= MANY
        try:
            yield
        finally:
            self._buying -= 1
            if not self._buying:
                self._is_on = False
                for held in self._held:
                    held.set()

    async def over(self, within: float) -> None:
        """Return once no rush is on.

        Args:
            within: Seconds after which it is returned in any case; 0 or less returns at once.
        """
        if not self._is_on or within <= 0:
            return
        held = Event()
        self._held.add(held)
        try:
            await self._time.sleep_unless(within, held)
        finally:
            self._held.discard(held)
