"""A clip is bought once: again, at once, twice in one film, and after every kind of death."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from prefect_videogen.buying import Buyer, wait_for
from prefect_videogen.errors import BudgetExceeded, InputUnreachable, RecordError
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.records import LocalStore


async def test_repeated_calls_buy_once_and_give_the_same_clip(emulator, open_studio, ask, obtain):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    first = await obtain(open_studio(vendors), request)
    second = await obtain(open_studio(vendors), request)
    third = await obtain(open_studio(vendors), request)
    assert len(vendors.charges) == 1
    assert [clip.how for clip in (first, second, third)] == ["bought", "reused", "reused"]
    assert second == third == first.model_copy(update={"how": "reused"})


async def test_two_studios_at_once_buy_once(emulator, open_studio, ask, obtain):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    clips = await asyncio.gather(*(obtain(open_studio(vendors), request) for _ in range(2)))
    assert len(vendors.charges) == 1
    assert [clip.how for clip in clips].count("bought") == 1
    assert clips[0].sha256 == clips[1].sha256


async def test_ten_studios_at_once_on_a_limited_model_buy_once(emulator, open_studio, ask, obtain):
    vendors = emulator()
    request = await ask(open_studio(vendors), model="vidu-q3", seconds=1)
    clips = await asyncio.gather(*(obtain(open_studio(vendors), request) for _ in range(10)))
    assert len(vendors.charges) == 1
    assert [clip.how for clip in clips].count("bought") == 1


async def test_same_shot_twice_in_one_studio_buys_once(emulator, open_studio, ask):
    vendors = emulator()
    request = await ask(open_studio(vendors))

    async with open_studio(vendors) as studio:

        async def obtain_here():
            job = await Buyer(studio, request).buy()
            return await fetch_clip(studio, await wait_for(studio, job))

        clips = await asyncio.gather(*(obtain_here() for _ in range(5)))
    assert len(vendors.charges) == 1
    assert [clip.how for clip in clips].count("bought") == 1
    assert len({(clip.sha256, clip.path) for clip in clips}) == 1


async def test_other_takes_are_other_clips(emulator, open_studio, ask, obtain):
    vendors = emulator()
    for take in ("1", "2", "1"):
        await obtain(open_studio(vendors), await ask(open_studio(vendors), take=take))
    assert len(vendors.charges) == 2


@pytest.mark.parametrize("died", ["submitted", "ready"])
async def test_run_that_died_is_resumed_without_its_picture_and_public_url(
    emulator, open_studio, ask, obtain, stills, tmp_path, died
):
    vendors = emulator()
    picture = tmp_path / "sky.png"
    shutil.copy(stills["sky"], picture)
    request = await ask(open_studio(vendors), first_frame=str(picture))
    async with open_studio(vendors) as studio:
        job = await Buyer(studio, request).buy()
        if died == "ready":
            await wait_for(studio, job)
    while not vendors.charges[0].images:  # noqa: ASYNC110 - it is fetched on another loop
        await asyncio.sleep(0.005)
    for still in [picture, *(tmp_path / "media/stills").iterdir()]:
        still.unlink()

    clip = await obtain(open_studio(vendors, served=False), request)
    assert clip.how == "resumed"
    assert clip.job_id == job.job_id
    assert len(vendors.charges) == 1
    assert sum(seen.kind == "submit" for seen in vendors.requests) == 1


async def test_stored_clip_asks_the_vendor_nothing(emulator, open_studio, ask, obtain):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    await obtain(open_studio(vendors), request)
    before = len(vendors.requests)
    await obtain(open_studio(vendors), request)
    assert len(vendors.requests) == before


async def test_records_tell_what_was_sent_before_it_was_sent(
    emulator, open_studio, ask, obtain, tmp_path
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    await obtain(open_studio(vendors, run="run-1"), request)
    media = tmp_path / "media"
    names = sorted(path.name for path in (media / "clips" / request.key / "1").iterdir())
    assert names == ["1-claimed.json", "2-submitted.json", "3-ready.json", "4-stored.json"]
    assert (media / "clips" / request.key / "request.json").is_file()
    assert (media / "runs/run-1" / f"{request.key}-1").is_file()
    attempt = await open_studio(vendors).records.attempt(request.key, 1)
    claimed, submitted = attempt.claimed, attempt.submitted
    assert claimed.at <= vendors.charges[0].time <= submitted.at
    assert claimed.run == "run-1"
    assert vendors.api_key not in claimed.model_dump_json()
    assert not [path for path in (media / "open").rglob("*") if path.is_file()]


async def test_job_under_way_has_an_open_entry_until_it_is_ready(
    emulator, open_studio, ask, tmp_path
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    entry = tmp_path / "media/open/apixo@sandbox/wan-2-5" / f"{request.key}-1"
    async with open_studio(vendors) as studio:
        job = await Buyer(studio, request).buy()
        assert entry.is_file()
        await wait_for(studio, job)
        assert not entry.exists()


async def test_slow_rival_leaves_no_open_entry_of_an_ended_job(
    emulator, open_studio, ask, obtain, tmp_path
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    slow = open_studio(vendors)

    class Late(LocalStore):
        """Claims only after somebody else has had the whole clip."""

        async def create(self, path: str, data: bytes) -> bool:
            if path.startswith("open/"):
                await obtain(open_studio(vendors), request)
            return await super().create(path, data)

    slow.records.store = Late(tmp_path / "media")
    clip = await obtain(slow, request)
    assert clip.how == "reused"
    assert len(vendors.charges) == 1
    assert not [path for path in (tmp_path / "media/open").rglob("*") if path.is_file()]


async def test_no_more_purchases_allowed_buys_nothing_but_resumes(
    emulator, open_studio, ask, obtain
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    with pytest.raises(BudgetExceeded, match="kite"):
        await obtain(open_studio(vendors), request, may_buy=False)
    assert vendors.charges == []
    async with open_studio(vendors) as studio:
        await Buyer(studio, request).buy()
    assert (await obtain(open_studio(vendors), request, may_buy=False)).how == "resumed"


async def test_unreadable_record_buys_nothing(emulator, open_studio, ask, obtain, tmp_path):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    folder = tmp_path / "media/clips" / request.key / "1"
    folder.mkdir(parents=True)
    (folder / "1-claimed.json").write_text("")
    with pytest.raises(RecordError):
        await obtain(open_studio(vendors), request)
    assert vendors.charges == []


async def test_claim_that_can_not_be_written_buys_nothing(
    emulator, open_studio, ask, obtain, tmp_path
):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    folder = tmp_path / "media/clips"
    folder.mkdir(parents=True)
    (folder / request.key).write_text("not a folder")
    with pytest.raises(RecordError):
        await obtain(open_studio(vendors), request)
    assert vendors.charges == []


async def test_claim_that_took_half_its_window_sends_nothing(
    emulator, open_studio, ask, tmp_path, hurry
):
    vendors = emulator()
    request = await ask(open_studio(vendors))

    class Slow(LocalStore):
        """Takes longer than half the window over the first claim."""

        async def create(self, path: str, data: bytes) -> bool:
            made = await super().create(path, data)
            if path.endswith("/1/1-claimed.json"):
                hurry.ahead += 2.5
            return made

    studio = open_studio(vendors, time=hurry)
    studio.records.store = Slow(tmp_path / "media")
    async with studio:
        job = await Buyer(studio, request).buy()
    history = await studio.records.history(request.key)
    assert [a.end.kind if a.end else None for a in history.attempts] == ["not-sent", None]
    assert job.attempt == 2
    assert len(vendors.charges) == 1


async def test_picture_nobody_can_fetch_is_found_before_the_claim(
    emulator, open_studio, ask, obtain, stills, tmp_path
):
    vendors = emulator(media_dir=tmp_path / "elsewhere")
    request = await ask(open_studio(vendors), first_frame=stills["sky"])
    with pytest.raises(InputUnreachable, match="can't be fetched"):
        await obtain(open_studio(vendors), request)
    assert not list((tmp_path / "media/clips").rglob("1-claimed.json"))
    assert vendors.charges == []


async def test_changed_picture_at_its_public_url_is_found_before_the_claim(
    emulator, open_studio, ask, obtain, stills, tmp_path
):
    other = tmp_path / "elsewhere"
    vendors = emulator(media_dir=other)
    request = await ask(open_studio(vendors), first_frame=stills["sky"])
    still = other / request.pictures[0].path
    still.parent.mkdir(parents=True)
    shutil.copy(stills["sea"], still)
    with pytest.raises(InputUnreachable, match="not the picture"):
        await obtain(open_studio(vendors), request)
    assert vendors.charges == []


async def test_studio_without_public_url_uploads_to_evolink(
    emulator, open_studio, ask, obtain, stills
):
    vendors = emulator()
    studio = open_studio(vendors, served=False)
    request = await ask(studio, model="wan2.5-image-to-video", first_frame=stills["sky"])
    clip = await obtain(studio, request)
    assert clip.how == "bought"
    assert [picture.sha256 for picture in vendors.charges[0].images] == [request.pictures[0].sha256]
