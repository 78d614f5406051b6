"""Sizes and scenes, without a server."""

from __future__ import annotations

import io
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from prefect_videogen.emulator import clips
from prefect_videogen.media import frame_rgb, probe, psnr

SCENE = clips.Scene(
    prompt="a kite", look="x", seconds=1, fps=5, short_side=720, ratio=16 / 9, scale=0.1, sound=True
)


@pytest.fixture
def still() -> bytes:
    """A picture of the clip's own size, in which every place looks different."""
    across, down = np.meshgrid(np.linspace(0, 1, 128), np.linspace(0, 1, 72))
    planes = [40 + 160 * across, 200 - 160 * down, 90 + 60 * np.sin(9 * (across + down))]
    buffer = io.BytesIO()
    Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("short_side", "ratio", "scale", "size"),
    [
        (540, 16 / 9, 1, (960, 540)),
        (480, 16 / 9, 1, (854, 480)),
        (480, 9 / 16, 1, (480, 854)),
        (720, 16 / 9, 1, (1280, 720)),
        (1080, 16 / 9, 1, (1920, 1080)),
        (720, 4 / 3, 1, (960, 720)),
        (720, 1, 1, (720, 720)),
        (720, 1280 / 720, 0.125, (160, 90)),
        (1080, 10, 1, (4096, 410)),
        (720, 16 / 9, 0.001, (16, 16)),
    ],
)
def test_resolution_and_ratio_give_the_size(short_side, ratio, scale, size):
    assert clips.frame_size(short_side, ratio, scale) == size


def test_dropped_rendering_leaves_no_file(tmp_path):
    with pytest.raises(clips.Dropped):
        clips.render(SCENE, tmp_path / "clip.mp4", lambda: True)

    assert list(tmp_path.iterdir()) == []


def test_prompt_without_words_still_makes_a_clip(tmp_path):
    scene = clips.Scene(
        prompt="", look="", seconds=1, fps=5, short_side=90, ratio=1, scale=1, sound=False
    )
    clips.render(scene, tmp_path / "clip.mp4")

    assert probe(tmp_path / "clip.mp4").width == 90


def test_first_words_of_the_prompt_are_drawn_bright(tmp_path):
    frames = []
    for prompt in ("", "kite"):
        scene = replace(SCENE, prompt=prompt, scale=0.5)
        clips.render(scene, tmp_path / "clip.mp4")
        frames.append(frame_rgb(tmp_path / "clip.mp4", 0))

    brightest = [int(frame[270:330].min(axis=2).max()) for frame in frames]
    assert brightest[1] > 200 > brightest[0]


def test_clips_of_one_picture_start_alike_and_end_as_their_wishes_differ(tmp_path, still):
    ends = []
    for prompt in ("a kite", "a boat"):
        scene = replace(SCENE, prompt=prompt, pictures=(still,))
        clips.render(scene, tmp_path / "clip.mp4")
        assert psnr(frame_rgb(tmp_path / "clip.mp4", 0), still) > 35
        ends.append(frame_rgb(tmp_path / "clip.mp4", 4))

    assert psnr(ends[0], ends[1]) < 35


def test_sound_lasts_as_long_as_the_picture():
    assert clips.tone(SCENE).shape == (2, 48_000)


def test_hd_clip_of_five_seconds_takes_seconds_not_minutes(tmp_path):
    scene = clips.Scene(
        prompt="a kite", look="x", seconds=5, fps=24, short_side=720, ratio=16 / 9, scale=1,
        sound=True,
    )  # fmt: skip
    began = time.process_time()
    clips.render(scene, tmp_path / "clip.mp4")

    # 1.4 s where it was written; the rest is for slower machines.
    assert time.process_time() - began < 12
