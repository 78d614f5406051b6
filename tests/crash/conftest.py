"""The zygote of the crash tests, and how to talk to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Zygote:
    """Runs orders in forked children; see `zygote.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def work(self, *orders: dict[str, Any]) -> list[int]:
        """Work orders at the same time; gives their exit codes, negative for a signal."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(orders) + "\n")
        self.process.stdin.flush()
        codes: list[int] = json.loads(self.process.stdout.readline())
        return codes


def start_zygote(environment: dict[str, str]) -> Iterator[Zygote]:
    """Start a zygote and end it afterwards."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("zygote.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PREFECT_LOGGING_LEVEL": "CRITICAL", **environment},
    ) as process:
        yield Zygote(process)
        assert process.stdin
        process.stdin.close()


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """A zygote for orders that need no Prefect server."""
    yield from start_zygote({})
