"""The frame that a clip hands over: its tail is looked at once, and the frame kept once."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import httpx
import numpy as np
import pytest

from prefect_videogen import handing as handing_module
from prefect_videogen.emulator import Emulator
from prefect_videogen.errors import MediaError
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.handing import handed_by_clip
from prefect_videogen.keys import digest
from prefect_videogen.media import VideoWriter, frame_rgb, psnr
from prefect_videogen.plan import LAST_FRAME, Handing

MOVING, BLACK = 36, 12


@pytest.fixture
def fading(tmp_path: Path) -> bytes:
    """A clip of 36 moving frames and 12 black ones, 24 a second."""
    path = tmp_path / "fading.mp4"
    with VideoWriter(path, 128, 72, Fraction(24)) as writer:
        for number in range(MOVING):
            picture = np.full((72, 128, 3), 90, np.uint8)
            picture[20:50, 2 * number : 2 * number + 30] = 220
            writer.write_rgb(picture)
        for _ in range(BLACK):
            writer.write_rgb(np.zeros((72, 128, 3), np.uint8))
    return path.read_bytes()


@pytest.fixture
async def fetched(emulator, open_studio, ready_at, fading):
    """Fetch the fading clip from a vendor that serves it; once is enough."""
    vendors: Emulator = emulator()
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=fading))
    studio = open_studio(vendors, transport=transport)
    job = await ready_at(studio, f"{vendors.url}/clip.mp4")
    return studio, job


def kept(studio) -> list[str]:
    return sorted(path.name for path in studio.store.root.glob("clips/*/frames/*"))


async def test_black_tail_is_measured_once_recorded_and_told(fetched, caplog, monkeypatch):
    studio, job = fetched
    with caplog.at_level(logging.WARNING):
        clip = await fetch_clip(studio, job)
    assert clip.tail is not None
    assert (clip.tail.black, clip.tail.frozen, clip.tail.steady) == (BLACK, 0, MOVING - 1)
    says = "the clip ends in 12 black frames; hand_over: steady starts the next shot before them"
    assert says in caplog.text
    record = (await studio.records.attempt(job.key, 1)).stored
    assert (record.black, record.frozen, record.steady) == (BLACK, 0, MOVING - 1)
    monkeypatch.setattr(handing_module, "tail_of", None)  # is not needed again
    assert (await fetch_clip(studio, job, Handing(steady=True))).handed.index == MOVING - 1


async def test_clip_that_hands_over_its_last_frame_keeps_no_other(fetched):
    studio, job = fetched
    clip = await fetch_clip(studio, job)
    assert (clip.handed.path, clip.handed.sha256) == (clip.last_frame, clip.last_frame_sha256)
    assert clip.handed.index == MOVING + BLACK - 1
    assert kept(studio) == []


@pytest.mark.parametrize(
    ("handing", "index"),
    [
        (Handing(steady=True), 35),
        (Handing(trim=(0.0, 1.0)), 23),
        (Handing(steady=True, trim=(0.0, 1.0)), 23),
        (Handing(steady=True, trim=(0.5, 1.9)), 35),
        # A trim inside the black tail hands over its own first frame.
        (Handing(steady=True, trim=(1.75, 2.0)), 42),
    ],
)
async def test_frame_handed_over_is_decoded_and_kept_once(fetched, caplog, handing, index):
    studio, job = fetched
    clip = await fetch_clip(studio, job, handing)
    assert kept(studio) == [f"{index}.png"]
    data = (studio.store.root / clip.handed.path).read_bytes()
    assert (clip.handed.index, clip.handed.sha256) == (index, digest(data))
    assert psnr(data, frame_rgb(studio.store.root / clip.path, index)) == float("inf")
    if handing.steady:
        assert "hand_over: steady" not in caplog.text


async def test_frame_that_lies_there_already_is_what_counts(fetched):
    studio, job = fetched
    path = f"clips/{job.key}/frames/23.png"
    await studio.store.create(path, b"drawn by another version")
    clip = await fetch_clip(studio, job, Handing(trim=(0.0, 1.0)))
    assert clip.handed.sha256 == digest(b"drawn by another version")


async def test_frame_that_another_run_stores_at_the_same_time_is_what_counts(fetched, monkeypatch):
    studio, job = fetched
    path = f"clips/{job.key}/frames/23.png"
    await studio.store.create(path, b"stored meanwhile")
    read, looked = studio.store.read, []

    async def too_early(name):
        looked.append(name)
        return None if looked.count(path) == 1 and name == path else await read(name)

    monkeypatch.setattr(studio.store, "read", too_early)
    clip = await fetch_clip(studio, job, Handing(trim=(0.0, 1.0)))
    assert clip.handed.sha256 == digest(b"stored meanwhile")


async def test_trim_that_keeps_the_last_frame_is_the_last_frame(fetched):
    studio, job = fetched
    clip = await fetch_clip(studio, job, Handing(trim=(0.0, 2.5)))
    assert clip.handed.path == clip.last_frame
    assert kept(studio) == []


async def test_looking_only_writes_nothing_and_tells_the_same(fetched):
    studio, job = fetched
    await fetch_clip(studio, job)
    stored = (await studio.records.attempt(job.key, 1)).stored
    wanted = Handing(steady=True)
    looked = await handed_by_clip(studio.store, stored, wanted, keep=False)
    assert kept(studio) == []
    assert await handed_by_clip(studio.store, stored, wanted, keep=True) == looked
    assert kept(studio) == ["35.png"]


async def test_record_without_a_measured_tail_is_measured_when_it_matters(fetched):
    studio, job = fetched
    await fetch_clip(studio, job)
    stored = (await studio.records.attempt(job.key, 1)).stored
    older = stored.model_copy(update={"black": None, "frozen": None, "steady": None})
    found = await handed_by_clip(studio.store, older, Handing(steady=True), keep=False)
    assert found.index == MOVING - 1
    assert (await handed_by_clip(studio.store, older, LAST_FRAME, keep=False)).index == 47


async def test_trim_behind_the_clips_end_is_an_error_that_names_the_shot(fetched):
    studio, job = fetched
    with pytest.raises(MediaError, match=r"begins at 3 s, the clip is 2 s long") as caught:
        await fetch_clip(studio, job, Handing(steady=True, trim=(3.0, 4.0)))
    assert (caught.value.shot, caught.value.billed) == ("kite", "yes")
