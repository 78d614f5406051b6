"""What several folders share: fast emulators, studios without Prefect, and one Prefect server."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr
from tests.asking import request_of
from tests.seaweed import s3_server

from prefect_videogen.buying import ClipRequest
from prefect_videogen.emulator import Emulator
from prefect_videogen.records import LocalStore
from prefect_videogen.storyboard import Shot, Storyboard
from prefect_videogen.studio import OpenStudio
from prefect_videogen.survey import Board, survey
from prefect_videogen.vendors import Account
from prefect_videogen.waiting import Time

__all__ = ["s3_server"]

FAST = {"speed": 10_000.0, "pixel_scale": 0.125, "fps": 8}
"""Jobs take about as long as rendering their clip does, some hundredths of a second."""

STARTUP = Path(__file__).with_name("startup")
# For the programs that tests start.
os.environ["PYTHONPATH"] = os.pathsep.join(
    part for part in (str(STARTUP), os.environ.get("PYTHONPATH")) if part
)
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

SCHEDULED = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
LONG = 0.1


class Hurry(Time):
    """A real clock that jumps over every sleep longer than a tenth of a second."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.slept: list[float] = []
        super().__init__(
            now=lambda: time.time() + self.ahead,
            monotonic=lambda: time.monotonic() + self.ahead,
            sleep=self.jump,
            chance=lambda: 0.5,
        )

    async def jump(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds > LONG:
            self.ahead += seconds
            seconds = 0
        await asyncio.sleep(seconds)


@pytest.fixture
def hurry() -> Hurry:
    """A clock that jumps over long sleeps."""
    return Hurry()


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Callable[..., Emulator]]:
    """Start emulators with settings of the test's own; they serve `tmp_path/media`."""
    running: list[Emulator] = []

    def start(**settings: Any) -> Emulator:
        made = Emulator(**{**FAST, "media_dir": tmp_path / "media", **settings})
        made.start()
        running.append(made)
        return made

    yield start
    for made in running:
        made.stop()


@pytest.fixture
def open_studio(tmp_path: Path) -> Callable[..., OpenStudio]:
    """Make studios for an emulator, without Prefect; enter them with `async with`."""

    def make(vendors: Emulator, *, served: bool = True, **more: Any) -> OpenStudio:
        speed = float(vendors.environment()["VIDEOGEN_SPEED"])
        common: dict[str, Any] = {
            "api_key": SecretStr(vendors.api_key),
            "base_url": vendors.url,
            "sandbox": True,
            "speed": speed,
        }
        store = LocalStore(tmp_path / "media", served_at=vendors.media_url if served else "")
        accounts = {
            "apixo": Account(vendor="apixo", **common),
            "evolink": Account(vendor="evolink", files_url=vendors.files_url, **common),
        }
        settings: dict[str, Any] = {"accounts": accounts, "store": store, **more}
        return OpenStudio(name="test", **settings)

    return make


@pytest.fixture(scope="session")
def stills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Smooth pictures, which small clips keep well: their absolute paths by name."""
    folder = tmp_path_factory.mktemp("stills")
    across, down = np.meshgrid(np.linspace(0, 1, 640), np.linspace(0, 1, 360))
    paths = {}
    for number, name in enumerate(("sky", "sea", "sand", "snow")):
        tint = 60 + 45 * number
        planes = [40 + 120 * across, 200 - 120 * down, tint + 0 * across]
        path = folder / f"{name}.png"
        Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8)).save(path)
        paths[name] = str(path)
    return paths


@pytest.fixture
def ask() -> Callable[..., Awaitable[ClipRequest]]:
    """Plan one shot and give the request that a flow would hand to `submit`."""

    async def plan(studio: OpenStudio, **fields: Any) -> ClipRequest:
        shot = Shot(**{"id": "kite", "prompt": "a kite", "model": "wan-2-5", **fields})
        surveyed = await survey(
            studio, Board(Storyboard(shots=[shot])), variables={}, scheduled=SCHEDULED, keep=True
        )
        return request_of(surveyed)

    return plan


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One Prefect server for the whole session; gives the path of its database."""
    from prefect.settings import (  # noqa: PLC0415 - most tests need no Prefect
        PREFECT_HOME,
        PREFECT_SERVER_DATABASE_CONNECTION_URL,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415

    home = tmp_path_factory.mktemp("prefect")
    with temporary_settings({PREFECT_HOME: home}), prefect_test_harness(server_startup_timeout=120):
        url = str(PREFECT_SERVER_DATABASE_CONNECTION_URL.value())
        yield Path(url.partition(":///")[2])
