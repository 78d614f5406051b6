"""`collect` and `settle`: what dead runs bought, and submissions that nobody has an answer to."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from prefect_videogen.cli.opening import quiet_console, studio_name
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.collecting import Collected, Found, collect
from prefect_videogen.errors import StudioError
from prefect_videogen.records.listing import find_key
from prefect_videogen.settling import Settled, settle, settle_not_accepted

NEEDS_A_PERSON = 1


def run_collect(*, studio: str, older_than: int, as_json: bool) -> None:
    """Fetch finished jobs of dead runs, wake suspended ones, and say what needs a person.

    Raises:
        StudioError: If the studio is missing or wrong.
        Exit: With 1 if anything is unknown, lost or in trouble.
    """
    quiet_console()
    with _jobs_said_once():
        collected = asyncio.run(_collect(studio_name(studio), older_than))
    if as_json:
        sys.stdout.write(collected.model_dump_json(indent=2) + "\n")
    else:
        show_collected(terminal(), collected)
    if collected.needs_a_person:
        raise typer.Exit(NEEDS_A_PERSON)


@contextmanager
def _jobs_said_once() -> Iterator[None]:
    """Keep what is logged of each job off the terminal: it stands in the answer."""
    logger = logging.getLogger(collect.__module__)
    logger.addFilter(_is_of_no_job)
    try:
        yield
    finally:
        logger.removeFilter(_is_of_no_job)


def _is_of_no_job(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Shot ")


async def _collect(name: str, older_than: int) -> Collected:
    from prefect_videogen.blocks import judge, opened, resumer

    async with opened(name) as studio:
        return await collect(studio, older_than=older_than, resume=resumer(), is_over=judge())


def show_collected(console: Console, collected: Collected) -> None:
    """Show what was collected, a line for each job."""
    lists = {
        "fetched": collected.fetched,
        "running": collected.running,
        "failed": collected.failed,
        "unknown": collected.unknown,
        "lost": collected.lost,
        "troubled": collected.troubled,
    }
    for outcome, entries in lists.items():
        for entry in entries:
            console.print(_line(outcome, entry))
    for run in collected.resumed:
        console.print(f"resumed   run {run}: its jobs have ended")
    for run in collected.answered:
        console.print(f"answered  run {run}: nobody had, in time")
    for run in collected.asleep:
        console.print(f"asleep    run {run}")
    for freed in collected.freed:
        console.print(f"freed     run {freed.run}: {freed.amount} of the budget {freed.budget}")
    counts = ", ".join(f"{len(entries)} {name}" for name, entries in lists.items() if entries)
    console.print(counts or "nothing is unfinished")
    if collected.elsewhere:
        console.print(f"{collected.elsewhere} of accounts that this studio does not have")


def _line(outcome: str, entry: Found) -> str:
    job = f"job {entry.job_id}" if entry.job_id else "no job id"
    what = entry.path or f"{entry.reason}. {entry.next_step}".strip()
    shot = entry.shot or "?"
    return f"{outcome:<9} {shot:<14} {entry.key[:12]}  {job}  billed {entry.billed}  {what}"


def run_settle(key: str, *, job: str, not_accepted: bool, studio: str) -> None:
    """Record by hand what became of a submission that got no answer.

    Raises:
        StudioError: If there is nothing to settle, or not exactly one answer is given.
        VendorError: If the vendor does not know the job, or can't be asked.
    """
    if bool(job) == not_accepted:
        message = "give either --job ID or --not-accepted"
        raise StudioError(message, next_step="Look into the vendor's dashboard first.")
    quiet_console()
    settled = asyncio.run(_settle(key, job, studio_name(studio)))
    where = f"shot {settled.shot}, attempt {settled.attempt} of {settled.key[:12]}"
    if job:
        step = "Run again, or `prefect-videogen collect`, and the clip is fetched."
        text = f"{where}: job {job} is recorded; the vendor says {settled.word}. {step}"
    else:
        text = f"{where}: recorded as not accepted. The next run buys it."
    terminal().print(text)


async def _settle(beginning: str, job: str, name: str) -> Settled:
    from prefect_videogen.blocks import opened

    async with opened(name) as studio:
        key = await find_key(studio.store, beginning)
        if job:
            return await settle(studio, key, job)
        return await settle_not_accepted(studio, key)
