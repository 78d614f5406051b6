"""What the film section of a storyboard asks for, in the finished film and what lies beside it."""

from __future__ import annotations

import asyncio
import json
import re

import numpy as np
import opentimelineio as otio
import pytest

from prefect_videogen import Shot, Storyboard, generate_storyboard
from prefect_videogen.filming import Film, Manifest
from prefect_videogen.filming.manifest import Tail
from prefect_videogen.filming.producing import StoppedError
from prefect_videogen.keys import without_queries
from prefect_videogen.media import SOUND_RATE, VideoWriter, probe, psnr
from prefect_videogen.media.frames_at import frames_at

FPS = 8
WAN = {"model": "wan-2-5", "resolution": "720p", "aspect_ratio": "16:9", "seconds": 5}
FRAMES = 5 * FPS


@pytest.fixture
def own(tmp_path) -> str:
    """Two seconds that get brighter and end in half a second of black, with a tone."""
    path = tmp_path / "own.mp4"
    time = np.arange(2 * SOUND_RATE) / SOUND_RATE
    with VideoWriter(path, 160, 90, FPS, sound=True) as writer:
        picture = np.random.default_rng(1).integers(60, 120, (90, 160, 3)).astype(np.uint8)
        for number in range(2 * FPS):
            shown = np.roll(picture, 3 * number, axis=1) if number < 12 else picture * 0
            writer.write_rgb(shown)
        tone = (0.2 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
        writer.write_sound(np.stack([tone, tone]))
    return str(path)


@pytest.fixture
def music(tmp_path) -> str:
    """Three seconds of a deep tone."""
    path = tmp_path / "music.mp4"
    time = np.arange(3 * SOUND_RATE) / SOUND_RATE
    with VideoWriter(path, 64, 64, FPS, sound=True) as writer:
        for _ in range(3 * FPS):
            writer.write_rgb(np.zeros((64, 64, 3), np.uint8))
        tone = (0.3 * np.sin(2 * np.pi * 110 * time)).astype(np.float32)
        writer.write_sound(np.stack([tone, tone]))
    return str(path)


async def film_of(title: str, *shots: Shot, **film: object) -> Film:
    model = {"model": film.pop("model")} if "model" in film else {}
    fields = {**WAN, **model, "shots": [shot.model_dump() for shot in shots], "film": film}
    board = Storyboard.model_validate({"title": title, **fields})
    made = await generate_storyboard(storyboard=board, studio="env")
    assert isinstance(made, Film)
    return made


def manifest_of(stage, film: Film) -> Manifest:
    return Manifest.model_validate_json(stage.path(film.manifest).read_bytes())


async def test_everything_asked_for_is_in_the_film_and_in_what_lies_beside_it(
    stage, own, music, stills
):
    film = await film_of(
        "All of it",
        Shot(id="title", video=stills["sea"], seconds=1),
        Shot(id="own", video=own, trim=[0.0, 1.5], transition="crossfade", crossfade_seconds=0.5),
        Shot(id="on", prompt="It goes on", first_frame="previous"),
        Shot(id="away", prompt="Elsewhere", transition="dip", crossfade_seconds=1),
        music=music,
        loudness=-20,
        variants=["9:16", "1:1"],
        match_colour=0.5,
    )
    manifest = manifest_of(stage, film)
    shots = {shot.id: shot for shot in manifest.shots}
    assert [shot.kind for shot in manifest.shots] == ["card", "footage", "clip", "clip"]
    crossed, doubled = FPS // 2, shots["on"].join.doubled
    assert film.frames == FPS + 12 - crossed + (FRAMES - doubled) + FRAMES
    found = probe(stage.path(film.path))
    assert (found.frame_count, found.constant_rate) == (film.frames, True)
    assert found.color_space == found.color_primaries == found.color_trc == "bt709"
    assert shots["own"].start_frame == FPS - crossed
    assert (shots["own"].join.transition, shots["own"].join.transition_frames) == ("crossfade", 4)
    assert (shots["away"].join.transition, shots["away"].join.transition_frames) == ("dip", FPS)
    assert shots["on"].drift is not None
    assert (shots["on"].drift.anchor, shots["on"].drift.links) == ("own", 1)
    middle = frames_at(stage.path(film.path), [shots["away"].start_frame])
    assert middle[shots["away"].start_frame].mean() < 60  # on its way up from black

    sound = manifest.film.sound
    assert sound is not None
    assert sound.clips
    assert len(sound.music) == 64
    assert sound.loudness == pytest.approx(-20, abs=0.5)
    assert found.audio_seconds == pytest.approx(film.seconds, abs=0.05)

    sizes = {entry.shape: (entry.width, entry.height) for entry in manifest.film.variants}
    assert sizes["1:1"] == (film.height, film.height)
    assert sizes["9:16"][0] == film.height
    for shape, path in film.variants.items():
        variant = probe(stage.path(path))
        assert (variant.width, variant.height) == sizes[shape]
        assert variant.frame_count == film.frames

    folder = stage.path(film.path).parent
    timeline = otio.adapters.read_from_file(str(folder / "film.otio"))
    assert timeline.duration().to_frames() == film.frames
    for clip in timeline.find_clips():
        assert (folder / clip.media_reference.target_url).resolve().is_file()
    assert (folder / "seams.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "index.html").read_text()
    assert "It goes on" in page
    # With its colon: pictures are in the page as letters, which can spell anything else.
    assert not re.search("https?:", page)

    again = await film_of(
        "All of it",
        Shot(id="title", video=stills["sea"], seconds=1),
        Shot(id="own", video=own, trim=[0.0, 1.5], transition="crossfade", crossfade_seconds=0.5),
        Shot(id="on", prompt="It goes on", first_frame="previous"),
        Shot(id="away", prompt="Elsewhere", transition="dip", crossfade_seconds=1),
        music=music,
        loudness=-20,
        variants=["9:16", "1:1"],
        match_colour=0.5,
    )
    assert (again.digest, again.bought, len(stage.charges)) == (film.digest, 0, 2)


async def test_clips_that_agree_are_copied_unless_encoding_is_asked_for(stage):
    shots = (
        Shot(id="one", prompt="A copied kite"),
        Shot(id="two", prompt="On it goes", first_frame="previous"),
    )
    copied = await film_of("Copied", *shots)
    encoded = await film_of("Copied", *shots, encode="always")
    facts = [manifest_of(stage, film).film for film in (copied, encoded)]
    assert [entry.picture for entry in facts] == ["copied", "encoded"]
    assert facts[0].why_encoded == ""
    assert "settings" in facts[1].why_encoded
    assert copied.copied
    assert copied.frames == encoded.frames == 2 * FRAMES - 1
    first, second = (
        frames_at(stage.path(film.path), range(film.frames)) for film in (copied, encoded)
    )
    assert min(psnr(first[n], second[n]) for n in first) > 30


@pytest.mark.parametrize("stands_in", ["hold", "slate"])
async def test_missing_shot_is_stood_in_for_as_long_as_it_would_have_been(stage, stands_in):
    film = await film_of(
        f"Stood in {stands_in}",
        Shot(id="good", prompt="A fine kite"),
        Shot(id="bad", prompt="[violation] what was to be seen"),
        on_missing=stands_in,
        encode="always",
    )
    manifest = manifest_of(stage, film)
    assert [shot.kind for shot in manifest.shots] == ["clip", stands_in]
    assert manifest.missing == ("bad",)
    assert film.frames == 2 * FRAMES
    shown = frames_at(stage.path(film.path), [FRAMES - 1, FRAMES, 2 * FRAMES - 1])
    likeness = psnr(shown[FRAMES - 1], shown[2 * FRAMES - 1])
    assert likeness > 35 if stands_in == "hold" else likeness < 25


@pytest.mark.parametrize("stands_in", ["hold", "slate"])
async def test_missing_shot_with_a_trim_is_stood_in_for_as_long_as_that_leaves(stage, stands_in):
    film = await film_of(
        f"Stood in, trimmed {stands_in}",
        Shot(id="good", prompt="A fine kite"),
        Shot(id="bad", prompt="[violation] what was to be seen", trim=[1.0, 3.0]),
        on_missing=stands_in,
    )
    assert [shot.frames for shot in manifest_of(stage, film).shots] == [FRAMES, 2 * FPS]


async def test_clip_of_a_fallback_is_told_at_its_own_price(stage, monkeypatch):
    prices = [
        {"model": "wan-2-5", "amount": "1.00", "currency": "USD", "per": "clip"},
        {"model": "ltx-2-19b", "amount": "9.00", "currency": "USD", "per": "clip"},
    ]
    monkeypatch.setenv("VIDEOGEN_PRICES", json.dumps(prices))
    stage.emulator.faults.add("job-fails", times=None, model="wan-2-5", code="CONTENT_VIOLATION")
    film = await film_of(
        "Fallback", Shot(id="a", prompt="A kite at its price", fallback=["ltx-2-19b"])
    )
    (shot,) = manifest_of(stage, film).shots
    assert shot.bought is not None
    assert (shot.bought.model, str(shot.bought.price)) == ("ltx-2-19b", "9.00 USD")
    assert "9.00 USD" in stage.path(film.page).read_text()


async def test_steady_hand_over_ends_the_shot_before_its_black_tail(stage, own):
    film = await film_of(
        "Steady",
        Shot(id="own", video=own, hand_over="steady"),
        Shot(id="on", prompt="Before the black", first_frame="previous"),
    )
    manifest = manifest_of(stage, film)
    assert manifest.shots[0].source_frames == 12
    (frame,) = stage.media.glob("footage/*/11.png")
    (picture,) = [entry for charge in stage.charges for entry in charge.images]
    bought = manifest.shots[1].bought
    assert bought is not None
    assert picture.sha256 == bought.pictures[0].sha256
    assert frame.is_file()
    assert film.warnings == ()


async def test_black_tail_that_is_shown_is_warned_of_until_it_is_trimmed_off(stage):
    film = await film_of("Fade", Shot(id="fades", prompt="It fades"))
    (shot,) = manifest_of(stage, film).shots
    shown = shot.model_copy(update={"tail": Tail(black=6)})
    assert shown.warnings() == (
        "Shot fades: it ends in 6 black frames; `hand_over: steady` or `trim`",
    )
    assert shown.model_copy(update={"source_frames": FRAMES - 6}).warnings() == ()


async def test_board_whose_shots_were_renamed_shows_them_whole(stage):
    first = (
        Shot(id="a", prompt="A renamed kite"),
        Shot(id="b", prompt="A", first_frame="previous"),
    )
    before = await film_of("Renamed", *first)
    again = await film_of("Renamed", *first)
    assert again.digest == before.digest
    film = await film_of(
        "Renamed",
        Shot(id="new", prompt="A new kite"),
        Shot(id="b", prompt="A renamed kite"),
        Shot(id="c", prompt="A", first_frame="previous"),
    )
    shots = manifest_of(stage, film).shots
    assert [shot.id for shot in shots] == ["new", "b", "c"]
    assert [shot.join.why for shot in shots] == ["start", "cut", "chained"]
    assert shots[1].source_frames == FRAMES
    assert len(stage.charges) == 3


async def test_film_of_title_cards_only_is_made(stage, stills):
    film = await film_of("Cards", Shot(id="sea", video=stills["sea"], seconds=1))
    assert (film.width, film.height, film.frames) == (1280, 720, 24)
    assert stage.charges == []


async def test_other_title_and_other_gaps_are_other_films(stage):
    shots = [Shot(id="good", prompt="A kite that flies"), Shot(id="bad", prompt="[violation]")]
    gap = await film_of("Gap or not", *shots, on_missing="skip")
    whole = await film_of("Gap or not", shots[0], on_missing="skip")
    renamed = await film_of("Gap, or not", shots[0], on_missing="skip")
    assert len({gap.digest, whole.digest, renamed.digest}) == 3
    assert manifest_of(stage, whole).missing == ()


async def test_footage_trimmed_short_does_not_decide_what_the_film_is_like(stage, tmp_path):
    path = tmp_path / "long.mp4"
    with VideoWriter(path, 90, 160, 30) as writer:
        for _ in range(30 * 8):
            writer.write_rgb(np.zeros((160, 90, 3), np.uint8))
    film = await film_of(
        "Trimmed short",
        Shot(id="own", video=str(path), trim=[0.0, 1.0]),
        Shot(id="clip", prompt="A wide kite"),
    )
    assert film.width > film.height
    assert film.fps == f"{FPS}/1"


async def test_rate_written_with_two_digits_is_the_one_that_is_meant(stage):
    film = await film_of("Rate", Shot(id="a", prompt="A kite at a rate"), fps=29.97)
    assert film.fps == "30000/1001"


async def test_shot_after_a_missing_one_keeps_its_first_frame(stage, stills):
    film = await film_of(
        "Shared and missing",
        Shot(id="one", prompt="A first kite"),
        Shot(id="two", prompt="[violation]", first_frame=stills["sky"], last_frame=stills["sea"]),
        Shot(id="three", prompt="A third kite", first_frame=stills["sea"]),
        model="vidu-q3",
        on_missing="skip",
    )
    shots = manifest_of(stage, film).shots
    assert [shot.id for shot in shots] == ["one", "three"]
    assert (shots[1].join.why, shots[1].join.doubled, shots[1].source_start) == ("cut", 0, 0)


async def test_addresses_lose_their_queries_wherever_they_are_written_down(stage):
    weights = "https://weights.example.com/style.safetensors"
    shown = without_queries(
        {"loras": [{"path": f"{weights}?token=hidden", "scale": 1.0}], "prompt": "see a?b=c"}
    )
    assert shown == {"loras": [{"path": weights, "scale": 1.0}], "prompt": "see a?b=c"}


async def test_cancelled_run_stops_stitching_and_leaves_no_thread(stage, monkeypatch):
    await film_of("Cancelled", Shot(id="a", prompt="A kite to be stopped"))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    began = asyncio.Event()

    def slow(*_, stop, **__):
        loop.call_soon_threadsafe(began.set)
        stop.wait(60)
        loop.call_soon_threadsafe(stopped.set)
        raise StoppedError

    monkeypatch.setattr("prefect_videogen.filming.making.produce", slow)
    shots = [Shot(id="a", prompt="A kite to be stopped")]
    board = Storyboard.model_validate(
        {"title": "Stopped", **WAN, "shots": [shot.model_dump() for shot in shots]}
    )
    run = asyncio.create_task(generate_storyboard(storyboard=board, studio="env"))
    await began.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert stopped.is_set()
