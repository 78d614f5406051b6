"""Joins: what two shots share, how one gives way to the other, and what trims change about it."""

from __future__ import annotations

import pytest

from prefect_videogen.keys import digest
from prefect_videogen.plan import FootageFacts, Handing, Known

VIDEO = FootageFacts("video", "a" * 64, 6.0, 24.0)


def two(first: str = "", second: str = "", top: str = "") -> str:
    return f"""
        model: vidu-q3
        seconds: 4
        {top}
        shots:
          - {{id: a, prompt: x, first_frame: f, {first}}}
          - {{id: b, prompt: y, {second}}}
        """


@pytest.mark.parametrize(
    ("first", "second", "why", "doubled"),
    [
        ("", "first_frame: previous", "chained", 1),
        ("trim: [1, 3]", "first_frame: previous", "chained", 1),
        ("hand_over: steady", "first_frame: previous", "chained", 1),
        # What is trimmed away is not seen twice.
        ("", "first_frame: previous, trim: [0.5, 0]", "chained", 0),
        ("last_frame: g", "first_frame: g", "shared still", 1),
        ("last_frame: g, trim: [0, 3]", "first_frame: g", "cut", 0),
        ("last_frame: g, trim: [0, 9]", "first_frame: g", "shared still", 1),
        ("last_frame: g", "first_frame: g, trim: [1, 0]", "cut", 0),
        ("", "first_frame: f", "cut", 0),
    ],
)
def test_join_says_what_the_shots_share_and_how_much_is_seen_twice(
    planned, first, second, why, doubled
):
    join = planned(two(first, second)).joins[1]
    assert (join.why, join.doubled) == (why, doubled)


def test_card_and_the_shot_that_starts_on_its_picture_share_a_still(planned):
    text = """
        model: vidu-q3
        shots:
          - {id: a, video: f, seconds: 2}
          - {id: b, prompt: y, first_frame: f}
        """
    made = planned(text, footage={"f": FootageFacts("card", digest(b"f"))})
    assert (made.joins[1].why, made.joins[1].doubled) == ("shared still", 1)


@pytest.mark.parametrize(
    ("second", "top", "transition", "seconds"),
    [
        ("", "", "cut", 0),
        ("", "film: {transition: crossfade}", "crossfade", 0.5),
        ("", "film: {transition: dip, crossfade_seconds: 1}", "dip", 1),
        ("transition: cut", "film: {transition: dip}", "cut", 0),
        ("transition: dip, crossfade_seconds: 2", "", "dip", 2),
        ("crossfade_seconds: 1.5", "film: {transition: crossfade}", "crossfade", 1.5),
    ],
)
def test_transition_is_the_shots_own_or_the_films(planned, second, top, transition, seconds):
    joins = planned(two("", second, top)).joins
    assert (joins[0].transition, joins[0].transition_seconds) == ("cut", 0)
    assert (joins[1].transition, joins[1].transition_seconds) == (transition, seconds)


@pytest.mark.parametrize(
    ("first", "second", "top", "fault"),
    [
        (
            "transition: dip",
            "",
            "",
            "shot a: transition = dip: no shot stands before it; leave it out, or move the shot",
        ),
        (
            "crossfade_seconds: 1",
            "",
            "film: {transition: dip}",
            (
                "shot a: crossfade_seconds = 1: no shot stands before it; leave it out, or move "
                "the shot"
            ),
        ),
        (
            "",
            "crossfade_seconds: 1",
            "",
            (
                "shot b: crossfade_seconds = 1: is the length of a cut; leave it out, or write "
                "`transition: crossfade`"
            ),
        ),
        (
            "seconds: 2",
            "transition: crossfade, crossfade_seconds: 1.5",
            "",
            (
                "shot b: crossfade_seconds = 1.5: is longer than half of shot a, which is shown "
                "for 2 s; use at most 1, or a cut"
            ),
        ),
        (
            "",
            "trim: [1, 1.8]",
            "film: {transition: crossfade}",
            (
                "shot b: crossfade_seconds = 0.5: is longer than half of shot b, which is shown "
                "for 0.8 s; use at most 0.4, or a cut"
            ),
        ),
        (
            "",
            "trim: [1, 1.8], transition: dip, crossfade_seconds: 0.9",
            "",
            (
                "shot b: crossfade_seconds = 0.9: is longer than shot b, which is shown for 0.8 s; "
                "use at most 0.8, or a cut"
            ),
        ),
        (
            "trim: [4, 0]",
            "",
            "",
            "shot a: trim = [4, 0]: begins too late, the clip is 4 s long; begin it earlier",
        ),
        (
            "",
            "",
            "film: {sound: none, loudness: -16}",
            (
                "storyboard: film.loudness = -16: is asked for, and the film has neither the "
                "clips' sound nor music; leave it out, set `music`, or write `sound: clips`"
            ),
        ),
    ],
)
def test_join_that_can_not_be_made_is_a_fault(faults_of, first, second, top, fault):
    assert faults_of(two(first, second, top)) == [fault]


def test_loudness_of_music_alone_is_no_fault(planned):
    assert planned(two(top="film: {sound: none, music: m.mp3, loudness: -16}")).notes == ()


def test_dip_as_long_as_a_short_shot_is_no_fault(planned):
    made = planned(two("seconds: 1", "transition: dip, crossfade_seconds: 1"))
    assert made.joins[1].transition_seconds == 1


@pytest.mark.parametrize(
    ("first", "second", "top", "note"),
    [
        (
            "",
            "first_frame: previous, transition: crossfade",
            "",
            "shot b: a crossfade at a chained join blends a frame with itself",
        ),
        (
            "",
            "first_frame: previous, transition: dip",
            "",
            "shot b: a dip at a chained join interrupts the motion",
        ),
        (
            "",
            "",
            "film: {match_colour: 0.5}",
            "film.match_colour changes nothing: no shot of the film is chained",
        ),
        (
            "trim: [1, 4.5]",
            "",
            "",
            "shot a: the trim ends at 4.5 s, the clip at 4 s; it is shown to its end",
        ),
        ("trim: [1, 2]", "", "draft: true", "shot a: a draft is shown whole, without its trim"),
    ],
)
def test_what_is_odd_but_possible_is_noted(planned, first, second, top, note):
    assert note in planned(two(first, second, top)).notes


def test_matched_colours_of_a_chain_need_no_note(planned):
    assert planned(two("", "first_frame: previous", "film: {match_colour: 1}")).notes == ()


def test_draft_makes_no_fault_of_transitions_and_trims_that_fit_the_real_film(planned):
    text = two("trim: [2, 0]", "transition: crossfade, crossfade_seconds: 1.8", "draft: true")
    made = planned(text.replace("trim: [2, 0]", "trim: [0.2, 0]"))
    assert [clip.trim for clip in made.clips] == [(), ()]
    assert planned(text.replace("draft: true", "").replace("[2, 0]", "[0.2, 0]")).notes == ()


def test_trim_and_hand_over_change_the_key_of_what_is_chained_and_nothing_else(planned):
    def keys(first: str) -> list[str | None]:
        made = planned(two(first, "first_frame: previous"), known=known)
        return [clip.key for clip in made.clips]

    known: dict[str, Known] = {}
    own = keys("")[0]
    known[str(own)] = Known(
        "stored",
        last_frame="1" * 64,
        frames={
            Handing(trim=(0.0, 3.0)): "2" * 64,
            Handing(steady=True): "3" * 64,
            Handing(steady=True, trim=(0.0, 3.0)): "1" * 64,
        },
    )
    plain, trimmed, steady = keys(""), keys("trim: [1, 3]"), keys("hand_over: steady")
    assert {plain[0], trimmed[0], steady[0]} == {own}
    assert len({plain[1], trimmed[1], steady[1]}) == 3
    assert None not in trimmed
    # The same frame by another name is the same purchase.
    assert keys("trim: [0, 3], hand_over: steady") == plain
    assert keys("trim: [1, 0]") == plain
    # A frame that nobody has looked at yet is not known.
    assert keys("trim: [0, 2]") == [own, None]
