"""One asynchronous wait per job: look, sleep, look again, until the job has ended.

The clock, the sleep and the random source are arguments. A wake-up is followed by a glance at the
records, never by a question to the vendor: whoever woke us has asked. Unknown status words keep
waiting; a look that fails is repeated; a deadline's error carries the job id and leaves all
resumable.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from prefect_videogen.errors import JobNotFound, Throttled, VendorError, WaitTimeout
from prefect_videogen.vendors import JobStatus
from prefect_videogen.waiting.rules import LONGEST_PAUSE, LOOKS_AT_OLD_JOBS, Clocks, Schedule

logger = logging.getLogger(__name__)

UNANSWERED = 3
"""Looks in a row without an answer after which a log line says so."""

Sleep = Callable[[float], Awaitable[None]]
Glance = Callable[[], Awaitable[bool]]


@dataclass
class Time:
    """Clock, sleep and chance, so that tests need none of them.

    Attributes:
        now: Seconds since 1970.
        monotonic: Seconds that only ever grow.
        sleep: Sleeps for some seconds.
        chance: A number from 0 to 1.
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Sleep = asyncio.sleep
    chance: Callable[[], float] = field(default_factory=lambda: random.Random().random)  # noqa: S311 - jitter

    async def sleep_unless(self, seconds: float, woken: asyncio.Event | None) -> bool:
        """Sleep, or be woken; says whether the event was set, and clears it."""
        if woken is None:
            await self.sleep(seconds)
            return False
        if not woken.is_set():
            both = asyncio.ensure_future(self.sleep(seconds)), asyncio.create_task(woken.wait())
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        was_set = woken.is_set()
        woken.clear()
        return was_set


@dataclass(frozen=True)
class Reports:
    """How a wait learns of what others have recorded.

    Attributes:
        glance: Whether the records say that the job is over.
        woken: Set when a glance may be worth it; None if nobody tells.
    """

    glance: Glance
    woken: asyncio.Event | None = None


@dataclass
class _Heard:
    """What the vendor has said of a job, and how many looks in a row it has not answered."""

    job_id: str
    word: str = ""
    unanswered: int = 0
    trouble: str = ""

    def news(self, word: str) -> bool:
        """Take an answer in; says whether it is another than the one before."""
        self.unanswered = 0
        changed, self.word = word != self.word, word
        return changed

    def error(self, error: VendorError) -> None:
        """Take a failed look in; a log line says so once there are some in a row."""
        if isinstance(error, Throttled | JobNotFound):
            return  # an answer, too
        self.unanswered += 1
        self.trouble = error.message
        if self.unanswered == UNANSWERED:
            text = "Job %s can't be asked for, still trying: %s"
            logger.warning(text, self.job_id, self.trouble)

    def last(self) -> str:
        """The vendor's last word, and what has come instead of an answer since."""
        said = f"the vendor's last word was {self.word or 'none'}"
        if not self.unanswered:
            return said
        return f"{said}; the last {self.unanswered} looks got no answer: {self.trouble}"


async def wait_for_job(
    look: Callable[[], Awaitable[JobStatus]],
    *,
    job_id: str,
    age: float,
    resumed: bool,
    schedule: Schedule,
    time: Time,
    on_change: Callable[[str], None] | None = None,
    reports: Reports | None = None,
    least: Callable[[], float] | None = None,
    first: Callable[[], Awaitable[float]] | None = None,
) -> JobStatus | None:
    """Wait until a job has ended.

    Args:
        look: One status query.
        job_id: The vendor's job id, for errors.
        age: Seconds since the job was submitted.
        resumed: Whether an earlier run submitted it.
        schedule: When to look.
        time: Clock, sleep and chance.
        on_change: Called with the vendor's word whenever it changes, but for the last.
        reports: How others' records are noticed; they are read before each look, too.
        least: Least seconds between two looks that the request budget leaves just now.
        first: At which age a first look is worth it by what is known when it would be due: of many
            that were submitted together, the first to end tell about the others.

    Returns:
        A status whose state is `succeeded` or `failed`; None if the records hold the end.

    Raises:
        WaitTimeout: At a deadline; the job can be waited for again.
        VendorError: If the vendor refuses to answer for good (a wrong key, an unknown job).
    """
    start = time.monotonic() - age
    clocks = Clocks.begin(age, schedule)
    fewest = LOOKS_AT_OLD_JOBS if age > schedule.deadline else 0
    begin = schedule.resumed_delay if resumed else schedule.next_delay
    delay = begin(age, time.chance())
    if await _until_first_look(delay, start, None if resumed else first, reports, time):
        return None
    heard, looks = _Heard(job_id), 0
    while True:
        age, looks = time.monotonic() - start, looks + 1
        delay = schedule.next_delay(age, time.chance(), least() if least else 0.0)
        try:
            status = await look()
        except VendorError as error:
            delay = _delay_after(error, delay, age, schedule)
            heard.error(error)
        else:
            clocks = clocks.answered(age, status.state)
            if status.state in {"succeeded", "failed"}:
                return status
            if heard.news(status.word) and on_change:
                on_change(status.word)
        if looks >= fewest and (passed := clocks.passed(age + delay)):
            message = f"the job {passed}; {heard.last()}"
            step = "Run it again: it goes on waiting for the same job."
            raise WaitTimeout(message, job_id=job_id, next_step=step)
        if await _rest(delay, reports, time):
            return None


async def _until_first_look(
    delay: float,
    start: float,
    first: Callable[[], Awaitable[float]] | None,
    reports: Reports | None,
    time: Time,
) -> bool:
    """Rest until a first look is worth it; True as soon as the records hold the end."""
    if await _rest(delay, reports, time):
        return True
    if first is None:
        return False
    more = await first() - (time.monotonic() - start)
    return more > 0 and await _rest(more, reports, time)


async def _rest(seconds: float, reports: Reports | None, time: Time) -> bool:
    """Sleep until the next look is due; True as soon as the records hold the end."""
    if reports is None:
        await time.sleep(max(seconds, 0.0))
        return False
    until = time.monotonic() + seconds
    left = max(seconds, 0.0)
    while await time.sleep_unless(left, reports.woken):
        if await reports.glance():
            return True
        left = max(until - time.monotonic(), 0.0)
    return await reports.glance()


def _delay_after(error: VendorError, delay: float, age: float, schedule: Schedule) -> float:
    """How long to wait after a failed look, if looking again makes sense at all."""
    if isinstance(error, Throttled):
        return max(delay, min(error.retry_after or 0.0, LONGEST_PAUSE))
    if isinstance(error, JobNotFound) and age <= schedule.grace:
        return delay
    if not isinstance(error, JobNotFound) and error.transient:
        return delay
    raise error
