"""Trims in seconds and the frames they mean, at constant and at variable rates."""

from __future__ import annotations

from fractions import Fraction

import pytest

from prefect_videogen.errors import MediaError
from prefect_videogen.media import probe
from prefect_videogen.media.keeping import constant_timing, handed_frame, kept_frames
from prefect_videogen.media.probe import inspect
from prefect_videogen.media.timing import Timing


def timing(frames: int, rate: Fraction | int = 24, begin: Fraction | int = 0) -> Timing:
    rate = Fraction(rate)
    starts = tuple(begin + n / rate for n in range(frames))
    return Timing(starts, begin + frames / rate, rate, constant=True)


def varying(*starts: str, end: str) -> Timing:
    times = tuple(Fraction(start) for start in starts)
    rate = (len(times) - 1) / (times[-1] - times[0])
    return Timing(times, Fraction(end), rate, constant=False)


@pytest.mark.parametrize(
    ("trim", "kept"),
    [
        ((), (0, 48)),
        ((0.0, 0.0), (0, 48)),
        ((0.5, 1.5), (12, 36)),
        ((0.0, 1.0), (0, 24)),
        ((1.0, 0.0), (24, 48)),
        # Within half a frame (0.0208 s) a frame counts as being there.
        ((0.52, 1.52), (12, 36)),
        ((0.48, 1.48), (12, 36)),
        ((0.53, 1.53), (13, 37)),
        # Never less than one frame, never more than there are.
        ((1.0, 1.001), (24, 25)),
        ((0.0, 9.0), (0, 48)),
    ],
)
def test_trim_at_a_constant_rate_keeps_the_frames_in_between(trim, kept):
    assert kept_frames(timing(48), trim) == kept


@pytest.mark.parametrize("rate", [24, Fraction(30000, 1001), 25, 8])
def test_trims_that_meet_share_no_frame_and_lose_none(rate):
    clip = timing(100, rate)
    for hundredth in range(1, 300):
        cut = hundredth / 100
        assert kept_frames(clip, (0.0, cut))[1] in {kept_frames(clip, (cut, 0.0))[0], 1}


def test_clock_that_does_not_begin_at_zero_changes_nothing():
    assert kept_frames(timing(48, begin=Fraction(7, 3)), (0.5, 1.5)) == (12, 36)


def test_trim_at_a_variable_rate_goes_by_the_frames_own_times():
    clip = varying("10", "10.1", "10.2", "11.2", "11.3", end="11.4")
    assert kept_frames(clip, (0.15, 1.26)) == (1, 4)
    assert kept_frames(clip, (0.4, 0.0)) == (3, 5)
    assert kept_frames(clip, (0.0, 0.5)) == (0, 3)
    assert kept_frames(clip, (0.0, 0.21)) == (0, 2)
    assert kept_frames(clip, (0.0, 0.3)) == (0, 3)


@pytest.mark.parametrize("clip", [timing(48), varying("0", "0.5", "1.9", end="2")])
def test_trim_that_begins_at_the_end_is_an_error(clip):
    with pytest.raises(MediaError, match=r"begins at 2\.5 s, the clip is 2 s long"):
        kept_frames(clip, (2.5, 3.0))


@pytest.mark.parametrize(
    ("trim", "steady", "handed"),
    [
        ((), None, 47),
        ((0.5, 1.5), None, 35),
        ((), 40, 40),
        ((0.5, 1.5), 40, 35),
        ((0.5, 1.5), 30, 30),
        ((1.0, 0.0), 3, 24),
    ],
)
def test_frame_handed_over_is_one_that_the_trim_keeps(trim, steady, handed):
    assert handed_frame(timing(48), trim, steady) == handed


def test_probe_of_a_constant_clip_tells_the_same_frames_as_its_timing(make_clip):
    path = make_clip("film.mp4", 24, size=(128, 72), fps=Fraction(24000, 1001))
    told = constant_timing(probe(path))
    assert told is not None
    exact = inspect(path)[1]
    for trim in [(), (0.25, 0.75), (0.5, 0.0)]:
        assert kept_frames(told, trim) == kept_frames(exact, trim)


def test_probe_of_a_variable_clip_tells_no_timing(make_clip):
    path = make_clip("uneven.mp4", 5, size=(128, 72), pts=[0, 100, 200, 900, 1000])
    assert constant_timing(probe(path)) is None
    assert kept_frames(inspect(path)[1], (0.3, 0.0)) == (3, 5)
