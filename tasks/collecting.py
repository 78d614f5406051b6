"""The task that rescues what dead runs bought."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from prefect_videogen.blocks import judge, opened, resumer
from prefect_videogen.collecting import Collected
from prefect_videogen.collecting import collect as collect_jobs
from prefect_videogen.tasks.running import RETRY_DELAYS, may_pass


@task(
    name="collect",
    task_run_name="collect {studio}",
    cache_policy=NO_CACHE,
    retries=len(RETRY_DELAYS),
    retry_delay_seconds=RETRY_DELAYS,
    retry_condition_fn=may_pass,
)
async def collect(studio: str = "default", *, older_than: int = 0) -> Collected:
    """Ask for every unfinished job once, fetch what is ready, wake who waits; buys nothing.

    Args:
        studio: Name of the studio; only jobs of its accounts are touched.
        older_than: Least age of a job in minutes.

    Returns:
        What was found.

    Raises:
        RecordError: If the media store can't be listed.
        StudioError: If the studio is missing or wrong.
    """
    async with opened(studio, run=flow_run.get_id() or "") as place:
        return await collect_jobs(place, older_than=older_than, resume=resumer(), is_over=judge())
