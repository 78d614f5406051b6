"""Waiting for a bought job, and writing down how it ended.

A ready or stored job is answered from the records without asking the vendor. Only the holder of a
slot asks; who can't have one at once, and who waits for a callback, goes by what others record.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Any

from prefect_videogen.buying.policy import end_of, error_of, verdict_on
from prefect_videogen.buying.request import Job
from prefect_videogen.buying.timings import Timings
from prefect_videogen.errors import (
    JobFailed,
    KeyRefused,
    RecordError,
    Throttled,
    VendorError,
    WaitTimeout,
)
from prefect_videogen.progress import tell
from prefect_videogen.records import Attempt, Ready
from prefect_videogen.studio import CROWD, OpenStudio
from prefect_videogen.vendors import JobStatus, asks_for_callback
from prefect_videogen.waiting import (
    Reports,
    Schedule,
    kind_of,
    schedule_for,
    spacing,
    usual_first_look,
    wait_for_job,
)

logger = logging.getLogger(__name__)

FOLLOW_EVERY = 5.0
"""Seconds between glances at the records of a job that somebody else may be polling."""

SLACK = 60.0
"""Seconds by which a vendor's clock may differ from ours, and its times still be believed."""

_OVER = frozenset({"ready", "stored", "ended"})


async def wait_for(studio: OpenStudio, job: Job) -> Job:
    """Wait until a job's clip can be fetched.

    Args:
        studio: The open studio.
        job: The job, as `Buyer.buy` returned it.

    Returns:
        The job, `ready` or `stored`.

    Raises:
        VendorError: If the job ended without a clip; the end is recorded first.
        WaitTimeout: At a deadline; a later run goes on waiting.
    """
    try:
        attempt = await _attempt(studio, job)
        if attempt.state == "ended":
            attempt = await _recorded_end(studio, job)
        elif attempt.state not in {"ready", "stored"}:
            attempt = await _wait(studio, job, attempt)
        return _with_state(job, attempt)
    except VendorError as error:
        error.job_id = error.job_id or job.job_id
        raise error.for_shot(job.shot) from None
    finally:
        await studio.give_back(job.key)


async def look_once(studio: OpenStudio, job: Job, known: Attempt | None = None) -> Job:
    """Ask for a job once, and write down how it ended if it has.

    Args:
        studio: The open studio.
        job: The job, of whatever run.
        known: Its attempt as it was read just now; read here if it was not.

    Returns:
        The job: `ready`, `stored`, or `submitted` if it is still being made.

    Raises:
        VendorError: If the job ended without a clip, which is recorded first, or could not be
            asked for.
        RecordError: If the media store does not answer as it must.
    """
    attempt = known or await _attempt(studio, job)
    if attempt.state in {"ready", "stored"}:
        return _with_state(job, attempt)
    try:
        status = await ask(studio, job.vendor, job.model, job.job_id)
        if status.state not in {"succeeded", "failed"}:
            return job
        return _with_state(job, await _write_down(studio, job, attempt, status))
    except VendorError as error:
        error.job_id = error.job_id or job.job_id
        raise error.for_shot(job.shot) from None


async def ask(studio: OpenStudio, vendor: str, model: str, job_id: str) -> JobStatus:
    """Ask for a job's status when it is this request's turn; a full vendor slows all down.

    Args:
        studio: The open studio.
        vendor: Vendor's label.
        model: Model id.
        job_id: The vendor's job id.

    Raises:
        VendorError: If there was no usable answer.
    """
    pace = studio.pace(studio.model_named(model))
    client = await studio.client(vendor)
    await pace.turn()
    try:
        return await client.status(model, job_id)
    except Throttled as error:
        pace.slow_down(error.retry_after or pace.spacing)
        raise


def job_of(key: str, attempt: Attempt) -> Job:
    """Make the job of a recorded attempt, as whoever resumes it needs it.

    Args:
        key: Key of the clip.
        attempt: An attempt with a job id.

    Raises:
        ValueError: If it has none.
    """
    claimed, submitted = attempt.claimed, attempt.submitted
    if claimed is None or submitted is None:
        message = f"attempt {attempt.number} of {key} has no job"
        raise ValueError(message)
    return Job(
        shot=claimed.shot,
        key=key,
        attempt=attempt.number,
        vendor=claimed.vendor,
        model=claimed.model,
        mode="",
        job_id=submitted.job_id,
        state="stored" if attempt.stored else "ready" if attempt.ready else "submitted",
        how="resumed",
        submitted_at=submitted.at,
    )


async def _wait(studio: OpenStudio, job: Job, attempt: Attempt) -> Attempt:
    body = attempt.claimed.body if attempt.claimed else "{}"
    announced = asks_for_callback(body, job.key, job.attempt)
    wakes = studio.wakes if announced else None
    listening = wakes.of(job.key, job.attempt) if wakes else nullcontext()

    async def glance() -> bool:
        return (await _attempt(studio, job)).state in _OVER

    with listening as woken:
        reports = Reports(glance, woken)
        # Registered, then read again, then asleep: no wake-up falls between.
        over = woken is not None and await glance()
        over = over or await _slot_or_end(studio, job, reports)
        status = None
        if not over:
            status = await _poll(studio, job, attempt, reports if announced else None)
    if status is None:
        studio.count_request(job.key)  # whoever wrote it down has asked in this slot's place
        return await _recorded_end(studio, job)
    return await _write_down(studio, job, attempt, status)


async def _slot_or_end(studio: OpenStudio, job: Job, reports: Reports) -> bool:
    """Take the slot that allows to ask; True if the job's end was recorded sooner."""
    model, time = studio.model_named(job.model), studio.time
    schedule = schedule_for(model, job.expected, studio.account(job.vendor).speed)
    every = max(FOLLOW_EVERY / studio.account(job.vendor).speed, schedule.interval)
    until = time.monotonic() + schedule.queue_deadline + schedule.deadline
    taking = asyncio.create_task(studio.take_slot(job.key, model))
    try:
        await asyncio.wait({taking}, timeout=0)  # one that is held or free is had at once
        while not taking.done() and time.monotonic() <= until:
            woken = await _rest_unless(taking, time.sleep_unless(every, reports.woken))
            if woken is not None and await reports.glance():
                return True
        if taking.done():
            await taking
            return False
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
    message = "the job could not be asked for: the slots of its model stayed taken"
    step = "Run it again: it goes on waiting for the same job."
    raise WaitTimeout(message, job_id=job.job_id, next_step=step)


async def _rest_unless(taking: asyncio.Task[None], rest: Coroutine[Any, Any, bool]) -> bool | None:
    """Rest until a slot is taken; None if that came first, so that nothing has to be read."""
    resting = asyncio.create_task(rest)
    try:
        await asyncio.wait({taking, resting}, return_when=asyncio.FIRST_COMPLETED)
        return resting.result() if resting.done() else None
    finally:
        resting.cancel()
        await asyncio.gather(resting, return_exceptions=True)


async def _poll(
    studio: OpenStudio, job: Job, attempt: Attempt, reports: Reports | None
) -> JobStatus | None:
    account = studio.account(job.vendor)
    expected = (job.expected[0] / account.speed, job.expected[1] / account.speed)
    tell(job.shot, "running", f"job {job.job_id}", expected, about=job)
    strange: set[str] = set()
    model = studio.model_named(job.model)
    tally, looking = studio.tally(model), False
    space = spacing(model, account.speed)

    async def look() -> JobStatus:
        nonlocal looking
        if not looking:
            looking, tally.looking = True, tally.looking + 1
        studio.count_request(job.key)
        status = await ask(studio, job.vendor, job.model, job.job_id)
        if status.state == "unknown" and status.word not in strange:
            strange.add(status.word)
            text = "Shot %s: job %s: unknown status word %r, waiting on"
            logger.warning(text, job.shot, job.job_id, status.word)
        return status

    def changed(word: str) -> None:
        level = logging.DEBUG if tally.looking >= CROWD else logging.INFO
        logger.log(level, "Shot %s: job %s is %s", job.shot, job.job_id, word)

    async def first() -> float:
        return (await _schedule(studio, job, attempt, reports)).first

    try:
        return await wait_for_job(
            look,
            job_id=job.job_id,
            age=max(studio.time.now() - job.submitted_at, 0.0),
            resumed=job.how == "resumed",
            schedule=await _schedule(studio, job, attempt, reports),
            time=studio.time,
            on_change=changed,
            reports=reports,
            first=first,
            # Jobs of other processes may all be looked at; of ours, only these are.
            least=lambda: (tally.looking + tally.others) * space,
        )
    finally:
        tally.looking -= looking


async def _schedule(
    studio: OpenStudio, job: Job, attempt: Attempt, reports: Reports | None
) -> Schedule:
    model = studio.model_named(job.model)
    speed = studio.account(job.vendor).speed
    timings = _timings(studio, job, attempt)
    took = await timings.took() if timings else []
    usual = usual_first_look(model, job.expected, took)
    schedule = schedule_for(model, job.expected, speed, usual=usual)
    if reports is None or reports.woken is None:
        return schedule
    return schedule.backstop(job.expected, speed)


def _timings(studio: OpenStudio, job: Job, attempt: Attempt) -> Timings | None:
    claimed = attempt.claimed
    if claimed is None:
        return None
    kind = kind_of(studio.model_named(job.model), claimed.body)
    return Timings(studio, job.vendor, job.model, kind)


async def _write_down(studio: OpenStudio, job: Job, attempt: Attempt, status: JobStatus) -> Attempt:
    """Record a job's end; raise it if there is no clip."""
    if status.state == "failed":
        await _end(studio, job, status)
    ready = await _ready(studio, job, status)
    timings = _timings(studio, job, attempt)
    if timings and status.started_at is not None and status.finished_at is not None:
        took = status.finished_at - status.started_at
        # Nothing takes longer than its job is old: else one of the two is no moment.
        if 0 <= took <= studio.time.now() - job.submitted_at + SLACK:
            await timings.add(job.job_id, took * studio.account(job.vendor).speed)
    return attempt.model_copy(update={"ready": ready})


async def _recorded_end(studio: OpenStudio, job: Job) -> Attempt:
    """What somebody else has recorded; raise it if there is no clip."""
    attempt = await _attempt(studio, job)
    if attempt.state == "ended" and attempt.end:
        raise error_of(attempt.end, job.shot)
    return attempt


async def _ready(studio: OpenStudio, job: Job, status: JobStatus) -> Ready:
    model = studio.model_named(job.model)
    account = studio.account(job.vendor)
    now = studio.time.now()
    record = Ready(
        at=now,
        result_urls=status.result_urls,
        expires_at=_finished(job, status, now) + model.result_seconds / account.speed,
        started_at=status.started_at,
        finished_at=status.finished_at,
        charge=status.charge,
        answer=status.answer,
    )
    recorded = await studio.records.ready(job.key, job.attempt, record)
    await studio.records.close(job.vendor, job.model, job.key, job.attempt)
    return recorded


def _finished(job: Job, status: JobStatus, now: float) -> float:
    """When a job ended: as the vendor says if that can be, else now, so that none expires early."""
    told = status.finished_at
    if told is None or not job.submitted_at - SLACK <= told <= now + SLACK:
        return now
    return told


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
