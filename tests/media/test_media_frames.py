from __future__ import annotations

import io
from math import inf

import numpy as np
import pytest
from PIL import Image

from prefect_videogen.errors import MediaError
from prefect_videogen.media import (
    VideoWriter,
    first_frame,
    first_frame_png,
    frame_rgb,
    last_frame,
    last_frame_png,
    psnr,
)
from prefect_videogen.media.frames import frame_png

# Red above, green to the left below, blue to the right below.
CORNERS = {(20, 160): (200, 30, 40), (150, 40): (30, 180, 50), (150, 280): (40, 60, 210)}


def corners(_index, width, height):
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2] = (200, 30, 40)
    picture[height // 2 :, : width // 2] = (30, 180, 50)
    picture[height // 2 :, width // 2 :] = (40, 60, 210)
    return picture


def assert_like(picture, wanted, tolerance=3):
    assert np.abs(picture.astype(int) - wanted.astype(int)).max() <= tolerance


@pytest.mark.parametrize("frames", [1, 2, 5, 7, 24, 50])
@pytest.mark.parametrize("b_frames", [0, 3])
def test_last_frame_is_the_last_one_shown(make_clip, read_number, frames, b_frames):
    path = make_clip("a.mp4", frames, b_frames=b_frames)

    found = last_frame(path)

    assert found.index == frames - 1
    assert read_number(found.rgb) == frames - 1
    assert read_number(first_frame(path).rgb) == 0


def test_sound_longer_than_picture_leaves_the_last_frame(make_clip, read_number):
    sound = np.zeros((2, 48_000 * 3), np.float32)

    found = last_frame(make_clip("a.mp4", 24, sound=sound))

    assert read_number(found.rgb) == 23


def test_any_index_gives_that_frame(make_clip, read_number):
    path = make_clip("a.mp4", 12)

    assert [read_number(frame_rgb(path, index)) for index in (0, 5, 11)] == [0, 5, 11]


@pytest.mark.parametrize("index", [12, -1])
def test_index_outside_the_clip_is_refused(make_clip, index):
    with pytest.raises(MediaError, match=f"no frame {index}"):
        frame_rgb(make_clip("a.mp4", 12), index)


def test_frame_rotated_clockwise_comes_out_upright(make_clip):
    # The matrix a phone held upright writes: turn the stored picture clockwise by 90 degrees.
    clockwise = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    path = make_clip("a.mp4", 2, paint=corners, display_matrix=clockwise)

    found = last_frame(path).rgb

    stored = corners(0, 320, 180)
    upright = np.asarray(Image.fromarray(stored).transpose(Image.Transpose.ROTATE_270))
    assert found.shape == (320, 180, 3)
    assert psnr(found, upright) > 30


@pytest.mark.parametrize(
    ("size", "matrix", "tagged", "full_range"),
    [
        ((320, 180), 1, True, False),
        ((320, 180), 6, True, False),
        ((320, 180), 1, True, True),
        ((320, 180), 5, False, False),
        ((64, 720), 1, False, False),
    ],
)
def test_levels_survive_whatever_the_tags_say(make_clip, size, matrix, tagged, full_range):
    path = make_clip(
        "a.mp4", 2, size=size, paint=corners, matrix=matrix, tagged=tagged, full_range=full_range
    )

    found = last_frame(path).rgb

    wanted = corners(0, *size)
    height, width = wanted.shape[:2]
    for y, x in ((height // 4, width // 4), (height * 3 // 4, 10), (height * 3 // 4, width - 10)):
        assert_like(found[y, x], wanted[y, x])


def test_eight_hand_overs_keep_the_levels(tmp_path):
    noise = np.random.default_rng(7)
    across, down = np.sin(np.linspace(0, 9, 320)), np.cos(np.linspace(0, 5, 180))
    waves = (down[:, None] * across[None, :])[:, :, None]
    grain = np.kron(noise.normal(0, 12, (45, 80, 3)), np.ones((4, 4, 1)))
    source = np.clip(125 + 70 * waves * [1, 0.6, -0.8] + grain, 0, 255).astype(np.uint8)

    picture = source
    for hop in range(8):
        path = tmp_path / f"{hop}.mp4"
        # Nearly lossless, so that what is measured is the conversion and not the codec.
        with VideoWriter(path, 320, 180, 24, crf=4) as writer:
            for _ in range(3):
                writer.write_rgb(picture)
        with Image.open(io.BytesIO(last_frame_png(path))) as image:
            picture = np.asarray(image)

    drift = picture.astype(float) - source
    assert np.abs(drift.mean(axis=(0, 1))).max() < 0.5
    assert np.abs(drift).mean() < 5


def test_same_clip_gives_the_same_png(make_clip):
    path = make_clip("a.mp4", 5)

    assert last_frame_png(path) == last_frame_png(path)
    assert first_frame_png(path) == first_frame(path).png()
    assert first_frame_png(path) != last_frame_png(path)
    assert [frame_png(path, n) for n in (0, 4)] == [first_frame_png(path), last_frame_png(path)]


def test_png_of_any_index_is_that_frame(make_clip, read_number):
    path = make_clip("a.mp4", 9)

    with Image.open(io.BytesIO(frame_png(path, 5))) as image:
        assert read_number(np.asarray(image)) == 5
    with pytest.raises(MediaError, match="no frame 9"):
        frame_png(path, 9)


def test_psnr_tells_identical_close_and_different_apart():
    grey = np.full((4, 4, 3), 100, np.uint8)

    assert psnr(grey, grey) == inf
    assert psnr(grey, grey + 1) == pytest.approx(48.13, abs=0.01)
    with pytest.raises(MediaError, match="4x4 and 2x4"):
        psnr(grey, grey[:, :2])


def test_psnr_reads_picture_files():
    grey = np.full((4, 4, 3), 100, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="PNG")

    assert psnr(buffer.getvalue(), grey) == inf
    with pytest.raises(MediaError, match="not a picture"):
        psnr(b"nothing", grey)
