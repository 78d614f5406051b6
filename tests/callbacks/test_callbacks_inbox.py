"""One case per attempt, whatever is repeated; on a clock that only moves when somebody sleeps."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from tests.conftest import Hurry

from prefect_videogen.buying import Buyer
from prefect_videogen.callbacks import Clerk, Delivery, Inbox, inbox
from prefect_videogen.callbacks.clerk import LOOK_AGAIN, Case
from prefect_videogen.callbacks.keeping import kept
from prefect_videogen.records import Claimed, End, Submitted

KEY = "ab" * 32


class Clock(Hurry):
    """Stands still but for sleeps, which end at once."""

    async def jump(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ahead += seconds
        await asyncio.sleep(0)

    def __init__(self) -> None:
        super().__init__()
        self.now = self.monotonic = lambda: 1_000_000.0 + self.ahead


class Worker:
    """Answers from a list, its last entry for ever, and notes what it was asked when."""

    def __init__(self, *outcomes) -> None:
        self.outcomes = list(outcomes)
        self.clock = Clock()
        self.cases: list[Case] = []
        self.at: list[float] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def work(self, case: Case):
        self.cases.append(case)
        self.at.append(self.clock.ahead)
        await self.gate.wait()
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def quiet(self, box: Inbox) -> None:
        async with asyncio.timeout(120):
            while box.open_cases:  # noqa: ASYNC110 - tasks of the box
                await asyncio.sleep(0)


async def test_repeats_join_the_case_that_is_open_and_are_ignored_after_it():
    worker = Worker("done")
    worker.gate.clear()
    async with Inbox(worker.work, worker.clock) as box:
        for number in range(10):
            assert box.put(Delivery(KEY, 1, f"task_{number}"))
        worker.gate.set()
        await worker.quiet(box)
        for _ in range(10):
            assert box.put(Delivery(KEY, 1))
        await worker.quiet(box)
    assert len(worker.cases) == 1
    assert worker.cases[0].job_ids == ["task_0", "task_1", "task_2", "task_3"]


async def test_attempts_of_one_clip_are_cases_of_their_own():
    worker = Worker("done")
    async with Inbox(worker.work, worker.clock) as box:
        box.put(Delivery(KEY, 1))
        box.put(Delivery(KEY, 2))
        await worker.quiet(box)
    assert sorted(case.attempt for case in worker.cases) == [1, 2]


async def test_case_is_tried_again_when_its_work_says_so():
    worker = Worker(5.0, 15.0, "done")
    async with Inbox(worker.work, worker.clock) as box:
        box.put(Delivery(KEY, 1))
        await worker.quiet(box)
    assert worker.at == [0, 5, 20]


async def test_repeated_delivery_hastens_a_case_but_only_to_its_pause():
    worker = Worker(120.0, "done")

    async def sleep(seconds: float) -> None:
        if seconds == 120:
            assert box.put(Delivery(KEY, 1))
            await asyncio.sleep(3600)
        await worker.clock.jump(seconds)

    worker.clock.sleep = sleep
    async with Inbox(worker.work, worker.clock, pause=7) as box:
        box.put(Delivery(KEY, 1))
        await worker.quiet(box)
    assert worker.at == [0, 7]


async def test_job_that_goes_on_and_on_is_looked_at_once_a_pause_however_often_it_is_delivered():
    worker = Worker("left")
    async with Inbox(worker.work, worker.clock, pause=5) as box:
        for _ in range(4):
            box.put(Delivery(KEY, 1))
            await worker.quiet(box)
    assert worker.at == [0, 5, 10, 15]


async def test_work_that_breaks_is_logged_and_stops_nothing(caplog):
    worker = Worker(RuntimeError("a bug"), "done")
    async with Inbox(worker.work, worker.clock) as box:
        with caplog.at_level(logging.ERROR):
            box.put(Delivery(KEY, 1))
            await worker.quiet(box)
            box.put(Delivery(KEY, 1))
            await worker.quiet(box)
    assert len(worker.cases) == 2
    assert "a bug" in caplog.text


async def test_too_much_at_once_is_refused_so_that_the_vendor_comes_again(monkeypatch):
    monkeypatch.setattr(inbox, "MOST_OPEN", 3)
    worker = Worker("done")
    worker.gate.clear()
    async with Inbox(worker.work, worker.clock) as box:
        taken = [box.put(Delivery(KEY, number)) for number in range(1, 6)]
        assert taken == [True, True, True, False, False]
        assert box.put(Delivery(KEY, 1))
        worker.gate.set()
        await worker.quiet(box)
        assert box.put(Delivery(KEY, 5))
        await worker.quiet(box)


async def test_closed_cases_are_remembered_within_bounds(monkeypatch):
    monkeypatch.setattr(inbox, "REMEMBERED", 2)
    worker = Worker("done")
    async with Inbox(worker.work, worker.clock) as box:
        for number in (1, 2, 3, 3, 1):
            box.put(Delivery(KEY, number))
            await worker.quiet(box)
    assert [case.attempt for case in worker.cases] == [1, 2, 3, 1]


async def test_leaving_drops_what_is_open():
    worker = Worker("done")
    worker.gate.clear()
    async with Inbox(worker.work, worker.clock) as box:
        box.put(Delivery(KEY, 1))
        await asyncio.sleep(0)
    assert box.open_cases == 0


async def test_what_is_worked_on_is_finished_and_what_waits_is_left_when_it_ends():
    worker = Worker(60.0, "done")
    hours = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await hours.wait()

    worker.clock.sleep = sleep
    async with Inbox(worker.work, worker.clock) as box:
        box.put(Delivery(KEY, 1))  # to be tried again in a minute
        async with asyncio.timeout(120):
            while not worker.cases:  # noqa: ASYNC110 - a task of the box
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        worker.gate.clear()
        box.put(Delivery(KEY, 2))
        async with asyncio.timeout(120):
            while len(worker.cases) < 2:  # noqa: ASYNC110 - a task of the box
                await asyncio.sleep(0)
        finishing = asyncio.create_task(box.finish(10))
        await asyncio.sleep(0)
        worker.gate.set()
        await finishing
        assert box.open_cases == 0
    assert [case.attempt for case in worker.cases] == [1, 2]
    assert box._closed[KEY, 2] is None  # done
    assert box._closed[KEY, 1] is not None  # left


async def test_what_takes_too_long_is_left_when_it_ends():
    worker = Worker("done")
    worker.gate.clear()
    async with Inbox(worker.work, worker.clock) as box:
        box.put(Delivery(KEY, 1))
        await box.finish(0.001)
        assert box.open_cases == 1


# -- the clerk's waits ----------------------------------------------------------------------------


@pytest.fixture
async def claimed(emulator, open_studio):
    """A studio at real speed whose clock stands, with a claim of 120 s made just now."""
    studio = open_studio(emulator(speed=1), time=Clock())
    claim = Claimed(
        at=studio.time.now(),
        owner="somebody",
        shot="kite",
        vendor="apixo@sandbox",
        model="wan-2-5",
        base_url="http://127.0.0.1",
        body=json.dumps({"input": {}}),
        idempotency_key="x",
        window=120,
    )
    async with studio:
        assert await studio.records.claim(KEY, 1, claim)
        yield studio, Clerk(studio, lambda told: pytest.fail(f"told {told}"))


async def test_early_delivery_waits_shortly_at_first_and_until_the_window_and_more_is_over(claimed):
    studio, clerk = claimed
    case, waits = Case(KEY, 1), []
    while isinstance(wait := await clerk.work(case), float):
        waits.append(wait)
        studio.time.ahead += wait
    assert wait == "left"  # no job id in any body
    assert waits[:3] == [0.5, 0.75, 1.125]
    assert max(waits) == 10
    assert 150 <= sum(waits) <= 160


async def test_early_delivery_that_names_a_job_is_kept_until_the_job_is_recorded(claimed):
    studio, _ = claimed
    clerk = Clerk(studio, lambda told: None)
    case = Case(KEY, 1, ["../../task_x", "task_y"])
    assert isinstance(await clerk.work(case), float)
    assert isinstance(await clerk.work(case), float)
    found = {delivery.job_id for delivery in await kept(studio)}
    assert found == {"../../task_x", "task_y"}
    paths = await studio.store.list("deliveries")
    assert len(paths) == 2
    assert all(path.startswith(f"deliveries/{KEY}-1/") for path in paths)
    await studio.records.submitted(KEY, 1, Submitted(at=studio.time.now(), job_id="task_y"))
    await studio.records.end(KEY, 1, End(at=studio.time.now(), kind="failed"))
    assert await clerk.work(case) == "done"
    assert await studio.store.list("deliveries") == []


async def test_kept_delivery_whose_job_is_recorded_by_now_is_removed(claimed):
    studio, clerk = claimed
    assert isinstance(await clerk.work(Case(KEY, 1, ["task_x"])), float)
    await studio.records.submitted(KEY, 1, Submitted(at=studio.time.now(), job_id="task_x"))
    assert await kept(studio) == []
    assert await studio.store.list("deliveries") == []


async def test_kept_delivery_that_makes_no_sense_does_not_stop_the_others(claimed, caplog):
    studio, clerk = claimed
    assert isinstance(await clerk.work(Case(KEY, 1, ["task_x"])), float)
    assert await studio.store.create("deliveries/0-1/0.json", b"{")
    with caplog.at_level(logging.WARNING):
        assert [delivery.job_id for delivery in await kept(studio)] == ["task_x"]
    assert "deliveries/0-1/0.json can't be gone on with" in caplog.text


async def test_job_that_the_vendor_does_not_know_is_looked_for_a_few_times(claimed, caplog):
    studio, clerk = claimed
    await studio.records.submitted(KEY, 1, Submitted(at=studio.time.now(), job_id="task_x"))
    case, waits = Case(KEY, 1), []
    while isinstance(wait := await clerk.work(case), float):
        waits.append(wait)
    assert (wait, tuple(waits)) == ("left", LOOK_AGAIN)


async def test_delivery_that_tells_of_no_end_is_looked_into_a_few_times(emulator, open_studio, ask):
    vendors = emulator(speed=1)
    async with open_studio(vendors) as studio:
        job = await Buyer(studio, await ask(studio)).buy()
        clerk = Clerk(studio, lambda told: pytest.fail(f"told {told}"))
        case, waits = Case(job.key, job.attempt), []
        while isinstance(wait := await clerk.work(case), float):
            waits.append(wait)
    assert (wait, tuple(waits)) == ("left", LOOK_AGAIN)


async def test_late_delivery_for_what_has_ended_asks_nothing(claimed):
    studio, clerk = claimed
    await studio.records.submitted(KEY, 1, Submitted(at=studio.time.now(), job_id="task_x"))
    await studio.records.end(KEY, 1, End(at=studio.time.now(), kind="failed"))
    assert await clerk.work(Case(KEY, 1)) == "done"


async def test_store_that_does_not_answer_is_tried_again(claimed, monkeypatch):
    studio, clerk = claimed
    path = studio.store.root / f"clips/{KEY}/1/1-claimed.json"
    path.write_bytes(b"")  # a record that makes no sense is no answer
    assert await clerk.work(Case(KEY, 1)) == LOOK_AGAIN[0]


async def test_job_of_another_account_is_left_alone(claimed, caplog):
    studio, clerk = claimed
    del studio.accounts["apixo"]
    with caplog.at_level(logging.WARNING):
        assert await clerk.work(Case(KEY, 1)) == "left"
    assert "no credentials for apixo" in caplog.text
