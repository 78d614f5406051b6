"""The pace of requests on one key, and the slots of running jobs."""

from __future__ import annotations

import asyncio

import pytest

from prefect_videogen.waiting import Limit, LocalSlots, Pace, Time


class Clock:
    """Moves by hand; a sleep only notes until when it would last."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def time(self) -> Time:
        return Time(lambda: self.now, lambda: self.now, self.sleep, lambda: 0.0)


async def test_requests_at_once_get_turns_one_spacing_apart():
    clock = Clock()
    pace = Pace(1.25, clock.time())
    await asyncio.gather(*(pace.turn() for _ in range(5)))
    assert clock.slept == pytest.approx([1.25, 2.5, 3.75, 5.0])


async def test_late_request_has_its_turn_at_once():
    clock = Clock()
    pace = Pace(1.25, clock.time())
    await pace.turn()
    clock.now += 10
    await pace.turn()
    assert clock.slept == []


async def test_slow_down_holds_everybody_back():
    clock = Clock()
    pace = Pace(1.0, clock.time())
    await pace.turn()
    pace.slow_down(30)
    await pace.turn()
    await pace.turn()
    assert clock.slept == [30, 31]


async def test_slow_down_holds_back_those_who_had_their_turn_given_before():
    clock = Clock()
    sent: list[object] = []

    async def sleep(seconds: float) -> None:
        until = clock.now + seconds
        await asyncio.sleep(0)  # the other one gets its turn, too
        if len(sent) == 1:  # and then the first is answered `Retry-After: 30`
            pace.slow_down(30)
            sent.append("slowed")
        clock.now = max(clock.now, until)

    pace = Pace(1.0, Time(lambda: clock.now, lambda: clock.now, sleep, lambda: 0.0))

    async def request() -> None:
        await pace.turn()
        sent.append(clock.now)

    await request()
    await asyncio.gather(request(), request())
    assert sent == [100, "slowed", 130, 131]


async def test_slow_down_never_hastens():
    clock = Clock()
    pace = Pace(1.0, clock.time())
    for _ in range(10):
        await pace.turn()
    pace.slow_down(2)
    await pace.turn()
    assert clock.slept[-1] == 10


async def test_slots_bound_what_runs_at_once():
    slots, limit = LocalSlots(), Limit("vidu", 3)
    running = most = 0

    async def job() -> None:
        nonlocal running, most
        slot = await slots.take(limit)
        running += 1
        most = max(most, running)
        for _ in range(3):
            await asyncio.sleep(0)
        running -= 1
        await slot.give_back()

    await asyncio.gather(*(job() for _ in range(20)))
    assert (most, running) == (3, 0)


async def test_slots_of_two_limits_are_apart():
    slots = LocalSlots()
    async with asyncio.timeout(120):
        await slots.take(Limit("vidu", 1))
        await slots.take(Limit("wan", 1))
