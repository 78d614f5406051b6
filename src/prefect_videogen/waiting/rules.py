"""When to look for a result: pure arithmetic, no clock, no sleep.

A vendor's documented times and request budget decide, and how long jobs took before; a speed
divides them for emulators.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from prefect_videogen.capabilities import Model
from prefect_videogen.vendors import JobState
from prefect_videogen.waiting.slots import SMALL

BUDGET = 0.8
"""Share of the documented requests that we use, over submits and polls."""

DEADLINE = 1800.0
"""Seconds of running after which a run stops waiting; the job stays resumable."""

QUEUE_DEADLINE = 3600.0
"""Seconds in the vendor's queue after which a run stops waiting; the job stays resumable."""

SHORTEST_DEADLINE = 120.0
GRACE = 120.0
"""Seconds in which a fresh job may be unknown to the vendor's status query."""

SHORTEST_INTERVAL = 0.05
JITTER = 0.1
LONGEST_PAUSE = 300.0
"""Seconds for which a vendor's `Retry-After` is obeyed while paid jobs run; then one asks again."""

LOOKS_AT_OLD_JOBS = 3
"""Looks at a job that was older than a deadline when the wait began."""

BACKSTOP_AFTER = 4.0
"""How many times the longest documented time a callback is given before the first poll."""

BACKSTOP_INTERVAL = 60.0
SHORTEST_BACKSTOP = 20.0
"""Real seconds: a receiver and Prefect's events are no faster where the vendor is emulated."""


@dataclass(frozen=True)
class Schedule:
    """When to poll one job, in real seconds from its submission.

    Attributes:
        first: When to look first.
        interval: Time between looks, before jitter.
        deadline: How long it may run.
        queue_deadline: How long it may be queued, beside that.
        grace: How long a 404 is waited out.
    """

    first: float
    interval: float
    deadline: float
    queue_deadline: float
    grace: float

    def next_delay(self, age: float, random: float, least: float = 0.0) -> float:
        """Seconds from now to the next look.

        Args:
            age: Seconds since the job was submitted.
            random: A number from 0 to 1; jitter is only ever positive.
            least: Least time between looks that the request budget leaves just now, in seconds.
        """
        interval = max(self.interval, least)
        base = self.first - age if age < self.first else interval
        return base + random * JITTER * interval

    def resumed_delay(self, age: float, random: float) -> float:
        """Seconds to the first look at a job of an earlier run; spread over one interval."""
        if age < self.first:
            return self.next_delay(age, random)
        return random * self.interval

    def backstop(self, expected: tuple[float, float], speed: float) -> Schedule:
        """The slow schedule of a job whose end is announced by a callback.

        Args:
            expected: Shortest and longest documented generation time, in seconds.
            speed: How much faster than documented the endpoint runs; at least 1.
        """
        patience = BACKSTOP_AFTER * max(expected[1] / speed, self.first)
        interval = max(BACKSTOP_INTERVAL / speed, self.interval)
        return replace(self, first=max(patience, SHORTEST_BACKSTOP), interval=interval)


def schedule_for(
    model: Model,
    expected: tuple[float, float],
    speed: float,
    *,
    usual: float | None = None,
) -> Schedule:
    """Make the schedule of a job.

    Args:
        model: Its model: documented first poll, interval and limits.
        expected: Shortest and longest documented generation time, in seconds.
        speed: How much faster than documented the endpoint runs; at least 1.
        usual: When jobs of this kind are worth a first look as the records have it, in seconds
            of a real vendor's time; None if they say too little.

    Returns:
        The schedule, in real seconds.
    """
    documented = max(model.timings.first_poll, expected[0])
    jobs = model.limits.concurrent
    # Of a larger limit, only those who are looking share the budget.
    share = fair_interval(model) if jobs and jobs <= SMALL else 0.0
    interval = max(model.timings.interval, share)
    return Schedule(
        first=(documented if usual is None else usual) / speed,
        interval=max(interval / speed, SHORTEST_INTERVAL),
        deadline=max(DEADLINE / speed, SHORTEST_DEADLINE),
        queue_deadline=max(QUEUE_DEADLINE / speed, SHORTEST_DEADLINE),
        grace=max(GRACE / speed, 5.0),
    )


@dataclass(frozen=True)
class Clocks:
    """How long a job has been queued and running, as far as its looks tell.

    The time before an answer is put down to the state that the answer gives.

    Attributes:
        deadline: How long it may run.
        queue_deadline: How long it may be queued.
        seen: Age at the last answer, in seconds.
        queued: Seconds in the queue.
        running: Seconds of everything else, unknown words among them.
        state: The last state.
    """

    deadline: float
    queue_deadline: float
    seen: float = 0.0
    queued: float = 0.0
    running: float = 0.0
    state: JobState = "unknown"

    @classmethod
    def begin(cls, age: float, schedule: Schedule) -> Clocks:
        """Begin with a job of some age, which is given some looks however old it is."""
        least = age + schedule.interval * LOOKS_AT_OLD_JOBS
        return cls(max(schedule.deadline, least), max(schedule.queue_deadline, least))

    def answered(self, age: float, state: JobState) -> Clocks:
        """Count the time up to an answer."""
        clocks = replace(self, seen=age, state=state)
        passed = age - self.seen
        if state == "queued":
            return replace(clocks, queued=self.queued + passed)
        return replace(clocks, running=self.running + passed)

    def passed(self, age: float) -> str:
        """Which deadline is passed at an age without another answer, in words; empty if none."""
        since = age - self.seen
        if self.state == "queued":
            if self.queued + since <= self.queue_deadline:
                return ""
            return f"did not leave the vendor's queue within {self.queue_deadline:.0f} s"
        if self.running + since <= self.deadline:
            return ""
        return f"did not end within {self.deadline:.0f} s of running"


def fair_interval(model: Model) -> float:
    """Interval at which all jobs a model allows can be polled within the request budget."""
    requests, jobs = model.limits.requests_per_minute, model.limits.concurrent
    if not requests or not jobs:
        return 0.0
    return 60 * jobs / (BUDGET * requests)


def spacing(model: Model, speed: float) -> float:
    """Least seconds between two requests on one key, all jobs taken together."""
    requests = model.limits.requests_per_minute
    return 60 / (BUDGET * requests) / speed if requests else 0.0
