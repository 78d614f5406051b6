"""Chains and keyframes: what is handed on is exact, and what is made at once runs at once."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from prefect_videogen import (
    Shot,
    Storyboard,
    generate_chain,
    generate_chain_sync,
    generate_keyframes,
    generate_storyboard,
)
from prefect_videogen.errors import StoryboardError
from prefect_videogen.filming import Film
from prefect_videogen.media import first_frame, last_frame, probe, psnr
from prefect_videogen.media.frames_at import frames_at, frames_shown

# Slow enough that jobs which are submitted together run together.
EMULATOR = {"speed": 100.0}
PROMPTS = ["A rocket lifts off", "The smoke thins out", "The stars come out"]


async def film_of(flow: Any, **asked: Any) -> Film:
    """Run a flow that makes a film."""
    film = await flow(studio="env", **asked)
    assert isinstance(film, Film)
    return film


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_chain_of_three_hands_on_the_very_bytes_of_the_last_frame(stage, stills):
    film = await film_of(
        generate_chain,
        first_frame=stills["sky"],
        prompts=PROMPTS,
        model="vidu-q3",
        seconds=1,
        title="Pad to orbit",
    )
    charges = {charge.job_id: charge for charge in stage.charges}
    assert len(charges) == 3
    given = [[p.sha256 for p in charges[clip.job_id].images] for clip in film.clips]
    assert given[0] == [sha256(Path(stills["sky"]))]
    for (before, after), pictures in zip(pairwise(film.clips), given[1:], strict=True):
        last = stage.path(before.last_frame)
        assert pictures == [sha256(last)] == [before.last_frame_sha256]
        assert psnr(last.read_bytes(), last_frame(stage.path(before.path)).rgb) == float("inf")
        assert psnr(last.read_bytes(), first_frame(stage.path(after.path)).rgb) >= 35

    # Three clips of 8 frames, and two frames that would be seen twice.
    assert [clip.probe.frame_count for clip in film.clips] == [8, 8, 8]
    check_film(stage, film, frames=24 - 2)
    for seam, clip in ((7, film.clips[0]), (14, film.clips[1])):
        shown = frames_at(stage.path(film.path), [seam])[seam]
        assert psnr(shown, stage.path(clip.last_frame).read_bytes()) >= 35

    again = await film_of(
        generate_chain,
        first_frame=stills["sky"],
        prompts=PROMPTS,
        model="vidu-q3",
        seconds=1,
        title="Pad to orbit",
    )
    assert len(stage.charges) == 3
    assert (again.bought, again.digest, again.path) == (0, film.digest, film.path)
    assert again.sha256 == film.sha256 == sha256(stage.path(film.path))
    assert {clip.how for clip in again.clips} == {"reused"}


def check_film(stage, film, *, frames: int) -> None:
    """The film holds so many frames, at one rate and in one size, and says so."""
    found = probe(stage.path(film.path))
    # The picture is copied, with the doubled frames stored but not shown.
    assert film.copied
    assert frames_shown(stage.path(film.path)) == film.frames == frames
    assert (found.width, found.height) == (film.width, film.height)
    assert {(clip.probe.width, clip.probe.height) for clip in film.clips} == {
        (film.width, film.height)
    }
    assert Fraction(film.fps) == 8
    assert found.seconds == pytest.approx(frames / 8) == pytest.approx(film.seconds)


async def test_changed_prompt_buys_its_shot_and_what_hangs_on_it_only(stage):
    common: dict[str, Any] = {"model": "vidu-q3", "seconds": 1}
    await film_of(generate_chain, prompts=PROMPTS[:2], **common)
    last = await film_of(generate_chain, prompts=[PROMPTS[0], "It rains"], **common)
    assert [clip.how for clip in last.clips] == ["reused", "bought"]
    first = await film_of(generate_chain, prompts=["It rains", PROMPTS[1]], **common)
    assert [clip.how for clip in first.clips] == ["bought", "bought"]
    assert len(stage.charges) == 2 + 1 + 2


async def test_chain_without_a_picture_starts_with_a_text_model(stage):
    film = await film_of(generate_chain, prompts=PROMPTS[:2], model="wan-2-5", title="Text")
    assert [clip.mode for clip in film.clips] == ["text-to-video", "image-to-video"]


def test_sync_twin_of_the_chain_makes_a_film(stage, stills):
    film = generate_chain_sync(
        first_frame=stills["sand"], prompts=PROMPTS[:1], model="vidu-q3", seconds=1, studio="env"
    )
    assert isinstance(film, Film)
    assert film.complete
    assert film.bought == len(stage.charges) == 1


async def test_keyframes_are_all_made_at_once_and_share_their_stills(stage, stills):
    pictures = list(stills.values())
    film = await film_of(
        generate_keyframes,
        pictures=pictures,
        prompts=["Morning", "Noon", "Evening"],
        model="vidu-q3",
        seconds=2,
        title="A day",
    )
    jobs = [stage.emulator.job(clip.job_id) for clip in film.clips]
    assert max(job.created for job in jobs) < min(job.finished for job in jobs)
    assert stage.emulator.peak_running("vidu-q3") == 3
    given = [[p.sha256 for p in job.charge.images] for job in jobs]
    digests = [sha256(Path(path)) for path in pictures]
    assert given == [list(pair) for pair in pairwise(digests)]
    check_film(stage, film, frames=3 * 16 - 2)


async def test_keyframes_take_one_prompt_for_all_steps(stage, stills):
    film = await film_of(
        generate_keyframes,
        pictures=list(stills.values())[:3],
        prompts=["A slow change"],
        model="kling-2-1",
        tier="pro",
        title="Slow",
    )
    assert {clip.mode for clip in film.clips} == {"pro-image-to-video"}
    assert [charge.params["prompt"] for charge in stage.charges] == ["A slow change"] * 2


@pytest.mark.parametrize(
    ("pictures", "prompts", "says"),
    [(0, 1, "pictures"), (1, 1, "pictures"), (3, 0, "prompts"), (3, 3, "prompts")],
)
async def test_keyframes_that_do_not_match_are_refused(stage, stills, pictures, prompts, says):
    with pytest.raises(StoryboardError, match=says):
        await generate_keyframes(
            pictures=list(stills.values())[:pictures],
            prompts=["x"] * prompts,
            model="vidu-q3",
            studio="env",
        )
    assert stage.asked == []


async def test_independent_shots_run_at_once_and_a_chain_in_order(stage, stills):
    board = Storyboard(
        title="Mixed",
        model="ltx-2-19b",
        seconds=5,
        resolution="480p",
        shots=[
            Shot(id="a", prompt="One", first_frame=stills["sky"]),
            Shot(id="b", prompt="Two", first_frame="previous"),
            Shot(id="c", prompt="Three", first_frame=stills["sea"]),
            Shot(id="d", prompt="Four", first_frame="shot:a"),
        ],
    )
    film = await film_of(generate_storyboard, storyboard=board)
    a, b, c, d = (stage.emulator.job(clip.job_id) for clip in film.clips)
    assert c.created < a.finished
    assert a.finished < min(b.created, d.created)
    assert b.created < d.finished
    assert d.created < b.finished
    # Only b follows the shot whose last frame it starts on.
    assert film.frames == 4 * 40 - 1


async def test_shots_with_the_same_wish_are_bought_once(stage):
    twins = [Shot(prompt="The very same kite", model="wan-2-5") for _ in range(3)]
    board = Storyboard(title="Twins", shots=twins)
    film = await film_of(generate_storyboard, storyboard=board)
    assert len(stage.charges) == 1
    assert len({clip.sha256 for clip in film.clips}) == 1
    assert film.bought == 1
    assert film.frames == 3 * 40
