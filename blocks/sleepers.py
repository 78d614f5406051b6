"""Resuming suspended runs through the Prefect server."""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas import SetStateStatus
from prefect.exceptions import ObjectNotFound

from prefect_videogen.blocks.wakes import server_is_shared
from prefect_videogen.reserving import IsOver
from prefect_videogen.sleeping import Resume, Standing, Unattended, pause_key


def resumer() -> Resume | None:
    """What resumes runs; None without a server that others share, where no run is suspended."""
    return resume if server_is_shared() else None


def judge() -> IsOver | None:
    """What knows whether runs are over; None without a server that others share."""
    return is_over if server_is_shared() else None


async def is_over(run: str) -> bool:
    """Whether a run has ended for good; one that this server does not know has not."""
    try:
        name = UUID(run)
        async with get_client() as client:
            found = await client.read_flow_run(name)
    except (ObjectNotFound, ValueError):
        return False
    return bool(found.state and found.state.is_final())


async def resume(run: str, answer: Unattended | None = None, /) -> Standing:
    """Resume a run if it is suspended; repeated calls do no harm.

    Args:
        run: Id of the flow run.
        answer: The answer to what it asks. Without one a run that waits for an answer sleeps on.

    Returns:
        `resumed` only if the server has accepted it: of many calls at once, one gets that. A run
        that this server does not know counts as `not-asleep`: its media store is shared with
        another one's.
    """
    async with get_client() as client:
        try:
            found = await client.read_flow_run(UUID(run))
        except ObjectNotFound:
            return "not-asleep"
        if found.state and found.state.is_final():
            return "over"
        if not (found.state and found.state.is_paused()):
            return "not-asleep"
        if answer and found.state.state_details.pause_key != pause_key(answer.number):
            return "not-asleep"  # it has been answered meanwhile, and asks something else
        given = {"decision": answer.decision, "note": answer.note} if answer else None
        # The server answers 200 to a repeated call too; the truth is in the body.
        result = await client.resume_flow_run(UUID(run), run_input=given)
    return "resumed" if result.status == SetStateStatus.ACCEPT else "not-asleep"
