"""Telling all waiters, wherever they run, that a job's end was recorded: a Prefect event."""

from __future__ import annotations

import logging

from prefect.events import emit_event

from prefect_videogen.blocks.wakes import JOB_FINISHED, job_resource, server_is_shared
from prefect_videogen.callbacks.clerk import Finished

logger = logging.getLogger(__name__)


def announce(finished: Finished) -> None:
    """Emit the event of a recorded end, with no URL and no secret in it.

    Without a Prefect server that others share nothing is sent: waiters find it by their slow poll.
    """
    logger.info(
        "Job %s at %s is %s (%.12s, attempt %s)",
        finished.job_id,
        finished.vendor,
        finished.state,
        finished.key,
        finished.attempt,
    )
    if server_is_shared():
        emit_event(
            JOB_FINISHED,
            resource=job_resource(finished.vendor, finished.job_id),
            payload={
                "key": finished.key,
                "attempt": finished.attempt,
                "model": finished.model,
                "state": finished.state,
            },
        )
