"""A holder that is killed: its slots come back when their lease has run out, and not before.

The server keeps leases in files here, so that a lease can be made to run out without waiting.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from tests.seaweed import free_port

from prefect_videogen.blocks.limits import PrefectSlots, create_limits
from prefect_videogen.waiting import Limit

HOLDING = Path(__file__).with_name("holding.py")
STARTS_WITHIN = 120.0

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Path]:
    """Run a server of its own that looks for expired leases every half second."""
    port = free_port()
    environment = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "0.5",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    url = f"http://127.0.0.1:{port}/api"
    with (
        subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as server,
        temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: tmp_path}),
    ):
        wait_until_it_answers(f"{url}/health")
        yield tmp_path / "concurrency_leases"
        server.send_signal(signal.SIGINT)


def wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def hold_and_be_killed(limit: Limit) -> None:
    """Take all slots of a limit in another process, and kill it once it has them."""
    size = str(limit.most)
    with subprocess.Popen(
        [sys.executable, str(HOLDING), limit.name, size, size, "600"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())},
    ) as process:
        assert process.stdout
        for _ in range(limit.most):
            assert process.stdout.readline().startswith("+")
        process.kill()


def let_run_out(leases: Path) -> None:
    """Date all leases back, as if their time were over."""
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    names = []
    for path in leases.glob("*-*.json"):
        lease = json.loads(path.read_text())
        path.write_text(json.dumps({**lease, "expiration": past}))
        names.append(path.stem)
    assert names
    (leases / "expirations.json").write_text(json.dumps(dict.fromkeys(names, past)))


async def test_slots_of_a_killed_process_come_back_with_their_lease_and_not_before(leases):
    limit = Limit("videogen-test-killed", 2, 0.1)
    await create_limits([limit])
    await asyncio.to_thread(hold_and_be_killed, limit)
    slots = PrefectSlots()
    waiting = [asyncio.create_task(slots.take(limit)) for _ in range(2)]
    done, _ = await asyncio.wait(waiting, timeout=1)
    assert not done
    let_run_out(leases)
    async with asyncio.timeout(120):
        held = await asyncio.gather(*waiting)
    assert all(held)
    await slots.aclose()
