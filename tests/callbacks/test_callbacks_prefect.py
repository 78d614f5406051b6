"""The receiver in a process of its own: it and the flow share a store and a Prefect server only."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_HOME
from tests.seaweed import free_port

from prefect_videogen import generate_clip
from prefect_videogen.emulator import Emulator
from prefect_videogen.waiting import rules

SECRET = "the secret that signs the paths"
PROGRAM = "from prefect_videogen.cli import main; main()"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def vendors(tmp_path: Path, prefect_server: Path, monkeypatch) -> Iterator[Emulator]:
    """An emulator, and the studio `env` pointed at it and at a receiver's address."""
    media = tmp_path / "media"
    with Emulator(media_dir=media, speed=10_000, pixel_scale=0.125, fps=8) as emulator:
        settings = {
            **emulator.environment(),
            "VIDEOGEN_MEDIA_URL": media.as_uri(),
            "VIDEOGEN_CALLBACK_URL": f"http://127.0.0.1:{free_port()}/hooks",
            "VIDEOGEN_CALLBACK_SECRET": SECRET,
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        # Only an event may end a wait, or the test runs out of time.
        monkeypatch.setattr(rules, "SHORTEST_BACKSTOP", 100_000.0)
        yield emulator


@pytest.fixture
async def receiver_log(vendors, tmp_path):
    """A receiver as the command line starts it; gives the file with what it prints."""
    port = os.environ["VIDEOGEN_CALLBACK_URL"].removesuffix("/hooks").rpartition(":")[2]
    log = tmp_path / "receiver.log"
    prefect = {
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_HOME": str(PREFECT_HOME.value()),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
            [sys.executable, "-c", PROGRAM, "callbacks", "--port", port],
            env={**os.environ, **prefect},
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    async def answers() -> bool:
        try:
            await asyncio.to_thread(
                urllib.request.urlopen, f"http://127.0.0.1:{port}/health", timeout=2
            )
        except OSError:
            return False
        return True

    async with asyncio.timeout(120):
        while not await answers():
            assert process.poll() is None, log.read_text()
            await asyncio.sleep(0.05)
    yield log
    process.terminate()
    assert process.wait(20) == 0, "it was ended with what it had begun"


async def test_receiver_on_another_machine_wakes_the_flow(vendors, receiver_log):
    clips = [
        await generate_clip(prompt=f"A kite, number {number}", model="wan-2-5", studio="env")
        for number in range(2)
    ]
    assert [getattr(clip, "how", "") for clip in clips] == ["bought", "bought"]
    kinds = Counter(seen.kind for seen in vendors.requests)
    assert (kinds["submit"], kinds["status"]) == (2, 2)
    assert {delivery.status for delivery in vendors.deliveries} == {200}

    wanted = {"filter": {"event": {"name": ["videogen.job.finished"]}}}
    keys = {getattr(clip, "key", "") for clip in clips}
    events: list[dict] = []
    async with get_client() as client, asyncio.timeout(120):
        while {event["payload"]["key"] for event in events} != keys:  # written down in batches
            found = await client._client.post("/events/filter", json=wanted)
            events = [event for event in found.json()["events"] if event["payload"]["key"] in keys]
            await asyncio.sleep(0.1)
    for event in events:
        assert set(event["payload"]) == {"key", "attempt", "model", "state"}
        assert event["resource"]["prefect.resource.id"].startswith("videogen.job.apixo@sandbox.")

    printed = receiver_log.read_text()
    assert "callbacks for http://127.0.0.1" in printed
    assert SECRET not in printed
    tokens = [delivery.url.rpartition("/")[2] for delivery in vendors.deliveries]
    assert not any(token in printed for token in tokens)
