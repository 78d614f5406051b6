"""`render` and `batch` told to stop: one sentence, an exit code, and no traceback."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
import typer
from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_API_URL, PREFECT_HOME
from prefect.utilities.engine import capture_sigterm

from prefect_videogen.cli.stopping import run_until_stopped
from prefect_videogen.emulator import Emulator

BOARD = """
title: Long
model: vidu-q3
resolution: 540p
seconds: 1
shots: [{id: a, prompt: x}]
"""
# A shell that started the tests in the background has SIGINT ignored in all of them.
PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from prefect_videogen.cli import main
main()
"""
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.fixture
def slow(work):
    """Vendors as slow as the real ones: no job ends within a test."""
    with Emulator(speed=1, media_dir=work / "media") as running:
        yield running


@pytest.fixture
def stopped(work, slow, prefect_server):
    """Run a command, stop it once something runs, and give its code, lines and last words."""
    (work / "long.yaml").write_text(BOARD)
    environment = {
        **os.environ,
        **slow.environment(),
        "VIDEOGEN_MEDIA_URL": (work / "media").as_uri(),
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_HOME": str(PREFECT_HOME.value()),
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    }

    def run(number: signal.Signals, *args: str | Path) -> tuple[int, list[str], str]:
        command = [sys.executable, "-c", PROGRAM, *map(str, args)]
        with subprocess.Popen(
            command,
            env=environment,
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout
            assert process.stderr
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "  running  " in line:
                    process.send_signal(number)
                    break
            error = process.stderr.read()
            return process.wait(), lines, error

    return run


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_render_names_the_jobs_that_go_on(stopped, slow, number, code):
    ended, _, error = stopped(number, "render", "long.yaml")
    assert error == (
        "Stopped. Jobs that were bought go on and are billed; the same command again fetches them. "
        f"Running: a (job {slow.jobs[0].id}).\n"
    )
    assert ended == code


def test_sigterm_is_heard_where_what_a_flow_makes_of_it_is_swallowed(capsys):
    async def work() -> None:
        with capture_sigterm():
            with suppress(TerminationSignal):  # as an HTTP client does, in the middle of a request
                signal.raise_signal(signal.SIGTERM)
            async with asyncio.timeout(120):
                await asyncio.Event().wait()

    with pytest.raises(typer.Exit) as ended:
        run_until_stopped(work(), lambda: "All is kept.")
    assert ended.value.exit_code == 143
    assert capsys.readouterr().err == "Stopped. All is kept.\n"


def test_batch_names_the_runs_that_go_on(stopped):
    """Of a deployment that nobody serves, so the run only waits."""

    async def deployed() -> None:
        async with get_client() as client:
            flow_id = await client.create_flow_from_name("generate-storyboard")
            await client.create_deployment(flow_id=flow_id, name="unserved")

    async def forgotten(run: str) -> None:
        async with get_client() as client:
            await client.delete_flow_run(UUID(run))

    asyncio.run(deployed())
    deployment = "generate-storyboard/unserved"
    ended, lines, error = stopped(signal.SIGTERM, "batch", "long.yaml", "--deployment", deployment)
    run = lines[-1].split()[-1]
    asyncio.run(forgotten(run))
    assert error.startswith("Stopped. Runs that were started go on; ")
    assert f"({run})" in error
    assert len(error.splitlines()) == 1
    assert ended == 143
