"""Eight processes race for one claim: buying once rests on exactly one of them winning."""

from __future__ import annotations

import importlib
import multiprocessing
from pathlib import Path

from prefect_videogen.records import ClipRecords, LocalStore

PROCESSES = 8
ROUNDS = 300


async def test_eight_processes_claim_one_attempt_exactly_one_wins_each_of_300_times(
    tmp_path, monkeypatch
):
    # Children unpickle the worker by its module, which is beside this file.
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    racing = importlib.import_module("racing_for_claims")
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(PROCESSES, timeout=120)
    with spawn.Pool(PROCESSES, racing.join, (barrier, str(tmp_path), ROUNDS)) as pool:
        won = pool.map(racing.race, [f"process-{n}" for n in range(PROCESSES)], chunksize=1)

    records = ClipRecords(LocalStore(tmp_path), lambda: 0.0)
    for number in range(ROUNDS):
        winners = [f"process-{n}" for n in range(PROCESSES) if won[n][number]]
        assert len(winners) == 1, f"round {number}: {winners}"
        attempt = await records.attempt(f"{number:064x}", 1)
        assert attempt is not None
        assert attempt.claimed is not None
        assert attempt.claimed.owner == winners[0]
    assert sum(any(row) for row in won) > 1, "one process was always first: nobody raced"
    left = [path.name for path in tmp_path.rglob("*") if ".tmp-" in path.name]
    assert left == []
