"""The run form's schemas: a whole storyboard, in order, and nothing that a form breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import ValidationError, validate

from prefect_videogen.capabilities import MODELS
from prefect_videogen.errors import StoryboardError
from prefect_videogen.flows import (
    collect_results,
    generate_batch,
    generate_chain,
    generate_clip,
    generate_keyframes,
    generate_storyboard,
)
from prefect_videogen.flows.forms import NOT_FILLED_IN, board_form, choices_of
from prefect_videogen.storyboard import FilmOptions, Lora, Shot, Storyboard

FLOWS = (
    generate_clip,
    generate_chain,
    generate_keyframes,
    generate_storyboard,
    generate_batch,
    collect_results,
)


@pytest.fixture(autouse=True)
def no_own_models(monkeypatch):
    monkeypatch.delenv("VIDEOGEN_MODELS", raising=False)


def schema_of(flow) -> dict[str, Any]:
    return parameter_schema(flow).model_dump()


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """All mappings in a schema."""
    if isinstance(schema, dict):
        yield schema
    for inner in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(inner, dict | list):
            yield from parts(inner)


def taken(form: dict[str, Any]) -> set[str]:
    hidden = {name.strip("^$") for name in form["patternProperties"]}
    assert hidden.isdisjoint(form["properties"])
    return {*hidden, *form["properties"]}


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_forms_hold_nothing_that_the_ui_breaks(flow):
    schema = schema_of(flow)
    broken = {"anyOf", "oneOf", "allOf", "$ref", "const"}
    assert [part for part in parts(schema) if broken & set(part)] == []
    assert not schema["definitions"]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_every_field_of_a_form_is_described(flow):
    for part in parts(schema_of(flow)):
        for name, field in part.get("properties", {}).items():
            assert field["description"].endswith("."), name
            assert field["title"] == name
            assert "`" not in field["description"], name  # the form shows no Markdown


def test_required_is_what_nothing_can_be_made_without():
    assert [schema_of(flow)["required"] for flow in FLOWS] == [
        ["prompt", "model"],
        ["prompts", "model"],
        ["pictures", "prompts", "model"],
        [],
        ["storyboard_files"],
        [],
    ]


def test_form_takes_every_field_of_a_storyboard():
    form = board_form()
    shot = form["properties"]["shots"]["items"]
    film = form["properties"]["film"]
    lora = form["properties"]["loras"]["items"]
    for part, model in ((form, Storyboard), (shot, Shot), (film, FilmOptions), (lora, Lora)):
        assert taken(part) == set(model.model_fields)
        positions = [field["position"] for field in part["properties"].values()]
        assert positions == sorted(set(positions))


def test_whatever_a_storyboard_holds_passes_the_servers_check():
    lora = Lora(path="https://example.com/w.safetensors")
    shots = [
        Shot(id="a", prompt="Rain", takes=2, pick=2, fallback=["vidu-q3"], loras=[lora]),
        Shot(prompt="Sun", trim=[0.5, 4], hand_over="steady", extra_input={"x": [1]}),
    ]
    full = Storyboard(title="All", model="wan-2-5", shots=shots, variables={"city": "Oslo"})
    for board in (full, Storyboard()):
        given = {"storyboard": board.model_dump(mode="json")}
        validate(given, schema_of(generate_storyboard), raise_on_error=True)


@pytest.mark.parametrize("wrong", [{"shot": []}, {"model": "veo"}, {"shots": [{"promt": "Rain"}]}])
def test_what_no_storyboard_holds_is_refused_by_the_server(wrong):
    with pytest.raises(ValidationError):
        validate({"storyboard": wrong}, schema_of(generate_storyboard), raise_on_error=True)


def test_form_that_is_not_filled_in_says_nothing_of_the_storyboard():
    assert schema_of(generate_storyboard)["properties"]["storyboard"]["default"] == {}
    assert NOT_FILLED_IN.with_ids().shots == []


def test_form_offers_the_models_that_the_deploying_process_knows(monkeypatch, tmp_path):
    entry = MODELS["wan-2-5"].model_dump(mode="json") | {"id": "wan-9"}
    file = tmp_path / "models.json"
    file.write_text(json.dumps({"models": [entry]}))
    assert choices_of("model", optional=False) == list(MODELS)
    monkeypatch.setenv("VIDEOGEN_MODELS", str(file))
    assert choices_of("model", optional=True) == ["", *MODELS, "wan-9"]


def test_models_that_cannot_be_read_leave_the_built_in_ones(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEOGEN_MODELS", str(tmp_path / "missing.yaml"))
    assert choices_of("model", optional=False) == list(MODELS)
    assert choices_of("resolution", optional=True) == ["", "480p", "540p", "720p", "1080p"]


@pytest.mark.parametrize("typed", [{"title": "Sea"}, {"shots": [{"prompt": "Waves"}]}])
async def test_what_is_typed_beside_a_file_is_refused_and_not_passed_over(typed):
    with pytest.raises(StoryboardError, match="is given twice"):
        await generate_storyboard.fn("board.yaml", Storyboard.model_validate(typed))
