"""What the film section of a storyboard asks for, in the finished film and what lies beside it."""

from __future__ import annotations

import numpy as np
import opentimelineio as otio
import pytest

from prefect_videogen import Shot, Storyboard, generate_storyboard
from prefect_videogen.filming import Film, Manifest
from prefect_videogen.filming.manifest import Tail
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
    board = Storyboard.model_validate(
        {"title": title, **WAN, "shots": [shot.model_dump() for shot in shots], "film": film}
    )
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
    assert "http" not in page.replace("http-equiv", "")

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
