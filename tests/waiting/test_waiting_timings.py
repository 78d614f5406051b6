"""How long jobs took is remembered in the media store, cheaply, and used for the first look."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from prefect_videogen.buying import Buyer, wait_for
from prefect_videogen.buying.timings import PER_MONTH, REMEMBERED, Timings
from prefect_videogen.errors import RecordError
from prefect_videogen.records import LocalStore

KIND = ("apixo", "wan-2-5", "720p-5")


@pytest.fixture
def studio(emulator, open_studio):
    return open_studio(emulator())


def in_another_process(what):
    """What a new process sees: nothing but the store."""
    return asyncio.to_thread(asyncio.run, what)


async def test_times_are_there_for_the_next_process(studio):
    timings = Timings(studio, *KIND)
    for number, seconds in enumerate((61.04, 55.0, 70.25)):
        await timings.add(f"task_{number}", seconds)
    assert await timings.took() == [61.04, 55.0, 70.25]
    again = await in_another_process(Timings(studio, *KIND).took())
    assert sorted(again) == [55.0, 61.0, 70.2]
    other = await in_another_process(Timings(studio, "apixo", "wan-2-5", "1080p-5").took())
    assert other == []


async def test_a_month_and_kind_keeps_few_objects_and_a_process_few_times(studio):
    timings = Timings(studio, *KIND)
    for number in range(REMEMBERED + 10):
        await timings.add(f"task_{number}", number)
    assert len(await studio.store.list(timings.folder)) == PER_MONTH
    took = await timings.took()
    assert (len(took), took[-1]) == (REMEMBERED, REMEMBERED + 9)

    async def one_more() -> None:
        await Timings(studio, *KIND).add("task_x", 60)

    await in_another_process(one_more())
    assert len(await studio.store.list(timings.folder)) == PER_MONTH


async def test_files_of_others_do_not_matter(studio):
    folder = Timings(studio, *KIND).folder
    month = datetime.now(UTC).strftime("%Y%m")
    for name in ("README", f"{month}-ab-x", f"{month}-cd-58.5"):
        await studio.store.create(f"{folder}/{name}", b"{}")
    assert await Timings(studio, *KIND).took() == [58.5]


class NoStore(LocalStore):
    """Can neither be listed nor written."""

    async def list(self, prefix: str) -> list[str]:
        raise RecordError(prefix)

    async def create(self, path: str, data: bytes) -> bool:
        raise RecordError(path)


async def test_store_that_fails_leaves_what_this_process_has_seen(emulator, open_studio, tmp_path):
    studio = open_studio(emulator(), store=NoStore(tmp_path / "nowhere"))
    timings = Timings(studio, *KIND)
    await timings.add("task_1", 61)
    assert await timings.took() == [61]


async def test_finished_job_is_remembered_in_a_real_vendors_seconds(emulator, open_studio, ask):
    vendors = emulator(speed=200)
    async with open_studio(vendors) as studio:
        request = await ask(studio)
        job = await wait_for(studio, await Buyer(studio, request).buy())
        attempt = await studio.records.attempt(job.key, job.attempt)
        (name,) = await studio.store.list("timings")
    assert attempt is not None
    assert attempt.ready is not None
    took = attempt.ready.finished_at - attempt.ready.started_at
    assert float(name.rpartition("-")[2]) == pytest.approx(took * 200, abs=0.06)
    assert name.startswith("timings/apixo@sandbox/wan-2-5/")


async def test_first_look_comes_when_past_jobs_were_done(emulator, open_studio, ask, hurry):
    vendors = emulator(speed=1)
    async with open_studio(vendors, time=hurry) as studio:
        request = await ask(studio)
        job = await Buyer(studio, request).buy()
        kind = "-".join(str(request.clip.params[name]) for name in ("resolution", "duration"))
        timings = Timings(studio, "apixo@sandbox", "wan-2-5", kind)
        for number in range(8):
            await timings.add(f"task_{number}", 80 + number)
        hurry.slept.clear()
        waiting = asyncio.create_task(wait_for(studio, job))
        async with asyncio.timeout(120):
            while not [seconds for seconds in hurry.slept if seconds > 50]:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    first = next(seconds for seconds in hurry.slept if seconds > 50)
    assert 80 <= first <= 83
