"""Shots that rest, and the moment in which a run falls asleep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from prefect.exceptions import Pause

from prefect_videogen.flows import sleeping
from prefect_videogen.flows.sleeping import Rest, woken
from prefect_videogen.forecasting import Forecast
from prefect_videogen.sleeping import lie_down
from prefect_videogen.spending import Spending


@pytest.fixture
def suspensions(monkeypatch) -> list[Any]:
    """How often Prefect was asked to suspend, and with what; it does."""
    asked: list[Any] = []

    async def suspend(**how: Any) -> None:
        asked.append(how)
        await asyncio.sleep(0.2)  # a server takes its time, and other shots look again meanwhile
        raise Pause

    monkeypatch.setattr(sleeping, "asuspend_flow_run", suspend)
    return asked


@pytest.fixture
def rest(bedroom) -> Rest:
    return Rest(Spending(bedroom.studio, (), Forecast()), suspends=True)


async def film(rest: Rest, shots: Mapping[str, Callable[[], Any]]) -> None:
    """Run shots as `make` does."""
    tasks = {name: asyncio.ensure_future(shot()) for name, shot in shots.items()}
    rest.watch(tasks)
    try:
        await asyncio.gather(*tasks.values())
    except BaseException:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        raise


async def test_run_falls_asleep_once_and_leaves_a_marker_for_each_job(bedroom, rest, suspensions):
    jobs = await bedroom.buy(3)
    shots = {job.shot: partial(rest.until_over, job.shot, job) for job in jobs}
    with pytest.raises(Pause):
        await film(rest, shots)
    assert rest._number == 1  # no other shot began to do it again
    assert await bedroom.notes() == ["sleeping.json"]
    assert len(await bedroom.markers()) == 3
    assert not any(bedroom.studio.holds(job.key) for job in jobs)
    (asked,) = suspensions
    assert asked["timeout"] >= 86400

    bedroom.studio.owner = "the next process"
    sleep = await woken(bedroom.studio)
    assert sleep is not None
    assert bedroom.studio.owner == sleep.owner != "the next process"
    assert await bedroom.markers() == []
    again = Rest(Spending(bedroom.studio, (), Forecast(), sleep), suspends=True, before=sleep)
    with pytest.raises(Pause):
        await again.until_over(jobs[0].shot, jobs[0])
    assert sorted(await bedroom.notes()) == ["sleeping-2.json", "sleeping.json"]
    # With the key of the first one, Prefect would take the second for done.
    assert len({how["key"] for how in suspensions}) == 2


async def test_run_stays_awake_while_a_shot_has_something_to_do(bedroom, rest, suspensions):
    (job,) = await bedroom.buy(1)
    done = asyncio.Event()

    async def after_busy() -> None:
        await rest.after("next", "busy")
        await rest.until_over("next", job)

    shots = {"resting": lambda: rest.until_over("resting", job), "busy": done.wait}
    running = asyncio.ensure_future(film(rest, {**shots, "next": after_busy}))
    await asyncio.sleep(0.3)
    assert (suspensions, await bedroom.notes()) == ([], [])
    done.set()
    with pytest.raises(Pause):
        await running
    assert len(suspensions) == 1
    assert len(await bedroom.markers()) == 1  # two shots, one job


async def test_job_that_ends_between_the_markers_and_the_suspension_is_gone_on_with(
    bedroom, rest, suspensions, monkeypatch
):
    one, two = await bedroom.buy(2)

    async def ends_meanwhile(studio, sleep):
        await lie_down(studio, sleep)
        await bedroom.end(one)

    monkeypatch.setattr(sleeping, "lie_down", ends_meanwhile)
    on = asyncio.Event()

    async def shot() -> None:
        await rest.until_over("one", one)
        on.set()
        assert await bedroom.markers() == []
        monkeypatch.setattr(sleeping, "lie_down", lie_down)

    with pytest.raises(Pause):
        await film(rest, {"one": shot, "two": lambda: rest.until_over("two", two)})
    assert on.is_set()
    assert len(suspensions) == 1
    assert [two.key in path for path in await bedroom.markers()] == [True]


async def test_job_that_ends_before_the_server_knows_resumes_the_run_itself(
    bedroom, rest, monkeypatch, alarm
):
    (job,) = await bedroom.buy(1)

    async def suspend(**_: Any) -> None:
        await bedroom.end(job)  # its receiver finds a run that is not suspended yet
        raise Pause

    monkeypatch.setattr(sleeping, "asuspend_flow_run", suspend)
    monkeypatch.setattr(sleeping, "resume", alarm)
    with pytest.raises(Pause):
        await rest.until_over("one", job)
    assert alarm.rung == ["run-1"]


async def test_run_that_sleeps_in_time_does_not_resume_itself(
    bedroom, rest, suspensions, monkeypatch, alarm
):
    (job,) = await bedroom.buy(1)
    monkeypatch.setattr(sleeping, "resume", alarm)
    with pytest.raises(Pause):
        await rest.until_over("one", job)
    assert alarm.rung == []


@pytest.mark.parametrize("error", [RuntimeError("Cannot suspend subflows."), OSError("away")])
async def test_run_that_prefect_does_not_suspend_waits_awake(
    bedroom, rest, monkeypatch, caplog, error
):
    jobs = await bedroom.buy(2)

    async def suspend(**_: Any) -> None:
        raise error

    monkeypatch.setattr(sleeping, "asuspend_flow_run", suspend)
    shots = {job.shot: partial(rest.until_over, job.shot, job) for job in jobs}
    async with asyncio.timeout(120):
        await film(rest, shots)
    assert f"waits awake: {error}" in caplog.text
    assert await bedroom.markers() == []


async def test_run_that_may_not_suspend_never_rests(bedroom):
    (job,) = await bedroom.buy(1)
    awake = Rest(Spending(bedroom.studio, (), Forecast()))
    async with asyncio.timeout(120):
        await awake.until_over("one", job)
    assert await bedroom.notes() == []
    assert bedroom.studio.holds(job.key)
