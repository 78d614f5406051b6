"""The key of a clip: what counts, what does not, and tables that must never change."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_videogen.capabilities import MODELS, Param
from prefect_videogen.keys import (
    FROZEN_DEFAULTS,
    FROZEN_MODES,
    SCHEMA_VERSION,
    canonical_json,
    clip_key,
    digest,
)

VIDU = MODELS["vidu-q3"]
STILL = "5" * 64


def key(**changes: Any) -> str:
    asked: dict[str, Any] = {
        "vendor": "apixo",
        "model": VIDU,
        "mode": "text-to-video",
        "params": {"prompt": "a kite"},
        "pictures": [],
        "take": "1",
    }
    return clip_key(**asked | changes)


def test_frozen_tables_are_what_schema_version_one_was_made_with():
    """Bought clips are found by these: whoever changes them makes a new schema version."""
    text = ("text-to-video", "turbo-text-to-video")
    assert SCHEMA_VERSION == 1
    assert FROZEN_DEFAULTS == {
        "wan-2-5": {
            "resolution": "720p",
            "duration": 5,
            "aspect_ratio": "16:9",
            "enable_prompt_expansion": True,
        },
        "vidu-q3": {
            "resolution": "720p",
            "duration": 5,
            "aspect_ratio": "16:9",
            "style": "general",
            "movement": "auto",
            "sound": True,
            "bgm": True,
        },
        "ltx-2-19b": {"resolution": "720p", "duration": 10, "aspect_ratio": "16:9"},
        "kling-2-1": {"duration": 5, "aspect_ratio": "16:9", "cfg_scale": 0.5},
        "wan2.5-image-to-video": {"quality": "720p", "duration": 5, "prompt_extend": True},
    }
    assert {
        "wan-2-5": {"aspect_ratio": {"text-to-video"}},
        "vidu-q3": {"aspect_ratio": set(text), "style": set(text)},
        "ltx-2-19b": {"aspect_ratio": {"text-to-video", "text-to-video-LoRA"}},
        "kling-2-1": {"aspect_ratio": {"master-text-to-video"}},
    } == FROZEN_MODES


@pytest.mark.parametrize(
    ("changes", "golden"),
    [
        ({}, "2d7a1e73483fadb3d1340808596ae14bcc4085b3caf550647c9d0a2ec0894f0a"),
        (
            {
                "vendor": "apixo@sandbox",
                "mode": "image-to-video",
                "params": {"prompt": "Ü 🎬", "duration": 8, "seed": 7},
                "pictures": [f"{STILL} crop 16:9", "vendor:https://cdn.example/a.png"],
                "take": "2026-01-05",
                "routing": "value",
                "extra": {"a": [1, 2.5, None]},
            },
            "4a03e925aad26b151d321c89ca0d9753fe3cb1aaabbb0df4765ebbc32f03bcca",
        ),
        (
            {
                "model": MODELS["ltx-2-19b"],
                "mode": "text-to-video-LoRA",
                "params": {
                    "prompt": "a kite",
                    "loras": [{"path": "https://x.example/y.safetensors?token=t", "scale": 1.0}],
                },
            },
            "56c8e4d74ee1e97fb36823c2e55fe6418f54c5b635147d553b31fe4ed7777ba7",
        ),
        (
            {
                "vendor": "evolink",
                "model": MODELS["wan2.5-image-to-video"],
                "mode": "image-to-video",
                "pictures": [STILL],
            },
            "418924f372798736957918ad60744148b9f4dc32d87135455a05ab9d6f991a81",
        ),
    ],
    ids=["plain", "everything", "LoRA", "EvoLink"],
)
def test_key_is_the_one_that_bought_clips_lie_under(changes, golden):
    assert key(**changes) == golden


def test_key_is_the_digest_of_what_is_asked_and_nothing_else():
    asked = {
        "schema": 1,
        "vendor": "apixo",
        "model": "vidu-q3",
        "mode": "text-to-video",
        "params": {"prompt": "a kite", **FROZEN_DEFAULTS["vidu-q3"]},
        "routing": "auto",
        "pictures": [],
        "take": "1",
        "extra": {},
    }
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    assert key() == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"vendor": "evolink"},
        {"vendor": "apixo@sandbox"},
        {"model": MODELS["wan-2-5"]},
        {"mode": "turbo-text-to-video"},
        {"params": {"prompt": "a kite."}},
        {"params": {"prompt": "a kite", "duration": 6}},
        {"params": {"prompt": "a kite", "seed": 0}},
        {"params": {"prompt": "a kite", "sound": False}},
        {"pictures": [STILL]},
        {"pictures": [STILL, STILL]},
        {"pictures": [f"{STILL} pad 16:9"]},
        {"take": "2"},
        {"routing": "value"},
        {"extra": {"a": 1}},
    ],
    ids=str,
)
def test_everything_that_is_asked_counts(changes):
    assert key(**changes) != key()


@pytest.mark.parametrize(
    "changes",
    [
        {"routing": "auto"},
        {"routing": ""},
        {"extra": {}},
        {"extra": None},
        {"take": 1},
        {"pictures": ()},
        {"params": {"duration": 5, "prompt": "a kite"}},
        {"params": {"duration": 5.0, "prompt": "a kite"}},
        {"params": {"prompt": "a kite", **FROZEN_DEFAULTS["vidu-q3"]}},
    ],
    ids=str,
)
def test_same_wish_in_other_words_has_the_same_key(changes):
    assert key(**changes) == key()


def test_order_of_pictures_counts():
    other = "6" * 64
    assert key(pictures=[STILL, other]) != key(pictures=[other, STILL])


def test_routing_counts_only_where_the_vendor_has_it():
    evolink = {"vendor": "evolink", "model": MODELS["wan2.5-image-to-video"]}
    assert key(**evolink, mode="image-to-video", routing="value") == key(
        **evolink, mode="image-to-video"
    )


@pytest.mark.parametrize(
    ("model", "mode"),
    [(model.id, mode.name) for model in MODELS.values() for mode in model.modes],
)
def test_each_default_written_or_left_out_is_the_same_in_every_mode(model, mode):
    plain = key(model=MODELS[model], mode=mode)
    for name, value in FROZEN_DEFAULTS[model].items():
        if mode in FROZEN_MODES.get(model, {}).get(name, {mode}):
            asked = {"prompt": "a kite", name: value}
            assert key(model=MODELS[model], mode=mode, params=asked) == plain


def lora_key(path: str, scale: float = 1.0) -> str:
    params = {"prompt": "a kite", "loras": [{"path": path, "scale": scale}]}
    return key(model=MODELS["ltx-2-19b"], mode="text-to-video-LoRA", params=params)


@pytest.mark.parametrize(
    "path",
    [
        "https://x.example/y?download=true",
        "https://x.example/y?X-Amz-Signature=abc#part",
        "https://user:secret@x.example/y",
    ],
)
def test_lora_counts_without_query_and_credentials(path):
    assert lora_key(path) == lora_key("https://x.example/y")


@pytest.mark.parametrize(
    "other",
    [("https://x.example/z", 1.0), ("https://z.example/y", 1.0), ("https://x.example/y", 0.5)],
)
def test_lora_counts_by_place_and_scale(other):
    assert lora_key(*other) != lora_key("https://x.example/y")


def later_models(**changes: Any):
    """Give vidu-q3 as a later release may know it: with one more parameter."""
    later = Param(**{"name": "later", "type": "string", "default": "calm"} | changes)
    return VIDU.model_copy(update={"params": (*VIDU.params, later)})


def test_parameter_of_a_later_release_changes_no_key_at_its_default():
    asked = {"prompt": "a kite", "later": "calm"}
    assert key(model=later_models()) == key()
    assert key(model=later_models(), params=asked) == key()
    assert key(model=later_models(), params=asked | {"later": "wild"}) != key()


def test_default_that_a_vendor_changes_changes_no_key():
    params = [
        p.model_copy(update={"default": "1080p"}) if p.name == "resolution" else p
        for p in VIDU.params
    ]
    changed = VIDU.model_copy(update={"params": tuple(params)})
    assert key(model=changed) == key()
    asked = {"prompt": "a kite", "resolution": "1080p"}
    assert key(model=changed, params=asked) == key(params=asked) != key()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_number_that_is_not_finite_has_no_key(bad):
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": bad})


def test_type_that_json_has_not_has_no_key():
    with pytest.raises(TypeError):
        canonical_json({"a": {1, 2}})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [1.0, 2.5, True, None]}, '{"a":[1,2.5,true,null],"b":1}'),
        ({"ü": "🎬"}, '{"ü":"🎬"}'),
        ({1: (1, 2)}, '{"1":[1,2]}'),
        ([], "[]"),
    ],
)
def test_canonical_json_is_written_in_one_way(value, text):
    assert canonical_json(value) == text.encode()


def test_digest_is_of_the_bytes():
    assert digest(b"") == hashlib.sha256().hexdigest()


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcd", max_size=3), inner, max_size=4)
    ),
    max_leaves=10,
)
FIELDS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), JSON_VALUES, max_size=6)


def shuffled(value: Any, random: Any) -> Any:
    """The same value with its mappings in another order."""
    if isinstance(value, dict):
        items = list(value.items())
        random.shuffle(items)
        return {name: shuffled(inner, random) for name, inner in items}
    if isinstance(value, list):
        return [shuffled(inner, random) for inner in value]
    return value


@given(params=FIELDS, extra=FIELDS, random=st.randoms(use_true_random=False))
def test_order_of_fields_never_counts(params, extra, random):
    mixed = key(params=shuffled(params, random), extra=shuffled(extra, random))
    assert mixed == key(params=params, extra=extra)


@given(params=FIELDS, default=st.booleans() | st.integers() | st.text("xyz", max_size=3))
def test_later_parameter_at_its_default_never_counts(params, default):
    model = later_models(default=default)
    with_it = key(model=model, params={**params, "later": default})
    assert with_it == key(params=params) == key(model=model, params=params)


@given(FIELDS)
def test_key_is_the_same_after_a_trip_through_json(params):
    assert key(params=json.loads(json.dumps(params))) == key(params=params)


@given(FIELDS, FIELDS)
def test_different_wishes_have_different_keys(one, other):
    same = canonical_json(one) == canonical_json(other)
    assert (key(extra=one) == key(extra=other)) == same
