"""Servers that tests start collect their garbage in a thread, and nothing else does."""

from __future__ import annotations

import subprocess
import sys

import pytest

SAYS = "import gc, threading; print(gc.isenabled(), threading.active_count())"


@pytest.mark.parametrize(
    ("argument", "said"),
    [("prefect.server.api.server:create_app", "False 2"), ("prefect_videogen", "True 1")],
)
def test_only_a_server_collects_garbage_in_a_thread(argument, said):
    command = [sys.executable, "-c", SAYS, argument]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
