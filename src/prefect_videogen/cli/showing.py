"""`new`, `schema` and `models`: what a storyboard may hold and what the models can do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from prefect_videogen.capabilities import Model
from prefect_videogen.capabilities.describe import COLUMNS, row_of
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.errors import StudioError
from prefect_videogen.samples import sample
from prefect_videogen.storyboard import Storyboard
from prefect_videogen.studio import known_models


def run_new(path: Path) -> None:
    """Write a commented storyboard.

    Raises:
        StudioError: If the file exists.
    """
    text = sample("new.yaml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        message = f"{path} exists"
        raise StudioError(message, next_step="Name another file.") from None
    terminal().print(f"wrote {path}; next: prefect-videogen plan {path}")


def run_schema() -> None:
    """Print the storyboard's JSON Schema."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema.update(Storyboard.model_json_schema())
    sys.stdout.write(json.dumps(schema, indent=2) + "\n")


def run_models(*, as_json: bool) -> None:
    """Print what each model can do."""
    if as_json:
        data = {"models": [model.model_dump(mode="json") for model in known_models().values()]}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    console = terminal()
    for model in known_models().values():
        _print_model(console, model)


def _print_model(console: Console, model: Model) -> None:
    console.print(model.id, style="bold")
    for title, value in zip(COLUMNS[1:], row_of(model)[1:], strict=True):
        console.print(f"  {title:<11}{value}")
    for advice in model.advice:
        console.print(f"  advice     {advice.text} [{advice.source}]")
