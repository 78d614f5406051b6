"""Watching flow runs that others execute: until something has happened, and in which processes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from uuid import UUID

PATIENCE = 300.0


async def until(question, *, patience: float = PATIENCE, instead=lambda: "nothing that is known"):
    """Ask until the answer is something; `instead` tells what there was when it never came."""
    give_up = time.monotonic() + patience
    while not (answer := await question()):
        assert time.monotonic() < give_up, f"it never happened, but {instead()}"
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
