"""Who goes through a gate, and when: in order, within the room there is, and never lost."""

from __future__ import annotations

import asyncio

import pytest

from prefect_videogen.waiting.gate import (
    CROWD,
    FEWEST_FETCHED,
    MOST_FETCHED,
    Gate,
    room_for_fetching,
)


class Visitors:
    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.inside: list[int] = []
        self.leaving = [asyncio.Event() for _ in range(6)]

    async def visit(self, number: int) -> None:
        async with self.gate:
            self.inside.append(number)
            await self.leaving[number].wait()
        self.inside.remove(number)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_they_go_through_in_order_and_no_more_than_there_is_room_for():
    visitors = Visitors(Gate(lambda: 2))
    tasks = [asyncio.create_task(visitors.visit(number)) for number in range(4)]
    await settled()
    assert visitors.inside == [0, 1]
    visitors.leaving[1].set()
    await settled()
    assert visitors.inside == [0, 2]
    for event in visitors.leaving:
        event.set()
    await asyncio.gather(*tasks)


async def test_more_room_lets_several_in_at_once_and_less_lets_none():
    room = 1
    visitors = Visitors(Gate(lambda: room))
    tasks = [asyncio.create_task(visitors.visit(number)) for number in range(6)]
    await settled()
    room = 3
    visitors.leaving[0].set()
    await settled()
    assert visitors.inside == [1, 2, 3]
    room = 1
    visitors.leaving[1].set()
    visitors.leaving[2].set()
    await settled()
    assert visitors.inside == [3]
    for event in visitors.leaving:
        event.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("let_in", [False, True])
async def test_a_place_of_one_who_is_cancelled_goes_to_the_next(let_in):
    visitors = Visitors(Gate(lambda: 1))
    tasks = [asyncio.create_task(visitors.visit(number)) for number in range(3)]
    await settled()
    visitors.leaving[0].set()
    if let_in:
        while not tasks[0].done():  # noqa: ASYNC110 - the second is let in, and does not know it yet
            await asyncio.sleep(0)
    tasks[1].cancel()
    await settled()
    assert visitors.inside == [2]
    visitors.leaving[2].set()
    await tasks[2]


def test_few_are_fetched_while_many_are_polled():
    assert room_for_fetching(0) == MOST_FETCHED
    assert room_for_fetching(CROWD // 2) == MOST_FETCHED // 2
    assert room_for_fetching(CROWD) == room_for_fetching(10 * CROWD) == FEWEST_FETCHED
