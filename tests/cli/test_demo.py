"""`demo` and the studio that it leaves behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.asking import request_of
from tests.conftest import SCHEDULED

from prefect_videogen.blocks import Studio
from prefect_videogen.blocks.checks import limit_checks
from prefect_videogen.buying import Buyer
from prefect_videogen.checking import Check
from prefect_videogen.cli import demo, emulating
from prefect_videogen.cli.app import DEMO_KEY, DEMO_PORT
from prefect_videogen.emulator import Emulator
from prefect_videogen.errors import StudioError
from prefect_videogen.storyboard import Shot, Storyboard
from prefect_videogen.survey import Board, survey
from prefect_videogen.waiting import limits_of

QUICK: dict[str, Any] = {"speed": 10_000.0, "pixel_scale": 0.125, "fps": 8, "api_key": DEMO_KEY}


def addresses(studio: Studio) -> set[str]:
    assert studio.apixo
    assert studio.evolink
    pictures = studio.media.public_url.removesuffix("/media")
    return {studio.apixo.base_url, studio.evolink.base_url, studio.evolink.files_url, pictures}


async def saved() -> Studio:
    studio = await Studio.aload(demo.STUDIO)
    assert isinstance(studio, Studio)
    return studio


@pytest.fixture
def during(prefect_server, monkeypatch) -> list[set[str]]:
    """Where the studio leads while the film is made, which then fails."""
    seen: list[set[str]] = []

    async def run(*_: object) -> None:
        seen.append(addresses(await saved()))
        raise StudioError("enough is known")

    monkeypatch.setattr(demo, "run_flow", run)
    return seen


def test_a_port_that_is_taken_stays_the_studios_own_however_the_film_ends(cli, work, during):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = cli("demo", "--port", str(port))
    assert "enough is known" in ran.err
    (own,) = during[0]
    assert own != f"http://127.0.0.1:{port}"
    studio = asyncio.run(saved())
    assert addresses(studio) == {f"http://127.0.0.1:{port}"}
    assert studio.media.url == (work / "videogen-demo").as_uri()


def test_any_port_leaves_a_studio_for_the_emulators_usual_one(cli, during):
    cli("demo", "--port", "0")
    assert during[0] != {f"http://127.0.0.1:{DEMO_PORT}"}
    assert addresses(asyncio.run(saved())) == {f"http://127.0.0.1:{DEMO_PORT}"}


def test_the_studio_has_its_limits_so_that_deployments_warn_of_nothing(cli, during):
    cli("demo", "--port", "0")

    async def checks() -> list[Check]:
        place = (await saved()).open()
        return await limit_checks(limits_of(place.accounts.values(), place.models))

    assert [check.ok for check in asyncio.run(checks())] == ["yes"]


async def bought(emulator: Emulator, media: Path, *, gone: str = "") -> str:
    """Buy a clip and do not wait for it; gives how its job was come by."""
    board = Board(Storyboard(shots=[Shot(id="kite", prompt="A kite", model="wan-2-5")]))
    async with demo._studio(emulator, media, emulator.url).open(name=demo.STUDIO) as place:
        if gone:
            await emulating.forget_jobs(place.records, gone)
        found = await survey(place, board, variables={}, scheduled=SCHEDULED, keep=True)
        return (await Buyer(place, request_of(found)).buy()).how


def test_jobs_of_an_emulator_that_is_gone_are_begun_again(work):
    with Emulator(media_dir=work, **QUICK) as first:
        assert asyncio.run(bought(first, work)) == "bought"
    port = int(first.url.rpartition(":")[2])
    with Emulator(media_dir=work, port=port, **QUICK) as second:
        assert asyncio.run(bought(second, work)) == "resumed"  # of a job that nobody knows
        assert asyncio.run(bought(second, work, gone="http://127.0.0.1:1")) == "resumed"
        assert asyncio.run(bought(second, work, gone=second.url)) == "bought"
        assert len(second.charges) == 1
    assert not list(work.glob("open/*/*/*-1"))


def test_emulator_that_is_started_again_gives_up_what_the_one_before_had(work, monkeypatch, capsys):
    with Emulator(media_dir=work, **QUICK) as first:
        assert asyncio.run(bought(first, work)) == "bought"

    def briefly(emulator: Emulator, *, ready: Callable[[Emulator], None]) -> None:
        with emulator:
            ready(emulator)
            assert asyncio.run(bought(emulator, work)) == "bought"

    monkeypatch.setattr(emulating, "run_forever", briefly)
    port = int(first.url.rpartition(":")[2])
    emulating.run_emulator(Emulator(media_dir=work, port=port, **QUICK), work)
    assert "given up, to be made anew: 1" in capsys.readouterr().out
    monkeypatch.setattr(emulating, "run_forever", lambda emulator, ready: ready(emulator))
    emulating.run_emulator(first, work / "empty")
    assert "given up" not in capsys.readouterr().out
