"""Bought jobs that run until the test says so, and somebody who resumes runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from prefect_videogen.buying import Buyer, ClipRequest, Job, look_once
from prefect_videogen.emulator import Emulator
from prefect_videogen.emulator.timeline import ManualClock
from prefect_videogen.records import Ready
from prefect_videogen.records.listing import AttemptName
from prefect_videogen.sleeping import Sleep, Standing
from prefect_videogen.studio import OpenStudio


@dataclass
class Bedroom:
    """A studio of a run, and its jobs.

    Attributes:
        studio: The open studio.
        vendors: The vendors.
        clock: Their clock, which stands still.
        buy: Buys so many jobs that run on.
    """

    studio: OpenStudio
    vendors: Emulator
    clock: ManualClock
    buy: Callable[[int], Awaitable[list[Job]]]

    async def finish(self) -> None:
        """Have the vendors end all jobs; nobody is told."""
        self.clock.advance(600)
        while any(job.running for job in self.vendors.jobs):  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.01)

    async def end(self, job: Job) -> None:
        """Record a job's end, as a receiver does."""
        record = Ready(at=self.studio.time.now(), result_urls=("http://127.0.0.1/clip.mp4",))
        await self.studio.records.ready(job.key, job.attempt, record)

    def sleep(self, *jobs: Job, number: int = 1) -> Sleep:
        names = tuple(AttemptName(job.key, job.attempt) for job in jobs)
        return Sleep(at=self.studio.time.now(), number=number, owner="me", jobs=names)

    async def markers(self) -> list[str]:
        return await self.studio.store.list("sleepers")

    async def notes(self) -> list[str]:
        paths = await self.studio.store.list(f"runs/{self.studio.run}")
        return [path.rpartition("/")[2] for path in paths if "sleeping" in path]


@dataclass
class Alarm:
    """Resumes runs; answers what the test says, or raises it."""

    answer: Standing | Exception = "resumed"
    rung: list[str] = field(default_factory=list)

    async def __call__(self, run: str) -> Standing:
        self.rung.append(run)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def alarm() -> Alarm:
    return Alarm()


@pytest.fixture
async def bedroom(
    emulator: Callable[..., Emulator],
    open_studio: Callable[..., OpenStudio],
    ask: Callable[..., Awaitable[ClipRequest]],
) -> AsyncIterator[Bedroom]:
    """A run's studio at vendors whose clock stands still."""
    clock = ManualClock(start=time.time())
    vendors = emulator(clock=clock)
    async with open_studio(vendors, run="run-1") as studio:

        async def buy(count: int) -> list[Job]:
            jobs = []
            for number in range(count):
                request: Any = await ask(studio, id=f"kite{number}", prompt=f"Kite {number}")
                jobs.append(await Buyer(studio, request).buy())
                assert (await look_once(studio, jobs[-1])).state == "submitted"
            return jobs

        yield Bedroom(studio, vendors, clock, buy)
