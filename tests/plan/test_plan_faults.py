"""All faults of a board at once, each with its shot, field, value and what would do."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_videogen.errors import Fault, StoryboardError
from prefect_videogen.plan import Unreadable

TEN = Path(__file__).parents[1] / "cli" / "data" / "ten-mistakes.yaml"


def test_ten_mistakes_are_ten_faults_with_all_that_is_needed(plan_of):
    gone = Unreadable("can't be read: No such file or directory", "check the path or address")
    made = plan_of(TEN.read_text(encoding="utf-8"), stills={"gone.png": gone})
    assert {(fault.shot, fault.field, fault.value) for fault in made.faults} == {
        ("word", "duration", "5"),
        ("length", "seconds", "7"),
        ("frames", "last_frame", "still.png"),
        ("tier", "tier", ""),
        ("gone", "first_frame", "gone.png"),
        ("model", "model", "vidu-3"),
        ("name", "prompt", "{cty}"),
        ("option", "options.movement", "wild"),
        ("shape", "aspect_ratio", "9:16"),
        ("chain", "first_frame", "shot:dawn"),
    }
    assert len(made.faults) == 10
    remedies = {fault.shot: fault.remedy for fault in made.faults}
    assert remedies["word"] == "`duration` is `seconds` here"
    assert remedies["length"] == "use 5 or 10"
    assert "set `tier: pro`" in remedies["tier"]
    assert remedies["model"] == "did you mean `vidu-q3`?"
    assert remedies["name"] == "did you mean {city}?"
    assert remedies["option"] == "use auto, small, medium or large"
    assert all(fault.problem and fault.remedy for fault in made.faults)


def test_plan_with_faults_can_not_be_run(plan_of):
    made = plan_of(TEN.read_text(encoding="utf-8"))
    with pytest.raises(StoryboardError) as caught:
        made.check("ten.yaml")
    assert caught.value.faults == made.faults
    lines = str(caught.value).splitlines()
    assert lines[0] == f"ten.yaml has {len(made.faults)} faults:"
    assert len(lines) == 1 + len(made.faults)
    assert caught.value.billed == "no"


def test_plan_of_what_is_right_stays_beside_the_faults(plan_of):
    made = plan_of("model: vidu-q3\nshots: [{id: a, prompt: x}, {id: b}]")
    assert made.clip("a").key
    assert [fault.shot for fault in made.faults] == ["b"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "storyboard: shots: is empty; add at least one shot with a prompt"),
        (
            "shots: [{id: a, prompt: x}]",
            (
                "shot a: model: is not set; set it on the shot or at the top, to one of kling-2-1, "
                "ltx-2-19b, vidu-q3, wan-2-5, wan2.5-image-to-video"
            ),
        ),
        (
            "model: sora\nshots: [{id: a, prompt: x}]",
            (
                "shot a: model = sora: is not a known model; use one of kling-2-1, ltx-2-19b, "
                "vidu-q3, wan-2-5, wan2.5-image-to-video"
            ),
        ),
        (
            "model: vidu-q3\nshots: [{id: a, prompt: x}, {id: a, prompt: y}]",
            "shot a: id = a: names 2 shots; give each its own id",
        ),
        *[
            (
                f"model: vidu-q3\nshots: [{{id: '{name}', prompt: x}}]",
                (
                    f"shot {name}: id = {name}: is not a short name; use lower case letters, "
                    "digits, - and _, 63 at most"
                ),
            )
            for name in ("Night", "a/b", "-a", "a b", "ä", "a" * 64)
        ],
    ],
)
def test_board_that_can_not_be_planned_says_why(faults_of, text, fault):
    assert faults_of(text) == [fault]


def test_shot_of_an_unknown_model_is_judged_as_far_as_any_model_allows(plan_of):
    gone = Unreadable("can't be read: No such file or directory", "check the path or address")
    made = plan_of(
        """
        aspect_ratio: wide
        shots:
          - {id: a, model: vidu-q4, prompt: x, first_frame: gone.jpg, aspect_ratio: sixteen-nine}
          - {id: b, model: vidu-q4, first_frame: still.png}
          - {id: c, prompt: x, seconds: 900, aspect_ratio: "17:9", options: {style: anime}}
        """,
        stills={"gone.jpg": gone},
    )
    assert [(fault.shot, fault.field, fault.value) for fault in made.faults] == [
        ("a", "model", "vidu-q4"),
        ("a", "first_frame", "gone.jpg"),
        ("a", "aspect_ratio", "sixteen-nine"),
        ("b", "model", "vidu-q4"),
        ("b", "prompt", ""),
        ("b", "aspect_ratio", "wide"),
        ("c", "model", ""),
    ]
    assert made.faults[2].remedy == "write width:height, for example 16:9"


@pytest.mark.parametrize(
    ("model", "fields", "faults"),
    [
        ("kling-2-1", "seconds: 6", ["tier", "seconds"]),
        ("kling-2-1", "seconds: 5, aspect_ratio: '17:9'", ["tier", "aspect_ratio"]),
        ("kling-2-1", "aspect_ratio: '9:16'", ["tier"]),
        ("kling-2-1", "options: {cfg_scale: 7, style: x}", ["tier", "cfg_scale", "style"]),
        ("kling-2-1", "tier: turbo, seconds: 6", ["tier", "seconds"]),
        (
            "kling-2-1",
            "routing: nowhere, extra_input: {duration: 3}",
            ["tier", "routing", "duration"],
        ),
        ("wan2.5-image-to-video", "aspect_ratio: '17:9'", ["first_frame", "aspect_ratio"]),
        ("wan-2-5", "options: {mode: best}, resolution: 4k", ["mode", "resolution"]),
        ("ltx-2-19b", "last_frame: b, first_frame: a, seconds: 4", ["last_frame", "seconds"]),
    ],
)
def test_shot_that_no_mode_fits_is_judged_by_what_all_modes_share(plan_of, model, fields, faults):
    made = plan_of(f"model: {model}\nshots: [{{id: a, prompt: x, {fields}}}]")
    assert [fault.field.split(".")[-1] for fault in made.faults] == faults


def test_default_that_another_mode_would_do_without_is_no_fault_where_none_fits(plan_of):
    made = plan_of("model: kling-2-1\naspect_ratio: '17:9'\nshots: [{id: a, prompt: x}]")
    assert [fault.field for fault in made.faults] == ["tier"]


def test_shot_after_one_that_can_not_be_planned_has_no_fault_for_it(plan_of):
    made = plan_of(
        """
        model: vidu-q3
        shots:
          - {id: a, prompt: x, model: vidu-q4}
          - {id: b, prompt: x, transition: crossfade, crossfade_seconds: 1}
        """
    )
    assert [(fault.shot, fault.field) for fault in made.faults] == [("a", "model")]


def test_shot_without_an_id_has_its_number(planned):
    made = planned("model: vidu-q3\nshots: [{prompt: x}, {id: b, prompt: x}, {prompt: x}]")
    assert [clip.id for clip in made.clips] == ["01", "b", "03"]


def test_field_that_reading_refused_has_no_second_fault(plan_of):
    made = plan_of(
        """
        model: vidu-q3
        shots:
          - {id: a, prompt: [x]}
          - {id: b, prompt: x, options: 5}
          - {id: c, prompt: x, first_frame: 7}
        """
    )
    assert [(fault.shot, fault.field) for fault in made.faults] == [
        ("a", "prompt"),
        ("b", "options"),
        ("c", "first_frame"),
    ]


def test_long_value_is_shortened_in_a_fault(plan_of):
    made = plan_of(f"model: wan-2-5\nshots: [{{id: a, prompt: {'p' * 900}}}]")
    (fault,) = made.faults
    assert len(fault.value) == 60
    assert fault.value.endswith("...")


LONG = "https://" + "hidden" * 20 + "@h.example/x.png?X-Amz-Signature=hidden"


@pytest.mark.parametrize(
    "shot",
    [
        f"first_frame: 'vendor:{LONG} x'",
        f"options: {{style: '{LONG}'}}",
        f"options: {{style: {{nested: '{LONG}'}}}}",
        "options: {apikey: hidden}",
        "options: {auth: {token: hidden}}",
        f"extra_input: {{x: ['{LONG}', .inf]}}",
        f"resolution: '{LONG}'",
        f"loras: [{{path: '{LONG}'}}]",
        f"video: '{LONG}'",
        f"last_frame: '{LONG}'",
    ],
)
def test_fault_tells_no_secret_of_the_board(plan_of, shot):
    made = plan_of(f"model: vidu-q3\nshots: [{{id: a, prompt: x, {shot}}}]")
    assert made.faults
    assert "hidden" not in repr(made.faults) + repr(made.notes)


def test_fault_is_one_line_with_place_value_problem_and_remedy():
    whole = Fault("a", "seconds", "7", "is not allowed here", "use 5 or 10", 12)
    assert str(whole) == "shot a (line 12): seconds = 7: is not allowed here; use 5 or 10"
    bare = Fault("", "shots", "", "is empty", "add one")
    assert str(bare) == "storyboard: shots: is empty; add one"


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("From the pad to the deep field", "from-the-pad-to-the-deep-field"),
        ("  ", "film"),
        ("Ö/../x", "o-x"),
        ("a" * 90, "a" * 60),
        ("2026-01-05", "2026-01-05"),
    ],
)
def test_title_names_the_films_folder(planned, title, slug):
    assert planned(f"title: '{title}'\nmodel: vidu-q3\nshots: [{{prompt: x}}]").slug == slug
