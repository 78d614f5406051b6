from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest
from PIL import Image, ImageFilter

from prefect_videogen.errors import MediaError
from prefect_videogen.media import VideoWriter
from prefect_videogen.media.colour import Converter
from prefect_videogen.media.containers import decoded_frames
from prefect_videogen.media.matching import (
    ColourStatistics,
    PlaneStatistics,
    drift_between,
    levels_to_match,
    statistics_of,
)

WIDTH, HEIGHT = 192, 108
IDENTITY = tuple(range(256))


def landscape():
    chance = np.random.default_rng(3)
    patches = chance.integers(60, 190, (27, 100, 3), np.uint8)
    return np.asarray(Image.fromarray(patches).resize((400, HEIGHT), Image.Resampling.BICUBIC))


WORLD = landscape()


def plain(picture):
    return picture


def warm(picture):
    return np.clip(picture * 0.9 + [20.0, 4.0, -6.0], 0, 255).astype(np.uint8)


def soft(picture):
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(1.5)))


def write(path, render=plain, frames=24):
    with VideoWriter(path, WIDTH, HEIGHT, 24, crf=12) as writer:
        for n in range(frames):
            writer.write_rgb(render(np.ascontiguousarray(WORLD[:, n : n + WIDTH])))
    return path


def mean_rgb(path):
    converter = Converter()
    return np.mean([converter.to_rgb(f).mean((0, 1)) for f in decoded_frames(path)], axis=0)


def corrected(path, levels, out):
    """Apply the tables as the film does: on the planes of its frames."""
    converter = Converter()
    split = WIDTH * HEIGHT, WIDTH * HEIGHT * 5 // 4
    with VideoWriter(out, WIDTH, HEIGHT, 24, crf=12) as writer:
        for frame in decoded_frames(path):
            packed = converter.to_film(frame).to_ndarray()
            planes = np.split(packed.reshape(-1), split)
            tables = (levels.luma, levels.blue, levels.red)
            flat = np.concatenate(
                [np.array(t, np.uint8)[plane] for t, plane in zip(tables, planes, strict=True)]
            )
            new = av.VideoFrame.from_ndarray(flat.reshape(packed.shape), format="yuv420p")
            new.colorspace, new.color_range = 1, 1
            writer.write_frame(new)
    return out


def test_drift_of_a_warmer_clip_is_what_was_done_to_it(tmp_path):
    anchor, clip = write(tmp_path / "a.mp4"), write(tmp_path / "b.mp4", warm)

    drift = drift_between(statistics_of(anchor), statistics_of(clip))

    wanted = mean_rgb(clip) - mean_rgb(anchor)
    assert [drift.red, drift.green, drift.blue] == pytest.approx(wanted, abs=0.6)
    assert drift.luma == pytest.approx(float(wanted @ [0.2126, 0.7152, 0.0722]), abs=0.3)
    assert drift.red - drift.blue > 15


def test_softer_clip_has_less_detail(tmp_path):
    fine = np.random.default_rng(4).integers(60, 190, (180, 320, 3), np.uint8)
    sharp = np.asarray(Image.fromarray(fine).resize((640, 360), Image.Resampling.BICUBIC))
    for name, picture in (("a.mp4", sharp), ("b.mp4", soft(sharp))):
        with VideoWriter(tmp_path / name, 640, 360, 24) as writer:
            writer.write_rgb(picture)

    drift = drift_between(statistics_of(tmp_path / "a.mp4"), statistics_of(tmp_path / "b.mp4"))

    assert 0.05 < drift.sharpness < 0.5
    assert abs(drift.luma) < 0.5


def test_clip_does_not_drift_from_itself(tmp_path):
    found = statistics_of(write(tmp_path / "a.mp4"))

    drift = drift_between(found, found)

    assert (drift.luma, drift.red, drift.green, drift.blue, drift.sharpness) == (0, 0, 0, 0, 1)


@pytest.mark.parametrize(
    "options",
    [{"matrix": 5}, {"matrix": 5, "tagged": False}, {"full_range": True}],
)
def test_statistics_do_not_hang_on_tags(tmp_path, make_clip, options):
    def paint(index, width, height):
        return np.ascontiguousarray(WORLD[:height, index : index + width])

    size = (WIDTH, HEIGHT)
    found = statistics_of(make_clip("b.mp4", 12, paint=paint, size=size, **options))
    wanted = statistics_of(make_clip("a.mp4", 12, paint=paint, size=size))

    for name in ("luma", "blue", "red"):
        assert getattr(found, name).mean == pytest.approx(getattr(wanted, name).mean, abs=0.7)
        assert getattr(found, name).spread == pytest.approx(getattr(wanted, name).spread, rel=0.05)
    assert found.sharpness == pytest.approx(wanted.sharpness, rel=0.1)


def test_all_of_a_long_clip_is_looked_at(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 64, 64, 24) as writer:
        for n in range(60):
            writer.write_rgb(np.full((64, 64, 3), 40 if n < 30 else 200, np.uint8))

    found = statistics_of(path)

    assert found.luma.mean == pytest.approx((50.4 + 187.8) / 2, abs=1)


@pytest.mark.parametrize("frames", [1, 5])
def test_short_clip_is_measured(tmp_path, frames):
    assert statistics_of(write(tmp_path / "a.mp4", frames=frames)).luma.spread > 10


def test_matched_clip_has_the_anchors_colours(tmp_path):
    anchor, clip = write(tmp_path / "a.mp4"), write(tmp_path / "b.mp4", warm)
    wanted, found = statistics_of(anchor), statistics_of(clip)

    whole = statistics_of(corrected(clip, levels_to_match(found, wanted), tmp_path / "c.mp4"))
    half = statistics_of(corrected(clip, levels_to_match(found, wanted, 0.5), tmp_path / "d.mp4"))

    drifts = [drift_between(wanted, one) for one in (found, half, whole)]
    assert [abs(drift.red) < 0.8 for drift in drifts] == [False, False, True]
    assert [abs(drift.blue) < 0.8 for drift in drifts] == [False, False, True]
    assert drifts[1].red == pytest.approx(drifts[0].red / 2, abs=0.8)
    assert whole.luma.spread == pytest.approx(wanted.luma.spread, rel=0.03)


GREY = PlaneStatistics(mean=128.0, spread=8.0)
CLIP = ColourStatistics(PlaneStatistics(100.0, 30.0), GREY, GREY, 5.0)


def test_clip_like_its_anchor_is_left_alone():
    levels = levels_to_match(CLIP, CLIP)

    assert levels.luma[16:236] == IDENTITY[16:236]
    assert levels.blue[16:241] == levels.red[16:241] == IDENTITY[16:241]


def test_no_strength_changes_nothing():
    other = ColourStatistics(PlaneStatistics(140.0, 50.0), GREY, GREY, 5.0)

    levels = levels_to_match(CLIP, other, 0)

    assert levels.luma == levels.blue == levels.red == IDENTITY


@pytest.mark.parametrize(
    ("anchor", "at_mean", "ten_above"),
    [
        (PlaneStatistics(110.0, 30.0), 110, 120),
        (PlaneStatistics(200.0, 30.0), 124, 134),
        (PlaneStatistics(10.0, 30.0), 76, 86),
        (PlaneStatistics(100.0, 300.0), 100, 112),
        (PlaneStatistics(100.0, 1.0), 100, 108),
        (PlaneStatistics(100.0, 0.1), 100, 110),
    ],
)
def test_correction_is_bounded(anchor, at_mean, ten_above):
    luma = levels_to_match(CLIP, replace(CLIP, luma=anchor)).luma

    assert luma[100] == at_mean
    assert luma[110] == pytest.approx(ten_above, abs=0.5)


@pytest.mark.parametrize("mean", [60.0, 140.0])
def test_tables_stay_in_range_and_never_turn_back(mean):
    anchor = PlaneStatistics(mean, 60.0)
    levels = levels_to_match(CLIP, ColourStatistics(anchor, anchor, anchor, 5.0))

    for table, highest in ((levels.luma, 235), (levels.blue, 240), (levels.red, 240)):
        assert len(table) == 256
        assert min(table) >= 16
        assert max(table) <= highest
        assert all(a <= b for a, b in pairwise(table))


@pytest.mark.parametrize("strength", [-0.1, 1.1])
def test_strength_outside_its_range_is_refused(strength):
    with pytest.raises(MediaError, match="strength"):
        levels_to_match(CLIP, CLIP, strength)
