"""Places counted under `open/`: jobs of killed runs count, and what is dead among them is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from prefect_videogen import errors
from prefect_videogen.buying import Buyer, wait_for
from prefect_videogen.buying.places import RECOUNT, Places
from prefect_videogen.capabilities import MODELS, Limits, Model
from prefect_videogen.records import Claimed, End, Opened, Submitted, open_path
from prefect_videogen.studio import OpenStudio
from prefect_videogen.waiting import Limit
from prefect_videogen.waiting.rules import DEADLINE, GRACE

VENDOR = "apixo@sandbox"
KEYS = [f"{number:064x}" for number in range(100)]
UNDECIDED = 150.0


def vidu(most: int) -> Model:
    return MODELS["vidu-q3"].model_copy(
        update={"limits": Limits(requests_per_minute=6 * most, concurrent=most)}
    )


class Free:
    """Gives a slot to everybody, as processes do that have no limit in common."""

    async def take(self, limit: Limit) -> Free:
        return self

    async def give_back(self, rest: float = 0.0) -> None:
        pass

    async def aclose(self) -> None:
        pass


@pytest.fixture
def place(emulator, open_studio, hurry) -> Callable[..., Places]:
    """A studio whose model has a limit, and the places at it; nothing is really asked."""

    def make(most: int, **settings: Any) -> Places:
        model = vidu(most)
        vendors = emulator(speed=1, models={"vidu-q3": model})
        settings = {"models": {"vidu-q3": model}, "time": hurry, "slots": Free(), **settings}
        return Places(open_studio(vendors, **settings), model, undecided=UNDECIDED)

    return make


async def open_jobs(studio: OpenStudio, count: int, *, after: int = 50) -> None:
    for key in KEYS[after : after + count]:
        await studio.records.open(VENDOR, "vidu-q3", key, 1)


async def claim(studio: OpenStudio, key: str, *, ago: float = 0.0) -> None:
    claimed = Claimed(
        at=studio.time.now() - ago,
        owner="somebody else",
        shot="kite",
        vendor=VENDOR,
        model="vidu-q3",
        base_url="http://127.0.0.1",
        body="{}",
        idempotency_key="videogen-1-1",
        window=120,
    )
    await studio.records.claim(key, 1, claimed)


async def left(studio: OpenStudio) -> list[str]:
    """Keys of the jobs that are open."""
    return [path.rpartition("/")[2].partition("-")[0] for path in await studio.store.list("open")]


async def test_last_place_is_taken_and_the_next_one_refused_without_a_trace(place):
    places = place(3)
    await open_jobs(places.studio, 2)
    assert await places.enter(KEYS[0], 1) == "entered"
    assert await places.enter(KEYS[1], 1) == "full"
    assert await left(places.studio) == [KEYS[0], KEYS[50], KEYS[51]]


async def test_entry_that_another_buyer_is_at_is_left_alone(place):
    places = place(3)
    await open_jobs(places.studio, 1)
    assert await places.enter(KEYS[50], 1) == "taken"
    assert await left(places.studio) == [KEYS[50]]


async def test_entry_of_a_buyer_that_was_killed_before_its_claim_is_replaced_in_time(place, hurry):
    places = place(1)
    await open_jobs(places.studio, 1)
    hurry.ahead += UNDECIDED - 10
    assert await places.enter(KEYS[50], 1) == "taken"
    hurry.ahead += 20
    assert await places.enter(KEYS[50], 1) == "entered"


async def test_entries_of_another_account_do_not_count(place):
    places = place(2)
    for key in KEYS[50:53]:
        await places.studio.records.open(VENDOR, "vidu-q3", key, 1, account="another")
    assert await places.enter(KEYS[0], 1) == "entered"
    assert await places.enter(KEYS[1], 1) == "entered"
    assert await places.enter(KEYS[2], 1) == "full"


async def test_waiting_ends_entries_that_stand_for_no_running_job(place, hurry):
    places = place(3)
    studio, records = places.studio, places.studio.records
    await open_jobs(studio, 5)
    ended, unsettled, fresh, young, orphan = KEYS[50:55]
    await claim(studio, ended)
    await records.end(ended, 1, End(at=0, kind="refused"))
    await claim(studio, unsettled, ago=DEADLINE + 10)
    await claim(studio, fresh)
    old = Opened(at=studio.time.now() - UNDECIDED - 10)
    path = open_path(VENDOR, "vidu-q3", orphan, 1)
    await studio.store.remove(path)
    await studio.store.create(path, old.model_dump_json().encode())
    await places.wait(KEYS[0])
    assert await left(studio) == [fresh, young]


async def test_job_that_the_vendor_does_not_know_is_no_longer_counted(place):
    places = place(1)
    studio = places.studio
    await open_jobs(studio, 1)
    await claim(studio, KEYS[50])
    submitted = Submitted(at=studio.time.now() - GRACE - 10, job_id="task_gone")
    await studio.records.submitted(KEYS[50], 1, submitted)
    async with studio:
        await places.wait(KEYS[0])
    assert await left(studio) == []


async def test_other_jobs_are_asked_for_once_in_an_interval_the_longest_unasked_first(
    place, monkeypatch, hurry
):
    places = place(3)
    studio = places.studio
    asked: list[str] = []
    for key in KEYS[50:52]:
        await studio.records.open(VENDOR, "vidu-q3", key, 1)
        await claim(studio, key)
        submitted = Submitted(at=studio.time.now() - 100, job_id=f"task_{key}")
        await studio.records.submitted(key, 1, submitted)

    async def look(_: OpenStudio, job: Any) -> None:
        asked.append(job.key)

    async def stand_still(_: float) -> None:
        pass

    monkeypatch.setattr("prefect_videogen.buying.places.look_once", look)
    monkeypatch.setattr(hurry, "sleep", stand_still)
    for number in range(1, 5):
        for key in KEYS[:3]:
            await places.wait(key)
        assert len(asked) == number
        hurry.ahead += 12.5
    assert asked == [KEYS[50], KEYS[51]] * 2


async def test_who_has_asked_for_another_job_waits_an_interval_before_its_own_request(
    place, monkeypatch, hurry
):
    places = place(3)
    studio = places.studio
    await studio.take_slot(KEYS[0], places.model)
    await places.wait(KEYS[0])
    assert hurry.slept[-1] < 12.5
    await studio.records.open(VENDOR, "vidu-q3", KEYS[50], 1)
    await claim(studio, KEYS[50])
    submitted = Submitted(at=studio.time.now() - 100, job_id="task_1")
    await studio.records.submitted(KEYS[50], 1, submitted)

    async def look(*_: Any) -> None:
        pass

    monkeypatch.setattr("prefect_videogen.buying.places.look_once", look)
    hurry.ahead += 12.5
    await places.wait(KEYS[0])
    assert hurry.slept[-1] >= 12.5


async def test_listing_that_fails_leaves_no_open_entry(place, monkeypatch):
    places = place(3)
    listing = places.studio.store.list

    async def broken(_: str) -> list[str]:
        raise errors.RecordError("the disk is gone")

    monkeypatch.setattr(places.studio.store, "list", broken)
    with pytest.raises(errors.RecordError):
        await places.enter(KEYS[0], 1)
    assert await listing("open") == []


async def test_jobs_of_this_process_are_left_to_their_own_waits(place, monkeypatch):
    places = place(3)
    studio = places.studio
    await studio.records.open(VENDOR, "vidu-q3", KEYS[0], 1)
    await claim(studio, KEYS[0])
    submitted = Submitted(at=studio.time.now() - 100, job_id="task_1")
    await studio.records.submitted(KEYS[0], 1, submitted)
    await studio.take_slot(KEYS[0], places.model)
    monkeypatch.setattr("prefect_videogen.buying.places.look_once", None)
    await places.wait(KEYS[1])


async def test_small_limit_is_counted_for_each_purchase_a_large_one_now_and_then(
    place, monkeypatch, hurry
):
    for most, listings in ((50, 30), (60, 1)):
        places = place(most)
        counted = 0
        listing = places.studio.store.list

        async def count(prefix: str, listing: Any = listing) -> list[str]:
            nonlocal counted
            counted += 1
            return await listing(prefix)

        monkeypatch.setattr(places.studio.store, "list", count)
        met = await asyncio.gather(*(places.enter(key, 1) for key in KEYS[:30]))
        assert set(met) == {"entered"}
        assert counted == listings
        for key in KEYS[:30]:
            await places.leave(key, 1)


async def test_large_limit_is_not_exceeded_by_what_this_process_knows(place, hurry):
    places = place(60)
    await open_jobs(places.studio, 40)
    met = [await places.enter(key, 1) for key in KEYS[:25]]
    assert met == ["entered"] * 20 + ["full"] * 5
    hurry.ahead += RECOUNT + 1
    await places.studio.records.close(VENDOR, "vidu-q3", KEYS[50], 1)
    assert await places.enter(KEYS[30], 1) == "entered"


async def test_jobs_of_a_killed_run_count_until_they_have_ended(emulator, open_studio, ask):
    model = vidu(2)
    vendors = emulator(speed=100, models={"vidu-q3": model})
    settings = {"models": {"vidu-q3": model}}
    fields = {"model": "vidu-q3", "seconds": 1}
    async with open_studio(vendors, **settings) as killed:
        requests = [await ask(killed, take=str(take), **fields) for take in (1, 2, 3)]
        for request in requests[:2]:
            await Buyer(killed, request).buy()
    # Closed without waiting: the slots are free, the jobs run on.
    async with open_studio(vendors, **settings) as studio:
        async with asyncio.timeout(120):
            await wait_for(studio, await Buyer(studio, requests[2]).buy())
        assert await left(studio) in ([], [requests[0].key], [requests[1].key])
    assert len(vendors.charges) == 3
    assert vendors.peak_running("vidu-q3") == 2
    assert 429 not in {seen.status for seen in vendors.requests}


async def test_buyers_without_a_common_limit_race_and_never_exceed_it(emulator, open_studio, ask):
    model = vidu(2)
    vendors = emulator(speed=300, models={"vidu-q3": model})
    settings = {"models": {"vidu-q3": model}, "slots": Free()}
    fields = {"model": "vidu-q3", "seconds": 1}
    async with open_studio(vendors, **settings) as one, open_studio(vendors, **settings) as other:
        requests = [await ask(one, take=str(take), **fields) for take in range(1, 9)]

        async def run(number: int) -> None:
            studio = (one, other)[number % 2]
            await wait_for(studio, await Buyer(studio, requests[number]).buy())

        async with asyncio.timeout(120):
            await asyncio.gather(*map(run, range(8)))
    assert len(vendors.charges) == 8
    assert vendors.peak_running("vidu-q3") == 2
    assert 429 not in {seen.status for seen in vendors.requests}


async def test_claim_that_can_not_be_written_leaves_no_open_entry(
    emulator, open_studio, ask, monkeypatch
):
    studio = open_studio(emulator())
    request = await ask(studio, model="vidu-q3", seconds=1)

    async def broken(*_: Any) -> bool:
        raise errors.RecordError("the disk is full")

    monkeypatch.setattr(studio.records, "claim", broken)
    async with studio:
        with pytest.raises(errors.RecordError):
            await Buyer(studio, request).buy()
        assert await left(studio) == []
