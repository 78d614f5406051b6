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
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as NotShown
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from pydantic import SecretStr
from tests.seaweed import free_port

from prefect_videogen.blocks import ApixoCredentials, EvolinkCredentials, MediaStore, Studio
from prefect_videogen.emulator import Emulator

PATIENCE = 180.0
"""Seconds until a test gives up waiting for something."""

SLOWEST = 60.0
"""Seconds for an answer: a server that two other tests' programs share two cores with is slow."""

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
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """A Prefect server with its UI and a database of its own, used by this process too.

    Args:
        home: Where Prefect keeps its files.

    Yields:
        Address of its API.
    """
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    environment = {
        "PREFECT_API_URL": api,
        "PREFECT_UI_API_URL": api,
        "PREFECT_HOME": str(home),
        "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home}/prefect.db",
        "PREFECT_SERVER_DATABASE_TIMEOUT": str(PATIENCE),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    arguments = ("-m", "prefect", "server", "start", "--port", str(port))
    with (
        program(home / "server.log", environment, *arguments),
        temporary_settings({PREFECT_API_URL: api, PREFECT_HOME: home}),
    ):
        until(lambda: answers(f"{api}/health"), "the Prefect server")
        yield api


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

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the server until it answers: it is restarted by nobody, but can be slow."""

        def answered() -> httpx.Response | None:
            with contextlib.suppress(httpx.TransportError):
                found = httpx.request(method, f"{self.api}/{path}", json=body, timeout=SLOWEST)
                return None if found.is_server_error else found
            return None

        answer = until(answered, f"an answer to {path}")
        return answer.json() if answer.is_success else None

    def deployment(self, flow: str) -> dict[str, Any] | None:
        """A flow's deployment, if it is there."""
        found: dict[str, Any] | None = self.ask("GET", f"deployments/name/{flow}/videogen")
        return found

    def run(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"flow_runs/{run}")
        return found

    def artifacts(self, run: str) -> list[dict[str, Any]]:
        wanted = {"flow_runs": {"id": {"any_": [run]}}}
        return list(self.ask("POST", "artifacts/filter", wanted))

    def completed_tasks(self, run: str) -> list[str]:
        """Names of a run's completed task runs, as far as the server has written them down."""
        wanted = {
            "flow_runs": {"id": {"any_": [run]}},
            "task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
        }
        return [each["name"] for each in self.ask("POST", "task_runs/filter", wanted)]

    def count_runs(self) -> int:
        return int(self.ask("POST", "flow_runs/count", {}))

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


def open_shown(page: Page, url: str, text: str) -> None:
    """Open a page of the UI that shows a text; one that asked the server too soon asks again."""

    def shown() -> bool | None:
        page.goto(url)
        with contextlib.suppress(NotShown):
            page.get_by_text(text).first.wait_for(timeout=20_000)
            return True
        return None

    until(shown, f"{text!r} on {url}")


def answers(url: str) -> bool | None:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, timeout=SLOWEST).status_code == 200 or None
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
