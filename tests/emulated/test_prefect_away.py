"""Runs go on where they stood: after a retry, with a new worker, with the server gone meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_HOME
from prefect.states import Crashed
from tests.emulated.test_dead_runs import SERVE, ended, engine_of, started
from tests.runs import until
from tests.seaweed import free_port

EMULATOR = {"speed": 15.0}
"""Slow enough that a job outlives the process that bought it."""

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes in /proc"),
]


@pytest.fixture
def serve(tmp_path, prefect_server):
    """Serve generate-clip from a process of its own, as often as asked."""
    script = tmp_path / "served.py"
    script.write_text(textwrap.dedent(SERVE), encoding="utf-8")
    environment = {
        **os.environ,
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_HOME": str(PREFECT_HOME.value()),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    processes: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> int:
        process = subprocess.Popen(
            [sys.executable, str(script), name],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        processes.append(process)
        return process.pid

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def retry(run) -> None:
    """What a person does: `prefect flow-run retry`."""
    command = [sys.executable, "-m", "prefect", "flow-run", "retry", str(run.id)]
    api = {"PREFECT_API_URL": str(PREFECT_API_URL.value())}
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, env={**os.environ, **api}
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_killed_run_is_retried_and_a_new_worker_goes_on_without_buying_again(stage, serve):
    """One test, as serving takes its time."""
    name = f"returning-{uuid4().hex[:6]}"
    session = serve(name)
    killed = await started(f"generate-clip/{name}", "A kite killed and retried", stage)
    os.kill(engine_of(session), signal.SIGKILL)
    await ended(killed, "Crashed")
    await retry(killed)
    await ended(killed, "Completed")
    assert len(stage.charges) == 1

    orphaned = await started(f"generate-clip/{name}", "A kite whose worker restarts", stage)
    os.killpg(session, signal.SIGKILL)  # the runner and its child: nobody reports the crash
    serve(name)
    async with get_client() as client:
        await client.set_flow_run_state(orphaned.id, Crashed(message="zombie"), force=True)
    await retry(orphaned)
    await ended(orphaned, "Completed")
    assert len(stage.charges) == 2
    assert len(stage.kept()) == 2


class PrefectServer:
    """A Prefect server that can be taken away and come back with its data."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--port", str(self.port)],
            env={**os.environ, "PREFECT_HOME": str(self.home), "PREFECT_API_URL": self.api},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        assert self.process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    async def up(self) -> None:
        async def healthy():
            with contextlib.suppress(OSError):
                await asyncio.to_thread(urllib.request.urlopen, f"{self.api}/health", timeout=2)
                return True
            return False

        await until(healthy, patience=150)


@pytest.fixture
def own_server(tmp_path) -> Iterator[PrefectServer]:
    server = PrefectServer(tmp_path / "home")
    server.start()
    yield server
    server.kill()


PROGRAM = """
    import asyncio
    from prefect_videogen import generate_clip
    clip = asyncio.run(
        generate_clip(prompt="A kite without a server", model="wan-2-5", studio="env")
    )
    print(clip.how, clip.path)
"""


async def test_server_that_is_gone_for_a_while_costs_at_most_a_run(stage, own_server, tmp_path):
    await own_server.up()
    script = tmp_path / "own.py"
    script.write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    environment = {
        **os.environ,
        "PREFECT_API_URL": own_server.api,
        "PREFECT_HOME": str(own_server.home),
    }

    async def run() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            str(script),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )

    first = await run()

    async def bought():
        return len(stage.charges) == 1

    await until(bought)
    own_server.kill()
    own_server.start()
    await own_server.up()
    await first.communicate()
    again = await run()
    printed, _ = await again.communicate()
    assert again.returncode == 0
    assert printed.split()[0] in {b"resumed", b"reused"}
    assert len(stage.charges) == 1
