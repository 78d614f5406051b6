"""The wait for one job, on a clock that only moves when the wait sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from prefect_videogen.errors import (
    JobNotFound,
    KeyRefused,
    NoCredits,
    StatusUnavailable,
    Throttled,
    WaitTimeout,
)
from prefect_videogen.vendors import JobStatus
from prefect_videogen.waiting import Reports, Schedule, Time, loop, wait_for_job

SCHEDULE = Schedule(first=60, interval=10, deadline=300, queue_deadline=500, grace=100)
DONE = JobStatus("succeeded", "success", ("https://clips.example/1.mp4",))
RUNNING = JobStatus("running", "processing")
QUEUED = JobStatus("queued", "pending")
LOST = StatusUnavailable("no answer", transient=True)


class Vendor:
    """Answers looks from a list, its last entry for ever, and notes when it was asked."""

    def __init__(self, *script: JobStatus | Exception, start: float = 0.0) -> None:
        self.script = list(script)
        self.clock = 1000.0 + start
        self.start = 1000.0
        self.looks: list[float] = []
        self.words: list[str] = []
        self.asleep: Callable[[], None] = lambda: None

    async def look(self) -> JobStatus:
        self.looks.append(self.clock - self.start)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.asleep()
        await asyncio.sleep(0)
        self.clock += seconds

    async def wait(
        self,
        *,
        age: float = 0,
        resumed: bool = False,
        chance: float = 0.0,
        reports: Reports | None = None,
        first: Callable[[], Awaitable[float]] | None = None,
        least: Callable[[], float] | None = None,
    ):
        self.clock = self.start + age
        time = Time(lambda: 0.0, lambda: self.clock, self.sleep, lambda: chance)
        return await wait_for_job(
            self.look,
            job_id="task_1",
            age=age,
            resumed=resumed,
            schedule=SCHEDULE,
            time=time,
            on_change=self.words.append,
            reports=reports,
            first=first,
            least=least,
        )


async def test_first_look_comes_at_the_documented_time_and_later_ones_at_the_interval():
    vendor = Vendor(RUNNING, RUNNING, DONE)
    assert await vendor.wait() == DONE
    assert vendor.looks == [60, 70, 80]


async def test_failed_job_is_an_answer_and_not_an_error():
    failed = JobStatus("failed", "failed")
    assert await Vendor(RUNNING, failed).wait() == failed


async def test_unknown_word_keeps_waiting_and_is_told_once():
    strange = JobStatus("unknown", "reviewing")
    vendor = Vendor(strange, strange, strange, DONE)
    assert await vendor.wait() == DONE
    assert vendor.words == ["reviewing"]


async def test_status_going_backwards_keeps_waiting():
    vendor = Vendor(QUEUED, RUNNING, QUEUED, RUNNING, DONE)
    assert await vendor.wait() == DONE
    assert vendor.words == ["pending", "processing", "pending", "processing"]


async def test_resumed_old_job_is_looked_at_within_one_interval():
    vendor = Vendor(DONE)
    await vendor.wait(age=200, resumed=True, chance=0.5)
    assert vendor.looks == [205]


async def test_404_for_a_fresh_job_is_waited_out():
    vendor = Vendor(JobNotFound("no such job"), JobNotFound("no such job"), DONE)
    assert await vendor.wait() == DONE
    assert vendor.looks == [60, 70, 80]


async def test_404_after_the_grace_is_job_not_found():
    vendor = Vendor(JobNotFound("no such job"))
    with pytest.raises(JobNotFound):
        await vendor.wait()
    assert vendor.looks == [60, 70, 80, 90, 100, 110]


async def test_throttled_look_honours_retry_after():
    vendor = Vendor(Throttled("slowly", retry_after=45), DONE)
    assert await vendor.wait() == DONE
    assert vendor.looks == [60, 105]


async def test_retry_after_shorter_than_the_interval_does_not_hasten():
    vendor = Vendor(Throttled("slowly", retry_after=1), Throttled("slowly"), DONE)
    await vendor.wait()
    assert vendor.looks == [60, 70, 80]


async def test_transient_errors_are_repeated():
    vendor = Vendor(LOST, LOST, RUNNING, LOST, DONE)
    assert await vendor.wait() == DONE
    assert len(vendor.looks) == 5


@pytest.mark.parametrize("error", [KeyRefused("wrong key"), NoCredits("nothing left")])
async def test_lasting_errors_end_the_wait_at_once(error):
    vendor = Vendor(error)
    with pytest.raises(type(error)):
        await vendor.wait()
    assert vendor.looks == [60]


@pytest.mark.parametrize("answer", [RUNNING, LOST, Throttled("slowly", retry_after=1)])
async def test_deadline_carries_the_job_id_and_says_that_it_can_be_resumed(answer):
    vendor = Vendor(answer)
    with pytest.raises(WaitTimeout) as caught:
        await vendor.wait()
    assert caught.value.job_id == "task_1"
    assert caught.value.billed == "yes"
    assert "same job" in caught.value.next_step
    assert 280 <= vendor.looks[-1] <= SCHEDULE.deadline


async def test_vendor_that_can_not_be_asked_is_told_of_once_and_in_the_deadlines_error(monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(loop.logger, "warning", lambda text, *words: told.append(text % words))
    vendor = Vendor(RUNNING, LOST)
    with pytest.raises(WaitTimeout, match="processing; the last 24 looks got no answer: no answer"):
        await vendor.wait()
    assert told == ["Job task_1 can't be asked for, still trying: no answer"]


async def test_job_older_than_the_deadline_is_looked_at_before_giving_up():
    vendor = Vendor(RUNNING)
    with pytest.raises(WaitTimeout):
        await vendor.wait(age=5000, resumed=True)
    assert 2 <= len(vendor.looks) <= 4


async def test_enormous_retry_after_ends_at_the_deadline_and_not_after_it():
    vendor = Vendor(Throttled("tomorrow", retry_after=86_400))
    with pytest.raises(WaitTimeout):
        await vendor.wait()
    assert vendor.clock - vendor.start <= SCHEDULE.deadline


async def test_time_in_the_queue_does_not_count_as_running():
    # 400 s in the queue, then 250 s of running: both under their own deadlines.
    vendor = Vendor(*[QUEUED] * 35, *[RUNNING] * 25, DONE)
    assert await vendor.wait() == DONE


async def test_deadline_of_the_queue_is_named():
    vendor = Vendor(QUEUED)
    with pytest.raises(WaitTimeout, match=r"queue within 500 s.*pending"):
        await vendor.wait()
    assert 480 <= vendor.looks[-1] <= 500


async def test_deadline_of_running_is_named_and_counts_from_the_end_of_the_queue():
    vendor = Vendor(*[QUEUED] * 10, RUNNING)
    with pytest.raises(WaitTimeout, match=r"within 300 s of running.*processing"):
        await vendor.wait()
    assert 430 <= vendor.looks[-1] <= 450


async def test_time_without_an_answer_counts_for_the_state_that_is_known():
    vendor = Vendor(QUEUED, LOST)
    with pytest.raises(WaitTimeout, match="queue"):
        await vendor.wait()
    assert 480 <= vendor.looks[-1] <= 500


class Records:
    """Says at which glance the records hold the end."""

    def __init__(self, over_at: int) -> None:
        self.over_at = over_at
        self.glances = 0

    async def glance(self) -> bool:
        self.glances += 1
        return self.glances >= self.over_at


async def test_wake_up_with_a_recorded_end_asks_the_vendor_nothing():
    vendor, woken = Vendor(RUNNING), asyncio.Event()
    vendor.asleep = woken.set
    assert await vendor.wait(reports=Reports(Records(1).glance, woken)) is None
    assert vendor.looks == []


async def test_wake_up_in_vain_sleeps_on():
    vendor, woken, records = Vendor(DONE), asyncio.Event(), Records(99)
    woken.set()
    assert await vendor.wait(reports=Reports(records.glance, woken)) == DONE
    assert vendor.looks == [60]
    assert records.glances == 2


async def test_records_are_read_before_the_vendor_is_asked():
    vendor, records = Vendor(RUNNING), Records(2)
    assert await vendor.wait(reports=Reports(records.glance)) is None
    assert vendor.looks == [60]


async def test_records_that_never_come_leave_it_to_the_looks():
    vendor = Vendor(RUNNING, RUNNING, DONE)
    reports = Reports(Records(99).glance, asyncio.Event())
    assert await vendor.wait(reports=reports) == DONE
    assert vendor.looks == [60, 70, 80]


async def test_first_look_is_put_off_by_what_was_learnt_meanwhile():
    vendor = Vendor(DONE)

    async def first() -> float:
        return 70.0

    await vendor.wait(first=first)
    assert vendor.looks == [70]


async def test_first_look_at_a_resumed_job_is_not_put_off():
    vendor = Vendor(DONE)

    async def first() -> float:
        raise AssertionError

    await vendor.wait(age=65, resumed=True, first=first)
    assert len(vendor.looks) == 1


async def test_old_job_is_looked_at_three_times_even_where_many_look():
    vendor = Vendor(RUNNING)
    with pytest.raises(WaitTimeout):
        await vendor.wait(age=4000, resumed=True, least=lambda: 100.0)
    assert len(vendor.looks) == 3
