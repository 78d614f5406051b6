"""What tasks share: log lines in the run's log, and when repeating is worth it.

Everything a task does can be repeated for free, since the records decide; what is not worth
repeating is what would only fail again.
"""

from __future__ import annotations

import logging
from typing import Any

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from prefect_videogen.errors import (
    DownloadError,
    JobNotRecorded,
    RecordError,
    StatusUnavailable,
    Throttled,
    UntrustedAddress,
)

_PASSING = (RecordError, StatusUnavailable, Throttled, DownloadError)
_LASTING = (UntrustedAddress, JobNotRecorded)

RETRY_DELAYS: list[float] = [5, 20]
"""Seconds before the first and second retry."""


async def may_pass(_task: Any, _run: Any, state: Any) -> bool:
    """Whether a failed task may succeed if it is repeated.

    It is `async` and asks `aresult`: with a plain function Prefect never retries async tasks.
    """
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, _PASSING) and not isinstance(error, _LASTING)


class RunLogHandler(logging.Handler):
    """Hands the library's log lines to the Prefect run they belong to."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log to the run's logger inside a run, and to the root logger elsewhere."""
        try:
            run_logger = get_run_logger()
        except MissingContextError:
            logging.getLogger().handle(record)
            return
        run_logger.log(record.levelno, "%s", record.getMessage())


def log_to_runs() -> None:
    """Show the library's log lines in Prefect's UI; once per process."""
    library = logging.getLogger("prefect_videogen")
    if not any(isinstance(handler, RunLogHandler) for handler in library.handlers):
        library.addHandler(RunLogHandler())
        library.propagate = False  # the handler passes on; both would print every line twice
        if library.level == logging.NOTSET:
            library.setLevel(logging.INFO)
