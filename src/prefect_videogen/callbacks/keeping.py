"""Deliveries that name a job which no record knows yet, kept until one does.

Of a submission whose answer was lost, a delivery is all that is ever heard, and a vendor that was
answered delivers no second time. So it must outlast the receiver, which may be stopped while the
claim's window is still open.
"""

from __future__ import annotations

import logging

from pydantic import ValidationError

from prefect_videogen.callbacks.deliveries import Delivery
from prefect_videogen.errors import RecordError
from prefect_videogen.keys import digest
from prefect_videogen.records import Record
from prefect_videogen.studio import OpenStudio

logger = logging.getLogger(__name__)

FOLDER = "deliveries"


class _Kept(Record):
    """A delivery as it is written down."""

    key: str
    attempt: int
    job_id: str


async def keep(studio: OpenStudio, delivery: Delivery) -> None:
    """Write a delivery down that names a job; as often as one likes.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    kept = _Kept(
        at=studio.time.now(),
        key=delivery.key,
        attempt=delivery.attempt,
        job_id=delivery.job_id or "",
    )
    await studio.store.create(_path(delivery), kept.model_dump_json().encode())


async def drop(studio: OpenStudio, delivery: Delivery) -> None:
    """Remove a delivery that has done its work.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    await studio.store.remove(_path(delivery))


async def kept(studio: OpenStudio) -> list[Delivery]:
    """What another receiver, or this one before it ended, has left undone; never raises.

    One whose attempt has a recorded job by now is removed.
    """
    found = []
    for path in await _paths(studio):
        try:
            told = _Kept.model_validate_json(await studio.store.read(path) or b"")
            delivery = Delivery(told.key, told.attempt, told.job_id)
            attempt = await studio.records.attempt(told.key, told.attempt)
            if attempt and attempt.submitted:
                await drop(studio, delivery)
            else:
                found.append(delivery)
        except (RecordError, ValidationError) as error:  # one's trouble must not stop the others
            logger.warning("%s can't be gone on with: %s", path, type(error).__name__)
    return found


async def _paths(studio: OpenStudio) -> list[str]:
    try:
        return await studio.store.list(FOLDER)
    except RecordError as error:
        logger.warning("What was delivered before can't be listed: %s", error)
        return []


def _path(delivery: Delivery) -> str:
    # A job id may hold anything, `../` too.
    name = digest((delivery.job_id or "").encode())[:16]
    return f"{FOLDER}/{delivery.key}-{delivery.attempt}/{name}.json"
