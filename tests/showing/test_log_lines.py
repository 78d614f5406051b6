"""Log lines name the shot and, from the purchase on, the vendor's job id."""

from __future__ import annotations

import logging

from prefect_videogen import generate_clip
from prefect_videogen.fetching import Clip


async def test_every_line_about_a_job_carries_its_id(stage, caplog):
    caplog.set_level(logging.INFO, "prefect_videogen")
    stage.emulator.faults.add("unknown-status")
    stage.emulator.faults.add("download-403")
    made = await generate_clip(prompt="Logged", model="wan-2-5", studio="env")
    again = await generate_clip(prompt="Logged", model="wan-2-5", studio="env")
    assert isinstance(made, Clip)
    assert isinstance(again, Clip)
    lines = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("prefect_videogen.") and record.getMessage().startswith("Shot")
    ]
    assert all(made.job_id in line for line in lines), lines
    told = "\n".join(lines)
    for part in ("accepted", "unknown status word", "download try 1", "is reused"):
        assert part in told
