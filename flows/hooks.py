"""What a run that was cancelled or killed leaves behind at the vendors, said in its log.

Prefect may call these in another process than the run's, so they know only what the records say.
Nothing is stopped at a vendor: a job that was accepted is billed, and its clip can be had.
"""

from __future__ import annotations

import asyncio
from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.logging.loggers import flow_run_logger

from prefect_videogen.blocks import load_studio
from prefect_videogen.collecting import Found, unfinished_of

WITHIN = 60.0
"""Seconds; a store that does not answer must not hold up a runner."""


async def tell_open_jobs(flow: Any, flow_run: FlowRun, state: State) -> None:
    """Log every job of the run that is still open, with what to do; never raises.

    Args:
        flow: The flow.
        flow_run: The run that was cancelled or has crashed.
        state: The state it entered.
    """
    del state  # Prefect names it, so it has to be there
    logger = flow_run_logger(flow_run, flow)
    try:
        async with asyncio.timeout(WITHIN):
            found = await _open_jobs(flow_run)
    except Exception as error:  # noqa: BLE001 - a hook's trouble must not be the run's
        logger.warning(
            "Which jobs of this run are open is not known (%s). What was bought stays recorded; "
            "run again or collect-results fetches it.",
            type(error).__name__,
        )
        return
    for job in found:
        logger.warning("%s", _sentence(job))


async def _open_jobs(flow_run: FlowRun) -> list[Found]:
    name = str((flow_run.parameters or {}).get("studio") or "default")
    studio = await load_studio(name)
    async with studio.open(name=name) as place:
        return await unfinished_of(place, str(flow_run.id))


def _sentence(job: Found) -> str:
    if job.job_id is None:
        return (
            f"Shot {job.shot}: a submission to {job.vendor} has no recorded answer and may be "
            f"billed; run again, or `prefect-videogen settle {job.key[:12]}` settles it."
        )
    return (
        f"Shot {job.shot}: job {job.job_id} at {job.vendor} goes on and is still billed; run "
        "again or collect-results fetches it."
    )
