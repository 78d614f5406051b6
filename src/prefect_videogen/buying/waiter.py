"""Waiting for a bought job, and writing down how it ended.

A ready or stored job is answered from the records without asking the vendor.
"""

from __future__ import annotations

import logging

from prefect_videogen.buying.policy import end_of, verdict_on
from prefect_videogen.buying.request import Job
from prefect_videogen.errors import JobFailed, KeyRefused, RecordError, Throttled, VendorError
from prefect_videogen.progress import tell
from prefect_videogen.records import Attempt, Ready
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import JobStatus
from prefect_videogen.waiting import schedule_for, wait_for_job

logger = logging.getLogger(__name__)


async def wait_for(studio: OpenStudio, job: Job) -> Job:
    """Wait until a job's clip can be fetched.

    Args:
        studio: The open studio.
        job: The job, as `Buyer.buy` returned it.

    Returns:
        The job, `ready` or `stored`.

    Raises:
        VendorError: If the job ended without a clip; the end is recorded first.
        WaitTimeout: At the deadline; a later run goes on waiting.
    """
    try:
        attempt = await _attempt(studio, job)
        if attempt.state in {"ready", "stored"}:
            return _with_state(job, attempt)
        await studio.take_slot(job.key, studio.model_named(job.model))
        status = await _poll(studio, job)
        if status.state == "failed":
            await _end(studio, job, status)
        await _ready(studio, job, status)
        return _with_state(job, await _attempt(studio, job))
    except VendorError as error:
        error.job_id = error.job_id or job.job_id
        raise error.for_shot(job.shot) from None
    finally:
        await studio.give_back(job.key)


async def look_once(studio: OpenStudio, job: Job) -> Job:
    """Ask for a job once, and write down how it ended if it has.

    Args:
        studio: The open studio.
        job: The job, of whatever run.

    Returns:
        The job: `ready`, `stored`, or `submitted` if it is still being made.

    Raises:
        VendorError: If the job ended without a clip, which is recorded first, or could not be
            asked for.
        RecordError: If the media store does not answer as it must.
    """
    attempt = await _attempt(studio, job)
    if attempt.state in {"ready", "stored"}:
        return _with_state(job, attempt)
    try:
        status = await _ask(studio, job)
        if status.state == "failed":
            await _end(studio, job, status)
    except VendorError as error:
        error.job_id = error.job_id or job.job_id
        raise error.for_shot(job.shot) from None
    if status.state != "succeeded":
        return job
    await _ready(studio, job, status)
    return _with_state(job, await _attempt(studio, job))


async def _ask(studio: OpenStudio, job: Job) -> JobStatus:
    """Ask for a job's status when it is this request's turn."""
    pace = studio.pace(studio.model_named(job.model))
    client = await studio.client(job.vendor)
    await pace.turn()
    try:
        return await client.status(job.model, job.job_id)
    except Throttled as error:
        pace.slow_down(error.retry_after or pace.spacing)
        raise


async def _poll(studio: OpenStudio, job: Job) -> JobStatus:
    model = studio.model_named(job.model)
    account = studio.account(job.vendor)
    expected = (job.expected[0] / account.speed, job.expected[1] / account.speed)
    tell(job.shot, "running", f"job {job.job_id}", expected)
    strange: set[str] = set()

    async def look() -> JobStatus:
        status = await _ask(studio, job)
        if status.state == "unknown" and status.word not in strange:
            strange.add(status.word)
            logger.warning("Shot %s: unknown status word %r, waiting on", job.shot, status.word)
        return status

    return await wait_for_job(
        look,
        job_id=job.job_id,
        age=max(studio.time.now() - job.submitted_at, 0.0),
        resumed=job.how == "resumed",
        schedule=schedule_for(model, job.expected, account.speed),
        time=studio.time,
        on_change=lambda word: logger.info("Shot %s: job %s is %s", job.shot, job.job_id, word),
    )


async def _ready(studio: OpenStudio, job: Job, status: JobStatus) -> None:
    model = studio.model_named(job.model)
    account = studio.account(job.vendor)
    finished = status.finished_at or studio.time.now()
    record = Ready(
        at=studio.time.now(),
        result_urls=status.result_urls,
        expires_at=finished + model.result_seconds / account.speed,
        started_at=status.started_at,
        finished_at=status.finished_at,
        charge=status.charge,
        answer=status.answer,
    )
    await studio.records.ready(job.key, job.attempt, record)
    await studio.records.close(job.vendor, job.model, job.key, job.attempt)


async def _end(studio: OpenStudio, job: Job, status: JobStatus) -> None:
    """Record the failure and raise it."""
    failure = status.failure or JobFailed("the job failed without a reason")
    failure.job_id = failure.job_id or job.job_id
    kind = verdict_on(failure).end
    if isinstance(failure, KeyRefused) or kind is None:
        raise failure
    end = end_of(failure, "failed", studio.time.now(), job.job_id)
    await studio.records.end(job.key, job.attempt, end)
    await studio.records.close(job.vendor, job.model, job.key, job.attempt)
    raise failure


async def _attempt(studio: OpenStudio, job: Job) -> Attempt:
    attempt = await studio.records.attempt(job.key, job.attempt)
    if attempt is None:
        message = f"the records of job {job.job_id} are gone from {studio.store.url}"
        raise RecordError(message, shot=job.shot, job_id=job.job_id, billed="yes")
    return attempt


def _with_state(job: Job, attempt: Attempt) -> Job:
    state = "stored" if attempt.stored else "ready"
    return job.model_copy(update={"state": state})
