"""Who wakes sleepers: the receiver, and collecting as its backstop."""

from __future__ import annotations

import pytest
from rich.console import Console

from prefect_videogen.callbacks import Clerk, Finished
from prefect_videogen.callbacks.clerk import Case
from prefect_videogen.cli.collecting import show_collected
from prefect_videogen.collecting import collect
from prefect_videogen.sleeping import lie_down
from prefect_videogen.tasks.tables import collected_table


@pytest.fixture
async def asleep(bedroom):
    """A run that sleeps for one job."""
    (job,) = await bedroom.buy(1)
    await lie_down(bedroom.studio, bedroom.sleep(job))
    return job


async def test_delivery_that_tells_of_an_end_wakes_the_sleepers(bedroom, asleep, alarm):
    told: list[Finished] = []
    clerk = Clerk(bedroom.studio, told.append, alarm)
    case = Case(asleep.key, asleep.attempt)
    assert isinstance(await clerk.work(case), float)  # not ended yet
    assert alarm.rung == []
    await bedroom.finish()
    assert await clerk.work(case) == "done"
    assert (alarm.rung, len(told)) == (["run-1"], 1)


async def test_delivery_of_an_end_that_was_recorded_before_wakes_them_too(bedroom, asleep, alarm):
    await bedroom.end(asleep)
    clerk = Clerk(bedroom.studio, lambda told: pytest.fail(f"told {told}"), alarm)
    assert await clerk.work(Case(asleep.key, asleep.attempt)) == "done"
    assert alarm.rung == ["run-1"]


async def test_sleepers_that_can_not_be_woken_now_are_tried_again(bedroom, asleep, alarm, caplog):
    await bedroom.end(asleep)
    alarm.answer = OSError("the server is away")
    clerk = Clerk(bedroom.studio, lambda told: pytest.fail(f"told {told}"), alarm)
    case = Case(asleep.key, asleep.attempt)
    assert isinstance(await clerk.work(case), float)
    assert "the server is away" in caplog.text
    alarm.answer = "resumed"
    assert await clerk.work(case) == "done"
    assert alarm.rung == ["run-1", "run-1"]


async def test_collecting_asks_for_young_jobs_that_a_run_sleeps_for_and_wakes_it(
    bedroom, asleep, alarm
):
    (young,) = [job for job in await bedroom.buy(2) if job.key != asleep.key]
    collected = await collect(bedroom.studio, older_than=30, resume=alarm)
    assert (collected.resumed, collected.asleep) == ((), ("run-1",))
    assert [found.key for found in collected.running] == [asleep.key]
    await bedroom.finish()
    collected = await collect(bedroom.studio, older_than=30, resume=alarm)
    assert (collected.resumed, collected.asleep) == (("run-1",), ())
    assert await bedroom.markers() == []
    attempt = await bedroom.studio.records.attempt(young.key, young.attempt)
    assert attempt is not None
    assert attempt.state == "submitted"  # nobody sleeps for it, and it is young


async def test_one_run_that_can_not_be_woken_does_not_stop_the_others(bedroom, asleep, alarm):
    await bedroom.studio.store.create(f"sleepers/{asleep.key}-1/run-0", b"{}")
    await bedroom.studio.store.create("runs/run-0/sleeping.json", b"no record")
    await bedroom.end(asleep)
    collected = await collect(bedroom.studio, older_than=30, resume=alarm)
    assert (collected.resumed, collected.asleep) == (("run-1",), ("run-0",))


async def test_who_was_resumed_is_said(bedroom, asleep, alarm):
    await bedroom.end(asleep)
    await bedroom.studio.store.create(f"sleepers/{'ab' * 32}-1/run-0", b"{}")
    collected = await collect(bedroom.studio, older_than=30, resume=alarm)
    console = Console(width=200)
    with console.capture() as shown:
        show_collected(console, collected)
    assert "resumed   run run-1" in shown.get()
    assert "asleep    run run-0" in shown.get()
    assert "Run `run-1` was resumed." in collected_table(collected)


async def test_without_a_server_nobody_is_woken(bedroom, asleep):
    await bedroom.end(asleep)
    assert (await collect(bedroom.studio, older_than=30)).asleep == ("run-1",)
    assert len(await bedroom.markers()) == 1
