"""`emulator`: a local APIXO and EvoLink until Ctrl-C."""

from __future__ import annotations

import asyncio
import shlex
import time
from pathlib import Path

from prefect_videogen.cli.terminal import terminal
from prefect_videogen.emulator import Emulator, run_forever
from prefect_videogen.records import ClipRecords, End, LocalStore
from prefect_videogen.records.listing import is_unfinished, recorded_attempts


def run_emulator(emulator: Emulator, media: Path) -> None:
    """Run an emulator and print how to use it.

    Args:
        emulator: The emulator, not yet started.
        media: The folder that it serves.
    """
    console = terminal()

    def ready(running: Emulator) -> None:
        console.print(f"APIXO and EvoLink at {running.url}, key {running.api_key}")
        console.print(f"{media} is served at {running.media_url}")
        console.print(f"Its list of jobs: {running.url}/_emulator/report")
        records = ClipRecords(LocalStore(media), time.time)
        if forgotten := asyncio.run(forget_jobs(records, running.url)):
            text = "Jobs of an emulator that ran here before are given up, to be made anew"
            console.print(f"{text}: {forgotten}")
        console.print("To use it from another shell:\n")
        settings = {**running.environment(), "VIDEOGEN_MEDIA_URL": media.absolute().as_uri()}
        for name, value in settings.items():
            console.print(f"  export {name}={shlex.quote(value)}")
        console.print("\nCtrl-C ends it.")

    run_forever(emulator, ready=ready)
    console.print(f"{len(emulator.charges)} clips were charged.")


async def forget_jobs(records: ClipRecords, url: str) -> int:
    """End the attempts of an emulator that is gone: nobody knows their jobs any more.

    Only who has just begun to listen at its address may say so.

    Args:
        records: The records in which its jobs may be.
        url: Address of the emulator.

    Returns:
        How many there were.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    forgotten = 0
    for name, known in (await recorded_attempts(records.store)).items():
        if not is_unfinished(known):
            continue
        attempt = await records.attempt(name.key, name.number)
        claimed = attempt and attempt.claimed
        if claimed and claimed.base_url == url:
            message = "the emulator that had the job has ended"
            end = End(at=records.clock(), kind="abandoned", message=message)
            await records.end(name.key, name.number, end)
            await records.close(claimed.vendor, claimed.model, name.key, name.number)
            forgotten += 1
    return forgotten
