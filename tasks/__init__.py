"""Prefect tasks: one step of work each. Submit, wait, download, stitch, report; and collect."""

from prefect_videogen.tasks.clips import download, plan_clip, submit, wait
from prefect_videogen.tasks.collecting import collect
from prefect_videogen.tasks.films import report, stitch
from prefect_videogen.tasks.running import log_to_runs

log_to_runs()

__all__ = ["collect", "download", "plan_clip", "report", "stitch", "submit", "wait"]
