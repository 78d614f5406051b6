"""Markdown of plain values: tables, values and sentences that stay on one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar in a cell is not taken for the end of it."""
    lines = [columns, ["---"] * len(columns), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def section(title: str, *parts: str, level: int = 2) -> str:
    """A heading and what stands below it; empty parts are left out."""
    return "\n\n".join([f"{'#' * level} {title}", *filter(None, parts)])


def one_line(text: str | None) -> str:
    """The words of a text, without its line breaks."""
    return " ".join((text or "").split())


def first_sentence(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return one_line((text or "").strip().split("\n\n")[0])


def code(value: Any) -> str:
    """A value as code, a text as it is."""
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def default_of(value: Any) -> str:
    """A default; what means "not set" is no value to show."""
    return "" if value in ("", None, [], {}) else code(value)


def number(value: float) -> str:
    """A number without needless digits."""
    return f"{value:,.15g}"


def either(values: Iterable[Any]) -> str:
    """Values that are the only ones allowed."""
    return ", ".join(code(value) for value in values if value != "")
