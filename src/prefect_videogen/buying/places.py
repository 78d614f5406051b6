"""Places at a vendor: whether it has room for one more job, as `open/` counts them.

A buyer writes its own entry first and counts afterwards; whoever sees more entries than the limit
takes its own back and waits. Of two that race for the last place none, or one, gets it, never
both. Jobs of killed and suspended runs count, and who waits looks after the dead ones among them.

A limit of up to 50 is counted with one listing for each purchase, and kept exactly. A larger one
is counted again after some seconds only; within them the jobs that other processes begin are
bounded by their slots alone.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Literal

from prefect_videogen.buying.request import Job
from prefect_videogen.buying.waiter import job_of, look_once
from prefect_videogen.capabilities import Model
from prefect_videogen.errors import JobNotFound, RecordError, VideoGenError
from prefect_videogen.records.listing import AttemptName, open_entries
from prefect_videogen.studio import OpenStudio
from prefect_videogen.waiting import Limit, limit_of, schedule_for

logger = logging.getLogger(__name__)

Met = Literal["entered", "full", "taken"]

RECOUNT = 10.0
"""Seconds after which a large limit's entries are listed again."""

SHORTEST_RECOUNT = 1.0
AGAIN = 2.0
"""Seconds between two tries while there is no room."""

SHORTEST_AGAIN = 0.05
SWEPT_AT_ONCE = 50
_OVER = frozenset({"ready", "stored", "ended"})


class Places:
    """The places for jobs of one model, as one buyer sees them.

    Args:
        studio: The open studio.
        model: The model.
        undecided: Seconds in which an entry without a claim may still be somebody's.
    """

    def __init__(self, studio: OpenStudio, model: Model, *, undecided: float) -> None:
        self.studio = studio
        self.model = model
        self.undecided = undecided
        self.account = studio.account(model.vendor)
        self.limit: Limit | None = limit_of(self.account, model)
        self.tally = studio.tally(model)

    async def enter(self, key: str, number: int) -> Met:
        """Write the entry of an attempt that is about to be claimed, and see whether it fits.

        Args:
            key: Key of the clip.
            number: Number of the attempt.

        Returns:
            `entered`; `full`, with the entry taken back; or `taken`: another buyer is at this
            very attempt.

        Raises:
            RecordError: If the media store does not answer as it must.
        """
        if self.limit is None:
            await self._open(key, number)
            return "entered"
        if not await self._open(key, number) and not await self._replace_orphan(key, number):
            return "taken"
        self.tally.own.add(key)
        try:
            fits = await self._count(self.limit) <= self.limit.most
        except BaseException:
            await self.leave(key, number)
            raise
        if fits:
            return "entered"
        await self.leave(key, number)
        return "full"

    async def leave(self, key: str, number: int) -> None:
        """Take an entry back that nothing was sent for."""
        self.tally.own.discard(key)
        await self._close(AttemptName(key, number))

    async def wait(self, key: str) -> None:
        """Wait before the next try; meanwhile end entries of jobs that run no longer.

        Args:
            key: Key of the clip that waits; its slot is what allows a look at another job.
        """
        time, speed = self.studio.time, self.account.speed
        pause = max(AGAIN / speed, SHORTEST_AGAIN)
        if await self._sweep(key):
            # The look was this slot's request: its next one comes an interval later.
            pause = max(pause, self._interval)
        await time.sleep(pause * (1 + time.chance()))

    # -- counting -----------------------------------------------------------------------------

    async def _count(self, limit: Limit) -> int:
        """How many jobs may be running, the one that was just entered included."""
        if limit.exact:
            return await self._count_exactly(limit)
        tally, speed = self.tally, self.account.speed
        async with tally.counting:
            age = self.studio.time.monotonic() - tally.counted_at
            often = AGAIN if tally.open > limit.most else RECOUNT
            if age > max(often / speed, SHORTEST_RECOUNT):
                entries = await self._entries()
                tally.count((entry.key for entry in entries), self.studio.time.monotonic())
        return tally.open

    async def _count_exactly(self, limit: Limit) -> int:
        entries = await self._entries()
        if len(entries) <= limit.most:
            return len(entries)
        # Another account of the same vendor may use the same media store.
        records, label = self.studio.records, self.account.label
        found = await asyncio.gather(
            *(records.opened(label, self.model.id, e.key, e.number) for e in entries)
        )
        ours = ("", self.account.fingerprint)
        return sum(1 for entry in found if entry and entry.account in ours)

    async def _entries(self) -> list[AttemptName]:
        return await open_entries(self.studio.store, self.account.label, self.model.id)

    # -- what dead runs left ------------------------------------------------------------------

    async def _replace_orphan(self, key: str, number: int) -> bool:
        """Write our entry in place of one that nobody can still claim for, if it is such a one."""
        name = AttemptName(key, number)
        if await self.studio.records.attempt(key, number) is not None:
            return False
        if not await self._is_orphan(name):
            return False
        await self._close(name)
        return await self._open(key, number)

    async def _is_orphan(self, name: AttemptName) -> bool:
        """Whether an entry without a claim is older than its writer may take to claim."""
        records = self.studio.records
        entry = await records.opened(self.account.label, self.model.id, name.key, name.number)
        return entry is not None and self.studio.time.now() - entry.at > self.undecided

    async def _sweep(self, key: str) -> bool:
        """End entries of jobs that run no longer; says whether the vendor was asked.

        At most once in an interval for all of a process.
        """
        now = self.studio.time.monotonic()
        if self.limit is None or now < self.tally.next_sweep:
            return False
        self.tally.next_sweep = now + self._interval
        entries = [entry for entry in await self._entries() if not self.studio.holds(entry.key)]
        # Whose turn was longest ago comes first, then the oldest.
        looked = self.tally.looked_at
        entries.sort(key=lambda entry: looked.get(entry, -math.inf))
        found = [await self._running_job(entry) for entry in entries[:SWEPT_AT_ONCE]]
        jobs = [job for job in found if job]
        jobs.sort(key=lambda job: (looked.get(_name(job), -math.inf), job.submitted_at))
        for job in jobs[: self.limit.block]:
            looked[_name(job)] = now
            self.studio.count_request(key)
            await self._look(job)
        return bool(jobs)

    async def _running_job(self, name: AttemptName) -> Job | None:
        """The job that may be running; entries that stand for none are ended."""
        now = self.studio.time.now()
        schedule = schedule_for(self.model, (0, 0), self.account.speed)
        try:
            attempt = await self.studio.records.attempt(name.key, name.number)
            if attempt is None or attempt.claimed is None:
                if await self._is_orphan(name):
                    await self._close(name)
                return None
            # A submission that nobody could settle does not run for ever, if it runs at all.
            lost = attempt.state == "claimed" and now - attempt.claimed.at > schedule.deadline
            if lost or attempt.state in _OVER:
                await self._close(name)
        except RecordError as error:
            logger.warning("An open job can't be read: %s", error)
            return None
        if attempt.state != "submitted":
            return None
        job = job_of(name.key, attempt)
        return job if now - job.submitted_at >= schedule.first else None

    async def _look(self, job: Job) -> None:
        try:
            await look_once(self.studio, job)
        except JobNotFound as error:
            logger.warning("An open job is not known to the vendor: %s", error)
            grace = schedule_for(self.model, (0, 0), self.account.speed).grace
            if self.studio.time.now() - job.submitted_at > grace:
                await self._close(_name(job))
        except VideoGenError as error:
            logger.info("An open job of another run: %s", error)

    @property
    def _interval(self) -> float:
        return schedule_for(self.model, (0, 0), self.account.speed).interval

    async def _open(self, key: str, number: int) -> bool:
        records, account = self.studio.records, self.account
        return await records.open(
            account.label, self.model.id, key, number, account=account.fingerprint
        )

    async def _close(self, name: AttemptName) -> None:
        records, label = self.studio.records, self.account.label
        await records.close(label, self.model.id, name.key, name.number)


def _name(job: Job) -> AttemptName:
    return AttemptName(job.key, job.attempt)
