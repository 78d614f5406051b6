"""When to look: the vendors' own advice and limits, divided by a speed."""

from __future__ import annotations

import pytest

from prefect_videogen.capabilities import MODELS
from prefect_videogen.waiting import Schedule, schedule_for, spacing
from prefect_videogen.waiting.rules import DEADLINE, GRACE, JITTER, QUEUE_DEADLINE, fair_interval

VIDU = MODELS["vidu-q3"]
SCHEDULE = Schedule(first=60, interval=10, deadline=1800, queue_deadline=3600, grace=120)


@pytest.mark.parametrize(
    ("name", "expected", "first"),
    [
        ("wan-2-5", (50, 70), 50),
        ("wan-2-5", (70, 90), 70),
        ("vidu-q3", (60, 120), 60),
        ("ltx-2-19b", (40, 60), 60),
        ("ltx-2-19b", (100, 140), 100),
        ("kling-2-1", (60, 90), 60),
        ("wan2.5-image-to-video", (60, 120), 60),
    ],
)
def test_first_look_is_the_documented_one_or_the_shortest_generation_time(name, expected, first):
    assert schedule_for(MODELS[name], expected, 1).first == first


def test_interval_of_vidu_is_what_ten_jobs_may_share():
    # 10 jobs, 80 % of 60 requests a minute.
    assert fair_interval(VIDU) == 12.5
    assert schedule_for(VIDU, (60, 120), 1).interval == 12.5


@pytest.mark.parametrize(
    ("name", "interval"),
    [("wan-2-5", 5), ("ltx-2-19b", 5), ("kling-2-1", 5), ("wan2.5-image-to-video", 8)],
)
def test_interval_of_a_large_limit_is_the_documented_one(name, interval):
    assert schedule_for(MODELS[name], (60, 120), 1).interval == interval


@pytest.mark.parametrize("name", sorted(MODELS))
def test_all_jobs_a_model_allows_stay_within_the_request_budget(name):
    model = MODELS[name]
    limits = model.limits
    if limits.requests_per_minute and limits.concurrent:
        schedule = schedule_for(model, (60, 120), 1)
        least = limits.concurrent * spacing(model, 1)
        interval = schedule.next_delay(schedule.first, 0, least)
        assert limits.concurrent * 60 / interval <= 0.8 * limits.requests_per_minute + 1e-9


def test_speed_divides_every_wait():
    schedule = schedule_for(VIDU, (60, 120), 10)
    assert schedule == Schedule(
        first=6,
        interval=1.25,
        deadline=DEADLINE / 10,
        queue_deadline=QUEUE_DEADLINE / 10,
        grace=GRACE / 10,
    )


def test_enormous_speed_keeps_a_floor_under_interval_deadline_and_grace():
    schedule = schedule_for(VIDU, (60, 120), 1_000_000)
    assert (schedule.interval, schedule.deadline, schedule.grace) == (0.05, 120, 5)


@pytest.mark.parametrize("age", [0, 10, 59, 60, 500])
def test_jitter_is_only_positive_and_bounded(age):
    base = SCHEDULE.next_delay(age, 0)
    assert base == (60 - age if age < 60 else 10)
    for chance in (0.1, 0.5, 1.0):
        assert base < SCHEDULE.next_delay(age, chance) <= base + JITTER * 10


def test_fresh_job_is_not_looked_at_before_its_time_when_resumed():
    assert SCHEDULE.resumed_delay(20, 0) == 40


def test_resumed_jobs_spread_their_first_look_over_one_interval():
    delays = [SCHEDULE.resumed_delay(600, number / 10) for number in range(11)]
    assert delays == pytest.approx(list(range(11)))


def test_spacing_is_80_percent_of_the_documented_requests():
    assert spacing(VIDU, 1) == 60 / 48
    assert spacing(VIDU, 100) == pytest.approx(0.0125)
    assert spacing(MODELS["wan-2-5"], 1) == pytest.approx(60 / 8000)
    assert spacing(MODELS["wan2.5-image-to-video"], 1) == 0


def test_backstop_waits_four_times_as_long_and_then_looks_once_a_minute():
    schedule = schedule_for(VIDU, (60, 120), 1).backstop((60, 120), 1)
    assert (schedule.first, schedule.interval) == (480, 60)
    assert schedule.deadline == DEADLINE


def test_backstop_of_a_fast_endpoint_leaves_a_receiver_real_seconds():
    schedule = schedule_for(VIDU, (60, 120), 1000).backstop((60, 120), 1000)
    assert (schedule.first, schedule.interval) == (20, 0.06)


def test_backstop_leaves_time_for_looks_before_the_deadline():
    for model in MODELS.values():
        expected = model.generation_seconds(model.modes[0].name, {})
        schedule = schedule_for(model, expected, 1).backstop(expected, 1)
        assert schedule.first + 3 * schedule.interval < schedule.deadline


def test_first_look_follows_the_records_where_they_say_something():
    assert schedule_for(VIDU, (60, 120), 10, usual=90).first == 9


def test_looks_are_further_apart_where_many_look_and_never_before_the_first_is_due():
    schedule = schedule_for(MODELS["wan-2-5"], (50, 70), 1)
    assert schedule.next_delay(50, 0, 400 * spacing(MODELS["wan-2-5"], 1)) == 5
    assert schedule.next_delay(50, 0, 1000 * spacing(MODELS["wan-2-5"], 1)) == 7.5
    assert schedule.next_delay(20, 0, 7.5) == 30
