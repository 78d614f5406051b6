"""The table of models says what the vendors' documents say, entry by entry, so it can't drift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prefect_videogen.capabilities import MODELS, Param
from prefect_videogen.keys import FROZEN_DEFAULTS
from prefect_videogen.storyboard import Lora, Shot

CONTRACTS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "vendor-contracts.json").read_text(encoding="utf-8")
)
LATER = {"wan2.5-text-to-video"}  # described, but not in the first release
ENVELOPE = {"mode", "model", "callback_url", "image_urls"}
TYPES = {"array<object>": "loras"}

ENTRIES = [
    pytest.param(model, mode, name, asked, id=f"{model}-{mode}-{name}")
    for model, entry in CONTRACTS["models"].items()
    if model not in LATER
    for mode, described in entry["modes"].items()
    for name, asked in described["params"].items()
]
PARAMS = [entry for entry in ENTRIES if entry.values[2] not in ENVELOPE]
IMAGES = [entry for entry in ENTRIES if entry.values[2] == "image_urls"]
BY_MODEL = [
    pytest.param(model, entry, id=model)
    for model, entry in CONTRACTS["models"].items()
    if model not in LATER
]


def param_of(model: str, mode: str, name: str) -> Param:
    return next(p for p in MODELS[model].params_of(mode) if p.name == name)


def test_contracts_and_table_have_the_same_models():
    assert set(MODELS) == set(CONTRACTS["models"]) - LATER


@pytest.mark.parametrize(("model", "entry"), BY_MODEL)
def test_every_model_has_its_modes_vendor_and_default(model, entry):
    known = MODELS[model]
    assert known.vendor == entry["vendor"]
    assert [mode.name for mode in known.modes] == list(entry["modes"])
    assert known.modes[0].name == entry["default_mode"]
    assert known.mode_field == ("" if entry.get("mode_is_implied_by_model") else "mode")


@pytest.mark.parametrize(("model", "mode", "name", "asked"), PARAMS)
def test_every_parameter_is_as_documented(model, mode, name, asked):
    param = param_of(model, mode, name)
    assert param.type == TYPES.get(asked["type"], asked["type"])
    assert param.required == asked["required"]
    assert param.default == asked["default"]
    assert list(param.choices) == asked.get("enum", [])
    assert param.minimum == asked.get("min")
    assert param.maximum == asked.get("max", asked.get("max_items"))
    assert param.max_length == asked.get("max_length")
    assert param.step == asked.get("step")
    assert list(param.also) == asked.get("also_allowed", [])
    assert set(param.modes) == set(asked["applies_when"].get("only_modes", []))
    assert (param.send == "when_set") == asked.get("newer_docs_only", False)
    advice = asked.get("items", {}).get("scale", asked)
    low, high = advice.get("recommended_min"), advice.get("recommended_max")
    assert param.advised == ((low, high) if low is not None else None)
    assert param.source


@pytest.mark.parametrize(("model", "mode", "name", "asked"), PARAMS)
def test_every_documented_bound_is_kept_and_not_passed(model, mode, name, asked):
    check = param_of(model, mode, name).check
    good: list[Any] = [*asked.get("enum", []), *asked.get("also_allowed", [])]
    bad: list[Any] = [None, {}]
    if asked["type"] == "string":
        bad += [5, True]
        if "enum" in asked:
            bad += ["no-such-choice", ""]
        if "max_length" in asked:
            good.append("ü" * asked["max_length"])
            bad.append("ü" * (asked["max_length"] + 1))
    elif asked["type"] == "boolean":
        good += [True, False]
        bad += ["true", 1, 0]
    elif asked["type"] in {"integer", "number"}:
        bad += ["5", True, float("nan"), float("inf"), -float("inf")]
        low, high = asked.get("min"), asked.get("max")
        good += [value for value in (low, high) if value is not None]
        bad += [value + step for value, step in ((low, -1), (high, 1)) if value is not None]
        if asked["type"] == "integer":
            bad.append(5.5)
        if "enum" in asked:
            bad += [min(asked["enum"]) - 1, max(asked["enum"]) + 1, 7]
    else:
        lora = {"path": "https://example.org/a", "scale": 1.0}
        good += [[lora] * asked["min_items"], [lora] * asked["max_items"]]
        bad += [[], [lora] * (asked["max_items"] + 1)]
    for value in good:
        assert check(value) is None, value
    for value in bad:
        problem = check(value)
        assert problem, value
        assert problem.problem
        assert problem.remedy.startswith("use ")


@pytest.mark.parametrize(("model", "mode", "name", "asked"), IMAGES)
def test_every_mode_takes_the_documented_pictures(model, mode, name, asked):
    known, images = MODELS[model], MODELS[model].images
    found = known.mode(mode)
    assert found
    assert found.images == (asked["min_items"], asked["max_items"])
    assert len(asked["roles"]) == found.images[1]
    assert images.fields == ("image_urls",)
    described = asked["image"]
    if described["formats"] is None:
        assert "inferred" in images.source
        return
    formats = {{"jpg": "jpeg"}.get(word, word) for word in described["formats"]}
    assert set(images.formats) == formats
    assert images.max_bytes == described["max_bytes"]
    assert images.min_side == described.get("min_side_px")
    assert images.max_side == described.get("max_side_px")
    assert images.alpha == described.get("png_alpha_allowed", True)


@pytest.mark.parametrize(("model", "entry"), BY_MODEL)
def test_no_mode_has_a_field_that_is_not_documented_for_it(model, entry):
    for mode, described in entry["modes"].items():
        ours = {param.name for param in MODELS[model].params_of(mode)}
        assert ours == set(described["params"]) - ENVELOPE
        assert not ours & set(described["not_used"])
        if "image_urls" in described["not_used"]:
            found = MODELS[model].mode(mode)
            assert found
            assert found.images == (0, 0)


@pytest.mark.parametrize(("model", "entry"), BY_MODEL)
def test_limits_are_as_documented(model, entry):
    limits = MODELS[model].limits
    assert limits.requests_per_minute == entry["limits"]["requests_per_minute"]
    assert limits.concurrent == entry["limits"]["concurrent_tasks"]


@pytest.mark.parametrize(("model", "entry"), BY_MODEL)
def test_timings_are_as_documented(model, entry):
    timings, described = MODELS[model].timings, entry["timings"]
    assert timings.interval == described["poll_interval_s"]
    if described["first_poll_after_s"]:
        assert timings.first_poll == described["first_poll_after_s"][0]
    if described["generation_time_s"] is None:
        assert "inferred" in timings.source
        return
    for ours, theirs in zip(timings.generation, described["generation_time_s"], strict=True):
        when = {k: v if isinstance(v, list) else [v] for k, v in theirs["when"].items()}
        assert {name: list(values) for name, values in ours.when.items()} == when
        assert ours.adds == ("add_min" in theirs)
        if "typical" in theirs:
            assert ours.seconds[0] <= theirs["typical"] <= ours.seconds[1]
        else:
            low, high = theirs.get("min", theirs.get("add_min")), theirs.get("max")
            assert ours.seconds == (low, high if high is not None else theirs["add_max"])


@pytest.mark.parametrize(("model", "entry"), BY_MODEL)
def test_results_and_routing_are_as_documented(model, entry):
    vendor = CONTRACTS["vendors"][entry["vendor"]]
    assert MODELS[model].result_seconds == vendor["result_url_ttl_s"]
    provider = vendor.get("envelope_params", {}).get("provider")
    routing = provider["enum"] if provider else []
    assert list(MODELS[model].routing) == routing
    opened = provider["open_enum_for_models"] if provider else []
    assert MODELS[model].routing_open == (model in opened)


def test_loras_count_fully_where_no_scale_is_given():
    described = CONTRACTS["models"]["ltx-2-19b"]["modes"]["text-to-video-LoRA"]["params"]["loras"]
    assert Lora.model_fields["scale"].default == described["items"]["scale"]["default"]


def test_documented_defaults_are_those_that_keys_were_frozen_with():
    documented: dict[str, dict[str, Any]] = {}
    for model, entry in CONTRACTS["models"].items():
        params = [item for mode in entry["modes"].values() for item in mode["params"].items()]
        for name, asked in params:
            if model not in LATER and name not in ENVELOPE and asked["default"] is not None:
                documented.setdefault(model, {})[name] = asked["default"]
    assert documented == FROZEN_DEFAULTS


def test_every_common_name_is_a_field_of_a_shot():
    names = {param.field for model in MODELS.values() for param in model.params if param.field}
    assert names <= set(Shot.model_fields)


@pytest.mark.parametrize(
    ("model", "mode", "params", "expected"),
    [
        ("wan-2-5", "text-to-video", {"resolution": "720p"}, (50, 70)),
        ("wan-2-5", "image-to-video", {"resolution": "1080p"}, (70, 90)),
        ("vidu-q3", "text-to-video", {}, (60, 120)),
        ("ltx-2-19b", "text-to-video", {"resolution": "480p"}, (40, 60)),
        ("ltx-2-19b", "text-to-video-LoRA", {"resolution": "720p"}, (70, 110)),
        ("kling-2-1", "master-text-to-video", {"duration": 10}, (90, 120)),
        ("kling-2-1", "master-text-to-video", {"duration": 7}, (0, 0)),
    ],
)
def test_generation_time_comes_from_the_first_match_and_what_adds(model, mode, params, expected):
    assert MODELS[model].generation_seconds(mode, params) == expected
