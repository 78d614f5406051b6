"""One asynchronous wait per job: look, sleep, look again, until the job has ended.

The clock, the sleep and the random source are arguments. Unknown status words keep waiting; a
look that fails is repeated; the deadline's error carries the job id and leaves all resumable.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from prefect_videogen.errors import JobNotFound, Throttled, VendorError, WaitTimeout
from prefect_videogen.vendors import JobStatus
from prefect_videogen.waiting.rules import Schedule

Sleep = Callable[[float], Awaitable[None]]


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


async def wait_for_job(
    look: Callable[[], Awaitable[JobStatus]],
    *,
    job_id: str,
    age: float,
    resumed: bool,
    schedule: Schedule,
    time: Time,
    on_change: Callable[[str], None] | None = None,
) -> JobStatus:
    """Wait until a job has ended.

    Args:
        look: One status query.
        job_id: The vendor's job id, for errors.
        age: Seconds since the job was submitted.
        resumed: Whether an earlier run submitted it.
        schedule: When to look.
        time: Clock, sleep and chance.
        on_change: Called with the vendor's word whenever it changes.

    Returns:
        A status whose state is `succeeded` or `failed`.

    Raises:
        WaitTimeout: At the deadline; the job can be waited for again.
        VendorError: If the vendor refuses to answer for good (a wrong key, an unknown job).
    """
    start = time.monotonic() - age
    first = schedule.resumed_delay if resumed else schedule.next_delay
    delay = first(age, time.chance())
    deadline = max(schedule.deadline, age + schedule.interval * 3)
    word = ""
    while True:
        await time.sleep(max(delay, 0.0))
        age = time.monotonic() - start
        delay = schedule.next_delay(age, time.chance())
        try:
            status = await look()
        except VendorError as error:
            delay = _delay_after(error, delay, age, schedule)
        else:
            if status.word != word:
                word = status.word
                if on_change:
                    on_change(word)
            if status.state in {"succeeded", "failed"}:
                return status
        if age + delay > deadline:
            message = f"the job was still {word or 'unanswered'} after {age:.0f} s"
            step = "Run it again: it goes on waiting for the same job."
            raise WaitTimeout(message, job_id=job_id, next_step=step)


def _delay_after(error: VendorError, delay: float, age: float, schedule: Schedule) -> float:
    """How long to wait after a failed look, if looking again makes sense at all."""
    if isinstance(error, Throttled):
        return max(delay, error.retry_after or 0.0)
    if isinstance(error, JobNotFound) and age <= schedule.grace:
        return delay
    if not isinstance(error, JobNotFound) and error.transient:
        return delay
    raise error
