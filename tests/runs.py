"""Watching flow runs that others execute: until something has happened, and in which processes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from uuid import UUID

PATIENCE = 300.0


async def until(question, *, patience: float = PATIENCE):
    """Ask until the answer is something."""
    give_up = time.monotonic() + patience
    while not (answer := await question()):
        assert time.monotonic() < give_up, "it never happened"
        await asyncio.sleep(0.1)
    return answer


def processes_of(run: UUID) -> set[int]:
    """The processes that a flow run is executed in, by what they were started with."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            about = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            if str(run).encode() in about:
                found.add(int(folder.name))
    return found
