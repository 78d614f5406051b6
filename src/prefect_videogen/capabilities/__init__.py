"""What every model can do, once: validation, payloads, the emulator and the docs read it.

Pure data and pure functions. `MODELS` holds the built-in models; `parse_models` adds a user's
own from the file that `VIDEOGEN_MODELS` names, whose text the caller reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from prefect_videogen.capabilities.spec import (
    Advice,
    GenerationTime,
    Images,
    Limits,
    Mode,
    Model,
    Param,
    Problem,
    Timings,
)
from prefect_videogen.capabilities.table import BUILT_IN
from prefect_videogen.errors import StudioError

MODELS: Mapping[str, Model] = MappingProxyType({model.id: model for model in BUILT_IN})


def parse_models(data: Any, *, source: str = "VIDEOGEN_MODELS") -> Mapping[str, Model]:
    """Add a user's own models to the built-in ones.

    Args:
        data: The parsed file: a mapping with `models`, a list of entries shaped like `Model`.
        source: Where it came from, for error messages.

    Returns:
        The built-in models and the user's, by id; a user's entry replaces a built-in one.

    Raises:
        StudioError: If an entry is not a model; names the entry and the field.
    """
    entries = data.get("models") if isinstance(data, Mapping) else None
    if not isinstance(entries, list):
        message = f"{source} has no list `models`"
        raise StudioError(message, next_step="Write `models:` with one entry per model.")
    models = dict(MODELS)
    for number, entry in enumerate(entries, 1):
        try:
            model = Model.model_validate(entry)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = entry.get("id") if isinstance(entry, Mapping) else None
            place = ".".join(str(part) for part in first["loc"])
            problem = first["msg"].removeprefix("Value error, ")
            message = ": ".join(
                part for part in (f"{source}, model {name or number}", place, problem) if part
            )
            raise StudioError(message, next_step="Compare it with a built-in entry.") from None
        models[model.id] = model
    return MappingProxyType(models)


__all__ = [
    "BUILT_IN",
    "MODELS",
    "Advice",
    "GenerationTime",
    "Images",
    "Limits",
    "Mode",
    "Model",
    "Param",
    "Problem",
    "Timings",
    "parse_models",
]
