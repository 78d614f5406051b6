from __future__ import annotations

from fractions import Fraction

import pytest

from prefect_videogen.media.timing import Timing, measure, nearest, sample_at, schedule


def constant(frames, rate):
    starts = [Fraction(index) / rate for index in range(frames)]
    return measure(starts, 1 / Fraction(rate), tick=Fraction(1, 90_000), declared=(Fraction(rate),))


@pytest.mark.parametrize(
    ("frames", "rate", "film", "wanted"),
    [
        (48, 24, 24, 48),
        (30, 30, 24, 24),
        (24, 24, 30, 30),
        (10, 25, 24, 10),
        (16, 16, 24, 24),
        (12, 30, 24, 10),
        (1, 60, 24, 1),
    ],
)
def test_any_rate_keeps_its_length(frames, rate, film, wanted):
    assert sum(schedule(constant(frames, rate), Fraction(film))) == wanted


@pytest.mark.parametrize("film", [24, 25, 30])
@pytest.mark.parametrize("rate", [8, 24, 30, 60])
def test_first_and_last_frame_are_always_shown(film, rate):
    for frames in range(1, 40):
        shows = schedule(constant(frames, rate), Fraction(film))
        assert shows[0] or frames > 1
        assert shows[-1] >= 1


def test_dropped_frames_take_their_time_with_them():
    shows = schedule(constant(31, 30), Fraction(24), start=1)

    assert shows[0] == 0
    assert sum(shows) == 24


def test_frames_left_out_at_the_end_take_their_time_with_them():
    shows = schedule(constant(60, 30), Fraction(24), stop=30)

    assert shows[30:] == [0] * 30
    assert sum(shows) == 24
    assert schedule(constant(10, 24), Fraction(24), 2, 5) == [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]


def test_last_frame_kept_of_a_variable_rate_lasts_until_the_next():
    starts = [Fraction(n, 1000) for n in (0, 40, 500, 540)]
    timing = measure(starts, Fraction(460, 1000), tick=Fraction(1, 1000), declared=())

    assert schedule(timing, Fraction(25), stop=2) == [1, 12, 0, 0]


def test_variable_rate_follows_the_clock():
    starts = [Fraction(n, 1000) for n in (0, 40, 500, 540)]
    timing = measure(starts, Fraction(460, 1000), tick=Fraction(1, 1000), declared=())

    assert not timing.constant
    assert schedule(timing, Fraction(25)) == [1, 12, 1, 11]


def test_jitter_of_a_coarse_clock_is_no_variable_rate():
    starts = [Fraction(round(index * 1000 / 24), 1000) for index in range(100)]

    timing = measure(starts, Fraction(42, 1000), tick=Fraction(1, 1000), declared=(Fraction(24),))

    assert timing.constant
    assert timing.rate == 24
    assert timing.seconds == Fraction(100, 24)


def test_wrong_header_rate_is_not_believed():
    starts = [Fraction(index, 24) for index in range(50)]

    timing = measure(
        starts, Fraction(1, 24), tick=Fraction(1, 12_288), declared=(Fraction(30), Fraction(25))
    )

    assert timing.rate == 24


def test_last_frame_held_for_long_keeps_its_length():
    timing = measure(
        [Fraction(0), Fraction(1, 24)], Fraction(3), tick=Fraction(1, 1000), declared=()
    )

    assert timing.seconds == 3 + Fraction(1, 24)
    assert schedule(timing, Fraction(24)) == [1, 72]


def test_single_frame_held_for_long_keeps_its_length():
    timing = measure([Fraction(0)], Fraction(3), tick=Fraction(1, 1000), declared=(Fraction(24),))

    assert sum(schedule(timing, Fraction(24))) == 72


def test_equal_timestamps_do_not_break_the_reckoning():
    timing = measure([Fraction(0)] * 3, Fraction(0), tick=Fraction(1, 1000), declared=())

    assert sum(schedule(timing, Fraction(24))) == 3


def test_dropping_everything_leaves_nothing():
    timing = Timing((Fraction(0),), Fraction(1, 24), Fraction(24), constant=True)

    assert schedule(timing, Fraction(24), start=1) == [0]


def test_halves_round_upwards():
    assert [nearest(Fraction(n, 2)) for n in (1, 3, 5)] == [1, 2, 3]


def test_sample_positions_never_drift():
    rate = Fraction(24_000, 1001)

    assert sample_at(24_000 * 3600, rate, 48_000) == 1001 * 3600 * 48_000
