"""What a delivery leads to: a status query with our own key, and a record of what the vendor says.

The delivery is a hint. Late and repeated ones change nothing, early ones are waited for, and one
for a submission whose answer was lost settles it. Runs that were suspended until then are resumed.
Nothing is ever bought here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from prefect_videogen.buying import job_of, look_once
from prefect_videogen.callbacks.deliveries import Delivery
from prefect_videogen.callbacks.keeping import drop, keep
from prefect_videogen.checking import NOBODY
from prefect_videogen.errors import (
    JobNotFound,
    RecordError,
    StudioError,
    Throttled,
    VendorError,
)
from prefect_videogen.records import Attempt, Claimed
from prefect_videogen.settling import Unsettled, adopt, undecided_for
from prefect_videogen.sleeping import Resume, rouse
from prefect_videogen.studio import OpenStudio

logger = logging.getLogger(__name__)

READING, ASKING = 32, 48
"""Attempts read at once, and jobs of one model asked for at once."""

FIRST_EARLY_WAIT, LONGEST_EARLY_WAIT, EARLY_GROWTH = 0.5, 10.0, 1.5
"""Seconds between looks into the records for a submission that is not written down yet."""

LOOK_AGAIN = (5.0, 15.0, 45.0, 120.0)
"""Seconds before each further look at a job whose end the vendor does not tell yet."""

SHORTEST_WAIT = 0.05

Outcome = Literal["done", "left"]
"""`done` is for good: the records hold the end. `left` is for others, or another delivery."""


@dataclass(frozen=True)
class Finished:
    """What was recorded because of a delivery.

    Attributes:
        key: Key of the clip.
        attempt: Number of the attempt.
        vendor: Vendor's label.
        model: Model id.
        job_id: The vendor's job id.
        state: `ready`, `failed`, or `given-up` for the job of an attempt that had ended before.
    """

    key: str
    attempt: int
    vendor: str
    model: str
    job_id: str
    state: Literal["ready", "failed", "given-up"]


@dataclass
class Case:
    """All deliveries for one attempt that are being worked on.

    Attributes:
        key: Key of the clip.
        attempt: Number of the attempt.
        job_ids: The job ids that the bodies gave, first come first.
        kept: Those of them that are written down, as no record knows their job yet.
        waits: Looks into the records for a submission so far.
        looks: Looks at the vendor so far.
        speed: How much faster than documented the vendor runs.
    """

    key: str
    attempt: int
    job_ids: list[str] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    speed: float = 1.0
    waits: int = 0
    looks: int = 0


class Clerk:
    """Works on cases for one studio.

    Args:
        studio: The open studio.
        announce: Told of every record that came of a delivery.
        resume: Resumes suspended runs, if there is a server that can.
    """

    def __init__(
        self,
        studio: OpenStudio,
        announce: Callable[[Finished], None],
        resume: Resume | None = None,
    ) -> None:
        self.studio = studio
        self.announce = announce
        self.resume = resume
        self._reading = asyncio.Semaphore(READING)
        # By model: one that is throttled must not keep the others waiting.
        self._asking: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(ASKING)
        )

    async def work(self, case: Case) -> Outcome | float:
        """Do what can be done for a case now.

        Returns:
            Its outcome, or the seconds after which it should be tried again.
        """
        outcome = await self._settle(case)
        if outcome == "done":
            await self._drop(case)
        if outcome != "done" or self.resume is None:
            return outcome
        try:
            await rouse(self.studio, self.resume, case.key, case.attempt)
        except Exception as error:  # noqa: BLE001 - a server or store that is away may come back
            logger.warning("Who sleeps until %.12s has ended can't be woken: %s", case.key, error)
            return self._again(case)
        return "done"

    async def _settle(self, case: Case) -> Outcome | float:
        """Find out and record how a case's job has ended."""
        try:
            async with self._reading:
                attempt = await self.studio.records.attempt(case.key, case.attempt)
            if attempt is None or attempt.claimed is None:
                logger.log(
                    logging.DEBUG if case.key == NOBODY else logging.WARNING,  # `doctor` tries it
                    "A callback for %.12s, attempt %s, of which there is no record in %s",
                    case.key,
                    case.attempt,
                    self.studio.store.url,
                )
                return "left"
            case.speed = self._speed_of(attempt.claimed.vendor)
            if attempt.submitted is None:
                return await self._without_job(case, attempt, attempt.claimed)
            if attempt.state != "submitted":
                return "done"
            return await self._look(case, attempt)
        except RecordError as error:
            logger.warning("A callback for %.12s has to wait: %s", case.key, error)
            return self._again(case)
        except StudioError as error:
            logger.warning("A callback for %.12s can't be followed: %s", case.key, error)
            return "left"

    async def _look(self, case: Case, attempt: Attempt) -> Outcome | float:
        job = job_of(case.key, attempt)
        try:
            async with self._asking[job.model]:
                looked = await look_once(self.studio, job, attempt)
        except VendorError as error:
            return await self._after_error(case, error)
        if looked.state == "submitted":
            return self._again(case)
        self._tell(case, attempt, job.job_id, "ready")
        return "done"

    async def _after_error(self, case: Case, error: VendorError) -> Outcome | float:
        async with self._reading:
            attempt = await self.studio.records.attempt(case.key, case.attempt)
        if attempt and attempt.end and attempt.job_id:
            self._tell(case, attempt, attempt.job_id, "failed")
            return "done"
        return self._later(case, error)

    def _later(self, case: Case, error: VendorError) -> Outcome | float:
        """When to try again after the vendor gave no answer, if that makes sense at all."""
        logger.warning("A callback for %.12s could not be checked: %s", case.key, error)
        passing = isinstance(error, Throttled | JobNotFound) or error.transient
        return self._again(case) if passing else "left"

    async def _without_job(self, case: Case, attempt: Attempt, claimed: Claimed) -> Outcome | float:
        """An early delivery, one for a lost answer, or one for an attempt that was given up."""
        if attempt.end is None and undecided_for(self.studio, claimed) > 0:
            await self._keep(case)
            wait = min(FIRST_EARLY_WAIT * EARLY_GROWTH**case.waits, LONGEST_EARLY_WAIT)
            case.waits += 1
            return max(wait / case.speed, SHORTEST_WAIT)
        lost = Unsettled(case.key, case.attempt, claimed, given_up=attempt.end is not None)
        if not case.job_ids:
            logger.warning(
                "Shot %s: a callback for a submission without an answer names no job", claimed.shot
            )
        for job_id in case.job_ids:
            try:
                async with self._asking[claimed.model]:
                    await adopt(self.studio, lost, job_id, found="by a callback")
            except (JobNotFound, StudioError) as error:
                logger.warning("Shot %s: a callback's job: %s", claimed.shot, error)
                continue
            except VendorError as error:
                return self._later(case, error)
            return self._adopted(case, attempt, job_id)
        return "left"

    async def _keep(self, case: Case) -> None:
        for job_id in [one for one in case.job_ids if one not in case.kept]:
            await keep(self.studio, Delivery(case.key, case.attempt, job_id))
            case.kept.add(job_id)

    async def _drop(self, case: Case) -> None:
        try:
            for job_id in case.kept:
                await drop(self.studio, Delivery(case.key, case.attempt, job_id))
        except RecordError as error:  # the next receiver to start does it
            logger.debug("A delivery for %.12s stays written down: %s", case.key, error)

    def _adopted(self, case: Case, attempt: Attempt, job_id: str) -> Outcome | float:
        shot = attempt.claimed.shot if attempt.claimed else "?"
        if attempt.end is None:
            logger.warning("Shot %s: a callback settled the lost answer: job %s", shot, job_id)
            return 0.0
        logger.warning(
            "Shot %s: attempt %s had been given up as %s, yet the vendor made job %s of it: it was "
            "paid",
            shot,
            case.attempt,
            attempt.end.kind,
            job_id,
        )
        self._tell(case, attempt, job_id, "given-up")
        return "done"

    def _again(self, case: Case) -> Outcome | float:
        """When to look again, a little later each time, until it is left to the poll."""
        if case.looks == len(LOOK_AGAIN):
            logger.info("Callback for %.12s: left to the poll", case.key)
            return "left"
        case.looks += 1
        return max(LOOK_AGAIN[case.looks - 1] / case.speed, SHORTEST_WAIT)

    def _speed_of(self, vendor: str) -> float:
        """The speed of the account that bought a job.

        Raises:
            StudioError: If the studio does not have the account that bought it.
        """
        account = self.studio.account(vendor)
        if account.label != vendor:
            message = f"it was sent to {vendor}; the studio {self.studio.name} has {account.label}"
            raise StudioError(message, next_step="Run a receiver with the studio that bought it.")
        return account.speed

    def _tell(
        self,
        case: Case,
        attempt: Attempt,
        job_id: str,
        state: Literal["ready", "failed", "given-up"],
    ) -> None:
        claimed = attempt.claimed
        if claimed is not None:
            self.announce(
                Finished(
                    key=case.key,
                    attempt=case.attempt,
                    vendor=claimed.vendor,
                    model=claimed.model,
                    job_id=job_id,
                    state=state,
                )
            )
