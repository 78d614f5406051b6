"""Settling what became of a submission whose answer nobody has.

A person has looked into the vendor's dashboard, or the vendor has called back. A job id is checked
by a status query before it is recorded; that nothing was accepted is taken at the person's word,
and ends the attempt.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from prefect_videogen.buying import ask
from prefect_videogen.buying.buyer import AFTER_WINDOW
from prefect_videogen.errors import JobNotFound, StudioError
from prefect_videogen.records import Attempt, Claimed, End, Repeated, Submitted
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import JobStatus

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settled:
    """What was written down.

    Attributes:
        shot: Id of the shot.
        key: Key of the clip.
        attempt: Number of the attempt.
        word: The vendor's word for the job's state; empty if there is no job.
    """

    shot: str
    key: str
    attempt: int
    word: str = ""


def undecided_for(studio: OpenStudio, claimed: Claimed, repeated: Repeated | None = None) -> float:
    """Seconds in which whoever made a claim may still settle it; 0 or less is over.

    Args:
        studio: The open studio.
        claimed: The claim.
        repeated: Who has sent its bytes again, if somebody has.
    """
    account = studio.accounts.get(claimed.vendor.partition("@")[0])
    speed = account.speed if account else 1.0
    sent = max(claimed.at, repeated.at if repeated else 0.0)
    return sent + claimed.window + max(AFTER_WINDOW / speed, 1.0) - studio.time.now()


async def settle(studio: OpenStudio, key: str, job_id: str) -> Settled:
    """Record the job that a submission without an answer has led to.

    Args:
        studio: The open studio.
        key: Key of the clip.
        job_id: The vendor's id of the job.

    Returns:
        What was recorded; the next run, or collecting, fetches the clip.

    Raises:
        StudioError: If there is nothing to settle, or the job is recorded elsewhere already.
        JobNotFound: If the vendor does not know the job; nothing is recorded.
        VendorError: If it could not be asked; nothing is recorded.
        RecordError: If the media store does not answer as it must.
    """
    attempt, claimed = await _open_claim(studio, key)
    status = await adopt(studio, Unsettled(key, attempt.number, claimed), job_id, found="by hand")
    logger.info("Shot %s: job %s was settled by hand", claimed.shot, job_id)
    return Settled(claimed.shot, key, attempt.number, status.word)


@dataclass(frozen=True)
class Unsettled:
    """An attempt without a recorded job.

    Attributes:
        key: Key of the clip.
        number: Number of the attempt.
        claimed: Its claim.
        given_up: Whether it has ended, so that nobody waits for the job.
    """

    key: str
    number: int
    claimed: Claimed
    given_up: bool = False


async def adopt(studio: OpenStudio, attempt: Unsettled, job_id: str, *, found: str) -> JobStatus:
    """Record a job as the one that an attempt has led to, once the vendor confirms it.

    Args:
        studio: The open studio.
        attempt: The attempt.
        job_id: The vendor's id of the job.
        found: How it became known, for the record.

    Returns:
        What the vendor says about the job.

    Raises:
        StudioError: If the job is recorded elsewhere, or another one for this attempt.
        JobNotFound: If the vendor does not know the job; nothing is recorded.
        VendorError: If it could not be asked; nothing is recorded.
        RecordError: If the media store does not answer as it must.
    """
    claimed = attempt.claimed
    if job_id in await studio.records.job_ids():
        message = f"job {job_id} is recorded already, for another clip or attempt"
        raise StudioError(message, next_step="A job belongs to one clip; check its id.")
    try:
        status = await ask(studio, claimed.vendor, claimed.model, job_id)
    except JobNotFound as error:
        error.next_step = "Nothing was recorded. Check the job id and the studio's account."
        raise error.for_shot(claimed.shot) from None
    named = status.answer.get("model")
    if isinstance(named, str) and named != claimed.model:
        message = f"job {job_id} is one of {named}, and the clip was asked of {claimed.model}"
        raise StudioError(message, next_step="Nothing was recorded. Check the job id.")
    if not attempt.given_up:
        await studio.records.open(claimed.vendor, claimed.model, attempt.key, attempt.number)
    record = Submitted(at=studio.time.now(), job_id=job_id, answer={"settled": found})
    recorded = await studio.records.submitted(attempt.key, attempt.number, record)
    if recorded.job_id != job_id:
        message = f"job {recorded.job_id} was recorded for it in the meantime"
        raise StudioError(message, next_step="Nothing is left to settle.")
    return status


async def settle_not_accepted(studio: OpenStudio, key: str) -> Settled:
    """End an attempt that the vendor did not accept, so that the next run buys anew.

    Args:
        studio: The open studio.
        key: Key of the clip.

    Returns:
        What was recorded.

    Raises:
        StudioError: If there is nothing to settle.
        RecordError: If the media store does not answer as it must.
    """
    attempt, claimed = await _open_claim(studio, key)
    message = "settled by hand: the vendor did not accept it"
    end = End(at=studio.time.now(), kind="abandoned", message=message, billed="no")
    await studio.records.end(key, attempt.number, end)
    await studio.records.close(claimed.vendor, claimed.model, key, attempt.number)
    logger.info("Shot %s: attempt %s was settled as not accepted", claimed.shot, attempt.number)
    return Settled(claimed.shot, key, attempt.number)


async def _open_claim(studio: OpenStudio, key: str) -> tuple[Attempt, Claimed]:
    """The newest attempt, if it is a claim without a job id that nobody may still settle."""
    history = await studio.records.history(key)
    latest = history.latest
    if latest is None or latest.claimed is None or latest.state != "claimed":
        message = f"there is nothing to settle for {key[:12]}: its state is {history.state}"
        step = "`prefect-videogen records` shows what is known of it."
        raise StudioError(message, next_step=step)
    claimed = latest.claimed
    label = studio.account(claimed.vendor).label
    if label != claimed.vendor:
        message = f"it was sent to {claimed.vendor}; the studio {studio.name} has {label}"
        raise StudioError(message, next_step="Name the studio that it was bought with.")
    left = undecided_for(studio, claimed, await studio.records.repetition(key, latest.number))
    if left > 0:
        message = f"the submission of shot {claimed.shot} may still be under way"
        raise StudioError(message, next_step=f"Try again in {left:.0f} s.")
    return latest, claimed
