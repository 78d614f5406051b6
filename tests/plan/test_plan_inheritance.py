"""Defaults at the top and values on the shot: dropped with a note, allowed, or a fault."""

from __future__ import annotations

import pytest

TOP = "(set at the top)"


@pytest.mark.parametrize(
    ("model", "shot", "top", "note"),
    [
        ("kling-2-1", "first_frame: a", "resolution: 1080p", "resolution = 1080p is left out, "),
        ("kling-2-1", "first_frame: a", "seed: 7", "seed = 7 is left out, kling-2-1 does not "),
        ("vidu-q3", "", "negative_prompt: fog", "negative_prompt = fog is left out, vidu-q3 "),
        ("wan-2-5", "", "tier: pro", "tier = pro is left out, wan-2-5 does not have it"),
        ("wan-2-5", "", "loras: [{path: https://x/y}]", "loras = 1 LoRAs is left out, wan-2-5 "),
        ("vidu-q3", "", "expand_prompt: off", "expand_prompt = off is left out, vidu-q3 "),
        ("wan-2-5", "", "options: {style: anime}", "options.style = anime is left out, wan-2-5 "),
        (
            "vidu-q3",
            "first_frame: a",
            "options: {style: anime}",
            "options.style = anime is left out, image-to-video of vidu-q3 does not have it",
        ),
        (
            "wan2.5-image-to-video",
            "first_frame: a",
            "routing: value",
            "routing = value is left out, wan2.5-image-to-video does not have it",
        ),
    ],
)
def test_inherited_value_that_the_mode_lacks_is_dropped_with_a_note(
    planned, model, shot, top, note
):
    made = planned(f"{top}\nmodel: {model}\nshots: [{{id: a, prompt: x, {shot}}}]")
    (found,) = made.notes
    assert found.startswith(f"shot a: {note}")
    clip = made.clips[0]
    assert clip.asked == {"prompt": "x"}
    assert clip.routing == ""


@pytest.mark.parametrize(
    ("model", "shot", "top", "fault"),
    [
        ("wan-2-5", "", "seconds: 7", f"seconds = 7: is not allowed here on wan-2-5 {TOP}; use 5"),
        ("kling-2-1", "first_frame: a", "seconds: 7", "seconds = 7: is not allowed here on kling"),
        ("ltx-2-19b", "", "seconds: 4", f"seconds = 4: is not allowed here on ltx-2-19b {TOP}; "),
        ("vidu-q3", "", "seconds: 2.5", "seconds = 2.5: is not a whole number on vidu-q3 (set "),
        ("wan-2-5", "", "resolution: 480p", "resolution = 480p: is not a choice here on wan-2-5 "),
        ("ltx-2-19b", "", "aspect_ratio: 1:1", "aspect_ratio = 1:1: is not a choice here on ltx"),
        ("ltx-2-19b", "", "seed: 0", f"seed = 0: is not allowed here on ltx-2-19b {TOP}; use a "),
        ("wan-2-5", "", "routing: cheap", "routing = cheap: is no routing of wan-2-5; use auto, "),
        ("vidu-q3", "", "tier: pro", "tier = pro: is no tier of vidu-q3; use standard or turbo"),
        ("vidu-q3", "", "options: {movement: wild}", "options.movement = wild: is not a choice "),
        (
            "wan-2-5",
            "first_frame: a",
            "aspect_ratio: wide",
            f"aspect_ratio = wide: is no shape to bring a picture to {TOP}; write width:height",
        ),
        ("wan-2-5", "first_frame: a", "aspect_ratio: 0:9", "aspect_ratio = 0:9: is no shape to "),
    ],
)
def test_inherited_value_that_the_mode_has_but_does_not_allow_is_a_fault(
    faults_of, model, shot, top, fault
):
    (found,) = faults_of(f"{top}\nmodel: {model}\nshots: [{{id: a, prompt: x, {shot}}}]")
    assert found.startswith(f"shot a: {fault}")


@pytest.mark.parametrize(
    ("model", "shot", "fault"),
    [
        ("kling-2-1", "first_frame: a, resolution: 720p", "resolution = 720p: kling-2-1 does not "),
        ("kling-2-1", "first_frame: a, seed: 7", "seed = 7: kling-2-1 does not have it; leave it "),
        ("vidu-q3", "negative_prompt: fog", "negative_prompt = fog: vidu-q3 does not have it; "),
        (
            "wan-2-5",
            "first_frame: a, aspect_ratio: 9:16",
            (
                "aspect_ratio = 9:16: image-to-video of wan-2-5 does not have it; the clip follows "
                "its picture; set it at the top to crop pictures to it"
            ),
        ),
        ("wan-2-5", "seconds: 7", "seconds = 7: is not allowed here on wan-2-5; use 5 or 10"),
        ("wan-2-5", "tier: pro", "tier = pro: wan-2-5 does not have it; leave it out or use a "),
        (
            "vidu-q3",
            "first_frame: a, options: {style: anime}",
            "options.style = anime: image-to-video of vidu-q3 does not have it; leave it out or ",
        ),
        (
            "wan2.5-image-to-video",
            "first_frame: a, routing: value",
            "routing = value: wan2.5-image-to-video does not have it; leave it out or use a model ",
        ),
        ("wan-2-5", "options: {zoom: 2}", "options.zoom = 2: is no field of wan-2-5; use `extra_"),
        (
            "vidu-q3",
            "options: {movment: x}",
            "options.movment = x: is no field of vidu-q3; did you mean `options.movement`?",
        ),
        (
            "vidu-q3",
            "options: {image_url: x}",
            "options.image_url = x: is no field of vidu-q3; `image_url` is `first_frame` here",
        ),
        (
            "vidu-q3",
            "options: {duration: 8}",
            "options.duration = 8: has a common name; `duration` is `seconds` here",
        ),
        ("vidu-q3", "options: {sound: loud}", "options.sound = loud: is not true or false on vidu"),
        ("kling-2-1", "first_frame: a, options: {cfg_scale: .nan}", "options.cfg_scale = nan: is "),
        ("wan-2-5", "extra_input: {x: .inf}", "extra_input.x = inf: can't be written as JSON; "),
        (
            "vidu-q3",
            "extra_input: {duration: 16}",
            "extra_input.duration = 16: would overrule what is checked and priced; use `seconds`",
        ),
        ("vidu-q3", "extra_input: {mode: x}", "extra_input.mode = x: would overrule what is "),
        ("vidu-q3", "extra_input: {prompt: y}", "extra_input.prompt = y: would overrule what is "),
        (
            "wan2.5-image-to-video",
            "first_frame: a, extra_input: {model: other}",
            "extra_input.model = other: would overrule what is checked and priced; use `model`",
        ),
        (
            "wan2.5-image-to-video",
            "first_frame: a, extra_input: {image_urls: [x]}",
            "extra_input.image_urls = ['x']: would overrule what is checked and priced; use `first",
        ),
        (
            "vidu-q3",
            "tier: turbo, options: {mode: text-to-video}",
            "options.mode = text-to-video: is of the tier standard, and `tier` is turbo; leave one",
        ),
        (
            "vidu-q3",
            "routing: offical",
            "routing = offical: is no routing of vidu-q3; use official",
        ),
        ("kling-2-1", f"first_frame: a, options: {{cfg_scale: {10**400}}}", "options.cfg_scale = "),
    ],
)
def test_own_value_that_does_not_fit_is_always_a_fault(faults_of, model, shot, fault):
    (found,) = faults_of(f"model: {model}\nshots: [{{id: a, prompt: x, {shot}}}]")
    assert found.startswith(f"shot a: {fault}")


@pytest.mark.parametrize(
    ("model", "name"),
    [("vidu-q3", "channel-7"), ("wan-2-5", "official"), ("ltx-2-19b", "value")],
)
def test_routing_that_the_model_knows_goes_out(planned, model, name):
    made = planned(f"model: {model}\nrouting: {name}\nshots: [{{prompt: x}}]")
    assert made.clips[0].routing == name


def test_routing_that_nobody_knows_is_told(planned):
    made = planned("model: vidu-q3\nshots: [{id: a, prompt: x, routing: channel-7}]")
    assert made.notes == ("shot a: routing = channel-7 is not documented, it goes out as it is",)


def test_key_that_strayed_to_the_top_is_left_out_unseen(planned):
    made = planned("model: wan-2-5\noptions: {api_key: sk-evo-1}\nshots: [{id: a, prompt: x}]")
    assert made.notes == ("shot a: options.api_key is left out, wan-2-5 does not have it",)


def test_mode_of_another_tier_than_the_one_at_the_top_counts_and_is_told(planned):
    made = planned(
        "model: vidu-q3\ntier: turbo\nshots: [{id: a, prompt: x, options: {mode: text-to-video}}]"
    )
    assert made.clips[0].mode == "text-to-video"
    (note,) = made.notes
    assert "is of the tier standard, and `tier` is turbo at the top; the mode counts" in note


def test_own_value_wins_over_the_one_at_the_top(planned):
    made = planned(
        """
        model: vidu-q3
        seconds: 5
        seed: 3
        options: {movement: small, sound: false}
        extra_input: {a: 1, b: 1}
        shots:
          - {prompt: x, seconds: 8, seed: 0, options: {movement: large}, extra_input: {b: 2}}
          - {prompt: x}
        """
    )
    first, second = made.clips
    assert first.asked == {
        "prompt": "x", "duration": 8, "seed": 0, "movement": "large", "sound": False,
    }  # fmt: skip
    assert first.extra == {"a": 1, "b": 2}
    assert second.asked["duration"] == 5
    assert second.asked["movement"] == "small"


@pytest.mark.parametrize(
    ("model", "shot", "expected"),
    [
        (
            "wan-2-5",
            "",
            {
                "prompt": "x",
                "resolution": "720p",
                "duration": 5,
                "aspect_ratio": "16:9",
                "enable_prompt_expansion": True,
            },
        ),
        ("vidu-q3", "first_frame: a", {"prompt": "x", "resolution": "720p", "duration": 5}),
        ("kling-2-1", "first_frame: a", {"prompt": "x", "duration": 5}),
        ("wan2.5-image-to-video", "first_frame: a", {"prompt": "x", "duration": 5}),
        (
            "wan2.5-image-to-video",
            "first_frame: a, resolution: 720p, expand_prompt: on",
            {"prompt": "x", "quality": "720p", "duration": 5, "prompt_extend": True},
        ),
    ],
)
def test_what_goes_out_is_the_common_fields_and_what_was_set(planned, model, shot, expected):
    made = planned(f"model: {model}\nshots: [{{prompt: x, {shot}}}]")
    assert made.clips[0].params == expected


@pytest.mark.parametrize(
    ("model", "field"),
    [("wan-2-5", "enable_prompt_expansion"), ("wan2.5-image-to-video", "prompt_extend")],
)
@pytest.mark.parametrize(("switch", "sent"), [("on", True), ("off", False)])
def test_expand_prompt_is_each_vendors_switch(planned, model, field, switch, sent):
    made = planned(
        f"model: {model}\nexpand_prompt: {switch}\nshots: [{{prompt: x, first_frame: a}}]"
    )
    assert made.clips[0].params[field] is sent


def test_look_is_added_to_every_prompt(planned):
    made = planned("model: vidu-q3\nlook: ' grainy film '\nshots: [{prompt: ' x '}, {prompt: y}]")
    assert [clip.asked["prompt"] for clip in made.clips] == ["x grainy film", "y grainy film"]


def test_look_counts_in_the_length_of_the_prompt(faults_of):
    text = f"model: wan-2-5\nlook: {'l' * 400}\nshots: [{{id: a, prompt: {'p' * 400}}}]"
    (fault,) = faults_of(text)
    assert "is 801 characters long with the look; use at most 800 characters" in fault


def test_prompt_of_just_the_longest_length_is_fine(planned):
    planned(f"model: wan-2-5\nshots: [{{prompt: {'p' * 800}}}]")


@pytest.mark.parametrize("prompt", ["''", "' '"])
def test_missing_prompt_is_a_fault_even_with_a_look(faults_of, prompt):
    text = f"model: vidu-q3\nlook: grainy\nshots: [{{id: a, prompt: {prompt}}}]"
    assert faults_of(text) == [
        "shot a: prompt: is missing; say what is seen and how the camera moves"
    ]


@pytest.mark.parametrize(
    ("value", "notes"),
    [
        ("0.5", []),
        ("0.3", []),
        ("0.9", ["shot a: options.cfg_scale = 0.9 is outside the advised 0.3 to 0.7"]),
        ("0.55", ["shot a: options.cfg_scale = 0.55 is not a step of 0.1"]),
    ],
)
def test_value_outside_the_advice_is_a_note(planned, value, notes):
    text = "model: kling-2-1\nshots: [{id: a, prompt: x, first_frame: a, "
    assert list(planned(f"{text}options: {{cfg_scale: {value}}}}}]").notes) == notes


def test_lora_brings_its_advice_and_notes_on_scale(planned):
    made = planned(
        """
        model: ltx-2-19b
        shots:
          - {id: a, prompt: x, loras: [{path: 'https://x/y?download=true', scale: 3}]}
        """
    )
    assert made.clips[0].params["loras"] == [{"path": "https://x/y?download=true", "scale": 3.0}]
    assert "shot a: LoRA scale 3 is outside the advised 0.5 to 2" in made.notes
    assert any("download query" in note for note in made.notes)


@pytest.mark.parametrize(
    ("loras", "fault"),
    [
        ("[{path: style.safetensors}]", "loras = style.safetensors: is not a public URL; use an "),
        ("[{path: 'https://[x/y'}]", "loras = https://[x/y: is not a public URL; use an https://"),
        ("[{path: 'https://a b'}]", "loras = https://a b: is not a public URL; use an https:// "),
        (
            "[{path: https://x/1}, {path: https://x/2}, {path: https://x/3}, {path: https://x/4}]",
            "loras: has 4 LoRAs; use 1 to 3 LoRAs",
        ),
    ],
)
def test_lora_that_can_not_be_used_is_a_fault(faults_of, loras, fault):
    (found,) = faults_of(f"model: ltx-2-19b\nshots: [{{id: a, prompt: x, loras: {loras}}}]")
    assert found.startswith(f"shot a: {fault}")


def test_lora_at_the_top_is_for_the_models_that_have_them(planned):
    made = planned(
        """
        loras: [{path: https://x/y}]
        shots:
          - {id: a, prompt: x, model: ltx-2-19b}
          - {id: b, prompt: x, model: vidu-q3}
        """
    )
    assert made.clip("a").mode == "text-to-video-LoRA"
    assert "loras" not in made.clip("b").asked
