"""The reference pages of fields: storyboards, blocks and flows, from their schemas."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from prefect import Flow
from pydantic import BaseModel
from tests.docs.reference.text import (
    code,
    default_of,
    either,
    first_sentence,
    one_line,
    section,
    table,
)

from prefect_videogen import flows
from prefect_videogen.blocks import BLOCK_TYPES
from prefect_videogen.plan import Price
from prefect_videogen.storyboard import FilmOptions, Lora, Shot, Storyboard
from prefect_videogen.storyboard.model import SHOT_DEFAULTS

FLOWS: tuple[Flow[..., Any], ...] = (
    flows.generate_storyboard,
    flows.generate_clip,
    flows.generate_chain,
    flows.generate_keyframes,
    flows.generate_batch,
    flows.collect_results,
)
"""Every flow there is, in the order of the documentation."""

NOT_SET = (-1, 0)
"""Numbers that mean "not set" in storyboards and forms."""


def storyboard_page() -> str:
    """The page of the storyboard's fields."""
    shared = [name for name in SHOT_DEFAULTS if name in Shot.model_fields]
    shot = [name for name in Shot.model_fields if name not in shared]
    board = [name for name in Storyboard.model_fields if name not in shared]
    return section(
        "The storyboard",
        "A file in YAML or JSON, or the form of the flow generate-storyboard: both have these "
        'fields. An empty text, 0 or -1 means "not set". Unknown fields are faults, with the line '
        "and the nearest known name. `prefect-videogen schema` prints the same as JSON Schema, for "
        "editors; `prefect-videogen new` writes a commented example. Relative paths of pictures, "
        "footage and music start from the file's folder, in a form from the media store's inbox.",
        section("At the top", _fields(Storyboard, board)),
        section(
            "At the top or on a shot",
            "At the top they hold for all shots; a shot's own value wins. What each model allows: "
            "[models](models.md).",
            _fields(Storyboard, shared),
        ),
        section("On a shot", _fields(Shot, shot)),
        section("`film`", first_sentence(FilmOptions.__doc__), _fields(FilmOptions)),
        section("An entry of `loras`", first_sentence(Lora.__doc__), _fields(Lora)),
        level=1,
    )


def blocks_page() -> str:
    """The page of the blocks and their fields."""
    parts = []
    for block in BLOCK_TYPES:
        slug = f"`{block.__name__}`, slug `{block.get_block_type_slug()}`."
        example = inspect.cleandoc(block.get_code_example() or "")
        names = [name for name in block.model_fields if not name.startswith("_")]
        title = block.get_block_type_name()
        description = one_line(block.get_description())
        parts.append(section(title, f"{description} {slug}", _fields(block, names), example))
    price = section(
        "An entry of `prices`",
        first_sentence(Price.__doc__) + " The first entry that matches counts.",
        _fields(Price),
    )
    return section(
        "Blocks",
        "`prefect-videogen setup` registers them and saves a studio named `default`. Most have a "
        "`check()`, which tries them out and buys nothing. Prefect gives the keys in them to "
        "everybody who may read its API: [in production](../production.md) says how to switch on "
        "its authentication.",
        *parts,
        price,
        level=1,
    )


def flows_page() -> str:
    """The page of the flows and their parameters."""
    parts = [_flow(flow) for flow in FLOWS]
    return section(
        "Flows",
        "Import them from `prefect_videogen`. Each is async and has a twin with `_sync` at the end "
        'of its name. Deployments of them are named `videogen`. In run forms "", 0 and -1 mean '
        '"not set".',
        *parts,
        level=1,
    )


def _flow(flow: Flow[..., Any]) -> str:
    text = inspect.getdoc(flow.fn) or ""
    properties = dict(flow.parameters.properties)
    required = set(flow.parameters.required or ())
    rows = [
        (
            code(name),
            one_line(schema.get("description")),
            "required" if name in required else _default(schema.get("default")),
        )
        for name, schema in properties.items()
    ]
    returns, raises = _part(text, "Returns"), _part(text, "Raises")
    return section(
        flow.name,
        f"`{flow.fn.__name__}`. {first_sentence(text)}",
        table(("parameter", "what it sets", "default"), rows),
        f"**Returns** {one_line(returns)}" if returns else "",
        "\n".join(f"- `{name}`: {meaning}" for name, meaning in _raised(raises)),
    )


def _part(text: str, title: str) -> str:
    """A part of a docstring in Google style, or nothing."""
    _, found, rest = text.partition(f"{title}:\n")
    lines = []
    for line in rest.splitlines() if found else []:
        if line and not line.startswith(" "):
            break
        lines.append(line)
    return inspect.cleandoc("\n".join(["", *lines]))


def _raised(text: str) -> Iterator[tuple[str, str]]:
    entries: list[str] = []
    for line in text.splitlines():
        if line.startswith(" "):
            entries[-1] += " " + line.strip()
        elif line:
            entries.append(line)
    for entry in entries:
        name, _, meaning = entry.partition(": ")
        yield name, meaning


def _fields(model: type[BaseModel], names: list[str] | None = None) -> str:
    schema = model.model_json_schema()
    properties: Mapping[str, Mapping[str, Any]] = schema["properties"]
    required = schema.get("required", ())
    rows = []
    for name in names or model.model_fields:
        found = properties[name]
        default = "required" if name in required else _default(found.get("default"))
        text = one_line(found.get("description") or model.model_fields[name].description)
        rows.append((code(name), text, _values(found), default))
    return table(("field", "what it sets", "values", "default"), rows)


def _default(value: Any) -> str:
    unset = value in NOT_SET and not isinstance(value, bool)
    return "" if unset or isinstance(value, dict) else default_of(value)


def _values(schema: Mapping[str, Any]) -> str:
    """What a field holds: its type, or its choices, and its range."""
    if "enum" in schema:
        return either(schema["enum"])
    if schema.get("format") == "password" or schema.get("writeOnly"):
        return "secret text"
    kinds = [schema, *schema.get("anyOf", ())]
    kind = next((_kind(entry) for entry in kinds if _kind(entry)), "")
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if "exclusiveMinimum" in schema:
        kind += f" above {low:g}"
    elif low not in (None, *NOT_SET) and high is None:
        kind += f" of at least {low:g}"
    elif low is not None and high is not None:
        kind += f" from {low:g}"
    return kind + (f" to {high:g}" if high is not None else "")


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[-1]
    if schema.get("type") == "array":
        item = _kind(schema.get("items", {}))
        return f"list of {item}s" if item in {"text", "number"} else f"list of {item}"
    names = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "object": "mapping",
    }
    return names.get(schema.get("type", ""), "")
