"""Waits give way to many purchases, for as long as nothing could be known anyway."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from prefect_videogen.waiting import Rush, Time
from prefect_videogen.waiting.rush import MANY


class Clock(Time):
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.sleepers: list[tuple[float, asyncio.Event]] = []
        super().__init__(sleep=self.rest)

    async def rest(self, seconds: float) -> None:
        slept = asyncio.Event()
        self.sleepers.append((seconds, slept))
        await slept.wait()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def buying(rush: Rush, number: int) -> ExitStack:
    stack = ExitStack()
    for _ in range(number):
        stack.enter_context(rush.buying())
    return stack


async def test_few_purchases_hold_nobody_back(clock):
    rush = Rush(clock)
    with buying(rush, MANY - 1):
        await rush.over(100)
    assert not clock.sleepers


async def test_many_hold_all_back_until_the_last_is_made(clock):
    rush = Rush(clock)
    purchases = buying(rush, MANY)
    last = rush.buying()
    last.__enter__()
    waits = [asyncio.create_task(rush.over(100)) for _ in range(3)]
    await settled()
    purchases.close()  # also below what makes a rush, it goes on while anybody buys
    await settled()
    assert not any(wait.done() for wait in waits)
    last.__exit__(None, None, None)
    await asyncio.gather(*waits)
    await rush.over(100)  # it is over, and nobody is held back any more
    assert [seconds for seconds, _ in clock.sleepers] == [100, 100, 100]


async def test_nobody_is_held_back_longer_than_they_say(clock):
    rush = Rush(clock)
    with buying(rush, MANY):
        wait = asyncio.create_task(rush.over(25))
        await settled()
        assert not wait.done()
        ((seconds, slept),) = clock.sleepers
        assert seconds == 25
        slept.set()
        await wait
        await rush.over(0)
        await rush.over(-3)
        assert len(clock.sleepers) == 1


async def test_purchase_that_fails_counts_as_made(clock):
    rush = Rush(clock)
    with pytest.raises(ValueError, match="refused"), buying(rush, MANY):
        raise ValueError("refused")
    await rush.over(100)
    assert not clock.sleepers


async def test_whoever_is_held_back_can_be_cancelled(clock):
    rush = Rush(clock)
    with buying(rush, MANY):
        wait = asyncio.create_task(rush.over(25))
        await settled()
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
    await rush.over(100)
