"""When to look for a result: pure arithmetic, no clock, no sleep.

A vendor's documented times and request budget decide; a speed divides them for emulators.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect_videogen.capabilities import Model

BUDGET = 0.8
"""Share of the documented requests that we use, over submits and polls."""

DEADLINE = 1800.0
"""Seconds from submission after which a run stops waiting; the job stays resumable."""

SHORTEST_DEADLINE = 120.0
GRACE = 120.0
"""Seconds in which a fresh job may be unknown to the vendor's status query."""

SHORTEST_INTERVAL = 0.05
JITTER = 0.1


@dataclass(frozen=True)
class Schedule:
    """When to poll one job, in real seconds from its submission.

    Attributes:
        first: When to look first.
        interval: Time between looks, before jitter.
        deadline: When to stop waiting.
        grace: How long a 404 is waited out.
    """

    first: float
    interval: float
    deadline: float
    grace: float

    def next_delay(self, age: float, random: float) -> float:
        """Seconds from now to the next look.

        Args:
            age: Seconds since the job was submitted.
            random: A number from 0 to 1; jitter is only ever positive.
        """
        base = self.first - age if age < self.first else self.interval
        return base + random * JITTER * self.interval

    def resumed_delay(self, age: float, random: float) -> float:
        """Seconds to the first look at a job of an earlier run; spread over one interval."""
        if age < self.first:
            return self.next_delay(age, random)
        return random * self.interval


def schedule_for(model: Model, expected: tuple[float, float], speed: float) -> Schedule:
    """Make the schedule of a job.

    Args:
        model: Its model: documented first poll, interval and limits.
        expected: Shortest and longest documented generation time, in seconds.
        speed: How much faster than documented the endpoint runs; at least 1.

    Returns:
        The schedule, in real seconds.
    """
    first = max(model.timings.first_poll, expected[0])
    interval = max(model.timings.interval, fair_interval(model))
    return Schedule(
        first=first / speed,
        interval=max(interval / speed, SHORTEST_INTERVAL),
        deadline=max(DEADLINE / speed, SHORTEST_DEADLINE),
        grace=max(GRACE / speed, 5.0),
    )


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
