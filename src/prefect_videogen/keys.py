"""The key of a clip: the digest of what was asked for, and of nothing else.

Pure. Equal wishes have equal keys whatever the order of fields, `5` or `5.0`, a default written
out or left out. No credentials, URLs, run ids or times. What a default was when a key schema was
made stays in the frozen table below, so that an upgrade never makes a bought clip look new.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from prefect_videogen.capabilities.spec import Model
from prefect_videogen.hiding import plain_reference, without_query

SCHEMA_VERSION = 1

FROZEN_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
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
"""Defaults of schema version 1. Never edit: a change is a new schema version."""

FROZEN_MODES: Mapping[str, Mapping[str, frozenset[str]]] = {
    "wan-2-5": {"aspect_ratio": frozenset({"text-to-video"})},
    "vidu-q3": {
        "aspect_ratio": frozenset({"text-to-video", "turbo-text-to-video"}),
        "style": frozenset({"text-to-video", "turbo-text-to-video"}),
    },
    "ltx-2-19b": {"aspect_ratio": frozenset({"text-to-video", "text-to-video-LoRA"})},
    "kling-2-1": {"aspect_ratio": frozenset({"master-text-to-video"})},
}
"""The modes that a frozen default counts in; absent means all. Never edit either."""

DEFAULT_ROUTING = "auto"


def canonical_json(value: Any) -> bytes:
    """Write a value as JSON in exactly one way: sorted, compact, whole numbers without a dot.

    Args:
        value: Anything made of mappings, sequences, texts, numbers, booleans and None.

    Returns:
        UTF-8 bytes.

    Raises:
        ValueError: For a number that is not finite.
        TypeError: For a type that JSON does not have.
    """
    text = json.dumps(
        _normal(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def clip_key(
    *,
    vendor: str,
    model: Model,
    mode: str,
    params: Mapping[str, Any],
    pictures: Sequence[str],
    take: str,
    routing: str = "",
    extra: Mapping[str, Any] | None = None,
) -> str:
    """Digest what is asked for into the name under which its clip is kept.

    Args:
        vendor: The vendor's label, `apixo@sandbox` for the sandbox.
        model: The model that shall make the clip.
        mode: The mode's name.
        params: The parameters set, in the vendor's names, pictures and mode left out.
        pictures: Digest of each picture's original bytes, or `vendor:<url>`; first, then last.
        take: The deliberate version of this shot.
        routing: APIXO's provider; empty counts as `auto`.
        extra: Fields passed through unchecked.

    Returns:
        64 hexadecimal digits.
    """
    asked = {
        "schema": SCHEMA_VERSION,
        "vendor": vendor,
        "model": model.id,
        "mode": mode,
        "params": _with_frozen_defaults(model, mode, params),
        "routing": (routing or DEFAULT_ROUTING) if model.routing else "",
        "pictures": list(pictures),
        "take": str(take),
        "extra": dict(extra or {}),
    }
    return hashlib.sha256(canonical_json(asked)).hexdigest()


def _with_frozen_defaults(model: Model, mode: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in frozen defaults; a later parameter at its default counts as not set."""
    frozen = {
        name: value
        for name, value in FROZEN_DEFAULTS.get(model.id, {}).items()
        if mode in FROZEN_MODES.get(model.id, {}).get(name, {mode})
    }
    later = {p.name: p.default for p in model.params_of(mode) if p.name not in frozen}
    asked = dict(frozen)
    for name, value in params.items():
        if name == "loras":
            asked[name] = [{"path": without_query(x["path"]), "scale": x["scale"]} for x in value]
        elif name in frozen or value != later.get(name):
            asked[name] = value
    return asked


def without_queries(value: Any) -> Any:
    """Plain data as it may be shown: every address in it without its query, see `without_query`."""
    if isinstance(value, dict):
        return {name: without_queries(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [without_queries(entry) for entry in value]
    return plain_reference(value) if isinstance(value, str) else value


def digest(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _normal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _normal(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
