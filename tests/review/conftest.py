"""One emulator for each module whose films are reviewed, with a worker or without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.exceptions import Pause
from tests.review.rounds import Rounds, Vendors
from tests.review.theatre import POOL, Theatre, program

from prefect_videogen.emulator import Emulator


def environment(emulator: Emulator, media: Path) -> dict[str, str]:
    """What points the studio `env` at an emulator."""
    prices = [{"model": "wan-2-5", "amount": "1.10", "per": "clip"}]
    return {
        **emulator.environment(),
        "VIDEOGEN_MEDIA_URL": media.as_uri(),
        "VIDEOGEN_PRICES": json.dumps(prices),
    }


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory, prefect_server: Path) -> Iterator[Theatre]:
    """An emulator, a worker, and the studio `env` in all their environments."""
    folder = tmp_path_factory.mktemp("theatre")
    media = folder / "media"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("VIDEOGEN_MODELS", "VIDEOGEN_CALLBACK_URL"):
            patch.delenv(name, raising=False)
        with Emulator(media_dir=media, speed=10_000.0, pixel_scale=0.125, fps=8) as emulator:
            for name, value in environment(emulator, media).items():
                patch.setenv(name, value)
            log = folder / "worker.log"
            with program(log, "-m", "prefect", "worker", "start", "-p", POOL, "-t", "process"):
                yield Theatre(emulator, media, log)


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory, prefect_server: Path) -> Iterator[Vendors]:
    """An emulator, and the studio `env` pointed at it."""
    media = tmp_path_factory.mktemp("media")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("VIDEOGEN_MODELS", "VIDEOGEN_CALLBACK_URL"):
            patch.delenv(name, raising=False)
        with Emulator(media_dir=media, speed=10_000.0, pixel_scale=0.125, fps=8) as emulator:
            for name, value in environment(emulator, media).items():
                patch.setenv(name, value)
            yield Vendors(emulator, media)


@pytest.fixture
def rounds(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    """Rounds of one run without a process for each: what Prefect does in between is played."""
    vendors.emulator.faults.clear()
    run = Rounds(vendors)

    async def suspend(**how: Any) -> None:
        run.asked.append(how)
        raise Pause

    async def read(key: str, flow_run_id: UUID) -> dict[str, Any] | None:
        assert str(flow_run_id) == run.id
        return run.given.get(key)

    monkeypatch.setattr("prefect_videogen.flows.options.can_suspend", lambda: True)
    monkeypatch.setattr("prefect_videogen.flows.sleeping.asuspend_flow_run", suspend)
    monkeypatch.setattr("prefect_videogen.flows.reviewing.aread_flow_run_input", read)
    monkeypatch.setattr("prefect.runtime.flow_run.get_id", lambda: run.id)
    return run
