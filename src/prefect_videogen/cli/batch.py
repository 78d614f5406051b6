"""`batch`: many films, made by whoever serves the deployment; the batch itself runs here."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from prefect_videogen.batching import Batch, BatchEntry
from prefect_videogen.cli.opening import quiet_console, studio_name
from prefect_videogen.cli.progress_view import ProgressView
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.errors import BatchIncomplete


def run_batch(
    boards: Sequence[str], options: Mapping[str, Any], *, studio: str, as_json: bool
) -> None:
    """Run generate-batch here, and show what came of each storyboard.

    Args:
        boards: The storyboards.
        options: Further parameters of the flow.
        studio: Name of the studio.
        as_json: Whether to print the result as JSON, failed ones included.

    Raises:
        VideoGenError: What went wrong; decides the exit code.
    """
    quiet_console()
    console = terminal(stderr=as_json)
    try:
        batch = asyncio.run(_run(boards, options, studio_name(studio), console))
    except BatchIncomplete as error:
        _show(console, error.result, as_json=as_json)
        raise
    _show(console, batch, as_json=as_json)


async def _run(
    boards: Sequence[str], options: Mapping[str, Any], studio: str, console: Console
) -> Batch:
    from prefect_videogen.flows import generate_batch

    with ProgressView(console).showing():
        batch: Batch = await generate_batch(storyboard_files=list(boards), studio=studio, **options)
    return batch


def _show(console: Console, batch: Batch, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(batch.model_dump_json(indent=2) + "\n")
        return
    for entry in batch.entries:
        console.print(_line(entry))
    made = len(batch.entries) - len(batch.failed)
    console.print(f"batch {batch.name}: {made} of {len(batch.entries)} made")


def _line(entry: BatchEntry) -> str:
    gaps = f"without {', '.join(entry.missing)}" if entry.missing else ""
    film = f"{entry.path}, {entry.frames} frames" if entry.path else ""
    what = ", ".join(text for text in (film, gaps, entry.reason) if text)
    return f"{entry.state or 'not started':<10} {entry.storyboard}  {what}"
