"""A person settles what became of a submission that got no answer."""

from __future__ import annotations

import pytest

from prefect_videogen import errors
from prefect_videogen.buying import Buyer
from prefect_videogen.collecting import collect
from prefect_videogen.settling import settle, settle_not_accepted

EVOLINK = "wan2.5-image-to-video"


@pytest.fixture
async def lost(emulator, open_studio, ask, hurry):
    """A job at APIXO whose submission got no answer, and whose claim's window is over."""
    vendors = emulator()
    vendors.faults.add("drop-after-accept")
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    async with studio:
        with pytest.raises(errors.SubmissionUnknown) as caught:
            await Buyer(studio, request).buy()
    assert f"prefect-videogen settle {request.key[:12]} --job ID" in caught.value.next_step
    hurry.ahead += 10
    return vendors, request


async def test_right_job_is_recorded_and_collected_without_buying_again(lost, open_studio, hurry):
    vendors, request = lost
    job_id = vendors.jobs[0].id
    async with open_studio(vendors, time=hurry) as studio:
        settled = await settle(studio, request.key, job_id)
        assert (settled.shot, settled.attempt) == ("kite", 1)
        assert settled.word
        job = await Buyer(studio, request).buy()
        assert (job.how, job.job_id, job.attempt) == ("resumed", job_id, 1)
        while not (await collect(studio)).fetched:
            pass
    assert (await studio.records.history(request.key)).state == "stored"
    assert len(vendors.charges) == 1


@pytest.mark.parametrize("job_id", ["task_12345678", "../../etc/passwd", "no such\njob"])
async def test_job_that_the_vendor_does_not_know_is_refused(lost, open_studio, hurry, job_id):
    vendors, request = lost
    async with open_studio(vendors, time=hurry) as studio:
        with pytest.raises(errors.JobNotFound) as caught:
            await settle(studio, request.key, job_id)
    assert "Nothing was recorded" in caught.value.next_step
    assert (await studio.records.history(request.key)).state == "claimed"


async def test_job_of_another_clip_is_refused(lost, open_studio, ask, hurry):
    vendors, request = lost
    async with open_studio(vendors, time=hurry) as studio:
        other = await Buyer(studio, await ask(studio, id="other", prompt="another")).buy()
        with pytest.raises(errors.StudioError, match="recorded already"):
            await settle(studio, request.key, other.job_id)
    assert (await studio.records.history(request.key)).state == "claimed"


async def test_vendor_that_cannot_be_asked_records_nothing(lost, open_studio, hurry):
    vendors, request = lost
    vendors.faults.add("refuse-503", at="status")
    async with open_studio(vendors, time=hurry) as studio:
        with pytest.raises(errors.BadAnswer):
            await settle(studio, request.key, vendors.jobs[0].id)
    assert (await studio.records.history(request.key)).state == "claimed"


async def test_not_accepted_is_ended_unbilled_and_bought_as_attempt_two(
    emulator, open_studio, ask, claim_and_die, hurry
):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    await claim_and_die(studio, request)
    hurry.ahead += 10
    async with studio:
        await settle_not_accepted(studio, request.key)
        end = (await studio.records.attempt(request.key, 1)).end
        assert (end.kind, end.billed) == ("abandoned", "no")
        assert await studio.store.list("open") == []
        job = await Buyer(studio, request).buy()
    assert (job.attempt, job.how) == (2, "bought")
    assert len(vendors.charges) == 1


async def test_claim_that_may_still_be_settled_by_its_owner_is_refused(
    emulator, open_studio, ask, claim_and_die, hurry
):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    await claim_and_die(studio, request)
    for attempt in (
        settle(studio, request.key, "task_1"),
        settle_not_accepted(studio, request.key),
    ):
        with pytest.raises(errors.StudioError, match="may still be under way") as caught:
            await attempt
        assert caught.value.next_step.startswith("Try again in")
    assert vendors.requests == []


async def test_nothing_to_settle_is_refused_with_the_state(lost, open_studio, ask, hurry):
    vendors, request = lost
    async with open_studio(vendors, time=hurry) as studio:
        await settle(studio, request.key, vendors.jobs[0].id)
        with pytest.raises(errors.StudioError, match="its state is submitted"):
            await settle_not_accepted(studio, request.key)
        with pytest.raises(errors.StudioError, match="its state is new"):
            await settle(studio, "ab" * 32, "task_1")


async def test_submission_with_another_account_is_refused(
    emulator, open_studio, ask, claim_and_die, hurry
):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    await claim_and_die(studio, request, vendor="apixo")
    hurry.ahead += 10
    with pytest.raises(errors.StudioError, match="sent to apixo"):
        await settle_not_accepted(studio, request.key)
