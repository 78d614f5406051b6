"""Waiting for jobs: rules that are pure, one loop per job, and the pace of a process.

Buying and recording are others' business; a wait only asks and answers.
"""

from prefect_videogen.waiting.loop import Time, wait_for_job
from prefect_videogen.waiting.pacing import Pace, Slots
from prefect_videogen.waiting.rules import Schedule, schedule_for, spacing

__all__ = ["Pace", "Schedule", "Slots", "Time", "schedule_for", "spacing", "wait_for_job"]
