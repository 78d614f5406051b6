from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_videogen.media.layout import (
    Card,
    Segment,
    brightness,
    dip_share,
    frames_of,
    lay_out,
)

FPS = Fraction(24)
CLIP = Path("clip.mp4")


def shot(transition="cut", frames=12):
    return Segment(CLIP, transition=transition, transition_seconds=frames / 24)


def test_cuts_lie_end_to_end():
    places = lay_out([shot()] * 3, [10, 20, 30], FPS)

    assert [place.start_frame for place in places] == [0, 10, 30]
    assert places[-1].end_frame == 60
    assert [place.note for place in places] == ["", "", ""]


def test_crossfades_shorten_the_film_by_what_they_share():
    places = lay_out([shot(), shot("crossfade"), shot("crossfade", 6)], [48, 48, 48], FPS)

    assert [place.start_frame for place in places] == [0, 36, 78]
    assert [place.transition_frames for place in places] == [0, 12, 6]
    assert places[-1].end_frame == 3 * 48 - 12 - 6


def test_dip_keeps_the_length_and_takes_half_from_each_side():
    places = lay_out([shot(), shot("dip", 5)], [48, 48], FPS)

    assert places[-1].end_frame == 96
    assert (places[0].tail, places[1].head) == (2, 3)
    assert places[1].transition_frames == 5


def test_first_transition_is_ignored():
    (place,) = lay_out([shot("crossfade")], [48], FPS)

    assert (place.transition, place.transition_frames, place.note) == ("cut", 0, "")


def test_transitions_too_long_share_what_a_clip_can_spare():
    places = lay_out([shot(), shot("crossfade", 12), shot("crossfade", 6)], [48, 10, 48], FPS)

    assert [place.transition_frames for place in places] == [0, 6, 3]
    assert places[1].note == (
        "crossfade of 0.5 s shortened from 12 to 6 frames to leave each shot one of its own"
    )


@pytest.mark.parametrize(
    ("length", "frames", "note"),
    [(1, 12, "crossfade of 0.5 s left out"), (48, 0, "crossfade of 0 s is less than a frame: cut")],
)
def test_transition_of_which_nothing_is_left_is_a_cut(length, frames, note):
    places = lay_out([shot(), shot("crossfade", frames)], [48, length], FPS)

    assert (places[1].transition, places[1].transition_frames) == ("cut", 0)
    assert places[1].note.startswith(note)
    assert places[1].start_frame == 48


PARTS = st.lists(
    st.tuples(
        st.sampled_from(["cut", "crossfade", "dip"]),
        st.integers(0, 60),
        st.integers(1, 80),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@given(PARTS)
def test_whatever_is_asked_adds_up_and_leaves_every_part_a_frame(asked):
    parts = [
        Card(np.zeros((2, 2, 3), np.uint8), 1, "", transition, frames / 24)
        if card
        else Segment(CLIP, transition=transition, transition_seconds=frames / 24)
        for transition, frames, _, card in asked
    ]
    lengths = [length for _, _, length, _ in asked]

    places = lay_out(parts, lengths, FPS)

    assert places[-1].end_frame == sum(lengths) - sum(place.overlap for place in places)
    for place, length, (_, frames, _, _) in zip(places, lengths, asked, strict=True):
        assert place.frames == length
        assert place.head + place.tail < length
        assert place.transition_frames <= frames
    for before, after in pairwise(places):
        # No frame shows three parts, and none shows nothing.
        assert before.end_frame - after.overlap == after.start_frame
        if after.transition == "dip":
            assert before.tail + after.head == after.transition_frames


@pytest.mark.parametrize(
    ("frames", "wanted"),
    [
        (1, [0]),
        (2, [0, 0]),
        (3, ["1/2", 0, "1/2"]),
        (4, ["1/2", 0, 0, "1/2"]),
        (5, ["2/3", "1/3", 0, "1/3", "2/3"]),
    ],
)
def test_dip_falls_to_black_and_rises_evenly(frames, wanted):
    shares = [dip_share(position, frames) for position in range(frames)]

    assert shares == [Fraction(share) for share in wanted]


def test_brightness_of_two_parts_is_one_dip():
    before, after = lay_out([shot(), shot("dip", 5)], [10, 10], FPS)
    third = Fraction(1, 3)

    assert [brightness(before, after, n) for n in range(6, 10)] == [1, 1, 2 * third, third]
    assert [brightness(after, None, n) for n in range(4)] == [0, third, 2 * third, 1]
    assert brightness(after, None, 9) == 1


@pytest.mark.parametrize(
    ("seconds", "fps", "frames"),
    [(0.5, 24, 12), (0.3, 25, 8), (0.02, 24, 0), (-1, 24, 0), (1, Fraction(24000, 1001), 24)],
)
def test_seconds_are_meant_as_written(seconds, fps, frames):
    assert frames_of(seconds, Fraction(fps)) == frames
