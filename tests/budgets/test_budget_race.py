"""Eight processes reserve from one journal at the same moments: never over it, to the cent."""

from __future__ import annotations

import importlib
import multiprocessing
from decimal import Decimal
from pathlib import Path

import pytest

from prefect_videogen.budgets import Entry, add_up

PROCESSES = 8
LIMIT = Decimal("60.07")


@pytest.fixture
def racing(monkeypatch):
    # Children unpickle the worker by its module, which is beside this file.
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("racing_for_money")


async def entries_of(store) -> list[Entry]:
    names = await store.list("budgets/shared")
    assert names == [f"budgets/shared/{n:06}.json" for n in range(1, len(names) + 1)]
    return [Entry.model_validate_json(await store.read(name)) for name in names]


async def raced(racing, url, options, rounds):
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(PROCESSES, timeout=120)
    arguments = (barrier, url, options, rounds, str(LIMIT))
    with spawn.Pool(PROCESSES, racing.join, arguments) as pool:
        outcomes = pool.map(racing.race, [f"process-{n}" for n in range(PROCESSES)], chunksize=1)

    entries = await entries_of(racing.studio(url, options).store)
    for count in range(1, len(entries) + 1):  # at every moment of the journal
        assert add_up(entries[:count]).spent <= LIMIT
    rows = [(Decimal(amount), outcome) for row in outcomes for amount, outcome in row]
    assert add_up(entries).spent == sum(amount for amount, outcome in rows if outcome == "kept")
    assert {outcome for _, outcome in rows} == {"kept", "refused", "given back"}
    assert len({entry.token for entry in entries}) == len(entries)
    owners = [entry.owner for entry in entries]
    assert any(owners[n] != owners[n + 1] for n in range(len(owners) - 1)), "nobody raced"


async def test_eight_processes_on_s3_never_pass_the_budget_to_the_cent(racing, s3_server):
    await raced(racing, s3_server.folder(), s3_server.options, 12)


async def test_eight_processes_on_disk_never_pass_the_budget_to_the_cent(racing, tmp_path):
    await raced(racing, str(tmp_path), {}, 20)
