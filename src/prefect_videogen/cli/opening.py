"""Which studio a command means, and keeping Prefect's log off a terminal with progress."""

from __future__ import annotations

import logging
import os
from typing import Final

KEYS: Final = ("VIDEOGEN_APIXO_API_KEY", "VIDEOGEN_EVOLINK_API_KEY")


def studio_name(given: str) -> str:
    """The studio to use: the one given, else `env` if keys are set there, else `default`."""
    if given:
        return given
    return "env" if has_keys() else "default"


def has_keys() -> bool:
    """Whether the environment holds a vendor's key."""
    return any(os.environ.get(name) for name in KEYS)


def quiet_console() -> None:
    """Leave Prefect's log lines to its API; the console shows progress. Before Prefect loads."""
    # What fails is raised too, and said once, in our own words.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "ERROR")
    # A temporary server's telemetry would log its failure wherever the network is closed.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    # The usual 20 s are not enough for it on a machine that is busy.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    # Its warning that events are still on their way out has no setting.
    logging.getLogger("EventsWorker").setLevel(logging.ERROR)
