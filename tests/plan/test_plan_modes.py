"""From pictures, LoRAs and tier to the vendor's mode, never to a dearer one by itself."""

from __future__ import annotations

import pytest

from prefect_videogen.capabilities import MODELS

LORA = "loras: [{path: https://example.org/style.safetensors}]"
ONE, TWO = "first_frame: a", "first_frame: a, last_frame: b"

INFERRED = [
    ("wan-2-5", "", "", "text-to-video"),
    ("wan-2-5", ONE, "", "image-to-video"),
    ("vidu-q3", "", "", "text-to-video"),
    ("vidu-q3", "", "standard", "text-to-video"),
    ("vidu-q3", ONE, "", "image-to-video"),
    ("vidu-q3", TWO, "", "image-to-video"),
    ("vidu-q3", "", "turbo", "turbo-text-to-video"),
    ("vidu-q3", ONE, "turbo", "turbo-image-to-video"),
    ("vidu-q3", TWO, "turbo", "turbo-image-to-video"),
    ("ltx-2-19b", "", "", "text-to-video"),
    ("ltx-2-19b", ONE, "", "image-to-video"),
    ("ltx-2-19b", LORA, "", "text-to-video-LoRA"),
    ("ltx-2-19b", f"{ONE}, {LORA}", "", "image-to-video-LoRA"),
    ("kling-2-1", ONE, "", "standard-image-to-video"),
    ("kling-2-1", ONE, "standard", "standard-image-to-video"),
    ("kling-2-1", ONE, "pro", "pro-image-to-video"),
    ("kling-2-1", TWO, "pro", "pro-image-to-video"),
    ("kling-2-1", ONE, "master", "master-image-to-video"),
    ("kling-2-1", "", "master", "master-text-to-video"),
    ("wan2.5-image-to-video", ONE, "", "image-to-video"),
]


def board(model: str, *fields: str) -> str:
    inside = ", ".join(
        field for field in ("id: a", "prompt: x", f"model: {model}", *fields) if field
    )
    return f"shots: [{{{inside}}}]"


def test_table_below_reaches_all_fifteen_modes():
    modes = {(model.id, mode.name) for model in MODELS.values() for mode in model.modes}
    assert len(modes) == 15
    assert {(model, mode) for model, _, _, mode in INFERRED} == modes


@pytest.mark.parametrize(("model", "fields", "tier", "mode"), INFERRED)
def test_mode_follows_pictures_loras_and_tier(planned, model, fields, tier, mode):
    clip = planned(board(model, fields, tier and f"tier: {tier}")).clips[0]
    assert clip.mode == mode
    assert len(clip.pictures) == fields.count("_frame")


@pytest.mark.parametrize(
    ("model", "fields", "fault"),
    [
        (
            "kling-2-1",
            TWO,
            (
                "shot a: tier: kling-2-1: 2 pictures can't be had with the default tier, "
                "standard; set `tier: pro`, or change the pictures"
            ),
        ),
        (
            "kling-2-1",
            "",
            (
                "shot a: tier: kling-2-1: a shot without a picture can't be had with the default "
                "tier, standard; set `tier: master`, or change the pictures"
            ),
        ),
        (
            "kling-2-1",
            "tier: pro",
            (
                "shot a: tier = pro: kling-2-1: a shot without a picture can't be had with tier "
                "pro; set `tier: master`, or change the pictures"
            ),
        ),
        (
            "kling-2-1",
            f"{TWO}, tier: master",
            (
                "shot a: tier = master: kling-2-1: 2 pictures can't be had with tier "
                "master; set `tier: pro`, or change the pictures"
            ),
        ),
        (
            "kling-2-1",
            f"{ONE}, tier: turbo",
            "shot a: tier = turbo: is no tier of kling-2-1; use standard or pro or master",
        ),
        (
            "vidu-q3",
            "tier: pro",
            "shot a: tier = pro: is no tier of vidu-q3; use standard or turbo",
        ),
        (
            "wan-2-5",
            "tier: pro",
            "shot a: tier = pro: wan-2-5 does not have it; leave it out or use a model that has it",
        ),
        (
            "wan-2-5",
            TWO,
            (
                "shot a: last_frame = b: wan-2-5: takes one picture at most, not 2; leave "
                "`last_frame` out, or use a model that takes 2"
            ),
        ),
        (
            "wan2.5-image-to-video",
            "",
            (
                "shot a: first_frame: wan2.5-image-to-video: takes at least one picture; "
                "set `first_frame`"
            ),
        ),
        (
            "wan-2-5",
            LORA,
            "shot a: loras: wan-2-5: takes no LoRAs; leave `loras` out or use another model",
        ),
    ],
)
def test_combination_that_no_mode_has_is_refused_with_what_would_do(
    faults_of, model, fields, fault
):
    assert faults_of(board(model, fields)) == [fault]


@pytest.mark.parametrize(
    ("model", "fields", "mode"),
    [
        ("vidu-q3", "", "turbo-text-to-video"),
        ("kling-2-1", ONE, "master-image-to-video"),
        ("kling-2-1", TWO, "pro-image-to-video"),
    ],
)
def test_mode_under_options_overrules_the_inferred_one(planned, model, fields, mode):
    clip = planned(board(model, fields, f"options: {{mode: {mode}}}")).clips[0]
    assert clip.mode == mode
    assert "mode" not in clip.params


@pytest.mark.parametrize(
    ("model", "fields", "mode", "problem"),
    [
        ("vidu-q3", "", "turbo", "is no mode of vidu-q3; use text-to-video or image-to-video or "),
        ("vidu-q3", ONE, "text-to-video", "takes 0 pictures, the shot has 1; leave it out or "),
        ("vidu-q3", "", "image-to-video", "takes 1 to 2 pictures, the shot has 0; "),
        ("ltx-2-19b", "", "text-to-video-LoRA", "needs LoRAs; leave it out or change `loras`"),
        ("ltx-2-19b", LORA, "text-to-video", "takes no LoRAs; leave it out or change `loras`"),
    ],
)
def test_mode_under_options_must_fit_the_shot(faults_of, model, fields, mode, problem):
    (fault,) = faults_of(board(model, fields, f"options: {{mode: {mode}}}"))
    assert fault.startswith(f"shot a: options.mode = {mode}: {problem}")


@pytest.mark.parametrize(
    ("model", "fields", "mode", "expected"),
    [
        ("wan-2-5", "", "text-to-video", {"resolution": "720p", "duration": 5}),
        ("vidu-q3", "", "turbo-text-to-video", {"resolution": "540p", "duration": 1}),
        ("vidu-q3", TWO, "turbo-image-to-video", {"resolution": "540p", "duration": 1}),
        ("ltx-2-19b", "", "text-to-video", {"resolution": "480p", "duration": 5}),
        ("kling-2-1", ONE, "standard-image-to-video", {"duration": 5}),
        ("kling-2-1", TWO, "pro-image-to-video", {"duration": 5}),
        ("kling-2-1", "", "master-text-to-video", {"duration": 5}),
        ("wan2.5-image-to-video", ONE, "image-to-video", {"quality": "480p", "duration": 5}),
    ],
)
def test_draft_takes_the_lowest_of_everything(planned, model, fields, mode, expected):
    text = board(model, fields)
    draft = planned(f"draft: true\n{text}").clips[0]
    assert draft.mode == mode
    assert {name: draft.asked[name] for name in expected} == expected


@pytest.mark.parametrize("model", ["vidu-q3", "ltx-2-19b"])
def test_draft_has_a_key_of_its_own_and_overrules_what_was_asked(planned, model):
    text = f"resolution: 1080p\nseconds: 10\n{board(model)}"
    film, draft = planned(text).clips[0], planned(f"draft: true\n{text}").clips[0]
    assert draft.key != film.key
    assert draft.seconds < film.seconds
    assert draft.resolution != "1080p"


def test_draft_overrules_the_tier(planned):
    clip = planned(f"draft: true\n{board('kling-2-1', ONE, 'tier: master')}").clips[0]
    assert clip.mode == "standard-image-to-video"
