"""What dead runs bought is fetched before it expires; nothing is bought, nobody is disturbed."""

from __future__ import annotations

import asyncio
import json

import pytest

from prefect_videogen import errors
from prefect_videogen.buying import Buyer, wait_for
from prefect_videogen.collecting import collect, unfinished_of
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.records import Submitted, open_store

EVOLINK = "wan2.5-image-to-video"


def asked(vendors) -> list[str]:
    return [seen.kind for seen in vendors.requests if seen.kind not in {"media", "result"}]


async def test_job_of_a_killed_run_is_fetched_and_used_by_the_next_run(
    emulator, open_studio, ask, buy, all_ended
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    bought = await buy(open_studio(vendors), request)
    await all_ended(vendors)

    async with open_studio(vendors) as studio:
        collected = await collect(studio)
    (found,) = collected.fetched
    assert (found.shot, found.key, found.attempt) == ("kite", request.key, 1)
    assert (found.job_id, found.billed) == (bought.job_id, "yes")
    assert collected.jobs == 1
    assert not collected.needs_a_person
    assert (await studio.records.history(request.key)).state == "stored"
    assert await studio.store.list("open") == []

    job = await buy(open_studio(vendors), request)
    assert (job.how, job.state) == ("reused", "stored")
    assert len(vendors.charges) == 1


async def test_job_at_evolink_is_fetched_with_the_vendors_own_figures(
    emulator, open_studio, ask, buy, all_ended, stills
):
    vendors = emulator()
    request = await ask(open_studio(vendors), model=EVOLINK, first_frame=stills["sky"])
    await buy(open_studio(vendors), request)
    await all_ended(vendors)
    async with open_studio(vendors) as studio:
        (found,) = (await collect(studio)).fetched
    assert found.vendor == "evolink@sandbox"
    assert found.charge


async def test_collecting_twice_finds_nothing_the_second_time(
    emulator, open_studio, ask, buy, all_ended
):
    vendors = emulator()
    await buy(open_studio(vendors), await ask(open_studio(vendors)))
    await all_ended(vendors)
    async with open_studio(vendors) as studio:
        await collect(studio)
        before = len(vendors.requests)
        again = await collect(studio)
    assert (again.jobs, again.elsewhere) == (0, 0)
    assert len(vendors.requests) == before


async def test_running_job_is_asked_for_once_and_left_as_it_is(emulator, open_studio, ask, buy):
    vendors = emulator(speed=1)
    request = await ask(open_studio(vendors))
    job = await buy(open_studio(vendors), request)
    async with open_studio(vendors) as studio:
        (found,) = (await collect(studio)).running
    assert (found.job_id, found.billed) == (job.job_id, "yes")
    assert asked(vendors) == ["submit", "status"]
    assert (await studio.records.history(request.key)).state == "submitted"
    assert len(await studio.store.list("open")) == 1


async def test_ready_clip_is_fetched_without_asking_for_its_status(emulator, open_studio, ask):
    vendors = emulator()
    studio = open_studio(vendors)
    request = await ask(studio)
    async with studio:
        await wait_for(studio, await Buyer(studio, request).buy())
    before = asked(vendors)
    async with open_studio(vendors) as other:
        (found,) = (await collect(other)).fetched
    assert found.path == f"clips/{request.key}/clip.mp4"
    assert asked(vendors) == before


async def test_clip_that_expires_first_is_fetched_first(emulator, open_studio, ask, hurry):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry)
    requests = [await ask(studio, id=name, prompt=name) for name in ("first", "second", "third")]
    async with studio:
        for request in requests:
            await wait_for(studio, await Buyer(studio, request).buy())
        collected = await collect(studio)
    assert [found.shot for found in collected.fetched] == ["first", "second", "third"]


async def test_expired_result_is_reported_lost_and_ended(emulator, open_studio, ask, hurry):
    vendors = emulator()
    vendors.faults.add("result-expired", times=None)
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    async with studio:
        await wait_for(studio, await Buyer(studio, request).buy())
        hurry.ahead += 1_000_000
        collected = await collect(studio)
    (found,) = collected.lost
    assert (found.billed, found.shot) == ("yes", "kite")
    assert "on_expired=rebuy" in found.next_step
    assert collected.needs_a_person
    assert (await studio.records.attempt(request.key, 1)).end.kind == "expired"
    assert (await collect(studio)).jobs == 0


async def test_failed_job_is_ended_with_the_vendors_code(
    emulator, open_studio, ask, buy, all_ended
):
    vendors = emulator()
    request = await ask(open_studio(vendors), prompt="a [violation]")
    job = await buy(open_studio(vendors), request)
    await all_ended(vendors)
    async with open_studio(vendors) as studio:
        (found,) = (await collect(studio)).failed
    assert found.job_id == job.job_id
    end = (await studio.records.attempt(request.key, 1)).end
    assert (end.kind, end.error, end.billed) == ("failed", "ContentRefused", found.billed)
    assert await studio.store.list("open") == []


@pytest.mark.parametrize("model", ["wan-2-5", EVOLINK])
async def test_claim_without_a_job_id_is_reported_unknown_and_not_bought(
    emulator, open_studio, ask, claim_and_die, hurry, stills, model
):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio, model=model, first_frame=stills["sky"])
    before = asked(vendors)
    await claim_and_die(studio, request)
    hurry.ahead += 10
    async with studio:
        (found,) = (await collect(studio)).unknown
    assert (found.job_id, found.billed) == (None, "unknown")
    assert f"settle {request.key[:12]} --job ID" in found.next_step
    assert asked(vendors) == before
    assert (await studio.records.history(request.key)).state == "claimed"


async def test_live_claim_inside_its_window_is_left_alone(
    emulator, open_studio, ask, claim_and_die, hurry
):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    await claim_and_die(studio, request)
    hurry.ahead += 3
    async with studio:
        collected = await collect(studio)
    (found,) = collected.running
    assert (found.job_id, found.reason) == (None, "is being submitted")
    assert not collected.needs_a_person
    assert vendors.requests == []
    assert len(await studio.store.list("open")) == 1


async def test_jobs_of_other_accounts_are_only_counted(
    emulator, open_studio, ask, claim_and_die, hurry
):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry)
    await claim_and_die(studio, await ask(studio), vendor="apixo")
    hurry.ahead += 10
    async with studio:
        collected = await collect(studio)
    assert (collected.jobs, collected.elsewhere) == (0, 1)


async def test_one_jobs_trouble_does_not_stop_the_others(
    emulator, open_studio, ask, buy, all_ended, tmp_path
):
    vendors = emulator()
    await buy(open_studio(vendors), await ask(open_studio(vendors)))
    other = await ask(open_studio(vendors), id="foreign", prompt="another")
    studio = open_studio(vendors, models={})  # knows no model at all: a fault of this studio
    broken = tmp_path / "media/clips" / ("ab" * 32) / "1"
    broken.mkdir(parents=True)
    (broken / "1-claimed.json").write_text("{")
    await buy(open_studio(vendors), other)
    await all_ended(vendors)
    async with studio:
        assert len((await collect(studio)).troubled) == 3
    async with open_studio(vendors) as studio:
        collected = await collect(studio)
    assert [found.key for found in collected.troubled] == ["ab" * 32]
    assert {found.shot for found in collected.fetched} == {"kite", "foreign"}


@pytest.mark.parametrize("fault", ["key-refused-403", "refuse-503", "throttle", "html-instead"])
async def test_job_that_cannot_be_asked_for_is_troubled_and_stays_as_it_is(
    emulator, open_studio, ask, buy, all_ended, fault
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    await buy(open_studio(vendors), request)
    await all_ended(vendors)
    vendors.faults.add(fault, at="status")
    async with open_studio(vendors) as studio:
        (found,) = (await collect(studio)).troubled
        assert found.billed == "yes"
        assert (await studio.records.history(request.key)).state == "submitted"
        assert len((await collect(studio)).fetched) == 1


@pytest.mark.parametrize(
    ("age", "outcome", "state"),
    [(1, "running", "submitted"), (60, "unknown", "submitted"), (1_000_000, "lost", "ended")],
)
async def test_job_that_the_vendor_does_not_know_is_judged_by_its_age(
    emulator, open_studio, ask, claim_and_die, hurry, age, outcome, state
):
    vendors = emulator()
    studio = open_studio(vendors, time=hurry)
    request = await ask(studio)
    await claim_and_die(studio, request)
    submitted = Submitted(at=studio.time.now(), job_id="task_gone")
    await studio.records.submitted(request.key, 1, submitted)
    hurry.ahead += age
    async with studio:
        collected = await collect(studio)
    assert [found.job_id for found in getattr(collected, outcome)] == ["task_gone"]
    assert (await studio.records.history(request.key)).state == state
    assert len(await studio.store.list("open")) == (0 if state == "ended" else 1)


async def test_jobs_younger_than_asked_for_are_left_alone(
    emulator, open_studio, ask, buy, all_ended, hurry
):
    vendors = emulator()
    await buy(open_studio(vendors), await ask(open_studio(vendors)))
    await all_ended(vendors)
    async with open_studio(vendors, time=hurry) as studio:
        assert (await collect(studio, older_than=30)).jobs == 0
        assert asked(vendors) == ["submit"]
        hurry.ahead += 30 * 60
        assert len((await collect(studio, older_than=30)).fetched) == 1


async def test_collecting_beside_live_runs_disturbs_none(emulator, open_studio, ask, obtain_all):
    vendors = emulator()
    names = [f"shot-{number}" for number in range(4)]
    requests = [await ask(open_studio(vendors), id=name, prompt=name) for name in names]
    running = asyncio.ensure_future(obtain_all(vendors, requests))
    rounds = 0
    while not running.done():
        async with open_studio(vendors) as studio:
            collected = await collect(studio)
        rounds += 1
        assert not collected.needs_a_person
        assert not collected.failed
        await asyncio.sleep(0)
    clips = await running
    assert rounds > 1
    assert [clip.shot for clip in clips] == names
    assert len(vendors.charges) == 4
    assert await open_studio(vendors).store.list("open") == []


@pytest.fixture
def obtain_all(open_studio):
    """Buy, wait and fetch, as live runs do."""

    async def one(vendors, request):
        async with open_studio(vendors) as studio:
            job = await wait_for(studio, await Buyer(studio, request).buy())
            return await fetch_clip(studio, job)

    async def every(vendors, requests):
        return await asyncio.gather(*(one(vendors, request) for request in requests))

    return every


async def test_entry_that_a_kill_left_after_the_result_was_recorded_is_removed(
    emulator, open_studio, ask
):
    vendors = emulator()
    studio = open_studio(vendors)
    request = await ask(studio)
    async with studio:
        await wait_for(studio, await Buyer(studio, request).buy())
        await studio.records.open("apixo@sandbox", "wan-2-5", request.key, 1)
        await studio.records.open("apixo@sandbox", "wan-2-5", "cd" * 32, 1)  # about to be claimed
        await collect(studio)
        left = await studio.store.list("open")
        assert left == [f"open/apixo@sandbox/wan-2-5/{'cd' * 32}-1"]
        # Whoever wrote that one has died, or it would be claimed by now; another account's stays.
        await studio.records.open("apixo", "wan-2-5", "cd" * 32, 1)
        now = studio.records.clock
        studio.records.clock = lambda: now() + 3600
        await collect(studio)
        left = await studio.store.list("open")
    assert left == [f"open/apixo/wan-2-5/{'cd' * 32}-1"]


async def test_media_store_that_cannot_be_listed_is_an_error(emulator, open_studio, monkeypatch):
    studio = open_studio(emulator())

    async def broken(_):
        raise errors.RecordError("clips: the disk is gone")

    monkeypatch.setattr(studio.store, "list", broken)
    with pytest.raises(errors.RecordError):
        await collect(studio)


async def test_report_holds_no_url_and_survives_json(emulator, open_studio, ask, buy, all_ended):
    vendors = emulator()
    await buy(open_studio(vendors), await ask(open_studio(vendors)))
    await all_ended(vendors)
    async with open_studio(vendors) as studio:
        collected = await collect(studio)
    text = collected.model_dump_json()
    assert "://" not in text
    assert vendors.api_key not in text
    assert type(collected).model_validate(json.loads(text)) == collected


async def test_open_jobs_of_a_run_are_those_it_bought_or_waited_for(
    emulator, open_studio, ask, buy, claim_and_die, all_ended
):
    vendors = emulator()
    first = await ask(open_studio(vendors))
    second = await ask(open_studio(vendors), id="other", prompt="another")
    await buy(open_studio(vendors, run="run-1"), first)
    await buy(open_studio(vendors, run="run-2"), first)
    studio = open_studio(vendors)
    await claim_and_die(studio, second)
    await studio.records.note_run("run-1", second.key, 1)
    found = await unfinished_of(studio, "run-1")
    assert {(job.shot, job.billed) for job in found} == {("kite", "yes"), ("kite", "unknown")}
    assert len(await unfinished_of(studio, "run-2")) == 1
    assert await unfinished_of(studio, "run-3") == []

    await all_ended(vendors)
    async with studio:
        await collect(studio)
    assert await unfinished_of(studio, "run-2") == []


async def test_job_is_collected_from_a_bucket(
    emulator, open_studio, ask, buy, all_ended, claim_and_die, s3_server, hurry
):
    vendors = emulator()
    folder = s3_server.folder()

    def studio():
        store = open_store(folder, options=s3_server.options)
        return open_studio(vendors, store=store, time=hurry)

    request = await ask(studio())
    await buy(studio(), request)
    await claim_and_die(studio(), await ask(studio(), id="other", prompt="another"))
    await all_ended(vendors)
    hurry.ahead += 10
    async with studio() as place:
        collected = await collect(place)
    assert [found.key for found in collected.fetched] == [request.key]
    assert len(collected.unknown) == 1
    assert len(await place.store.list("open")) == 1
    async with studio() as place:
        assert not (await collect(place)).fetched
