"""`demo` and the studio that it leaves behind."""

from __future__ import annotations

import asyncio
import socket

import pytest

from prefect_videogen.blocks import Studio
from prefect_videogen.cli import demo
from prefect_videogen.cli.app import DEMO_PORT
from prefect_videogen.errors import StudioError


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
