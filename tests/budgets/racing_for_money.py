"""What the racing processes do; a module of its own, so that they can import it."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

from pydantic import SecretStr

from prefect_videogen.budgets import Budget, Hold
from prefect_videogen.errors import BudgetExceeded
from prefect_videogen.records import open_store
from prefect_videogen.reserving import release, reserve
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import Account

CENT = Decimal("0.01")
_race: list[tuple[Barrier, str, dict[str, Any], int, str]] = []


def studio(url: str, options: dict[str, Any], run: str = "") -> OpenStudio:
    """A studio that has nothing to do with a vendor."""
    account = Account(
        vendor="apixo", api_key=SecretStr("none"), base_url="http://127.0.0.1:9", sandbox=True
    )
    store = open_store(url, options=options) if options else open_store(str(Path(url)))
    return OpenStudio(name="race", accounts={"apixo": account}, store=store, run=run)


def join(barrier: Barrier, url: str, options: dict[str, Any], rounds: int, limit: str) -> None:
    """Get ready in a new process."""
    _race.append((barrier, url, options, rounds, limit))


def race(name: str) -> list[tuple[str, str]]:
    """Reserve amounts of one's own at the same moments as everybody else; give some back."""
    return asyncio.run(_run(name))


async def _run(name: str) -> list[tuple[str, str]]:
    barrier, url, options, rounds, limit = _race[0]
    chance = random.Random(name)
    budget = Budget(name="shared", limit=Decimal(limit))
    place = studio(url, options, run=name)
    outcomes: list[tuple[str, str]] = []
    for number in range(rounds):
        amount = chance.randint(1, 199) * CENT
        hold = Hold(clip=f"{name}-{number}", amount=amount)
        barrier.wait()
        try:
            await reserve(place, [budget], [hold], "USD")
        except BudgetExceeded:
            outcomes.append((str(amount), "refused"))
            continue
        if number % 4 == 0:
            await release(place, budget, [hold.purchase])
            outcomes.append((str(amount), "given back"))
        else:
            outcomes.append((str(amount), "kept"))
    return outcomes
