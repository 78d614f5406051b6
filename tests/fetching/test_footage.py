"""Footage, cards and music: read with guards, kept by digest, and remembered when they are gone."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from prefect_videogen import references
from prefect_videogen.footage import FootageFile, Music, read_footage, read_music
from prefect_videogen.handing import handed_by_footage
from prefect_videogen.keys import digest
from prefect_videogen.media import VideoWriter, frame_rgb, psnr
from prefect_videogen.pictures import read_stills, remember
from prefect_videogen.plan import LAST_FRAME, Handing, Unreadable
from prefect_videogen.records import LocalStore
from prefect_videogen.references import Folder, Inbox


@pytest.fixture
def store(tmp_path) -> LocalStore:
    return LocalStore(tmp_path / "media")


@pytest.fixture
def place(tmp_path) -> Folder:
    return Folder(str(tmp_path / "board"))


@pytest.fixture
def own(tmp_path, stills) -> Path:
    """A folder with a video of 24 numbered frames, with sound, and a picture."""
    folder = tmp_path / "board"
    folder.mkdir()
    path = folder / "own.MOV"
    with VideoWriter(folder / "own.mp4", 128, 72, Fraction(24), sound=True) as writer:
        for number in range(24):
            writer.write_rgb(np.full((72, 128, 3), 40 + 8 * number, np.uint8))
        writer.write_sound(np.zeros((2, 48_000), np.float32))
    (folder / "own.mp4").rename(path)
    (folder / "title.png").write_bytes(Path(stills["sky"]).read_bytes())
    return path


def write_wave(path: Path, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.full(round(8000 * seconds), 500, np.int16).tobytes())


def write_mp3(path: Path) -> None:
    with av.open(str(path), "w") as container:
        track = container.add_stream("libmp3lame", rate=48_000)
        for at in range(0, 96_000, 1152):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 2304), np.int16), layout="stereo")
            frame.sample_rate, frame.pts = 48_000, at
            container.mux(track.encode(frame))
        container.mux(track.encode(None))


async def one(reference, place, store, tmp_path, *, keep=True):
    return (await read_footage([reference], place, store, tmp_path, keep=keep))[reference]


async def test_video_is_kept_by_its_digest_with_its_own_suffix(own, place, store, tmp_path):
    file = await one("own.MOV", place, store, tmp_path)
    assert isinstance(file, FootageFile)
    sha256 = digest(own.read_bytes())
    footage = file.footage
    assert (footage.kind, footage.sha256, footage.path) == (
        "video",
        sha256,
        f"footage/{sha256}.mov",
    )
    assert (store.root / footage.path).read_bytes() == own.read_bytes()
    assert footage.probe is not None
    assert (footage.probe.frame_count, footage.size) == (24, own.stat().st_size)
    facts = footage.facts()
    assert (facts.kind, facts.seconds, facts.fps) == ("video", 1.0, 24.0)
    assert file.local == own  # a local file is not copied about


async def test_picture_is_a_card_kept_as_a_still(own, place, store, tmp_path):
    file = await one("title.png", place, store, tmp_path)
    sha256 = digest((own.parent / "title.png").read_bytes())
    assert (file.footage.kind, file.footage.path) == ("card", f"stills/{sha256}.png")
    handed = await handed_by_footage(store, file, LAST_FRAME, keep=True)
    assert (handed.path, handed.sha256) == (file.footage.path, sha256)


async def test_planning_alone_writes_nothing(own, place, store, tmp_path):
    file = await one("own.MOV", place, store, tmp_path, keep=False)
    await one("title.png", place, store, tmp_path, keep=False)
    await read_music("own.MOV", place, store, tmp_path, keep=False)
    wanted = Handing(trim=(0.0, 0.5))
    looked = await handed_by_footage(store, file, wanted, keep=False)
    assert not store.root.exists()
    kept = await handed_by_footage(store, file, wanted, keep=True)
    assert kept == looked
    assert kept.path == f"footage/{file.footage.sha256}/11.png"
    assert psnr((store.root / kept.path).read_bytes(), frame_rgb(own, 11)) == float("inf")


async def test_what_is_gone_is_used_as_it_was_kept(own, place, store, tmp_path, caplog):
    first = await one("own.MOV", place, store, tmp_path)
    card = await one("title.png", place, store, tmp_path)
    own.unlink()
    (own.parent / "title.png").unlink()
    with caplog.at_level(logging.WARNING):
        again = await one("own.MOV", place, store, tmp_path)
    assert "own.MOV can't be read any more; its kept copy is used" in caplog.text
    assert again.footage == first.footage
    assert again.local == store.root / first.footage.path
    assert (await one("title.png", place, store, tmp_path)).footage == card.footage


async def test_music_that_is_gone_is_used_as_it_was_kept_and_so_is_its_picture(
    own, place, store, tmp_path
):
    music = await read_music("own.MOV", place, store, tmp_path, keep=True)
    own.unlink()
    assert isinstance(music, Music)
    assert await read_music("own.MOV", place, store, tmp_path, keep=True) == music
    again = await one("own.MOV", place, store, tmp_path)
    assert (again.footage.kind, again.footage.path) == ("video", music.path)


async def test_what_was_replaced_and_is_gone_is_used_as_it_was_kept_last(
    own, stills, place, store, tmp_path
):
    card, song = own.parent / "title.png", own.parent / "song.wav"

    async def read():
        still = (await read_stills(["title.png"], place, store, keep=True))["title.png"]
        footage = await one("own.MOV", place, store, tmp_path)
        return (
            still,
            footage.footage,
            await read_music("song.wav", place, store, tmp_path, keep=True),
        )

    write_wave(song, 1.5)
    first = await read()
    shutil.copyfile(stills["sea"], card)
    with VideoWriter(own.parent / "other.mp4", 128, 72, Fraction(24)) as writer:
        writer.write_rgb(np.zeros((72, 128, 3), np.uint8))
    (own.parent / "other.mp4").replace(own)
    write_wave(song, 2)
    second = await read()
    assert all(old != new for old, new in zip(first, second, strict=True))
    for path in (card, own, song):
        path.unlink()
    assert await read() == second


async def test_what_is_remembered_already_is_not_written_again(own, place, store, tmp_path):
    await one("own.MOV", place, store, tmp_path)
    (source,) = store.root.glob("sources/*.json")
    written = source.stat()
    await one("own.MOV", place, store, tmp_path)
    assert (source.stat().st_ino, source.stat().st_ctime_ns) == (
        written.st_ino,
        written.st_ctime_ns,
    )


async def test_two_that_remember_at_once_leave_one_of_their_versions(store):
    await store.create("sources/a.json", b"old")
    await asyncio.gather(*(remember(store, "sources/a.json", b"%d" % n) for n in range(8)))
    assert await store.read("sources/a.json") in {b"%d" % n for n in range(8)}


async def test_card_that_is_gone_is_still_a_still_and_a_video_never(own, place, store, tmp_path):
    await one("own.MOV", place, store, tmp_path)
    await one("title.png", place, store, tmp_path)
    own.unlink()
    (own.parent / "title.png").unlink()
    read = await read_stills(["own.MOV", "title.png"], place, store, keep=False)
    assert isinstance(read["own.MOV"], Unreadable)
    assert not isinstance(read["title.png"], Unreadable)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<!doctype html><p>Sign in", "is not a video: it looks like an HTML page"),
        (b"", "is not a video: it looks like an empty file"),
        (None, "No such file or directory"),
    ],
)
async def test_what_is_no_video_is_named_for_what_it_is(own, place, store, tmp_path, content, says):
    if content is not None:
        (own.parent / "odd.mp4").write_bytes(content)
    found = await one("odd.mp4", place, store, tmp_path)
    assert isinstance(found, Unreadable)
    assert says in found.problem
    assert str(own.parent) not in found.problem
    assert not store.root.exists()


async def test_damaged_picture_is_called_one_and_its_fault_reads_on(own, place, store, tmp_path):
    data = (own.parent / "title.png").read_bytes()
    (own.parent / "cut.png").write_bytes(data[: len(data) // 2])
    says = "the picture is cut off or damaged: it can't be decoded to its end"
    card = await one("cut.png", place, store, tmp_path)
    still = (await read_stills(["cut.png"], place, store, keep=False))["cut.png"]
    assert isinstance(card, Unreadable)
    assert isinstance(still, Unreadable)
    assert card.problem == f"can't be used: {says}"
    assert still.problem == f"T{says[1:]}"


async def test_video_cut_short_is_refused(own, place, store, tmp_path):
    data = own.read_bytes()
    (own.parent / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    found = await one("cut.mp4", place, store, tmp_path)
    assert isinstance(found, Unreadable)
    assert "is cut short" in found.problem


async def test_file_beyond_the_limit_is_refused(own, place, store, tmp_path, monkeypatch):
    monkeypatch.setattr(references, "LARGEST_FILE", 1000)
    found = await one("own.MOV", place, store, tmp_path)
    assert found == Unreadable("can't be read: is larger than 0 MiB", "check the path or address")


async def test_address_is_logged_and_remembered_without_its_query(
    own, store, tmp_path, emulator, caplog
):
    vendors = emulator()
    inbox = tmp_path / "media" / "inbox"
    inbox.mkdir(parents=True)
    for name in ("own.MOV", "title.png"):
        (inbox / f"my {name}").write_bytes((own.parent / name).read_bytes())
    host = vendors.media_url.replace("http://", "http://u:hidden@")
    video, still = (f"{host}/inbox/my {n}?sig=hidden" for n in ("own.MOV", "title.png"))
    place = Folder(".")

    async def read() -> list[object]:
        return [
            await one(video, place, store, tmp_path),
            await read_music(video, place, store, tmp_path, keep=True),
            await read_stills([still], place, store, keep=True),
        ]

    first = await read()
    for path in inbox.iterdir():
        path.unlink()
    with caplog.at_level(logging.WARNING, "prefect_videogen"):
        again = await read()
    assert again[2] == first[2]
    kept = "can't be read any more; its kept copy is used"
    assert {record.getMessage() for record in caplog.records} == {
        f"{vendors.media_url}/inbox/my {name} {kept}" for name in ("own.MOV", "title.png")
    }
    records = [path.read_text() for path in (store.root / "sources").iterdir()]
    assert len(records) == 2
    assert all(f"{vendors.media_url}/inbox/my " in text for text in records)
    assert "hidden" not in "".join(records)


async def test_web_video_is_streamed_into_a_file_within_the_limit(
    own, store, tmp_path, emulator, monkeypatch
):
    vendors = emulator()
    (tmp_path / "media" / "inbox").mkdir(parents=True)
    (tmp_path / "media/inbox/own.mp4").write_bytes(own.read_bytes())
    address = f"{vendors.media_url}/inbox/own.mp4"
    file = await one(address, Folder("."), store, tmp_path)
    assert isinstance(file, FootageFile)
    assert file.local.read_bytes() == own.read_bytes()
    assert file.local.parent == tmp_path
    monkeypatch.setattr(references, "LARGEST_FILE", 1000)
    found = await one(address, Folder("."), LocalStore(tmp_path / "other"), tmp_path)
    assert isinstance(found, Unreadable)
    assert "is larger than" in found.problem


async def test_relative_footage_of_a_form_lies_in_the_inbox(own, store, tmp_path):
    await store.create("inbox/clip.mp4", own.read_bytes())
    file = await one("clip.mp4", Inbox(store), store, tmp_path)
    assert isinstance(file, FootageFile)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("own.MOV", "puts it there"),
        ("board/own.MOV", "puts it there as own.MOV, or write its full path {own}"),
    ],
)
async def test_what_is_not_in_the_inbox_is_told_the_way_there(
    own, store, tmp_path, monkeypatch, name, way
):
    monkeypatch.chdir(tmp_path)
    place = Inbox(store)
    found = await one(name, place, store, tmp_path)
    assert found == Unreadable(
        f"can't be read: is not in the inbox of the media store {store.url}",
        f"`prefect-videogen put {name}` {way.format(own=own)}",
    )
    assert await read_music(name, place, store, tmp_path, keep=False) == found
    assert await read_stills([name], place, store, keep=False) == {name: found}


async def test_music_is_kept_by_its_digest(own, place, store, tmp_path):
    music = await read_music("own.MOV", place, store, tmp_path, keep=True)
    sha256 = digest(own.read_bytes())
    assert music == Music(path=f"music/{sha256}.mov", sha256=sha256)
    assert (store.root / music.path).read_bytes() == own.read_bytes()
    (source,) = store.root.glob("sources/*.json")
    assert json.loads(source.read_text())["reference"] == "own.MOV"


async def test_music_that_holds_no_sound_is_refused(own, place, store, tmp_path):
    with VideoWriter(own.parent / "mute.mp4", 128, 72, Fraction(24)) as writer:
        writer.write_rgb(np.zeros((72, 128, 3), np.uint8))
    found = await read_music("mute.mp4", place, store, tmp_path, keep=True)
    assert found == Unreadable("holds no sound", "give an MP3, WAV, FLAC, M4A or OGG file")
    found = await read_music("title.png", place, store, tmp_path, keep=True)
    assert isinstance(found, Unreadable)
    assert "a PNG picture" in found.problem
    assert not store.root.exists()


@pytest.mark.parametrize("keep", [True, False])
async def test_music_that_is_too_short_is_refused_before_any_film(
    own, place, store, tmp_path, keep
):
    write_wave(own.parent / "short.wav", 0.6)
    write_wave(own.parent / "long.wav", 1)
    found = await read_music("short.wav", place, store, tmp_path, keep=keep)
    assert found == Unreadable(
        "has 0.60 seconds of sound, too little for music",
        "give a whole file with at least a second of it",
    )
    assert not store.root.exists()
    assert isinstance(await read_music("long.wav", place, store, tmp_path, keep=keep), Music)


async def test_music_that_breaks_off_midway_is_refused_before_any_film(own, place, store, tmp_path):
    write_mp3(own.parent / "song.mp3")
    song = (own.parent / "song.mp3").read_bytes()
    assert isinstance(await read_music("song.mp3", place, store, tmp_path, keep=False), Music)
    (own.parent / "two.mp3").write_bytes(song + song)  # the second one's head is no sound
    found = await read_music("two.mp3", place, store, tmp_path, keep=True)
    assert isinstance(found, Unreadable)
    assert found.problem.startswith("can't be read to its end: ")
    assert not store.root.exists()
