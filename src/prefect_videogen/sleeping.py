"""Runs that sleep until their jobs have ended: what they leave behind, and when one is to wake.

A run that suspends writes down its sleep, then a marker under each of its jobs, and reads the jobs
once more. Whoever records a job's end finds the sleepers by its markers, and wakes those that have
no running job left. A run that sleeps until a person has answered is woken by that person, or by
whoever finds its marker once that has taken too long. Suspending and resuming themselves are the
caller's.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import Field, ValidationError

from prefect_videogen.errors import RecordError, StudioError
from prefect_videogen.plan import Money
from prefect_videogen.records import Attempt, Claimed, Record, Store
from prefect_videogen.records.listing import AttemptName
from prefect_videogen.reserving import is_unbilled, jobs_of
from prefect_videogen.reviewing import IfUnreviewed, Question
from prefect_videogen.studio import OpenStudio
from prefect_videogen.waiting import schedule_for

logger = logging.getLogger(__name__)

READING = 16
_NOTE = re.compile(r"sleeping(?:-([0-9]+))?\.json")

Standing = Literal["resumed", "not-asleep", "over"]
"""What came of resuming a run: it goes on; it does not sleep (yet); or it will never go on."""


@dataclass(frozen=True)
class Unattended:
    """The answer to a review that nobody has answered in time.

    Attributes:
        number: Number of the sleep that the question was asked in.
        decision: What the run's parameters say.
        note: Why it is given.
    """

    number: int
    decision: IfUnreviewed
    note: str


class Resume(Protocol):
    """Resumes the run with an id, if it is suspended; or only if it still asks what is answered."""

    async def __call__(self, run: str, answer: Unattended | None = None, /) -> Standing:
        """Resume it."""
        ...


class Sleep(Record):
    """What a run needs to know when it wakes, and who wakes it.

    Attributes:
        number: The run's n-th sleep, from 1.
        owner: Who holds the run's money; it goes on under that name.
        bought: How many clips it has bought so far.
        estimate: Estimated price of what it had to buy when it began.
        unpriced: How many clips of that had no price.
        jobs: The attempts whose jobs it sleeps for.
        keys: Key of every clip it has submitted or found, by its name in a budget.
        review: What it asks a person, if that is why it sleeps.
    """

    number: int
    owner: str
    bought: int = 0
    estimate: tuple[Money, ...] = ()
    unpriced: int = 0
    jobs: tuple[AttemptName, ...] = ()
    keys: dict[str, str] = Field(default_factory=dict)
    review: Question | None = None


def pause_key(number: int) -> str:
    """Prefect's name for a run's n-th sleep."""
    return f"videogen-{number}"


# -- the run that sleeps --------------------------------------------------------------------------


async def lie_down(studio: OpenStudio, sleep: Sleep) -> None:
    """Write a sleep down, then its markers; what ends from here on finds them.

    Args:
        studio: The open studio; its run is the one that sleeps.
        sleep: The sleep, with a number that the run has not used.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    data = sleep.model_dump_json(indent=2).encode()
    path = _path(studio.run, sleep.number)
    if not await studio.store.create(path, data):
        message = f"{path} exists: another process is at this run"
        raise RecordError(message, next_step="Nothing was lost; that process goes on.")
    markers = list(_markers(studio.run, sleep))
    await asyncio.gather(*(studio.store.create(marker, b"{}") for marker in markers))


async def get_up(store: Store, run: str, sleep: Sleep) -> None:
    """Remove the markers of a sleep that is over."""
    await asyncio.gather(*(store.remove(marker) for marker in _markers(run, sleep)))


async def last_sleep(store: Store, run: str) -> Sleep | None:
    """A run's newest sleep; None if it never slept.

    Raises:
        RecordError: If it can't be read or makes no sense.
    """
    found = (_NOTE.fullmatch(path.rpartition("/")[2]) for path in await store.list(f"runs/{run}"))
    numbers = [int(match[1] or 1) for match in found if match]
    if not numbers:
        return None
    path = _path(run, max(numbers))
    data = await store.read(path)
    try:
        return Sleep.model_validate_json(data or b"")
    except ValidationError:
        message = f"{path} is not a usable record"
        step = "Look at it by hand; the run can be resumed in Prefect's UI."
        raise RecordError(message, next_step=step) from None


async def bought_by(studio: OpenStudio, sleep: Sleep) -> int:
    """How many clips a run has bought, also since a sleep: it may have died before its next one.

    Args:
        studio: The open studio of the run.
        sleep: The run's last sleep.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    noted = [path.rpartition("/")[2] for path in await studio.store.list(f"runs/{studio.run}")]
    keys = [key for key, _, number in (name.rpartition("-") for name in noted) if number.isdigit()]
    if len(keys) <= sleep.bought:  # as most often, and nothing has to be read
        return sleep.bought
    reading = asyncio.Semaphore(READING)

    async def purchases(key: str) -> int:
        async with reading:
            history = await studio.records.history(key)
        return sum(_has_bought(sleep.owner, job) for job in jobs_of(history))

    return max(sleep.bought, sum(await asyncio.gather(*map(purchases, set(keys)))))


def _has_bought(owner: str, job: Attempt) -> bool:
    claimed = job.claimed
    return bool(claimed and claimed.owner.startswith(f"{owner}-")) and not is_unbilled(job)


async def still_running(studio: OpenStudio, jobs: Iterable[AttemptName]) -> list[AttemptName]:
    """Those of some jobs that are worth sleeping for, one record read each.

    Args:
        studio: The open studio.
        jobs: Attempts with a job.

    Returns:
        The ones without a recorded end that are not past all deadlines either: who waits for one
        of those is told that it takes too long, and that takes being awake.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    reading = asyncio.Semaphore(READING)

    async def runs(job: AttemptName) -> bool:
        async with reading:
            attempt = await studio.records.attempt(job.key, job.number)
        return attempt is not None and _runs(studio, attempt)

    names = list(jobs)
    answers = await asyncio.gather(*map(runs, names))
    return [name for name, answer in zip(names, answers, strict=True) if answer]


async def _any_runs(studio: OpenStudio, jobs: Sequence[AttemptName]) -> bool:
    """Whether one of some jobs is still running; reads on only until one is found."""
    for begin in range(0, len(jobs), READING):
        if await still_running(studio, jobs[begin : begin + READING]):
            return True
    return False


def _runs(studio: OpenStudio, attempt: Attempt) -> bool:
    claimed, submitted = attempt.claimed, attempt.submitted
    if claimed is None or submitted is None or attempt.state != "submitted":
        return False
    return studio.time.now() - submitted.at <= _patience(studio, claimed)


def _patience(studio: OpenStudio, claimed: Claimed) -> float:
    """Seconds for which a job is waited for, queue included."""
    try:
        speed = studio.account(claimed.vendor).speed
    except StudioError:  # a receiver for other accounts in the same media store
        speed = 1.0
    schedule = schedule_for(studio.model_named(claimed.model), (0, 0), speed)
    return schedule.queue_deadline + schedule.deadline


# -- who wakes it ---------------------------------------------------------------------------------


async def sleepers(store: Store) -> dict[str, set[AttemptName]]:
    """The runs that sleep, or are about to, and the jobs they sleep for, in one listing."""
    return _by_run(await store.list("sleepers"))


async def rouse(studio: OpenStudio, resume: Resume, key: str, attempt: int) -> list[str]:
    """Wake the runs that slept for a job whose end was recorded, if it was their last.

    Args:
        studio: The open studio.
        resume: Resumes a run.
        key: Key of the clip.
        attempt: Number of the attempt.

    Returns:
        The ids of the runs that go on.

    Raises:
        RecordError: If the media store does not answer as it must.
        Exception: Whatever `resume` raises.
    """
    found = _by_run(await studio.store.list(f"sleepers/{key}-{attempt}"))
    return [run for run in sorted(found) if await wake(studio, resume, run)]


async def wake(studio: OpenStudio, resume: Resume, run: str) -> bool:
    """Resume a run that has no running job left.

    Args:
        studio: The open studio.
        resume: Resumes a run.
        run: Id of the run.

    Returns:
        Whether it goes on because of this.

    Raises:
        RecordError: If the media store does not answer as it must.
        Exception: Whatever `resume` raises.
    """
    sleep = await last_sleep(studio.store, run)
    if sleep is None or sleep.review or await _any_runs(studio, sleep.jobs):
        return False
    standing = await resume(run)
    if standing != "not-asleep":
        await get_up(studio.store, run, sleep)
    if standing == "resumed":
        logger.info("Run %s is resumed: ended jobs: %s", run, len(sleep.jobs))
    return standing == "resumed"


async def answer_overdue(studio: OpenStudio, resume: Resume) -> list[str]:
    """Answer the reviews that nobody has answered in time, as their runs' parameters say.

    Args:
        studio: The open studio.
        resume: Resumes a run.

    Returns:
        The ids of the runs that go on because of this.

    Raises:
        RecordError: If the media store can't be listed.
    """
    answered = []
    for path in await studio.store.list("reviews"):
        run = path.rpartition("/")[2]
        try:
            if await _answer_if_overdue(studio, resume, run):
                answered.append(run)
        except Exception:  # one run's trouble must not stop the others; the next round repeats it
            logger.exception("The overdue review of run %s could not be answered", run)
    return answered


async def _answer_if_overdue(studio: OpenStudio, resume: Resume, run: str) -> bool:
    sleep = await last_sleep(studio.store, run)
    question = sleep.review if sleep else None
    if sleep is None or question is None or studio.time.now() < sleep.at + question.after:
        return False
    note = f"Nobody answered within {question.after / 60:g} minutes."
    standing = await resume(run, Unattended(sleep.number, question.then, note))
    if standing != "not-asleep":
        await get_up(studio.store, run, sleep)
    if standing == "resumed":
        logger.info("Run %s goes on: %s %s", run, note, question.then)
    return standing == "resumed"


def _by_run(paths: Iterable[str]) -> dict[str, set[AttemptName]]:
    found: dict[str, set[AttemptName]] = {}
    for path in paths:
        match path.split("/"):
            case [_, job, run]:
                key, _, number = job.rpartition("-")
                if number.isdigit():
                    found.setdefault(run, set()).add(AttemptName(key, int(number)))
    return found


def _path(run: str, number: int) -> str:
    return f"runs/{run}/sleeping{f'-{number}' if number > 1 else ''}.json"


def _markers(run: str, sleep: Sleep) -> Iterator[str]:
    for job in sleep.jobs:
        yield f"sleepers/{job.key}-{job.number}/{run}"
    if sleep.review and sleep.review.after:
        yield f"reviews/{run}"
