"""Values of common fields: whether they are set, how vendors have them, how messages quote them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from prefect_videogen.capabilities import Param
from prefect_videogen.hiding import discreet

AT_THE_TOP = " (set at the top)"
"""Ends the problem of a fault that a shot has by a value that it inherits."""


def goes_out(param: Param) -> bool:
    """Whether a parameter that was not set is sent all the same."""
    if param.default is None or param.send == "when_set":
        return False
    return param.required or bool(param.field)


def is_url(text: str) -> bool:
    """Whether a text is the address of something on the web."""
    try:
        return bool(re.fullmatch(r"https?://\S+", text) and urlsplit(text).hostname)
    except ValueError:
        return False


def is_set(name: str, value: object) -> bool:
    """Whether a common field has a value; what stands for none depends on the field."""
    return value != -1 if name == "seed" else bool(value)


def plain(name: str, value: Any) -> Any:
    """A common field's value as a vendor's parameter has it."""
    if name == "expand_prompt":
        return value == "on"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def number(value: object) -> float:
    """The number that a choice such as `720p` begins with, to find the lowest."""
    found = re.match(r"\d+", str(value))
    return float(found.group()) if found else 0.0


def shown(value: object, longest: int = 60) -> str:
    """A value as faults and notes quote it."""
    value = discreet(value)  # before it is cut
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."
