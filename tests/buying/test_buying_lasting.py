"""What was paid for is written down: stores that fail for a moment, runs that are stopped."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import httpx
import pytest

from prefect_videogen import errors
from prefect_videogen.buying import Buyer, wait_for
from prefect_videogen.buying.buyer import PATIENCE
from prefect_videogen.buying.lasting import PAUSES
from prefect_videogen.records import LocalStore
from prefect_videogen.settling import settle_not_accepted
from prefect_videogen.waiting import Pace, Time
from prefect_videogen.waiting.rules import LONGEST_PAUSE

EVOLINK = "wan2.5-image-to-video"
NO_ROOM = "No space left on device"


class Flaky:
    """A store that fails to write what ends so, for some times; `after` it was written."""

    def __init__(self, store: Any, end: str, times: int, *, after: bool = False) -> None:
        self._store, self._end, self._times, self._after = store, end, times, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def create(self, path: str, data: bytes) -> bool:
        fails = path.endswith(self._end) and self._times > 0
        self._times -= fails
        made = await self._store.create(path, data) if self._after or not fails else False
        if fails:
            message = f"{path}: {NO_ROOM}"
            raise errors.RecordError(message)
        return made


@pytest.fixture
def flaky(open_studio, hurry):
    """Make a studio whose store fails now and then."""

    def make(vendors, *how: Any, **more: Any):
        store = Flaky(open_studio(vendors).store, *how, **more)
        return open_studio(vendors, time=hurry, store=store)

    return make


async def test_job_id_is_written_down_when_the_store_answers_again(emulator, ask, obtain, flaky):
    vendors = emulator()
    studio = flaky(vendors, "2-submitted.json", len(PAUSES))
    request = await ask(studio)
    clip = await obtain(studio, request)
    assert (clip.attempt, clip.how, len(vendors.charges)) == (1, "bought", 1)


async def test_job_id_that_can_not_be_written_down_is_told(emulator, ask, flaky, caplog):
    caplog.set_level(logging.WARNING)
    vendors = emulator()
    studio = flaky(vendors, "2-submitted.json", len(PAUSES) + 1)
    request = await ask(studio)
    with pytest.raises(errors.JobNotRecorded) as caught:
        async with studio:
            await Buyer(studio, request).buy()
    (charge,) = vendors.charges
    told = caught.value
    assert (told.job_id, told.billed) == (charge.job_id, "yes")
    assert f"settle {request.key[:12]} --job {charge.job_id}" in told.next_step
    assert NO_ROOM in told.message
    assert charge.job_id in caplog.text


@pytest.mark.parametrize("fault", ["throttle", "no-credits-402"])
async def test_definite_no_is_written_down_too(emulator, ask, obtain, flaky, fault):
    vendors = emulator()
    vendors.faults.add(fault, at="submit")
    studio = flaky(vendors, "end.json", 1)
    request = await ask(studio)
    if fault == "no-credits-402":
        with pytest.raises(errors.NoCredits):
            await obtain(studio, request)
        studio = flaky(vendors, "end.json", 0)
    clip = await obtain(studio, request)
    assert (clip.attempt, len(vendors.charges)) == (2, 1)


async def test_claim_whose_answer_is_lost_is_taken_back(emulator, ask, obtain, flaky):
    vendors = emulator()
    studio = flaky(vendors, "1-claimed.json", 1, after=True)
    request = await ask(studio)
    with pytest.raises(errors.RecordError, match=NO_ROOM):
        await obtain(studio, request)
    assert not vendors.charges
    clip = await obtain(flaky(vendors, "", 0), request)
    assert (clip.attempt, len(vendors.charges)) == (2, 1)


class Slow(httpx.AsyncHTTPTransport):
    """The real network, on which answers to submissions arrive when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.answered, self.arrives = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.method == "POST":
            self.answered.set()
            await self.arrives.wait()
        return answer


@pytest.mark.parametrize("times", [1, 3])
async def test_run_that_is_stopped_while_it_buys_keeps_the_job(
    emulator, open_studio, ask, obtain, times
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    wire = Slow()

    async def buy() -> None:
        async with open_studio(vendors, transport=wire) as studio:
            await Buyer(studio, request).buy()

    buying = asyncio.create_task(buy())
    await wire.answered.wait()
    for _ in range(times):  # people press more than once
        buying.cancel()
        await asyncio.sleep(0)
    wire.arrives.set()
    with pytest.raises(asyncio.CancelledError):
        await buying
    clip = await obtain(open_studio(vendors), request)
    assert (clip.how, clip.attempt, len(vendors.charges)) == ("resumed", 1, 1)


class Held(Time):
    """A clock on which sleeping takes until the test says so, as on a closed laptop."""

    def __init__(self) -> None:
        self.asleep, self.wakes = asyncio.Event(), asyncio.Event()
        super().__init__(sleep=self.hold)

    async def hold(self, seconds: float) -> None:
        self.asleep.set()
        await self.wakes.wait()


async def test_owner_that_comes_late_sends_nothing_again(
    emulator, open_studio, ask, obtain, wire, stills, hurry
):
    vendors = emulator()
    wire.script = [httpx.ReadError("reset")]
    request = await ask(open_studio(vendors), model=EVOLINK, first_frame=stills["sky"])
    held = Held()
    owner = open_studio(vendors, transport=wire, time=held)

    async def late():
        async with owner:
            return await Buyer(owner, request).buy()

    late_one = asyncio.create_task(late())
    await held.asleep.wait()
    hurry.ahead += 10  # the claim's window is over
    async with open_studio(vendors, time=hurry) as by_hand:
        await settle_not_accepted(by_hand, request.key)
    clip = await obtain(open_studio(vendors, time=hurry), request)
    held.wakes.set()
    job = await late_one
    assert (clip.attempt, clip.how) == (2, "bought")
    assert (job.attempt, job.how) == (2, "reused")
    assert len(wire.submitted) == 1
    assert len(vendors.charges) == 1


@pytest.mark.parametrize("skew", [15, -200])
async def test_clock_that_is_wrong_sends_nothing_again(
    emulator, open_studio, ask, obtain, wire, stills, hurry, skew
):
    vendors = emulator(replay=False, speed=1000)
    vendors.faults.add("drop-after-accept", at="submit")
    hurry.now = lambda: time.time() + hurry.ahead + skew
    studio = open_studio(vendors, time=hurry, transport=wire)
    request = await ask(open_studio(vendors), model=EVOLINK, first_frame=stills["sky"])
    with pytest.raises(errors.SubmissionUnknown):
        await obtain(studio, request)
    assert len(wire.submitted) == len(vendors.charges) == 1


async def test_list_that_is_full_of_newer_jobs_proves_nothing(
    emulator, open_studio, ask, obtain, wire, stills, hurry, monkeypatch
):
    vendors = emulator(replay=False)
    vendors.faults.add("drop-after-accept", at="submit")
    monkeypatch.setattr("prefect_videogen.buying.unknown.PAGE_SIZE", 1)
    request = await ask(open_studio(vendors), model=EVOLINK, first_frame=stills["sky"])
    studio = open_studio(vendors, time=hurry, transport=wire)
    # The one line of the list is known: of another clip, say.
    ids = [charge.job_id for charge in vendors.charges]

    async def known(_: Any) -> frozenset[str]:
        return frozenset(ids or [charge.job_id for charge in vendors.charges])

    monkeypatch.setattr("prefect_videogen.records.clips.ClipRecords.job_ids", known)
    with pytest.raises(errors.SubmissionUnknown):
        await obtain(studio, request)
    assert len(wire.submitted) == len(vendors.charges) == 1


async def test_retry_after_of_a_day_is_not_waited_for(emulator, open_studio, ask, obtain, hurry):
    vendors = emulator(speed=1000)
    vendors.faults.add("throttle-retry-after", at="submit", seconds=86400)
    request = await ask(open_studio(vendors))
    with pytest.raises(errors.Throttled):
        await obtain(open_studio(vendors, time=hurry), request)
    assert hurry.ahead < PATIENCE
    clip = await obtain(open_studio(vendors, time=hurry), request)
    assert len(vendors.charges) == clip.attempt - 1 == 1


async def test_retry_after_of_a_day_stops_no_other_job(
    emulator, open_studio, ask, hurry, monkeypatch
):
    shortest_deadline, pause = 120, 30
    assert pause < shortest_deadline < LONGEST_PAUSE  # which goes with a real vendor's deadlines
    for module in ("loop", "pacing"):
        monkeypatch.setattr(f"prefect_videogen.waiting.{module}.LONGEST_PAUSE", pause)
    vendors = emulator(speed=1000)
    studio = open_studio(vendors, time=hurry)
    requests = [await ask(open_studio(vendors), prompt=f"kite {n}") for n in range(2)]
    async with studio:
        jobs = [await Buyer(studio, request).buy() for request in requests]
        vendors.faults.add("throttle-retry-after", at="status", seconds=86400)
        done = await asyncio.gather(*(wait_for(studio, job) for job in jobs))
    assert [job.state for job in done] == ["ready", "ready"]
    assert max(hurry.slept) <= pause * 1.5


async def test_pace_stops_for_no_longer_than_it_may(hurry):
    pace = Pace(spacing=1.0, time=hurry)
    pace.slow_down(86400)
    await pace.turn()
    assert hurry.slept == [pytest.approx(LONGEST_PAUSE, abs=1)]


class Stalled(LocalStore):
    """A store during whose first write of a name something else happens, once it is written."""

    def __init__(self, root: Any, end: str, meanwhile: Any) -> None:
        super().__init__(root)
        self._end, self._meanwhile = end, meanwhile

    async def create(self, path: str, data: bytes) -> bool:
        made = await super().create(path, data)
        if path.endswith(self._end) and self._meanwhile:
            meanwhile, self._meanwhile = self._meanwhile, None
            await meanwhile()
        return made


@pytest.mark.parametrize("fails", [False, True], ids=["claimed", "claim-seems-lost"])
async def test_owner_that_was_stopped_after_its_claim_leaves_the_job_that_another_run_made_of_it(
    emulator, open_studio, ask, stills, hurry, tmp_path, fails
):
    vendors = emulator()
    request = await ask(open_studio(vendors), model=EVOLINK, first_frame=stills["sky"])
    jobs = []

    async def other_run() -> None:
        async with open_studio(vendors, time=hurry) as rival:
            jobs.append(await Buyer(rival, request).buy())
        if fails:
            raise errors.RecordError(NO_ROOM)

    store = Stalled(tmp_path / "media", "/1/1-claimed.json", other_run)
    store.served_at = vendors.media_url
    async with open_studio(vendors, time=hurry, store=store) as owner:
        buyer = Buyer(owner, request)
        if fails:
            with pytest.raises(errors.RecordError, match=NO_ROOM):
                await buyer.buy()
        job = await buyer.buy()
    assert (job.attempt, job.how, job.job_id) == (1, "resumed", jobs[0].job_id)
    assert [charge.job_id for charge in vendors.charges] == [job.job_id]


async def test_owner_whose_answer_comes_late_goes_on_with_what_replaced_its_attempt(
    emulator, open_studio, ask, hurry, caplog
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    wire = Slow()

    async def buy():
        async with open_studio(vendors, transport=wire) as studio:
            return await Buyer(studio, request).buy()

    buying = asyncio.create_task(buy())
    await wire.answered.wait()
    async with open_studio(vendors, time=hurry) as rival:
        second = await Buyer(rival, request, on_unknown="resubmit").buy()
    wire.arrives.set()
    job = await buying
    first = vendors.charges[0].job_id
    assert (job.attempt, job.how, job.job_id) == (2, "resumed", second.job_id)
    assert len(vendors.charges) == 2
    assert f"attempt 1 had been given up, yet it is job {first} now" in caplog.text
    attempt = await rival.records.attempt(request.key, 1)
    assert attempt.job_id == first


@pytest.mark.parametrize("proxy", ["socks5://me:s3cret@127.0.0.1:9", "gopher://me:s3cret@here"])
async def test_client_that_can_not_be_opened_leaves_no_claim(
    open_studio, emulator, ask, monkeypatch, proxy
):
    """A claim without a job would be unknown, though nothing can have been sent."""
    vendors = emulator()
    monkeypatch.setenv("ALL_PROXY", proxy)
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    account = open_studio(vendors).accounts["apixo"]
    away = account.model_copy(update={"base_url": "https://api.apixo.example"})
    studio = open_studio(vendors, accounts={"apixo": away})
    request = await ask(studio)
    with pytest.raises(errors.StudioError, match="no connection to APIXO can be set up") as caught:
        async with studio:
            await Buyer(studio, request).buy()
    assert "s3cret" not in str(caught.value)
    assert (await studio.records.history(request.key)).attempts == ()
