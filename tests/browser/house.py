"""A house to make films in: Prefect's server with its UI, the emulator, and programs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr

from prefect_videogen.blocks import ApixoCredentials, EvolinkCredentials, MediaStore, Studio
from prefect_videogen.emulator import Emulator

PATIENCE = 180.0
"""Seconds until a test gives up waiting for something."""

T = TypeVar("T")


def until(found: Callable[[], T | None], what: str) -> T:
    """Wait until something is there."""
    give_up = time.monotonic() + PATIENCE
    while (value := found()) is None:
        assert time.monotonic() < give_up, f"waited too long for {what}"
        time.sleep(0.2)
    return value


@contextlib.contextmanager
def program(log: Path, environment: dict[str, str], *arguments: str) -> Iterator[None]:
    """A Python program in a session of its own, ended with all it started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **environment},
            cwd=log.parent,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass
class House:
    """A Prefect server with its UI, the emulator, a studio, and all flows served.

    Attributes:
        api: Address of the server's API.
        emulator: Both vendors.
        media: Folder of the media store.
    """

    api: str
    emulator: Emulator
    media: Path

    @property
    def ui(self) -> str:
        return self.api.removesuffix("/api") + "/v2"

    def deployment(self, flow: str) -> dict[str, Any] | None:
        """A flow's deployment, if it is there."""
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(f"{self.api}/deployments/name/{flow}/videogen")
            return answer.json() if answer.status_code == 200 else None
        return None

    def run(self, run: str) -> dict[str, Any]:
        return httpx.get(f"{self.api}/flow_runs/{run}").json()

    def artifacts(self, run: str) -> list[dict[str, Any]]:
        wanted = {"flow_runs": {"id": {"any_": [run]}}}
        return httpx.post(f"{self.api}/artifacts/filter", json=wanted).json()

    def completed_tasks(self, run: str) -> list[str]:
        """Names of a run's completed task runs, as far as the server has written them down."""
        wanted = {
            "flow_runs": {"id": {"any_": [run]}},
            "task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
        }
        found = httpx.post(f"{self.api}/task_runs/filter", json=wanted, timeout=60).json()
        return [each["name"] for each in found]

    def count_runs(self) -> int:
        return httpx.post(f"{self.api}/flow_runs/count", json={}).json()

    def ended(self, run: str) -> dict[str, Any]:
        """Wait until a run has ended; gives it."""

        def over() -> dict[str, Any] | None:
            found = self.run(run)
            final = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
            return found if found["state_type"] in final else None

        return until(over, f"the run {run}")

    def film(self, slug: str) -> Path:
        """The one film in a film's folder."""
        (film,) = self.media.glob(f"films/{slug}/*/film.mp4")
        return film


def answers(url: str) -> bool | None:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).status_code == 200 or None
    return None


def studio_of(emulator: Emulator, media: Path) -> Studio:
    key = SecretStr(emulator.api_key)
    speed = float(emulator.environment()["VIDEOGEN_SPEED"])
    return Studio(
        media=MediaStore(url=media.as_uri(), public_url=emulator.media_url),
        apixo=ApixoCredentials(api_key=key, base_url=emulator.url, speed=speed),
        evolink=EvolinkCredentials(
            api_key=key, base_url=emulator.url, files_url=emulator.files_url, speed=speed
        ),
    )
