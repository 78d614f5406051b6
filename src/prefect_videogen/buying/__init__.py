"""Buying: one purchase per clip, its job, the wait for it, and what every failure means.

Above the vendors and the records, below Prefect: tasks call this, so that a script could too.
"""

from prefect_videogen.buying.buyer import Buyer
from prefect_videogen.buying.policy import MOST_JOBS, VERDICTS, Next, Verdict, verdict_on
from prefect_videogen.buying.request import (
    ClipRequest,
    How,
    Job,
    OnExpired,
    OnUnknown,
    PictureInput,
)
from prefect_videogen.buying.waiter import ask, job_of, look_once, wait_for

__all__ = [
    "MOST_JOBS",
    "VERDICTS",
    "Buyer",
    "ClipRequest",
    "How",
    "Job",
    "Next",
    "OnExpired",
    "OnUnknown",
    "PictureInput",
    "Verdict",
    "ask",
    "job_of",
    "look_once",
    "verdict_on",
    "wait_for",
]
