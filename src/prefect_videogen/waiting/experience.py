"""How long jobs of one kind really took, and what that says about the next one. Pure.

A kind is a model at a resolution and a length. Times are seconds of a real vendor's time, whatever
the speed they were measured at.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from prefect_videogen.capabilities import Model

ENOUGH = 5
"""Finished jobs below which the documented times are trusted alone."""

SHARE = 0.25
"""Share of the jobs that may be done before the first look: each look saved is worth some lag."""

EARLIEST = 0.5
"""Least share of the documented first look."""

LATEST = 2.0
"""Most times the longest documented time: a vendor that was slow once may be quick again."""


def usual_first_look(
    model: Model, expected: tuple[float, float], took: Sequence[float]
) -> float | None:
    """When a first look is worth it, by what past jobs took.

    Args:
        model: The model, with its documented first look.
        expected: Shortest and longest documented time, in seconds.
        took: How long past jobs of the kind took, in seconds.

    Returns:
        Seconds from the submission; None if too few jobs are known.
    """
    if len(took) < ENOUGH:
        return None
    documented = max(model.timings.first_poll, expected[0])
    seen = sorted(took)[int(SHARE * len(took))]
    latest = LATEST * max(expected[1], documented)
    return min(max(seen, EARLIEST * documented), latest)


def kind_of(model: Model, body: str) -> str:
    """Name the kind of a job by the body that bought it, like `720p-5`.

    Args:
        model: The model.
        body: The JSON that was sent, as the claim has it.
    """
    asked: dict[str, Any] = json.loads(body)
    asked = asked.get("input", asked)
    values = []
    for field in ("resolution", "seconds"):
        param = model.param(field)
        value = asked.get(param.name, param.default) if param else None
        text = "any" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        values.append("".join(c if c.isalnum() else "_" for c in text))
    return "-".join(values)
