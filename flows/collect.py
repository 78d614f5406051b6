"""collect-results: rescue what dead runs bought, and wake suspended ones; made to be scheduled."""

# No `from __future__ import annotations` here: what `serve()` offers runs in a child process of
# Prefect's, which then can't find what annotations written as text stand for.

from prefect import flow

from prefect_videogen.collecting import Collected
from prefect_videogen.errors import StudioError
from prefect_videogen.flows.twins import sync_twin
from prefect_videogen.tasks import collect, report


@flow(name="collect-results", persist_result=True, result_serializer="json")
async def collect_results(studio: str = "default", older_than: int = 0) -> Collected:
    """Fetch finished jobs whose runs died, and report what is running, unknown or lost.

    Suspended runs whose jobs have all ended are resumed, where no callback receiver did that, and
    reviews that nobody has answered in time are answered as their runs' parameters say.
    Buys nothing, and does no harm beside live runs.

    Args:
        studio: Name of the Videogen Studio block; only jobs of its accounts are touched.
        older_than: Least age in minutes since the submission; younger jobs are left alone. 0: jobs
            of any age. Jobs that a suspended run sleeps for are asked for as soon as they can have
            ended.

    Returns:
        What was found.

    Raises:
        StudioError: If the studio is missing or wrong.
        RecordError: If the media store does not answer.
    """
    if older_than < 0:
        message = f"older_than = {older_than} is below 0"
        raise StudioError(message, next_step="Use 0 for jobs of any age.")
    collected = await collect(studio, older_than=older_than)
    if collected.jobs or collected.resumed or collected.answered:
        await report(collected)
    return collected


collect_results_sync = sync_twin(collect_results)
"""`collect_results` for callers that are sync."""
