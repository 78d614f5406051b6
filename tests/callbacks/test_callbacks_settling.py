"""Whole purchases whose end is told by a callback, over real HTTP in both directions."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

import pytest

from prefect_videogen import errors
from prefect_videogen.buying import Buyer, wait_for
from prefect_videogen.callbacks import Clerk, Delivery, Finished, Inbox
from prefect_videogen.callbacks.keeping import kept
from prefect_videogen.inspecting import billed_of
from prefect_videogen.records import End
from prefect_videogen.waiting import rules

EVOLINK = "wan2.5-image-to-video"
VENDORS = pytest.mark.parametrize("vendor", ["apixo", "evolink"])


@pytest.fixture(autouse=True)
def only_wake_ups_end_a_wait(monkeypatch):
    """A clip that is not announced keeps its test waiting until that fails."""
    monkeypatch.setattr(rules, "SHORTEST_BACKSTOP", 100_000.0)


@pytest.fixture
def after_the_window(hurry):
    """A clock that is ahead, so that nobody may still record the answer of a claim made now."""
    hurry.ahead = 60
    return hurry


def asked(vendors) -> Counter[str]:
    """What the vendors were asked for, by kind."""
    return Counter(seen.kind for seen in vendors.requests if seen.kind in {"submit", "status"})


def shot_of(vendor, stills):
    return {"model": EVOLINK, "first_frame": stills["sky"]} if vendor == "evolink" else {}


@VENDORS
async def test_clip_costs_two_requests(
    emulator, studio_with_callbacks, receiver, ask, obtain, stills, vendor
):
    vendors = emulator()
    receiver.start(studio_with_callbacks(vendors))
    async with studio_with_callbacks(vendors) as studio:
        requests = [
            await ask(studio, take=str(take), **shot_of(vendor, stills)) for take in range(1, 6)
        ]
        clips = await asyncio.gather(*(obtain(studio, request) for request in requests))
    assert {clip.how for clip in clips} == {"bought"}
    assert asked(vendors) == {"submit": 5, "status": 5}
    assert {delivery.status for delivery in vendors.deliveries} == {200}
    assert sorted(told.key for told in receiver.wakes.told) == sorted(r.key for r in requests)
    assert {told.state for told in receiver.wakes.told} == {"ready"}


async def test_many_clips_at_once_lose_no_delivery(
    emulator, studio_with_callbacks, receiver, ask, obtain
):
    vendors = emulator()
    receiver.start(studio_with_callbacks(vendors))
    async with studio_with_callbacks(vendors) as studio:
        requests = [await ask(studio, take=str(take)) for take in range(1, 31)]
        await asyncio.gather(*(obtain(studio, request) for request in requests))
    assert asked(vendors) == {"submit": 30, "status": 30}
    assert len(receiver.wakes.told) == 30


@VENDORS
async def test_delivery_before_the_submits_answer_is_kept_until_the_record_is_there(
    emulator, studio_with_callbacks, receiver, ask, obtain, stills, vendor
):
    vendors = emulator()
    vendors.faults.add("callback-early")
    receiver.start(studio_with_callbacks(vendors))
    async with studio_with_callbacks(vendors) as studio:
        clip = await obtain(studio, await ask(studio, **shot_of(vendor, stills)))
    assert (clip.how, clip.attempt) == ("bought", 1)
    assert asked(vendors) == {"submit": 1, "status": 1}


async def test_callback_that_never_comes_is_made_up_for_by_the_slow_poll(
    emulator, studio_with_callbacks, receiver, ask, obtain, hurry, monkeypatch
):
    monkeypatch.setattr(rules, "SHORTEST_BACKSTOP", 20.0)
    vendors = emulator()
    vendors.faults.add("callback-lost")
    async with studio_with_callbacks(vendors, time=hurry) as studio:
        clip = await obtain(studio, await ask(studio))
    assert clip.how == "bought"
    assert receiver.paths == []
    assert max(hurry.slept) >= 19
    assert asked(vendors)["submit"] == 1


@VENDORS
async def test_receiver_that_is_down_gets_the_vendors_next_try(
    emulator, studio_with_callbacks, receiver, ask, obtain, stills, vendor
):
    vendors = emulator()
    receiver.refusals = 2
    receiver.start(studio_with_callbacks(vendors))
    async with studio_with_callbacks(vendors) as studio:
        await obtain(studio, await ask(studio, **shot_of(vendor, stills)))
    assert [delivery.status for delivery in vendors.deliveries] == [502, 502, 200]
    assert asked(vendors) == {"submit": 1, "status": 1}


async def test_failed_job_ends_the_wait_with_the_recorded_reason(
    emulator, studio_with_callbacks, receiver, ask
):
    vendors = emulator()
    receiver.start(studio_with_callbacks(vendors))
    async with studio_with_callbacks(vendors) as studio:
        job = await Buyer(studio, await ask(studio, prompt="a kite [violation]")).buy()
        with pytest.raises(errors.ContentRefused) as caught:
            await wait_for(studio, job)
    assert (caught.value.shot, caught.value.job_id) == ("kite", job.job_id)
    assert asked(vendors) == {"submit": 1, "status": 1}
    assert [told.state for told in receiver.wakes.told] == ["failed"]


@pytest.mark.parametrize("fault", ["refuse-503", "throttle", "not-found-at-first", "html-instead"])
async def test_troubled_look_is_repeated_without_another_delivery(
    emulator, studio_with_callbacks, receiver, ask, obtain, fault
):
    vendors = emulator()
    vendors.faults.add(fault, at="status", times=2)
    receiver.start(studio_with_callbacks(vendors))
    async with studio_with_callbacks(vendors) as studio:
        await obtain(studio, await ask(studio))
    assert asked(vendors) == {"submit": 1, "status": 3}
    assert len(vendors.deliveries) == 1


async def test_doubled_delivery_asks_once(
    emulator, studio_with_callbacks, receiver, ask, obtain, until
):
    vendors = emulator()
    vendors.faults.add("callback-doubled")
    receiver.start(studio_with_callbacks(vendors))
    async with studio_with_callbacks(vendors) as studio:
        await obtain(studio, await ask(studio))
        await until(lambda: len(vendors.deliveries) == 2)
        await until(lambda: receiver.inbox.open_cases == 0)
    assert asked(vendors) == {"submit": 1, "status": 1}


async def test_lost_answer_is_settled_by_the_callback_and_the_next_run_has_the_clip(
    emulator, studio_with_callbacks, receiver, ask, obtain, until, caplog, after_the_window
):
    vendors = emulator()
    vendors.faults.add("drop-after-accept", at="submit")
    receiver.start(studio_with_callbacks(vendors, time=after_the_window))
    with caplog.at_level(logging.WARNING):
        async with studio_with_callbacks(vendors) as studio:
            request = await ask(studio)
            with pytest.raises(errors.SubmissionUnknown):
                await obtain(studio, request)
            await until(lambda: receiver.wakes.told)
            clip = await obtain(studio, request)
    assert (clip.how, clip.attempt) == ("resumed", 1)
    assert clip.job_id == receiver.wakes.told[0].job_id == vendors.charges[0].job_id
    assert len(vendors.charges) == 1
    assert "settled the lost answer" in caplog.text


async def test_lost_answer_is_settled_by_another_receiver_if_the_one_that_was_told_is_stopped(
    emulator, studio_with_callbacks, receiver, ask, obtain, until, after_the_window
):
    vendors = emulator()
    vendors.faults.add("drop-after-accept", at="submit")
    vendors.faults.add("callback-lost")
    told: list[Finished] = []
    async with studio_with_callbacks(vendors) as studio:
        request = await ask(studio)
        with pytest.raises(errors.SubmissionUnknown):
            await obtain(studio, request)
        await until(lambda: vendors.deliveries)
        delivery = Delivery(request.key, 1, vendors.charges[0].job_id)
        async with Inbox(Clerk(studio, told.append).work, studio.time) as inbox:
            assert inbox.put(delivery)
            async with asyncio.timeout(120):
                while not await studio.store.list("deliveries"):  # noqa: ASYNC110 - the clerk's
                    await asyncio.sleep(0.002)
    assert told == []
    async with studio_with_callbacks(vendors, time=after_the_window) as studio:
        assert await kept(studio) == [delivery]
        async with Inbox(Clerk(studio, told.append).work, studio.time) as inbox:
            inbox.put(delivery)
            await until(lambda: not inbox.open_cases)
        assert [(one.job_id, one.state) for one in told] == [(delivery.job_id, "ready")]
        assert await kept(studio) == []
        assert await studio.store.list("deliveries") == []


async def test_lost_answer_is_not_settled_by_the_job_of_another_clip(
    emulator, studio_with_callbacks, receiver, ask, obtain, until, deliver, caplog, after_the_window
):
    vendors = emulator()
    receiver.start(studio_with_callbacks(vendors, time=after_the_window))
    async with studio_with_callbacks(vendors) as studio:
        other = await obtain(studio, await ask(studio, take="2"))
        vendors.faults.add("drop-after-accept", at="submit")
        vendors.faults.add("callback-lost")
        request = await ask(studio)
        with pytest.raises(errors.SubmissionUnknown):
            await obtain(studio, request)
        url = receiver.endpoint.job_url(request.key, 1, sandbox=True)
        with caplog.at_level(logging.WARNING):
            for job_id in (other.job_id, "task_of_nobody"):
                assert deliver(url, json={"data": {"taskId": job_id}}).status_code == 200
            await until(lambda: "recorded already" in caplog.text)
            await until(lambda: receiver.inbox.open_cases == 0)
        history = await studio.records.history(request.key)
    assert [attempt.state for attempt in history.attempts] == ["claimed"]
    assert len(receiver.wakes.told) == 1


async def test_job_of_an_attempt_that_was_given_up_is_recorded_as_paid(
    emulator, studio_with_callbacks, receiver, ask, obtain, until, deliver, caplog
):
    vendors = emulator()
    vendors.faults.add("drop-after-accept", at="submit")
    vendors.faults.add("callback-lost")
    receiver.start(studio_with_callbacks(vendors))
    async with studio_with_callbacks(vendors) as studio:
        request = await ask(studio)
        with pytest.raises(errors.SubmissionUnknown):
            await obtain(studio, request)
        given_up = End(at=studio.time.now(), kind="abandoned", billed="unknown")
        await studio.records.end(request.key, 1, given_up)
        await studio.records.close("apixo@sandbox", "wan-2-5", request.key, 1)
        job_id = vendors.charges[0].job_id
        url = receiver.endpoint.job_url(request.key, 1, sandbox=True)
        with caplog.at_level(logging.WARNING):
            assert deliver(url, json={"data": {"taskId": job_id}}).status_code == 200
            await until(lambda: receiver.wakes.told)
        attempt = await studio.records.attempt(request.key, 1)
        clip = await obtain(studio, request)
    assert attempt is not None
    assert (attempt.state, attempt.job_id, billed_of(attempt)) == ("ended", job_id, "yes")
    assert receiver.wakes.told[0].state == "given-up"
    assert "it was paid" in caplog.text
    # What was given up stays so: the next run buys.
    assert (clip.how, clip.attempt) == ("bought", 2)
    assert not [path for path in await studio.store.list("open") if request.key in path]


async def test_delivery_for_records_that_are_gone_is_accepted_and_logged(
    emulator, studio_with_callbacks, receiver, deliver, until, caplog
):
    vendors = emulator()
    receiver.start(studio_with_callbacks(vendors))
    url = receiver.endpoint.job_url("ab" * 32, 1, sandbox=True)
    with caplog.at_level(logging.WARNING):
        assert deliver(url, json={"id": "task_1"}).status_code == 200
        await until(lambda: "no record" in caplog.text)
    assert asked(vendors) == {}


async def test_next_attempt_has_an_address_of_its_own(
    emulator, studio_with_callbacks, receiver, ask, obtain
):
    vendors = emulator()
    vendors.faults.add("throttle", at="submit", times=2)
    receiver.start(studio_with_callbacks(vendors))
    async with studio_with_callbacks(vendors) as studio:
        request = await ask(studio)
        clip = await obtain(studio, request)
        bodies = [
            attempt.claimed.body
            for attempt in (await studio.records.history(request.key)).attempts
            if attempt.claimed
        ]
    assert clip.attempt == len(bodies) == 3
    for number, body in enumerate(bodies, 1):
        assert receiver.endpoint.job_url(request.key, number, sandbox=True) in body
