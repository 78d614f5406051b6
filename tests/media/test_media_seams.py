from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from prefect_videogen.errors import MediaError
from prefect_videogen.media import VideoWriter
from prefect_videogen.media.matching import ColourDrift
from prefect_videogen.media.seam_sheet import SeamRow, seam_sheet
from prefect_videogen.media.seams import (
    FrameDifference,
    SeamFrames,
    difference,
    flag_of,
    seam_frames,
)

WIDTH, HEIGHT = 192, 108


def landscape():
    chance = np.random.default_rng(3)
    patches = chance.integers(60, 190, (27, 150, 3), np.uint8)
    return np.asarray(Image.fromarray(patches).resize((600, HEIGHT), Image.Resampling.BICUBIC))


WORLD = landscape()


def view(at, shift=(0, 0, 0)):
    picture = WORLD[:, at : at + WIDTH].astype(int) + shift
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.fixture
def flawed(tmp_path):
    """Four chained shots of 12 frames: a clean join, a colour jump, a doubled frame left in."""
    path = tmp_path / "film.mp4"
    warm = (6, 1, -4)
    with VideoWriter(path, WIDTH, HEIGHT, 24) as writer:
        for n in range(24):
            writer.write_rgb(view(2 * n))
        for n in range(24, 36):
            writer.write_rgb(view(2 * n, warm))
        for n in range(35, 47):
            writer.write_rgb(view(2 * n, warm))
    return path


def test_jump_and_doubled_frame_show_in_the_numbers(flawed):
    clean, jump, repeat = seam_frames(flawed, [12, 24, 36])

    assert clean.step is not None
    assert clean.shown.luma == pytest.approx(clean.step.luma, rel=0.2)
    assert max(abs(clean.shown.red), abs(clean.shown.green), abs(clean.shown.blue)) < 0.7
    assert [jump.shown.red, jump.shown.green, jump.shown.blue] == pytest.approx([6, 1, -4], abs=1)
    assert repeat.step is not None
    assert repeat.shown.luma < 0.2 * repeat.step.luma
    assert repeat.shown.psnr > repeat.step.psnr + 8
    flags = [flag_of(seam.shown, seam.step, seam.following) for seam in (clean, jump, repeat)]
    assert flags == ["", "jump", "repeat"]


def test_frames_on_both_sides_are_those_of_the_film(tmp_path, make_clip, read_number):
    film = make_clip("film.mp4", 60)

    first, second = seam_frames(film, [24, 26], width=160)

    assert [read_number(rgb) for rgb in first.before] == [21, 22, 23]
    assert [read_number(rgb) for rgb in first.after] == [24, 25, 26]
    assert [read_number(rgb) for rgb in second.before] == [23, 24, 25]
    assert first.after[0].shape == (90, 160, 3)


def test_joins_near_the_ends_have_fewer_frames(make_clip, read_number):
    first, last = seam_frames(make_clip("film.mp4", 9), [1, 8])

    assert [read_number(rgb) for rgb in first.before] == [0]
    assert first.step is None
    assert [read_number(rgb) for rgb in last.after] == [8]
    assert last.step is not None


def test_frames_shown_for_one_tick_are_passed_over(tmp_path, paint_number, read_number):
    # Ten frames; a doubled one, number 99, flashes by at the end of the fifth slot.
    path = tmp_path / "film.mp4"
    stamps = [(n * 512, n) for n in range(10)]
    stamps.insert(5, (5 * 512 - 1, 99))
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=24, options={"bf": "0"})
        track.width, track.height, track.pix_fmt = 320, 180, "yuv420p"
        track.codec_context.time_base = Fraction(1, 12_288)
        for pts, number in stamps:
            frame = av.VideoFrame.from_ndarray(paint_number(number, 320, 180), format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 12_288)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))

    (seam,) = seam_frames(path, [5])

    assert [read_number(rgb) for rgb in (*seam.before, *seam.after)] == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("cut", [0, 9, -1])
def test_cut_outside_the_film_is_refused(make_clip, cut):
    with pytest.raises(MediaError, match=f"9 frames, so no shot can begin on frame {cut}"):
        seam_frames(make_clip("film.mp4", 9), [cut])


def test_film_of_one_shot_has_no_seams(make_clip):
    assert seam_frames(make_clip("film.mp4", 9), []) == []


def test_difference_has_size_and_direction():
    grey = np.full((4, 4, 3), 100, np.uint8)
    other = grey + np.array([10, 0, 0], np.uint8)

    assert difference(grey, grey) == FrameDifference(0, 0, 0, 0, 99)
    assert difference(grey, other) == FrameDifference(2.13, 10, 0, 0, 32.9)
    assert difference(other, grey).red == -10
    with pytest.raises(MediaError, match="4x4 and 2x4"):
        difference(grey, grey[:, :2])


def differing(luma, red=0.0, green=0.0, blue=0.0):
    return FrameDifference(luma, red, green, blue, 30.0)


@pytest.mark.parametrize(
    ("shown", "step", "wanted"),
    [
        (differing(3.1, 0.2), differing(3.0, 0.1), ""),
        (differing(5.0), differing(3.0), ""),
        (differing(11.0), differing(3.0), "jump"),
        (differing(3.2, 2.4, 0.1, -0.3), differing(3.0, 0.1), "jump"),
        (differing(3.2, 0.1, 0.1, -2.4), differing(3.0), "jump"),
        (differing(3.2, 2.4), differing(3.0, 0.9), ""),
        (differing(0.6), differing(3.0), "repeat"),
        (differing(1.8), differing(3.0), ""),
        (differing(0.0), differing(0.02), ""),
        (differing(0.0), differing(0.0), ""),
        (differing(30.0, 0.5), None, ""),
        (differing(30.0, 9.0), None, "jump"),
    ],
)
def test_flag_compares_the_join_with_the_step_before(shown, step, wanted):
    assert flag_of(shown, step) == wanted


def test_flag_needs_both_steps_to_differ_from_the_join():
    slow, fast = differing(0.4), differing(5.0)
    assert flag_of(differing(0.5), fast, slow) == ""  # from a fast clip into a slow one
    assert flag_of(differing(4.0), slow, fast) == ""  # and the other way round
    assert flag_of(differing(0.1), fast, slow) == "repeat"
    assert flag_of(differing(17.0), slow, fast) == "jump"
    assert flag_of(differing(3.1, 2.9), differing(3.0, 0.1), differing(3.0, 0.4)) == ""


def row(frames, why="chained", transition="cut", **more):
    return SeamRow("launch", "orbit", why, transition, 1, frames, **more)


def seam(shown, size=(54, 96), after=140):
    before, after = (np.full((*size, 3), grey, np.uint8) for grey in (90, after))
    return SeamFrames(12, (before,) * 3, (after,) * 3, shown, differing(3.0), differing(3.0))


def colours_of(png):
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        found = image.getcolors(image.width * image.height) or []
        return {colour for _, colour in found}, image.size


ORANGE, BLUE = (255, 138, 76), (92, 180, 255)


def test_sheet_marks_what_is_wrong():
    good, jump, repeat = (seam(differing(luma)) for luma in (3.0, 20.0, 0.1))

    clean, _ = colours_of(seam_sheet([row(good)], "A film"))
    flawed, _ = colours_of(seam_sheet([row(good), row(jump), row(repeat)], "A film"))

    assert not {ORANGE, BLUE} & clean
    assert flawed >= {ORANGE, BLUE}


def test_cut_is_a_line_between_its_frames():
    with Image.open(io.BytesIO(seam_sheet([row(seam(differing(20.0)))], "A film"))) as image:
        pixels = np.asarray(image).astype(int)

    def columns(colour, least):
        return np.flatnonzero((pixels == colour).all(axis=2).sum(axis=0) >= least)

    line, before, after = columns(ORANGE, 60), columns((90,) * 3, 54), columns((140,) * 3, 54)
    assert len(before) == len(after) == 3 * 96
    assert before.max() < line.min() <= line.max() < after.min()


@pytest.mark.parametrize(("why", "transition"), [("cut", "cut"), ("chained", "crossfade")])
def test_joins_that_are_meant_to_show_are_not_marked(why, transition):
    rows = [row(seam(differing(luma)), why, transition) for luma in (20.0, 0.1)]

    assert not {ORANGE, BLUE} & colours_of(seam_sheet(rows, "A film"))[0]


def test_sheet_has_a_row_for_each_join_and_the_frames_on_it():
    one = row(seam(differing(3.0)))
    drift = ColourDrift(1.0, 2.0, -1.0, 0.5, 0.93)
    drifted = row(seam(differing(3.0)), anchor="launch", drift=drift)
    long = SeamRow("l" * 200, "o" * 200, "chained", "cut", 0, seam(differing(3.0)))

    colours, (wide, high) = colours_of(seam_sheet([one], "A film"))
    _, (same, higher) = colours_of(seam_sheet([one, drifted, long], "A film " * 60))

    assert {(90, 90, 90), (140, 140, 140)} <= colours
    assert same == wide
    assert (higher - high) % 2 == 0
    assert higher > high


def test_sheet_of_many_joins_is_bounded_and_keeps_those_that_tell_the_most():
    tall = (427, 240)
    rows = [row(seam(differing(3.0), tall), "cut") for _ in range(60)]
    rows += [row(seam(differing(3.0), tall, after=160)), row(seam(differing(20.0), tall))]

    colours, (_, high) = colours_of(seam_sheet(rows, "A film"))
    few, (_, lower) = colours_of(seam_sheet(rows[:3], "A film"))

    assert lower < high <= 12_000
    assert {ORANGE, (160, 160, 160)} <= colours
    assert not {ORANGE, (160, 160, 160)} & few


def test_sheet_of_a_film_without_joins_is_its_title():
    assert colours_of(seam_sheet([], "One shot"))[1][0] > 1000


def test_sheet_of_a_real_film_is_the_same_every_time(flawed):
    rows = [row(frames) for frames in seam_frames(flawed, [12, 24, 36])]

    assert seam_sheet(rows, "A film") == seam_sheet(rows, "A film")
