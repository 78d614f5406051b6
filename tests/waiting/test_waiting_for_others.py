"""A job that somebody else asks for is followed through the records, at no request of our own."""

from __future__ import annotations

import asyncio

import pytest

from prefect_videogen import errors
from prefect_videogen.buying import Buyer, look_once, wait_for
from prefect_videogen.waiting import Time


@pytest.fixture
def taken(monkeypatch):
    """Let all slots of a studio be taken until `free` is set."""
    free = asyncio.Event()

    def keep(studio) -> asyncio.Event:
        really = studio.take_slot

        async def take_slot(key, model) -> None:
            await free.wait()
            await really(key, model)

        monkeypatch.setattr(studio, "take_slot", take_slot)
        return free

    return keep


def looks(vendors) -> int:
    return sum(seen.kind == "status" for seen in vendors.requests)


async def finished(studio, job) -> None:
    """What another process does: ask until the job's end is recorded."""
    async with asyncio.timeout(120):
        while (await look_once(studio, job)).state == "submitted":  # noqa: ASYNC110 - it looks
            await asyncio.sleep(0.01)


@pytest.fixture
def vidu(ask):
    async def request(studio, **fields):
        return await ask(studio, model="vidu-q3", seconds=1, **fields)

    return request


async def test_job_without_a_slot_is_followed_until_another_run_records_its_end(
    emulator, open_studio, vidu, taken
):
    vendors = emulator()
    async with open_studio(vendors) as other, open_studio(vendors) as studio:
        job = await Buyer(other, await vidu(other)).buy()
        taken(studio)
        waiting = asyncio.create_task(wait_for(studio, job))
        await finished(other, job)
        asked = looks(vendors)
        assert (await asyncio.wait_for(waiting, 120)).state == "ready"
        assert looks(vendors) == asked


async def test_followed_job_that_failed_raises_the_recorded_reason(
    emulator, open_studio, vidu, taken
):
    vendors = emulator()
    async with open_studio(vendors) as other, open_studio(vendors) as studio:
        job = await Buyer(other, await vidu(other, prompt="a kite [violation]")).buy()
        taken(studio)
        waiting = asyncio.create_task(wait_for(studio, job))
        with pytest.raises(errors.ContentRefused):
            await finished(other, job)
        with pytest.raises(errors.ContentRefused) as caught:
            await asyncio.wait_for(waiting, 120)
    assert (caught.value.shot, caught.value.job_id) == ("kite", job.job_id)


async def test_job_is_asked_for_as_soon_as_a_slot_is_free(emulator, open_studio, vidu, taken):
    vendors = emulator()
    async with open_studio(vendors) as other, open_studio(vendors) as studio:
        job = await Buyer(other, await vidu(other)).buy()
        free = taken(studio)
        waiting = asyncio.create_task(wait_for(studio, job))
        await asyncio.sleep(0)
        free.set()
        assert (await asyncio.wait_for(waiting, 120)).state == "ready"
        assert looks(vendors) >= 1
        assert not studio.holds(job.key)


async def test_slot_that_never_comes_ends_the_wait_and_leaves_the_job_resumable(
    emulator, open_studio, vidu, taken, hurry
):
    vendors = emulator(speed=1)
    async with open_studio(vendors) as other, open_studio(vendors, time=hurry) as studio:
        job = await Buyer(other, await vidu(other)).buy()
        taken(studio)
        with pytest.raises(errors.WaitTimeout, match="slots") as caught:
            await wait_for(studio, job)
    assert caught.value.job_id == job.job_id
    assert 5400 <= hurry.ahead <= 5500
    assert looks(vendors) == 0


async def test_cancelled_wait_leaves_no_slot_behind(emulator, open_studio, vidu, taken):
    vendors = emulator()
    async with open_studio(vendors) as other, open_studio(vendors) as studio:
        job = await Buyer(other, await vidu(other)).buy()
        free = taken(studio)
        waiting = asyncio.create_task(wait_for(studio, job))
        await asyncio.sleep(0.02)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        free.set()
        await asyncio.sleep(0.02)
        assert not studio.holds(job.key)


async def test_sleep_ends_early_when_it_is_woken_and_clears_the_event():
    woken = asyncio.Event()

    async def long(_: float) -> None:
        woken.set()
        await asyncio.sleep(3600)

    time = Time(sleep=long)
    async with asyncio.timeout(120):
        assert await time.sleep_unless(60, woken)
    assert not woken.is_set()
    assert not await Time(sleep=lambda _: asyncio.sleep(0)).sleep_unless(60, woken)


@pytest.mark.parametrize("at", ["submit", "status"])
async def test_retry_after_of_either_request_slows_everybody_on_the_key(
    emulator, open_studio, vidu, hurry, at
):
    vendors = emulator(speed=1)
    vendors.faults.add("throttle-retry-after", at=at, seconds=300)
    async with open_studio(vendors, time=hurry) as studio:
        job = await Buyer(studio, await vidu(studio)).buy()
        if at == "status":
            with pytest.raises(errors.Throttled):
                await look_once(studio, job)
            hurry.slept.clear()
            await studio.pace(studio.model_named("vidu-q3")).turn()
    assert max(hurry.slept) >= 299
