"""Waiting for jobs: rules that are pure, one loop per job, and the pace of a process.

Buying and recording are others' business; a wait only asks and answers.
"""

from prefect_videogen.waiting.experience import kind_of, usual_first_look
from prefect_videogen.waiting.gate import Gate, room_for_fetching
from prefect_videogen.waiting.loop import Reports, Time, wait_for_job
from prefect_videogen.waiting.pacing import LocalSlots, Pace
from prefect_videogen.waiting.rules import Clocks, Schedule, fair_interval, schedule_for, spacing
from prefect_videogen.waiting.rush import Rush
from prefect_videogen.waiting.slots import (
    Limit,
    Slot,
    SlotSource,
    Tally,
    limit_of,
    limits_of,
    rest_after,
)
from prefect_videogen.waiting.wakes import CallbackAddresses, Wakes

__all__ = [
    "CallbackAddresses",
    "Clocks",
    "Gate",
    "Limit",
    "LocalSlots",
    "Pace",
    "Reports",
    "Rush",
    "Schedule",
    "Slot",
    "SlotSource",
    "Tally",
    "Time",
    "Wakes",
    "fair_interval",
    "kind_of",
    "limit_of",
    "limits_of",
    "rest_after",
    "room_for_fetching",
    "schedule_for",
    "spacing",
    "usual_first_look",
    "wait_for_job",
]
