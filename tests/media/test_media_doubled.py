from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from prefect_videogen.errors import MediaError
from prefect_videogen.media import VideoWriter, last_frame
from prefect_videogen.media.doubled import count_doubled, doubled_frames

WIDTH, HEIGHT = 256, 144


def landscape():
    """Paint detail of every size, as photographs have it."""
    chance = np.random.default_rng(3)
    picture = np.zeros((HEIGHT, 512, 3))
    for size in (4, 8, 16, 32, 64):
        patches = chance.integers(0, 255, (HEIGHT // size + 2, 512 // size + 2, 3), np.uint8)
        big = Image.fromarray(patches).resize((512, HEIGHT), Image.Resampling.BICUBIC)
        picture += np.asarray(big) * size**0.5
    return (picture / sum(size**0.5 for size in (4, 8, 16, 32, 64))).astype(np.uint8)


WORLD = landscape()


def plain(picture):
    return picture


def soft(picture):
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(1.0)))


def brighter(picture):
    return np.clip(picture.astype(int) + 2, 0, 255).astype(np.uint8)


def much_brighter(picture):
    return np.clip(picture.astype(int) + 12, 0, 255).astype(np.uint8)


def soft_and_brighter(picture):
    return brighter(soft(picture))


def contrasty(picture):
    return np.clip((picture - 128.0) * 1.04 + 128, 0, 255).astype(np.uint8)


def write(path, places, render=plain):
    with VideoWriter(path, WIDTH, HEIGHT, 24, crf=18) as writer:
        for at in places:
            writer.write_rgb(render(np.ascontiguousarray(WORLD[:, at : at + WIDTH])))
    return path


@pytest.mark.parametrize(
    "render", [plain, soft, brighter, much_brighter, soft_and_brighter, contrasty]
)
@pytest.mark.parametrize("motion", [1, 2, 3])
@pytest.mark.parametrize("doubled", [0, 1, 2, 3])
def test_moving_clip_tells_how_many_frames_are_doubled(tmp_path, doubled, motion, render):
    before = write(tmp_path / "a.mp4", [motion * n for n in range(8)])
    end = 7 * motion
    places = [end] * doubled + [end + motion * n for n in range(1, 9)]
    clip = write(tmp_path / "b.mp4", places, render)

    found = doubled_frames(last_frame(before).rgb, clip)

    assert found.count == doubled
    assert len(found.compared) == 4


@pytest.mark.parametrize("doubled", [1, 2, 3])
def test_fast_clip_tells_its_doubled_frames(tmp_path, doubled):
    clip = write(tmp_path / "b.mp4", [40] * doubled + [48 + 8 * n for n in range(8)], soft)

    assert doubled_frames(WORLD[:, 40:296], clip).count == doubled


def test_fast_clip_without_a_doubled_frame_is_not_told_from_a_poor_rendering(tmp_path):
    clip = write(tmp_path / "b.mp4", [48 + 8 * n for n in range(8)])

    assert doubled_frames(WORLD[:, 40:296], clip).count == 1


@pytest.mark.parametrize("render", [plain, soft, brighter, contrasty])
def test_still_clip_has_the_usual_one(tmp_path, render):
    before = write(tmp_path / "a.mp4", [40] * 8)

    assert doubled_frames(last_frame(before).rgb, write(tmp_path / "b.mp4", [40] * 8)).count == 1
    assert doubled_frames(WORLD[:, 40:296], write(tmp_path / "c.mp4", [40] * 8, render)).count == 1


def grainy():
    chance = np.random.default_rng(5)

    def render(picture):
        grain = chance.normal(0, 7, picture.shape)
        return np.clip(picture + grain, 0, 255).astype(np.uint8)

    return render


def test_grainy_still_clip_has_the_usual_one(tmp_path):
    clip = write(tmp_path / "b.mp4", [40] * 8, grainy())

    assert doubled_frames(WORLD[:, 40:296], clip).count == 1


@pytest.mark.parametrize("doubled", [0, 1, 2, 3])
def test_grainy_clip_tells_its_doubled_frames(tmp_path, doubled):
    places = [40] * doubled + [40 + 2 * n for n in range(1, 9)]
    clip = write(tmp_path / "b.mp4", places, grainy())

    assert doubled_frames(WORLD[:, 40:296], clip).count == doubled


def test_motion_that_starts_slowly_has_the_usual_one(tmp_path):
    clip = write(tmp_path / "b.mp4", [40 + n * n for n in range(9)])

    assert doubled_frames(WORLD[:, 40:296], clip).count == 1


def test_picture_of_another_size_is_compared_at_the_clips(tmp_path):
    still = Image.fromarray(WORLD[:, 40:296]).resize((960, 540), Image.Resampling.BICUBIC)
    clip = write(tmp_path / "b.mp4", [40, 40, *range(43, 60, 3)])

    assert doubled_frames(np.asarray(still), clip).count == 2


def test_short_clip_keeps_a_frame(tmp_path):
    before = WORLD[:, 40:296]

    one = doubled_frames(before, write(tmp_path / "one.mp4", [40]))
    two = doubled_frames(before, write(tmp_path / "two.mp4", [40, 43]))

    assert (one.count, len(one.compared)) == (0, 1)
    assert (two.count, len(two.compared)) == (1, 2)


def test_file_without_a_frame_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"<html>")

    with pytest.raises(MediaError, match="HTML"):
        doubled_frames(WORLD, path)


@pytest.mark.parametrize(
    ("differences", "steps", "way", "wanted"),
    [
        # The series of field note f4: one doubled frame, motion of 3 and 1 pixels, none.
        ((0.24, 0.67, 1.18, 1.70), (0.45, 0.5, 0.5), 0.0, 1),
        ((0.28, 0.39, 0.53, 0.68), (0.2, 0.2, 0.2), 0.1, 1),
        ((0.01, 0.01, 0.01, 0.01), (0.01, 0.0, 0.0), 0.0, 1),
        # The same way, but not far.
        ((0.1, 0.6, 1.1, 1.6), (0.5, 0.5, 0.5), 0.9, 1),
        # A whole step away at once: the direction decides.
        ((0.5, 1.0, 1.5, 2.0), (0.5, 0.5, 0.5), 0.9, 0),
        ((0.5, 1.0, 1.5, 2.0), (0.5, 0.5, 0.5), 0.1, 1),
        ((0.5, 1.0, 1.5, 2.0), (0.5, 0.5, 0.5), -0.5, 1),
        # Far away from the start, but going nowhere.
        ((2.0, 2.0, 2.0, 2.0), (0.3, 0.3, 0.3), -0.4, 1),
        ((2.0, 2.0, 2.0, 2.0), (0.0, 0.0, 0.0), 0.0, 1),
        # A plateau, near or far, and then motion.
        ((0.2, 0.2, 0.7, 1.2), (0.02, 0.5, 0.5), 0.0, 2),
        ((2.0, 1.9, 2.4, 2.9), (0.1, 0.5, 0.5), 0.0, 2),
        ((0.2, 0.2, 0.2, 0.7), (0.02, 0.02, 0.5), 0.0, 3),
        # Animated on twos: every frame comes twice, here and everywhere else.
        ((0.5, 0.5, 1.0, 1.0), (0.0, 0.5, 0.0), 0.0, 1),
        # All alike: nothing to tell them by.
        ((0.2, 0.2, 0.2, 0.2), (0.02, 0.02, 0.06), 0.0, 1),
        ((0.7,), (), 0.0, 1),
        ((0.5, 1.0), (0.5,), 0.9, 0),
    ],
)
def test_numbers_alone_decide(differences, steps, way, wanted):
    assert count_doubled(differences, steps, way) == wanted
