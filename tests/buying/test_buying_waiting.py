"""Waiting for a bought job over real HTTP, and the limits that all of a process keeps to."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

import pytest

from prefect_videogen import errors
from prefect_videogen.buying import Buyer, look_once, wait_for
from prefect_videogen.emulator.timeline import ManualClock
from prefect_videogen.fetching import fetch_clip

EVOLINK = "wan2.5-image-to-video"
DAY = 86_400.0


@pytest.mark.parametrize(
    "fault",
    [
        "unknown-status",
        "status-backwards",
        "not-found-at-first",
        "success-without-url",
        "refuse-503",
        "malformed-json",
        "foreign-json",
        "html-instead",
        "drop-after-accept",
        "throttle",
        "envelope-error",
    ],
)
@pytest.mark.parametrize("vendor", ["apixo", "evolink"])
async def test_troubled_status_query_is_waited_out(
    emulator, open_studio, ask, obtain, stills, vendor, fault
):
    vendors = emulator()
    vendors.faults.add(fault, at="status", times=2)
    picture = {"model": EVOLINK, "first_frame": stills["sky"]} if vendor == "evolink" else {}
    request = await ask(open_studio(vendors), **picture)
    clip = await obtain(open_studio(vendors), request)
    assert (clip.how, clip.attempt) == ("bought", 1)
    assert len(vendors.charges) == 1


async def test_unknown_word_is_logged_once(emulator, open_studio, ask, obtain, caplog):
    vendors = emulator()
    vendors.faults.add("unknown-status", times=4, word="reviewing")
    with caplog.at_level(logging.INFO, "prefect_videogen"):
        await obtain(open_studio(vendors), await ask(open_studio(vendors)))
    # By identity: pytest listens at more than one logger.
    told = {id(line) for line in caplog.records if "unknown status word" in line.getMessage()}
    assert len(told) == 1
    assert "reviewing" in caplog.text


async def test_job_that_stays_queued_ends_at_the_deadline_and_stays_resumable(
    emulator, open_studio, ask, hurry
):
    # Its clock stands still, so that the job is queued however long the test takes.
    vendors = emulator(speed=1, clock=ManualClock(start=time.time()))
    vendors.faults.add("job-hangs")
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    async with studio:
        job = await Buyer(studio, request).buy()
        with pytest.raises(errors.WaitTimeout, match="queue") as caught:
            await wait_for(studio, job)
        assert (caught.value.job_id, caught.value.shot) == (job.job_id, "kite")
        again = await Buyer(studio, request).buy()
    assert (again.how, again.job_id) == ("resumed", job.job_id)
    assert 3500 <= hurry.ahead <= 3700
    assert len(vendors.charges) == 1


async def test_wrong_key_while_waiting_leaves_the_job_resumable(emulator, open_studio, ask, obtain):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    vendors.faults.add("key-refused-403", at="status")
    with pytest.raises(errors.KeyRefused):
        await obtain(open_studio(vendors), request)
    clip = await obtain(open_studio(vendors), request)
    assert (clip.how, clip.attempt) == ("resumed", 1)
    assert len(vendors.charges) == 1


async def test_job_the_vendor_forgot_is_not_bought_again(emulator, open_studio, ask, obtain, hurry):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    async with studio:
        await Buyer(studio, request).buy()
    hurry.ahead += 60
    vendors.faults.add("not-found-at-first", times=1)
    with pytest.raises(errors.JobNotFound):
        await obtain(open_studio(vendors, time=hurry), request)
    assert (await obtain(open_studio(vendors, time=hurry), request)).how == "resumed"
    assert len(vendors.charges) == 1


async def test_more_shots_than_slots_never_meet_the_vendors_limit(
    emulator, open_studio, ask, obtain
):
    vendors = emulator(speed=600)
    settings = {"model": "vidu-q3", "seconds": 1}
    requests = [
        await ask(open_studio(vendors), take=str(take), **settings) for take in range(1, 15)
    ]
    async with open_studio(vendors) as one, open_studio(vendors) as other:

        async def run(number, request):
            studio = (one, other)[number % 2]
            job = await wait_for(studio, await Buyer(studio, request).buy())
            return await fetch_clip(studio, job)

        await asyncio.gather(*(run(*pair) for pair in enumerate(requests)))
    assert len(vendors.charges) == 14
    assert 2 <= vendors.peak_running("vidu-q3") <= 10
    assert vendors.requests_per_minute("vidu-q3") <= 60
    assert 429 not in {seen.status for seen in vendors.requests}


async def test_failed_purchase_and_failed_wait_give_their_slot_back(
    emulator, open_studio, ask, obtain, wire
):
    vendors = emulator()
    settings = {"model": "vidu-q3", "seconds": 1}
    async with open_studio(vendors, transport=wire) as studio:
        for take in range(1, 12):
            request = await ask(studio, take=str(take), prompt="a kite [violation]", **settings)
            job = await Buyer(studio, request).buy()
            with pytest.raises(errors.ContentRefused):
                await wait_for(studio, job)
        for take in range(12, 24):
            request = await ask(studio, take=str(take), **settings)
            wire.script = [(402, {"code": 402, "message": "Insufficient credits", "data": None})]
            with pytest.raises(errors.NoCredits):
                await Buyer(studio, request).buy()
        request = await ask(studio, take="99", **settings)
        async with asyncio.timeout(120):
            await wait_for(studio, await Buyer(studio, request).buy())


NEXT_STEPS = {
    "[violation]": "raise its take",
    "[fail:GENERATION_FAILED]": "raise its take",
    "[fail:INVALID_IMAGE_URL]": "run again",
    "[fail:PROCESSING_TIMEOUT]": "run again",
}


@pytest.mark.parametrize(("prompt", "says"), NEXT_STEPS.items())
async def test_failure_that_another_process_has_recorded_says_what_to_do(
    emulator, open_studio, ask, prompt, says
):
    vendors = emulator(speed=600)
    async with open_studio(vendors) as studio, open_studio(vendors) as receiver:
        request = await ask(studio, model="vidu-q3", seconds=1, prompt=f"a kite {prompt}")
        job = await Buyer(studio, request).buy()
        await studio.give_back(job.key)
        for number in range(10):  # no slot is left, so the wait goes by the records
            await receiver.take_slot(f"other-{number}", receiver.model_named("vidu-q3"))
        waiting = asyncio.create_task(wait_for(studio, job))
        recorded = None
        while recorded is None:
            await asyncio.sleep(0.05)
            try:
                await look_once(receiver, job)
            except errors.VendorError as error:
                recorded = error
        with pytest.raises(type(recorded)) as caught:
            await waiting
        with pytest.raises(type(recorded)) as again:
            await wait_for(studio, job)
    for told in (caught.value, again.value):
        assert says in told.next_step
        assert (told.shot, told.job_id, told.billed) == ("kite", job.job_id, recorded.billed)


@pytest.fixture
async def finished(emulator, open_studio, ask, monkeypatch):
    """Buy a clip whose end the vendor tells as asked for: its record, job, life and timings."""

    async def run(told):
        vendors = emulator()
        async with open_studio(vendors) as studio:
            job = await Buyer(studio, await ask(studio)).buy()
            client = await studio.client("apixo")
            real = client.status

            async def status(*job_of):
                got = await real(*job_of)
                return replace(got, finished_at=told(job)) if got.finished_at else got

            monkeypatch.setattr(client, "status", status)
            await wait_for(studio, job)
            attempt = await studio.records.attempt(job.key, job.attempt)
            life = studio.model_named(job.model).result_seconds / studio.account("apixo").speed
            return attempt.ready, job, life, await studio.store.list("timings")

    return run


@pytest.mark.parametrize(
    "told",
    [lambda _: 60.0, lambda job: job.submitted_at - DAY, lambda job: job.submitted_at + DAY],
    ids=["a length", "long before", "far ahead"],
)
async def test_end_that_cannot_be_neither_expires_a_clip_nor_is_remembered(finished, told):
    ready, job, life, timings = await finished(told)
    assert ready.expires_at == ready.at + life
    assert ready.finished_at == told(job)
    assert timings == []


async def test_clip_expires_by_the_end_that_the_vendor_tells(finished):
    ready, job, life, timings = await finished(lambda job: job.submitted_at + 30)
    assert ready.expires_at == job.submitted_at + 30 + life
    assert len(timings) == 1
