"""Who sleeps on what, and when a run is woken: from the records alone, without Prefect."""

from __future__ import annotations

import pytest

from prefect_videogen import sleeping
from prefect_videogen.errors import RecordError
from prefect_videogen.records import End
from prefect_videogen.records.listing import AttemptName
from prefect_videogen.sleeping import (
    get_up,
    last_sleep,
    lie_down,
    rouse,
    sleepers,
    still_running,
    wake,
)


async def test_run_is_woken_by_the_last_of_its_jobs_only(bedroom, alarm):
    one, two = await bedroom.buy(2)
    await lie_down(bedroom.studio, bedroom.sleep(one, two))
    await bedroom.end(two)
    assert await rouse(bedroom.studio, alarm, two.key, two.attempt) == []
    assert alarm.rung == []
    assert len(await bedroom.markers()) == 2
    failed = End(at=bedroom.studio.time.now(), kind="failed")
    await bedroom.studio.records.end(one.key, one.attempt, failed)
    assert await rouse(bedroom.studio, alarm, one.key, one.attempt) == ["run-1"]
    assert alarm.rung == ["run-1"]
    assert await bedroom.markers() == []
    # A repeated delivery finds nobody asleep.
    assert await rouse(bedroom.studio, alarm, one.key, one.attempt) == []
    assert alarm.rung == ["run-1"]


async def test_no_more_records_are_read_than_it_takes_to_find_a_running_job(
    bedroom, alarm, monkeypatch
):
    """Else a thousand deliveries for a run of a thousand jobs would read a million."""
    monkeypatch.setattr(sleeping, "READING", 1)
    jobs = await bedroom.buy(3)
    await lie_down(bedroom.studio, bedroom.sleep(*jobs))
    await bedroom.end(jobs[0])
    real, read = bedroom.studio.records.attempt, []

    async def attempt(key: str, number: int):
        read.append(key)
        return await real(key, number)

    monkeypatch.setattr(bedroom.studio.records, "attempt", attempt)
    assert await rouse(bedroom.studio, alarm, jobs[0].key, jobs[0].attempt) == []
    assert read == [jobs[0].key, jobs[1].key]


async def test_runs_that_wait_for_the_same_clip_are_all_woken(bedroom, alarm):
    (job,) = await bedroom.buy(1)
    for run in ("run-1", "run-2"):
        bedroom.studio.run = run
        await lie_down(bedroom.studio, bedroom.sleep(job))
    assert await sleepers(bedroom.studio.store) == {
        run: {AttemptName(job.key, 1)} for run in ("run-1", "run-2")
    }
    await bedroom.end(job)
    assert await rouse(bedroom.studio, alarm, job.key, 1) == ["run-1", "run-2"]


async def test_run_that_does_not_sleep_yet_keeps_its_markers(bedroom, alarm):
    (job,) = await bedroom.buy(1)
    await lie_down(bedroom.studio, bedroom.sleep(job))
    await bedroom.end(job)
    alarm.answer = "not-asleep"
    assert not await wake(bedroom.studio, alarm, "run-1")
    assert len(await bedroom.markers()) == 1
    alarm.answer = "resumed"
    assert await wake(bedroom.studio, alarm, "run-1")


async def test_markers_of_a_run_that_is_over_are_removed(bedroom, alarm):
    (job,) = await bedroom.buy(1)
    await lie_down(bedroom.studio, bedroom.sleep(job))
    await bedroom.end(job)
    alarm.answer = "over"
    assert not await wake(bedroom.studio, alarm, "run-1")
    assert await bedroom.markers() == []


async def test_newest_sleep_counts(bedroom, alarm):
    one, two = await bedroom.buy(2)
    for number in range(1, 11):
        sleep = bedroom.sleep(one if number < 10 else two, number=number)
        await lie_down(bedroom.studio, sleep)
        if number < 10:
            await get_up(bedroom.studio.store, "run-1", sleep)
    assert "sleeping.json" in await bedroom.notes()
    last = await last_sleep(bedroom.studio.store, "run-1")
    assert last is not None
    assert (last.number, last.jobs) == (10, (AttemptName(two.key, 1),))
    await bedroom.end(one)
    assert not await wake(bedroom.studio, alarm, "run-1")


async def test_job_that_takes_longer_than_any_wait_is_not_slept_for(bedroom):
    jobs = await bedroom.buy(1)
    names = [AttemptName(job.key, job.attempt) for job in jobs]
    assert await still_running(bedroom.studio, names) == names
    now = bedroom.studio.time.now
    bedroom.studio.time.now = lambda: now() + 86400
    assert await still_running(bedroom.studio, names) == []


async def test_note_that_is_there_or_makes_no_sense_is_an_error(bedroom):
    (job,) = await bedroom.buy(1)
    await lie_down(bedroom.studio, bedroom.sleep(job))
    with pytest.raises(RecordError, match="another process"):
        await lie_down(bedroom.studio, bedroom.sleep(job))
    assert await bedroom.studio.store.create("runs/run-2/sleeping.json", b"{")
    with pytest.raises(RecordError, match=r"runs/run-2/sleeping\.json"):
        await last_sleep(bedroom.studio.store, "run-2")
