"""`batch`: many films, made by whoever serves the deployment; the batch itself runs here."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rich.console import Console

from prefect_videogen.batching import Batch, BatchEntry
from prefect_videogen.budgets import sums
from prefect_videogen.cli.opening import quiet_console
from prefect_videogen.cli.progress_view import ProgressView
from prefect_videogen.cli.stopping import run_until_stopped
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.errors import BatchIncomplete
from prefect_videogen.plan import Money


def run_batch(
    boards: Sequence[str], options: Mapping[str, Any], *, studio: str, as_json: bool
) -> None:
    """Run generate-batch here, and show what came of each storyboard.

    Args:
        boards: The storyboards.
        options: Further parameters of the flow.
        studio: Name of the studio; empty is the saved one named default, or `env` without one.
        as_json: Whether to print the result as JSON, failed ones included.

    Raises:
        VideoGenError: What went wrong; decides the exit code.
        Exit: If it was told to stop.
    """
    quiet_console()
    console = terminal(stderr=as_json)
    view = ProgressView(console)
    show = partial(_show, console, as_json=as_json, planned=bool(options.get("plan_only")))
    try:
        batch = run_until_stopped(_run(boards, options, studio, view), lambda: _what_goes_on(view))
    except BatchIncomplete as error:
        show(error.result)
        raise
    show(batch)


def _what_goes_on(view: ProgressView) -> str:
    running = f" Running: {', '.join(view.running)}." if view.running else ""
    return f"Runs that were started go on; `prefect flow-run cancel ID` ends one.{running}"


async def _run(
    boards: Sequence[str], options: Mapping[str, Any], studio: str, view: ProgressView
) -> Batch:
    from prefect_videogen.flows import generate_batch

    with view.showing():
        named = studio or await _studio_of_workers()
        batch: Batch = await generate_batch(storyboard_files=list(boards), studio=named, **options)
    return batch


async def _studio_of_workers() -> str:
    """The studio that runs elsewhere can open: this shell's keys say nothing about theirs."""
    from prefect_videogen.blocks.studio import Studio

    try:
        await Studio.aload("default")
    except ValueError:  # there is none
        return "env"
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the flow says so
        return "default"
    return "default"


def _show(console: Console, batch: Batch, *, as_json: bool, planned: bool) -> None:
    if as_json:
        sys.stdout.write(batch.model_dump_json(indent=2) + "\n")
        return
    for entry in batch.entries:
        console.print(_line(entry))
    made = [entry for entry in batch.entries if entry.made]
    outcome = f"{len(made)} of {len(batch.entries)} {'planned' if planned else 'made'}"
    costs = _costs([money for entry in made for money in entry.estimate]) if planned else ""
    console.print(f"batch {batch.name}: {outcome}{costs}")


def _costs(estimates: Sequence[Money]) -> str:
    return f", estimate: {' + '.join(map(str, sums(estimates)))}" if estimates else ""


def _line(entry: BatchEntry) -> str:
    gaps = f"without {', '.join(entry.missing)}" if entry.missing else ""
    film = f"{entry.path}, {entry.frames} frames" if entry.path else ""
    what = ", ".join(text for text in (film, gaps, entry.reason) if text)
    return f"{entry.state or 'not started':<10} {entry.storyboard}  {what}"
