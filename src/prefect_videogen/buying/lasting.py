"""Writing down what became of a paid request: to the end, and once more if the store is away.

A job id that is not written down is a clip that was paid for and can't be had.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from prefect_videogen.errors import JobNotRecorded, RecordError
from prefect_videogen.records import Claimed, End, Repeated, Submitted
from prefect_videogen.studio import OpenStudio
from prefect_videogen.waiting import Time

logger = logging.getLogger(__name__)

PAUSES = (0.5, 2.0, 5.0, 10.0, 20.0)
"""Seconds before each further try at a record."""

_T = TypeVar("_T")


async def written(write: Callable[[], Awaitable[_T]], what: str, time: Time) -> _T:
    """Write a record, trying again while the media store does not answer.

    Args:
        write: Writes it; harmless if it is there.
        what: What is being written down, for the log.
        time: Sleeps between the tries.

    Returns:
        What `write` returns.

    Raises:
        RecordError: If the last try failed, too.
    """
    for pause in PAUSES:
        try:
            return await write()
        except RecordError as error:
            logger.warning("%s is not written down yet: %s", what, error.message)
        await time.sleep(pause)
    return await write()


async def record_accepted(
    studio: OpenStudio, key: str, number: int, job_id: str, answer: dict[str, Any]
) -> None:
    """Write down that the vendor has accepted a job.

    Args:
        studio: The open studio.
        key: Key of the clip.
        number: Number of the attempt.
        job_id: The vendor's id of the job.
        answer: What the vendor said.

    Raises:
        JobNotRecorded: If it could not be written down; names the job and how to do it later.
    """
    record = Submitted(at=studio.time.now(), job_id=job_id, answer=answer)
    try:
        await written(
            lambda: studio.records.submitted(key, number, record),
            f"{key[:12]}: the accepted job {job_id}",
            studio.time,
        )
    except RecordError as error:
        message = f"the job was accepted, and its id could not be written down: {error.message}"
        step = f"Once the media store answers: `prefect-videogen settle {key[:12]} --job {job_id}`."
        raise JobNotRecorded(message, job_id=job_id, next_step=step) from error


async def end_own(
    studio: OpenStudio, key: str, number: int, claimed: Claimed, end: End, *, late: bool
) -> bool:
    """End an attempt, as its owner, that was certainly not accepted.

    Others settle an attempt whose window is over: an end beside the job that they made of it would
    hide that job, and the clip would be bought again. So a late owner takes the mark of whoever
    sends its bytes again, of which there is one only, before it ends anything.

    Args:
        studio: The open studio.
        key: Key of the clip.
        number: Number of the attempt.
        claimed: The owner's claim.
        end: How it ended.
        late: Whether the claim's window is over, by the owner's own clock.

    Returns:
        Whether it is ended; False if others have taken it over.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    records = studio.records
    if late:
        mark = Repeated(at=studio.time.now(), owner=claimed.owner)
        if not await records.repeated(key, number, mark):
            first = await records.repetition(key, number)
            if first is None or first.owner != claimed.owner:
                return False
        found = await records.attempt(key, number)
        if found is None or found.submitted:
            return False
    await records.end(key, number, end)
    return True


async def to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Do something to its end, even if whoever asked for it is cancelled meanwhile.

    Args:
        work: What takes a bounded time and must not be left in the middle.

    Returns:
        What `work` returns.

    Raises:
        CancelledError: Once it is done, if there was a cancellation.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # looked at, so that nobody complains; the cancellation counts
        raise
