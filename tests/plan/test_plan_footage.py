"""Own footage and title cards: what they may say, what they hand over, what they never cost."""

from __future__ import annotations

import pytest

from prefect_videogen.plan import FootageFacts, Handing, Known, PictureUse, Unreadable
from prefect_videogen.storyboard import SHOT_DEFAULTS, Shot

VIDEO = FootageFacts("video", "a" * 64, 6.0, 24.0)
CARD = FootageFacts("card", "c" * 64)

OPENING = """
model: vidu-q3
seconds: 4
shots:
  - {id: open, video: opening.mov}
  - {id: ride, prompt: x, first_frame: previous}
"""


def one(fields: str, top: str = "") -> str:
    return f"model: vidu-q3\n{top}\nshots: [{{id: a, video: v, {fields}}}]"


def test_footage_is_planned_beside_the_clips_and_joined_in_film_order(planned):
    made = planned(OPENING, footage={"opening.mov": VIDEO})
    (footage,) = made.footage
    assert (footage.id, footage.shot, footage.ref, footage.kind) == (
        "open",
        "open",
        "opening.mov",
        "video",
    )
    assert (footage.sha256, footage.seconds, footage.trim) == ("a" * 64, 6.0, ())
    assert [clip.id for clip in made.clips] == ["ride"]
    assert [(join.shot, join.why, join.doubled) for join in made.joins] == [
        ("open", "start", 0),
        ("ride", "chained", 1),
    ]
    assert len(made.to_buy) == 1


def test_clip_chained_to_footage_waits_for_nothing_and_gets_its_key_from_the_frame(planned):
    without = planned(OPENING, footage={"opening.mov": VIDEO}).clip("ride")
    assert (without.depends_on, without.key) == ((), None)
    assert without.pictures == (PictureUse(role="first", kind="clip", ref="open"),)
    keys = set()
    for frame in ("1" * 64, "2" * 64):
        facts = FootageFacts("video", "a" * 64, 6.0, 24.0, {Handing(): frame})
        keys.add(planned(OPENING, footage={"opening.mov": facts}).clip("ride").key)
    assert len(keys) == 2
    assert None not in keys


def test_card_hands_over_the_picture_itself(planned):
    text = OPENING.replace("opening.mov", "title.png")
    made = planned(text, footage={"title.png": CARD})
    assert (made.footage[0].kind, made.footage[0].seconds) == ("card", 4)
    key = made.clip("ride").key
    assert key is not None
    other = FootageFacts("card", "d" * 64)
    assert planned(text, footage={"title.png": other}).clip("ride").key != key


def test_trim_names_the_frame_that_is_handed_over(planned):
    for trim, hand_over, handing in [
        ("[0, 0]", "", Handing()),
        ("[1, 0]", "last", Handing()),
        ("[1, 5]", "", Handing(trim=(0.0, 5.0))),
        ("[0, 0]", "steady", Handing(steady=True)),
        ("[1, 5]", "steady", Handing(steady=True, trim=(1.0, 5.0))),
    ]:
        text = one(f"trim: {trim}, hand_over: '{hand_over}'")
        assert planned(text, footage={"v": VIDEO}).footage[0].handing == handing
    inherited = planned(one("trim: [0, 5]", "hand_over: steady"), footage={"v": VIDEO})
    assert inherited.footage[0].handing == Handing(steady=True, trim=(0.0, 5.0))


def test_inherited_fields_of_purchases_are_ignored_on_footage(planned):
    top = "seed: 3\ntakes: 2\nnegative_prompt: fog\noptions: {movement: large}\ntier: turbo"
    made = planned(one("trim: [0, 2]", top), footage={"v": VIDEO})
    assert made.notes == ()
    assert len(made.footage) == 1


OWN = {
    "prompt": "x",
    "model": "vidu-q3",
    "resolution": "720p",
    "aspect_ratio": "16:9",
    "tier": "turbo",
    "seed": "3",
    "negative_prompt": "fog",
    "expand_prompt": "on",
    "picture_fit": "pad",
    "routing": "auto",
    "loras": "[{path: 'https://x/y'}]",
    "fallback": "[wan-2-5]",
    "takes": "2",
    "options": "{movement: large}",
    "extra_input": "{a: 1}",
    "first_frame": "f",
    "last_frame": "f",
    "take": "2",
    "pick": "1",
}


def test_every_field_of_purchases_is_known_to_the_next_test():
    others = {"id", "video", "trim", "transition", "crossfade_seconds", "seconds", "hand_over"}
    assert set(OWN) == set(Shot.model_fields) - others
    assert set(SHOT_DEFAULTS) - set(OWN) == {"seconds", "hand_over"}


@pytest.mark.parametrize("name", OWN)
def test_field_of_purchases_on_footage_itself_is_a_fault(faults_of, name):
    (fault,) = faults_of(one(f"{name}: {OWN[name]}"), footage={"v": VIDEO})
    assert fault.startswith(f"shot a: {name}")
    assert "does not fit own footage" in fault
    assert fault.endswith(f"leave out `{name}` or `video`")


@pytest.mark.parametrize(
    ("fields", "facts", "fault"),
    [
        (
            "seconds: 3",
            VIDEO,
            (
                "shot a: seconds = 3: does not fit a video; the video is 6 s long; "
                "write `trim: [from, to]`"
            ),
        ),
        (
            "trim: [6, 0]",
            VIDEO,
            "shot a: trim = [6, 0]: begins too late, the video is 6 s long; begin it earlier",
        ),
        (
            "trim: [1, 6.1]",
            VIDEO,
            (
                "shot a: trim = [1, 6.1]: ends too late, the video is 6 s long; end it at 6, or "
                "write 0 for the video's end"
            ),
        ),
        (
            "id: a",
            CARD,
            "shot a: video = v: is a picture, and nothing says how long it is shown; set `seconds`",
        ),
        (
            "seconds: 3, trim: [0, 2]",
            CARD,
            "shot a: trim = [0, 2]: does not fit a picture; set `seconds` instead",
        ),
        (
            "seconds: 3, hand_over: steady",
            CARD,
            (
                "shot a: hand_over = steady: does not fit a picture, which is handed over as it "
                "is; leave it out"
            ),
        ),
        (
            "trim: [0, 2]",
            Unreadable("is not a video: it looks like an HTML page", "give a video"),
            "shot a: video = v: is not a video: it looks like an HTML page; give a video",
        ),
    ],
)
def test_footage_that_can_not_be_shown_as_asked_is_a_fault(faults_of, fields, facts, fault):
    text = f"model: vidu-q3\nshots: [{{video: v, id: a, {fields}}}]".replace(
        "id: a, id: a", "id: a"
    )
    assert faults_of(text, footage={"v": facts}) == [fault]


def test_trim_within_half_a_frame_of_the_end_is_no_fault(planned):
    assert planned(one("trim: [0, 6.02]"), footage={"v": VIDEO}).footage[0].trim == (0, 6.02)


def test_all_faults_of_footage_come_at_once(faults_of):
    found = faults_of(one("prompt: x, seed: 1, trim: [9, 10]"), footage={"v": VIDEO})
    assert len(found) == 3


def test_shot_that_ends_on_the_next_can_not_end_on_footage(faults_of):
    text = """
        model: vidu-q3
        shots:
          - {id: a, prompt: x, first_frame: f, last_frame: next}
          - {id: b, video: v}
        """
    assert faults_of(text, footage={"v": VIDEO}) == [
        "shot a: last_frame = next: the next shot is own footage; name a picture"
    ]


def test_footage_alone_is_a_film_without_purchases(planned):
    made = planned(one("trim: [0, 2]"), footage={"v": VIDEO})
    assert (made.clips, made.to_buy, made.totals, made.seconds) == ((), (), (), 0)
    assert [join.shot for join in made.joins] == ["a"]


def test_key_behind_footage_and_a_clip_follows_the_frames_of_both(planned):
    text = OPENING + "  - {id: end, prompt: x, first_frame: previous}\n"
    facts = FootageFacts("video", "a" * 64, 6.0, 24.0, {Handing(): "1" * 64})
    ride = planned(text, footage={"opening.mov": facts}).clip("ride")
    known = {ride.key: Known("stored", last_frame="2" * 64)}
    made = planned(text, footage={"opening.mov": facts}, known=known)
    assert made.clip("end").key is not None
    assert made.clip("end").depends_on == ("ride",)
