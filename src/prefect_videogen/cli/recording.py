"""`records`: what is known of a clip, or of every clip of a storyboard."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from prefect_videogen.cli.opening import quiet_console, studio_name
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.errors import StudioError
from prefect_videogen.inspecting import AttemptReport, ClipReport, inspect_board, inspect_key
from prefect_videogen.records.listing import find_key, looks_like_key
from prefect_videogen.survey import load_board, survey

TIMES = ("claimed", "submitted", "ready", "stored", "ended")


def run_records(
    target: str, *, studio: str, variables: dict[str, str], draft: bool, as_json: bool
) -> None:
    """Show what is known of a key, or of a storyboard's clips.

    Raises:
        StoryboardError: If the storyboard is wrong.
        StudioError: If the studio is missing or wrong, or nothing has such a key.
        RecordError: If a record can't be read or makes no sense.
    """
    quiet_console()
    # A file wins over a key that is spelled like it.
    is_key = looks_like_key(target) and not Path(target).exists()
    name = studio_name(studio)
    if not (is_key or _may_be_board(target)):
        message = f"{target!r} is neither a clip's key nor a storyboard's file"
        step = "Give a key, or its first 8 digits or more, or the path of a storyboard."
        raise StudioError(message, next_step=step)
    if is_key:
        found = asyncio.run(_of_key(target, name))
    else:
        found = asyncio.run(_of_board(target, name, variables, draft=draft))
    if as_json:
        data = {"clips": [report.model_dump(mode="json") for report in found]}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        show_records(terminal(), found)


def _may_be_board(target: str) -> bool:
    return Path(target).exists() or "://" in target or bool(Path(target).suffix)


async def _of_key(beginning: str, name: str) -> Sequence[ClipReport]:
    from prefect_videogen.blocks import opened

    async with opened(name) as studio:
        return [await inspect_key(studio, await find_key(studio.store, beginning))]


async def _of_board(
    address: str, name: str, variables: dict[str, str], *, draft: bool
) -> Sequence[ClipReport]:
    from prefect_videogen.blocks import opened

    board = await load_board(address)
    async with opened(name) as studio:
        found = await survey(
            studio,
            board,
            variables=variables,
            scheduled=datetime.now(UTC),
            keep=False,
            draft=draft,
        )
        return await inspect_board(studio, found)


def show_records(console: Console, reports: Sequence[ClipReport]) -> None:
    """Show clips with their attempts and files."""
    for report in reports:
        _show_clip(console, report)


def _show_clip(console: Console, report: ClipReport) -> None:
    key = report.key or f"key not known before {', '.join(report.after)} is stored"
    shot = report.shot or "?"
    state = "unknown" if report.unknown else report.state
    console.print(f"{shot}  {state}  {report.model} at {report.vendor}", style="bold")
    console.print(f"  {key}")
    for attempt in report.attempts:
        _show_attempt(console, attempt)
    if report.unknown and report.key:
        console.print("  its submission got no answer; nothing is bought until that is settled:")
        begun = f"prefect-videogen settle {report.key[:12]}"
        console.print(f"    {begun} --job ID, or {begun} --not-accepted")
    for path in report.files:
        console.print(f"  {path}", style="dim")


def _show_attempt(console: Console, attempt: AttemptReport) -> None:
    job = f"job {attempt.job_id}" if attempt.job_id else "no job id"
    ended = f" ({attempt.end})" if attempt.end else ""
    word = "unknown" if attempt.unknown else attempt.state
    state = f"attempt {attempt.number}  {word}{ended}"
    console.print(f"  {state}  {job}  billed {attempt.billed}")
    moments = {name: getattr(attempt, f"{name}_at") for name in TIMES}
    shown = [f"{name} {moment(at)}" for name, at in moments.items() if at is not None]
    console.print(f"    {', '.join(shown)}")
    if attempt.expires_at and attempt.state == "ready":
        console.print(f"    result expires {moment(attempt.expires_at)}")
    if attempt.charge:
        console.print(f"    the vendor's figures: {json.dumps(attempt.charge, sort_keys=True)}")
    if attempt.end:
        said = " ".join(part for part in (attempt.error, attempt.code) if part)
        console.print(f"    {said}: {attempt.message}" if said else f"    {attempt.message}")


def moment(at: float) -> str:
    """A time as people read it, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}Z"
