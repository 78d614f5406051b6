"""What the racing processes do; a module of its own, so that they can import it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Barrier

from prefect_videogen.records import Claimed, ClipRecords, LocalStore

_race: list[tuple[Barrier, ClipRecords, int]] = []


def join(barrier: Barrier, folder: str, rounds: int) -> None:
    """Get ready in a new process."""
    _race.append((barrier, ClipRecords(LocalStore(Path(folder)), lambda: 0.0), rounds))


def race(owner: str) -> list[bool]:
    """Claim the same attempts as everybody else, each at the same moment."""
    return asyncio.run(_run(owner))


async def _run(owner: str) -> list[bool]:
    barrier, records, rounds = _race[0]
    claimed = Claimed(
        at=0,
        owner=owner,
        shot="kite",
        vendor="apixo@sandbox",
        model="wan-2-5",
        base_url="http://127.0.0.1",
        body="{}",
        idempotency_key="videogen-key-1-1",
        window=4,
    )
    won = []
    for number in range(rounds):
        barrier.wait()
        won.append(await records.claim(f"{number:064x}", 1, claimed))
    return won
