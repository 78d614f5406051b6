"""A user's own models: data in a file, and no new code to plan and ask for their clips."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from prefect_videogen.capabilities import MODELS, Model, parse_models
from prefect_videogen.capabilities.describe import COLUMNS, row_of, table_of_models
from prefect_videogen.errors import StudioError
from prefect_videogen.plan import Picture, Plan, StudioFacts, plan
from prefect_videogen.storyboard import Shot, Storyboard
from prefect_videogen.vendors.bodies import request_body, submit_path

OWN = """
models:
  - id: kling-2-5-turbo-pro
    vendor: apixo
    mode_field: mode
    modes:
      - {name: text-to-video, images: [0, 0]}
      - {name: image-to-video, images: [1, 2]}
    params:
      - {name: prompt, type: string, field: prompt, required: true, max_length: 2500}
      - {name: duration, type: integer, field: seconds, default: 5, choices: [5, 10]}
      - {name: negative_prompt, type: string, field: negative_prompt, max_length: 2500}
      - {name: cfg_scale, type: number, default: 0.5, minimum: 0, maximum: 1}
    timings:
      first_poll: 60
      interval: 5
      generation: [{seconds: [60, 120]}]
    result_seconds: 1296000
    routing: [auto, value, official]
  - id: wan2.7-image-to-video
    vendor: evolink
    modes:
      - {name: first_frame, images: [1, 1], extra: {generation_mode: first_frame}}
      - {name: first_last_frame, images: [2, 2], extra: {generation_mode: first_last_frame}}
    params:
      - {name: prompt, type: string, field: prompt, required: true, max_length: 1500}
      - {name: duration, type: integer, field: seconds, default: 5, minimum: 2, maximum: 15}
      - {name: quality, type: string, field: resolution, default: 720p, choices: [720p, 1080p]}
      - {name: seed, type: integer, field: seed, minimum: 1, maximum: 2147483647}
    images: {fields: [image_start, image_end]}
    timings: {first_poll: 60, interval: 8, generation: [{seconds: [60, 120]}]}
    result_seconds: 86400
"""


@pytest.fixture(scope="module")
def models():
    return parse_models(YAML(typ="safe", pure=True).load(OWN))


def planned(models, *shots: Shot, **defaults: Any) -> Plan:
    facts = StudioFacts(
        name="test",
        labels={"apixo": "apixo", "evolink": "evolink"},
        publishes=frozenset({"apixo", "evolink"}),
        models=models,
    )
    pictures = {name: Picture(name * 64, "jpeg", 1600, 900) for name in "ab"}
    return plan(Storyboard(shots=list(shots), **defaults), facts, pictures, {})


def test_own_models_stand_beside_the_built_in_ones(models):
    assert set(models) == {*MODELS, "kling-2-5-turbo-pro", "wan2.7-image-to-video"}
    assert models["vidu-q3"] is MODELS["vidu-q3"]


def test_own_apixo_model_plans_and_asks_with_both_frames(models):
    shot = Shot(
        prompt="a kite", first_frame="a", last_frame="b", seconds=10, options={"cfg_scale": 0.7}
    )
    made = planned(models, shot, model="kling-2-5-turbo-pro", routing="value")
    assert made.faults == ()
    clip = made.clips[0]
    assert clip.mode == "image-to-video"
    assert clip.expected == (60, 120)
    assert clip.key
    model = models[clip.model]
    mode = model.mode(clip.mode)
    body = request_body(
        model, mode, clip.params, ["https://x/a", "https://x/b"], routing=clip.routing
    )
    assert body == {
        "request_type": "async",
        "provider": "value",
        "input": {
            "mode": "image-to-video",
            "prompt": "a kite",
            "duration": 10,
            "cfg_scale": 0.7,
            "image_urls": ["https://x/a", "https://x/b"],
        },
    }
    assert submit_path(model) == "/api/v1/generateTask/kling-2-5-turbo-pro"


@pytest.mark.parametrize(
    ("frames", "mode", "fields"),
    [
        ({"first_frame": "a"}, "first_frame", {"image_start": "https://x/1"}),
        (
            {"first_frame": "a", "last_frame": "b"},
            "first_last_frame",
            {"image_start": "https://x/1", "image_end": "https://x/2"},
        ),
    ],
)
def test_own_evolink_model_gives_each_frame_its_own_field(models, frames, mode, fields):
    made = planned(models, Shot(prompt="a kite", **frames), model="wan2.7-image-to-video", seed=9)
    assert made.faults == ()
    clip = made.clips[0]
    model = models[clip.model]
    urls = [f"https://x/{number}" for number, _ in enumerate(clip.pictures, 1)]
    assert request_body(model, model.mode(clip.mode), clip.params, urls) == {
        "model": "wan2.7-image-to-video",
        "prompt": "a kite",
        "duration": 5,
        "quality": "720p",
        "seed": 9,
        **fields,
        "generation_mode": mode,
    }


def test_own_model_is_checked_like_a_built_in_one(models):
    made = planned(models, Shot(prompt="x", seconds=7), model="kling-2-5-turbo-pro")
    assert [str(fault) for fault in made.faults] == [
        "shot 01: seconds = 7: is not allowed here on kling-2-5-turbo-pro; use 5 or 10"
    ]


def test_own_entry_replaces_a_built_in_one():
    entry = MODELS["wan-2-5"].model_copy(update={"result_seconds": 1.0}).model_dump(mode="json")
    assert parse_models({"models": [entry]})["wan-2-5"].result_seconds == 1


def test_every_built_in_model_survives_being_written_to_such_a_file():
    data = {"models": [model.model_dump(mode="json") for model in MODELS.values()]}
    assert dict(parse_models(data)) == dict(MODELS)


def entry(**changes: Any) -> dict[str, Any]:
    whole = MODELS["wan-2-5"].model_dump(mode="json") | {"id": "mine"} | changes
    return {name: value for name, value in whole.items() if value is not None}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (entry(vendor="acme"), ["mine", "vendor"]),
        (entry(vendor=None), ["mine", "vendor"]),
        (entry(modes=[]), ["mine", "modes"]),
        (entry(modes=[{"name": "a"}]), ["mine", "modes.0.images"]),
        (entry(modes=[{"name": "a", "images": [2, 1]}], params=[]), ["mine", "modes", "2 to 1"]),
        (entry(params=[{"name": "x", "type": "text"}]), ["mine", "params.0.type"]),
        (entry(colour="red"), ["mine", "colour"]),
        (entry(timings={"first_poll": 1}), ["mine", "timings.interval"]),
        (
            entry(params=[{"name": "x", "type": "string", "modes": ["txt"]}]),
            ["mine", "params: x", "txt is no mode"],
        ),
        (entry(images={"fields": []}), ["mine", "images.fields"]),
        (
            entry(
                modes=[{"name": "a", "images": [0, 3]}],
                params=[],
                images={"fields": ["image_start", "image_end"]},
            ),
            ["mine", "modes: a", "0 to 3"],
        ),
        ({"vendor": "apixo"}, ["model 2", "id"]),
        ("vidu-q3", ["model 2"]),
        (None, ["model 2"]),
    ],
)
def test_mistake_in_the_file_names_entry_and_field(wrong, words):
    data = {"models": [entry(id="right"), wrong]}
    with pytest.raises(StudioError) as caught:
        parse_models(data, source="mine.yaml")
    for word in ("mine.yaml", *words):
        assert word in str(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize("data", [None, [], "x", {}, {"models": {}}, {"model": []}])
def test_file_without_a_list_of_models_says_so(data):
    with pytest.raises(StudioError, match="has no list `models`"):
        parse_models(data)


def test_row_tells_what_the_model_can_do(models):
    row = dict(zip(COLUMNS, row_of(models["kling-2-5-turbo-pro"]), strict=True))
    assert row["vendor"] == "APIXO"
    assert row["pictures"] == "0-2"
    assert row["length"] == "5, 10 s"
    assert row["resolution"] == "-"
    assert row["limits"] == "not published"


def test_table_has_a_row_for_each_model(models):
    lines = table_of_models(tuple(models.values())).splitlines()
    assert len(lines) == 2 + len(models)
    assert {line.count("|") for line in lines} == {len(COLUMNS) + 1}


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_built_in_entries_can_not_be_changed(model: Model):
    with pytest.raises(ValueError, match="frozen"):
        model.vendor = "evolink"  # type: ignore[misc]
