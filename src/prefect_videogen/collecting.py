"""Rescuing what dead runs bought: each unfinished job is asked for once, what is ready is fetched.

Works from the records alone and buys nothing. Beside a live run it does no harm: it writes down
what that run would write, and a record is created once. One job's trouble never stops the others.
Suspended runs whose jobs have all ended are resumed, whoever noticed that, and reviews that nobody
has answered in time are answered as their runs' parameters say.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from prefect_videogen.buying import job_of, look_once
from prefect_videogen.buying.buyer import undecided_within
from prefect_videogen.buying.policy import end_of
from prefect_videogen.errors import (
    Billed,
    JobNotFound,
    RecordError,
    ResultExpired,
    VideoGenError,
    how_to_settle,
)
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.records import Attempt, Claimed
from prefect_videogen.records.listing import (
    AttemptName,
    is_unfinished,
    recorded_attempts,
    tidy,
)
from prefect_videogen.reserving import Freed, IsOver, free_what_is_over
from prefect_videogen.settling import undecided_for
from prefect_videogen.sleeping import Resume, answer_overdue, sleepers, wake
from prefect_videogen.studio import OpenStudio
from prefect_videogen.waiting import schedule_for

logger = logging.getLogger(__name__)

Outcome = Literal["fetched", "running", "failed", "unknown", "lost", "troubled"]

AT_ONCE = 4
"""Jobs that are asked for and fetched at the same time."""

READING = 16
MARGIN = 3600.0
"""Seconds more than a result's life after which a job that the vendor does not know is lost."""


class Found(BaseModel):
    """One unfinished job and what became of it.

    Attributes:
        shot: Id of the shot it was bought for.
        key: Key of the clip.
        attempt: Number of the attempt.
        vendor: Vendor's label.
        model: Model id.
        job_id: The vendor's job id, if one is recorded.
        billed: Whether money was spent on it.
        charge: The vendor's own figures, where it gives any.
        path: Where the clip lies now, if it was fetched.
        reason: What happened, if it was not.
        next_step: What to do about it.
    """

    model_config = ConfigDict(frozen=True)

    shot: str
    key: str
    attempt: int
    vendor: str
    model: str
    job_id: str | None = None
    billed: Billed
    charge: dict[str, Any] | None = None
    path: str = ""
    reason: str = ""
    next_step: str = ""


class Collected(BaseModel):
    """What was found unfinished, by what became of it.

    Attributes:
        fetched: Stored now; the next run uses them.
        running: Still being made, or being submitted by a live run.
        failed: Ended without a clip; recorded.
        unknown: Nobody knows whether the vendor has such a job; nothing was bought.
        lost: Bought, but expired before it was fetched; recorded.
        troubled: Could not be asked for or fetched this time; as before.
        elsewhere: How many belong to accounts that the studio does not have.
        resumed: Ids of the suspended runs that go on, as their jobs have ended.
        asleep: Ids of the suspended runs whose jobs go on.
        answered: Ids of the suspended runs whose review nobody answered in time, and that go on as
            their parameters say.
        freed: Money that runs which are over had set aside, and that is free again.
    """

    model_config = ConfigDict(frozen=True)

    fetched: tuple[Found, ...] = ()
    running: tuple[Found, ...] = ()
    failed: tuple[Found, ...] = ()
    unknown: tuple[Found, ...] = ()
    lost: tuple[Found, ...] = ()
    troubled: tuple[Found, ...] = ()
    elsewhere: int = 0
    resumed: tuple[str, ...] = ()
    asleep: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    freed: tuple[Freed, ...] = ()

    @property
    def jobs(self) -> int:
        """How many jobs there are in all lists."""
        lists = (self.fetched, self.running, self.failed, self.unknown, self.lost, self.troubled)
        return sum(map(len, lists))

    @property
    def needs_a_person(self) -> bool:
        """Whether anything is unknown, lost or in trouble."""
        return bool(self.unknown or self.lost or self.troubled)


async def collect(
    studio: OpenStudio,
    *,
    older_than: float = 0.0,
    resume: Resume | None = None,
    is_over: IsOver | None = None,
) -> Collected:
    """Ask for every unfinished job once, fetch what is ready, and wake whom that lets go on.

    Args:
        studio: The open studio; only jobs of its accounts are touched.
        older_than: Least age of a job in minutes, counted from its submission; jobs that a
            suspended run sleeps for are asked for as soon as they can have ended.
        resume: Resumes suspended runs, if there is a server that can.
        is_over: Says whether a run has ended for good, if there is a server that knows.

    Returns:
        What was found.

    Raises:
        RecordError: If the media store can't be listed.
    """
    attempts = await recorded_attempts(studio.store)
    await tidy(studio.records, attempts, partial(_undecided, studio))
    names = sorted(name for name, records in attempts.items() if is_unfinished(records))
    reading = asyncio.Semaphore(READING)

    async def read(name: AttemptName) -> _Unfinished | _Result | None:
        async with reading:
            return await _read(studio, name)

    found = await asyncio.gather(*(read(name) for name in names))
    results = [entry for entry in found if isinstance(entry, tuple)]
    jobs = [entry for entry in found if isinstance(entry, _Unfinished)]
    ours = [job for job in jobs if _has_account(studio, job.claimed)]
    asleep = await sleepers(studio.store)
    slept_for = {job for jobs in asleep.values() for job in jobs}
    due = [job for job in ours if _is_due(studio, job, older_than * 60, slept_for)]
    working = asyncio.Semaphore(AT_ONCE)

    async def work(job: _Unfinished) -> _Result:
        async with working:
            return await _collect_one(studio, job)

    # What expires first is fetched first: tasks get their turn in the order they ask for it.
    results += await asyncio.gather(*(work(job) for job in sorted(due, key=_urgency)))
    for outcome, entry in results:
        _log(outcome, entry)
    resumed = [run for run in sorted(asleep) if resume and await _woken(studio, resume, run)]
    return _collected(
        results,
        elsewhere=len(jobs) - len(ours),
        resumed=resumed,
        asleep=sorted(asleep.keys() - set(resumed)),
        answered=await _answered(studio, resume) if resume else [],
        freed=await _freed(studio, is_over) if is_over else [],
    )


async def _answered(studio: OpenStudio, resume: Resume) -> list[str]:
    """The runs whose overdue reviews were answered; trouble with them takes nothing else away."""
    try:
        return await answer_overdue(studio, resume)
    except RecordError as error:
        logger.warning("Overdue reviews can't be answered now: %s", error)
        return []


async def _freed(studio: OpenStudio, is_over: IsOver) -> list[Freed]:
    """What dead runs had set aside; trouble with money takes nothing else away."""
    try:
        freed = await free_what_is_over(studio, is_over)
    except Exception as error:  # noqa: BLE001 - a journal or a server that is away for now
        reason = getattr(error, "message", "") or type(error).__name__
        logger.warning("What dead runs have set aside can't be given back now: %s", reason)
        return []
    for entry in freed:
        text = "Budget %s: %s that run %s had set aside are free again"
        logger.info(text, entry.budget, entry.amount, entry.run)
    return freed


async def unfinished_of(studio: OpenStudio, run: str) -> list[Found]:
    """Jobs that a flow run bought or waited for, and that nobody has fetched yet.

    Args:
        studio: The open studio.
        run: Id of the flow run.
    """
    open_jobs = []
    for path in await studio.store.list(f"runs/{run}"):
        key, _, number = path.rpartition("/")[2].rpartition("-")
        if not number.isdigit():
            continue
        entry = await _read(studio, AttemptName(key, int(number)))
        if isinstance(entry, _Unfinished):
            open_jobs.append(_found(entry, billed="yes" if entry.attempt.job_id else "unknown"))
    return open_jobs


class _Unfinished(BaseModel):
    """An attempt that was claimed and has neither a clip nor an end."""

    key: str
    claimed: Claimed
    attempt: Attempt

    @property
    def since(self) -> float:
        """When it was submitted, or else claimed."""
        return (self.attempt.submitted or self.claimed).at


_Result = tuple[Outcome, Found]


async def _read(studio: OpenStudio, name: AttemptName) -> _Unfinished | _Result | None:
    try:
        attempt = await studio.records.attempt(name.key, name.number)
    except RecordError as error:
        nobody = Found(
            shot="",
            key=name.key,
            attempt=name.number,
            vendor="",
            model="",
            billed="unknown",
            reason=error.message,
            next_step=error.next_step,
        )
        return "troubled", nobody
    if attempt is None or attempt.claimed is None or attempt.stored or attempt.end:
        return None
    return _Unfinished(key=name.key, claimed=attempt.claimed, attempt=attempt)


def _has_account(studio: OpenStudio, claimed: Claimed) -> bool:
    account = studio.accounts.get(claimed.vendor.partition("@")[0])
    return account is not None and account.label == claimed.vendor


def _undecided(studio: OpenStudio, vendor: str) -> float:
    account = studio.accounts.get(vendor.partition("@")[0])
    return undecided_within(account.speed) if account and account.label == vendor else math.inf


def _urgency(job: _Unfinished) -> tuple[float, float]:
    ready = job.attempt.ready
    return (ready.expires_at or 0.0 if ready else math.inf), job.since


async def _collect_one(studio: OpenStudio, job: _Unfinished) -> _Result:
    try:
        if job.attempt.submitted is None:
            return _without_job_id(studio, job)
        return await _bring(studio, job)
    except VideoGenError as error:
        return await _after_error(studio, job, error)
    except Exception as error:  # one job's trouble, even a bug's, must not stop the others
        logger.exception("Shot %s could not be collected", job.claimed.shot)
        return "troubled", _found(job, reason=f"{type(error).__name__}: {error}")


def _without_job_id(studio: OpenStudio, job: _Unfinished) -> _Result:
    if undecided_for(studio, job.claimed) > 0:
        return "running", _found(job, billed="unknown", reason="is being submitted")
    step = f"{how_to_settle(job.key)}."
    reason = "its submission got no answer, and nothing was bought again"
    return "unknown", _found(job, billed="unknown", reason=reason, next_step=step)


async def _bring(studio: OpenStudio, job: _Unfinished) -> _Result:
    looked = await look_once(studio, job_of(job.key, job.attempt))
    if looked.state == "submitted":
        return "running", _found(job, reason="is still being made")
    clip = await fetch_clip(studio, looked)
    return "fetched", _found(job, path=clip.path, charge=clip.charge)


async def _after_error(studio: OpenStudio, job: _Unfinished, error: VideoGenError) -> _Result:
    """Say what an error means; the records know whether it was the end."""
    if isinstance(error, JobNotFound):
        return await _not_found(studio, job, error)
    try:
        attempt = await studio.records.attempt(job.key, job.attempt.number)
    except RecordError as worse:
        attempt, error = None, worse
    told: dict[str, Any] = {"reason": error.message, "next_step": error.next_step}
    if attempt and attempt.stored:
        return "fetched", _found(job, path=attempt.stored.path)
    if attempt and attempt.end:
        outcome: Outcome = "lost" if attempt.end.kind == "expired" else "failed"
        return outcome, _found(job, **told, billed=attempt.end.billed)
    return "troubled", _found(job, **told)


async def _not_found(studio: OpenStudio, job: _Unfinished, error: JobNotFound) -> _Result:
    """A job that the vendor does not know: too fresh, another account's, or long gone."""
    model = studio.model_named(job.claimed.model)
    speed = studio.account(job.claimed.vendor).speed
    age = studio.time.now() - job.since
    if age <= schedule_for(model, (0, 0), speed).grace:
        return "running", _found(job, reason="is not known to the vendor yet")
    if age <= (model.result_seconds + MARGIN) / speed:
        step = "Is this the account it was bought with? Otherwise ask the vendor."
        return "unknown", _found(job, billed="unknown", reason=error.message, next_step=step)
    gone = ResultExpired(
        "the vendor knows the job no longer, and its result's documented life is over",
        job_id=job.attempt.job_id,
        next_step="It was paid; run again with on_expired=rebuy to buy it once more.",
    )
    try:
        end = end_of(gone, "expired", studio.time.now())
        await studio.records.end(job.key, job.attempt.number, end)
        await studio.records.close(
            job.claimed.vendor, job.claimed.model, job.key, job.attempt.number
        )
    except RecordError as worse:
        return "troubled", _found(job, reason=worse.message, next_step=worse.next_step)
    return "lost", _found(job, reason=gone.message, next_step=gone.next_step)


def _found(job: _Unfinished, *, billed: Billed = "yes", **more: Any) -> Found:
    ready = job.attempt.ready
    about = {"charge": ready.charge if ready else None, **more}
    return Found(
        shot=job.claimed.shot,
        key=job.key,
        attempt=job.attempt.number,
        vendor=job.claimed.vendor,
        model=job.claimed.model,
        job_id=job.attempt.job_id,
        billed=billed,
        **about,
    )


async def _woken(studio: OpenStudio, resume: Resume, run: str) -> bool:
    try:
        return await wake(studio, resume, run)
    except Exception:  # one run's trouble must not stop the others; the next collecting repeats it
        logger.exception("The suspended run %s could not be woken", run)
        return False


def _is_due(
    studio: OpenStudio, job: _Unfinished, age: float, slept_for: Collection[AttemptName]
) -> bool:
    if AttemptName(job.key, job.attempt.number) in slept_for:
        model = studio.model_named(job.claimed.model)
        speed = studio.account(job.claimed.vendor).speed
        age = min(age, schedule_for(model, (0, 0), speed).first)
    return studio.time.now() - job.since >= age


def _collected(results: Sequence[_Result], **more: Any) -> Collected:
    lists: dict[Outcome, list[Found]] = {}
    for outcome, entry in results:
        lists.setdefault(outcome, []).append(entry)
    return Collected.model_validate({**lists, **more})


def _log(outcome: Outcome, entry: Found) -> None:
    level = logging.INFO if outcome in {"fetched", "running"} else logging.WARNING
    what = f"job {entry.job_id}" if entry.job_id else f"attempt {entry.attempt}"
    text = entry.path or f"{entry.reason}. {entry.next_step}".strip()
    logger.log(level, "Shot %s: %s: %s: %s", entry.shot or "?", what, outcome, text)
