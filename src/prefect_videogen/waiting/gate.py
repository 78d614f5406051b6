"""A gate through which some may go at a time, as many as there is room for just now.

Clips are fetched through one: many at once while few jobs are polled, few while many are. What is
ready is safe at its vendor for hours; a job that is polled late is noticed late.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

FEWEST_FETCHED, MOST_FETCHED = 8, 32
"""Clips on their way into the media store at once, in one process."""

CROWD = 400
"""Polled jobs, or more, beside which the fewest clips are fetched."""


def room_for_fetching(looking: int) -> int:
    """How many clips may be fetched at once.

    Args:
        looking: How many jobs are polled just now.
    """
    return max(round(MOST_FETCHED * (1 - looking / CROWD)), FEWEST_FETCHED)


class Gate:
    """Lets those through who come with `async with`, in the order in which they came.

    Args:
        room: How many may be inside just now; at least 1. Asked whenever somebody comes or leaves.
    """

    def __init__(self, room: Callable[[], int]) -> None:
        self._room = room
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if not self._waiting and self._inside < self._room():
            self._inside += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # let in and cancelled at the same moment
                self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        while self._waiting and self._inside < self._room():
            turn = self._waiting.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)
