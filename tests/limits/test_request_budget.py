"""Requests a minute over all processes: what ten slots of vidu-q3 can come to, by the rules alone.

A slot is one process's at a time, so it does not matter how the ten are spread over processes, or
how often they change hands: what one slot can come to, ten times, is the most.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefect_videogen.capabilities import MODELS
from prefect_videogen.studio import OpenStudio
from prefect_videogen.waiting import Limit, fair_interval, schedule_for
from prefect_videogen.waiting.slots import rest_after

VIDU = MODELS["vidu-q3"]
INTERVAL = fair_interval(VIDU)
CHANCE = st.floats(0, 1)
HOLDING = st.one_of(
    st.tuples(st.just("refused"), st.integers(1, 8), CHANCE, st.just(None)),
    # The records may move the first look to half of the documented one.
    st.tuples(st.just("bought"), st.integers(1, 8), CHANCE, st.sampled_from([None, 30.0])),
    st.tuples(st.just("resumed"), st.integers(1, 8), CHANCE, st.just(None)),
)


def requests_of(holdings: list[tuple[str, int, float, float | None]]) -> list[float]:
    """When one slot's holders submit and poll, each taking it the moment it can."""
    moments: list[float] = []
    taken = 0.0
    for kind, times, chance, usual in holdings:
        schedule = schedule_for(VIDU, (60, 120), 1, usual=usual)
        now = taken + (schedule.resumed_delay(600, chance) if kind == "resumed" else 0.0)
        mine = [now]
        for number in range(times - 1):
            if kind == "refused":  # for now: it tries again, at the least after an interval
                now += INTERVAL
            elif kind == "bought" and number == 0:
                now += schedule.next_delay(0, chance)
            else:
                now += schedule.next_delay(600, chance)
            mine.append(now)
        moments += mine
        taken = now + rest_after(now - taken, len(mine), INTERVAL)
    return moments


def most_in_a_minute(moments: list[float]) -> int:
    return max(sum(1 for at in moments if end - 60 < at <= end) for end in moments)


@given(st.lists(HOLDING, min_size=1, max_size=12))
@example([("refused", 1, 0.0, None)] * 12)
@example([("resumed", 1, 0.0, None)] * 12)
@example([("resumed", 2, 0.0, None)] * 12)
@example([("bought", 6, 0.0, None), ("bought", 6, 0.0, None)])
@example([("bought", 6, 0.0, 30.0), ("resumed", 2, 0.0, None), ("refused", 3, 0.0, None)])
def test_ten_slots_never_come_to_more_requests_than_documented(holdings):
    assert VIDU.limits.concurrent == 10
    assert 10 * most_in_a_minute(requests_of(holdings)) <= 60


def test_the_bound_is_reached_so_the_interval_is_no_longer_than_it_has_to_be():
    polled, submitted = ("bought", 6, 0.0, None), ("refused", 1, 0.0, None)
    assert most_in_a_minute(requests_of([polled, submitted])) == 6


class Resting:
    """A source of slots that notes how long each had to rest."""

    def __init__(self) -> None:
        self.rests: list[float] = []

    async def take(self, limit: Limit) -> Resting:
        return self

    async def give_back(self, rest: float = 0.0) -> None:
        self.rests.append(rest)

    async def aclose(self) -> None:
        pass


async def test_slot_rests_until_its_requests_are_its_fair_share(tmp_path, emulator, open_studio):
    source = Resting()
    now = 100.0
    studio: OpenStudio = open_studio(emulator(speed=1), slots=source)
    studio.time.monotonic = lambda: now
    async with studio:
        for key, requests, later in (("a", 1, 2.0), ("b", 3, 10.0), ("c", 3, 60.0), ("d", 0, 0.0)):
            await studio.take_slot(key, VIDU)
            for _ in range(requests):
                studio.count_request(key)
            now += later
            await studio.give_back(key)
    assert source.rests == pytest.approx([INTERVAL - 2, 3 * INTERVAL - 10, 0, 0])


async def test_slot_of_a_large_limit_need_not_rest(emulator, open_studio):
    source: Any = Resting()
    async with open_studio(emulator(speed=1), slots=source) as studio:
        await studio.take_slot("a", MODELS["wan-2-5"])
        studio.count_request("a")
        await studio.give_back("a")
    assert source.rests == [0]
