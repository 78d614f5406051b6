"""`open` finds a film by run, name, path or key; `setup --deployments` writes what to deploy."""

from __future__ import annotations

import asyncio
import json
import re
import webbrowser
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.types import SecretDict
from pydantic import SecretStr
from ruamel.yaml import YAML

from prefect_videogen import (
    ApixoCredentials,
    Clip,
    Film,
    Shot,
    Storyboard,
    generate_clip,
    generate_storyboard,
)
from prefect_videogen.blocks import MediaStore, Studio
from prefect_videogen.cli.opening_films import LIVES_FOR, Shown, address_of, find
from prefect_videogen.deployments.templates import NAMES, templates
from prefect_videogen.errors import StudioError

BOARD = Storyboard(title="Kites", model="wan-2-5", shots=[Shot(prompt="a red kite")])


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """What was opened in the browser."""
    seen: list[str] = []

    def open_(address: str) -> bool:
        seen.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", open_)
    return seen


@pytest.fixture
def media(work, settings, monkeypatch, prefect_server) -> Path:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VIDEOGEN_MEDIA_URL", (work / "media").as_uri())
    monkeypatch.delenv("VIDEOGEN_MEDIA_PUBLIC_URL", raising=False)
    return work / "media"


async def last_run(flow_name: str) -> FlowRun:
    async with get_client() as client:
        runs = await client.read_flow_runs()
        flows = {run.id: (await client.read_flow(run.flow_id)).name for run in runs}
    return max(
        (run for run in runs if flows[run.id] == flow_name), key=lambda run: str(run.created)
    )


def test_a_film_is_opened_by_name_path_run_and_clip(cli, media, opened):
    film = asyncio.run(generate_storyboard(storyboard=BOARD, studio="env"))
    assert isinstance(film, Film)
    page, clip = media / film.page, media / film.clips[0].path
    run = asyncio.run(last_run("generate-storyboard"))
    folder = film.path.rpartition("/")[0]
    targets = {
        "kites": page,
        "Kites": page,
        film.path: page,
        folder: page,
        f"{folder}/": page,
        f"{media.as_uri()}/{film.path}": page,
        str(run.id): page,
        film.clips[0].key: clip,
        film.clips[0].key[:8]: clip,
        film.clips[0].path: clip,
        f"{folder}/manifest.json": page,
        str(media / film.path): page,  # as `render` prints it
        str(media / folder): page,
        f"media/{film.path}": page,
        f"./media/{film.page}": page,
        f"media/{film.clips[0].path}": clip,
    }
    for target, shown in targets.items():
        ran = cli("open", target)
        assert (ran.code, ran.err) == (0, ""), target
        assert opened.pop() == shown.as_uri(), target
    ran = cli("open", "kites", "--film", "--print")
    assert ran.out.strip() == (media / film.path).as_uri()
    assert not opened


def test_what_is_named_from_a_folder_within_the_store_is_opened(cli, media, opened, monkeypatch):
    folder = media / "films" / "kites" / "aaaa"
    folder.mkdir(parents=True)
    (folder / "film.mp4").write_bytes(b"film")
    (folder / "manifest.json").write_text("{}")
    monkeypatch.chdir(folder)
    assert cli("open", "film.mp4").code == 0
    assert cli("open", "../aaaa").code == 0
    monkeypatch.chdir(folder.parent.parent)
    assert cli("open", "kites").code == 0  # a name, though there is a folder called so
    assert opened == [(folder / "film.mp4").as_uri()] * 3


def test_the_newest_film_of_a_name_is_opened(cli, media, opened):
    paths = []
    for number, digest in enumerate(("bbbb", "aaaa", "cccc")):
        folder = media / "films" / "kites" / digest
        folder.mkdir(parents=True)
        made = {0: 200.0, 1: 300.0, 2: 100.0}[number]
        (folder / "manifest.json").write_text(json.dumps({"made_at": made}))
        (folder / "film.mp4").write_bytes(b"film")
        paths.append(folder / "film.mp4")
    (media / "films" / "kites" / "cccc" / "manifest.json").write_text("not JSON")
    assert cli("open", "kites").code == 0
    assert opened == [paths[1].as_uri()]  # the newest, though neither first nor last by name


def test_a_run_that_made_or_found_one_clip_opens_it(cli, media, opened):
    for _ in range(2):
        opened.clear()
        clip = asyncio.run(generate_clip(prompt="a blue kite", model="wan-2-5", studio="env"))
        assert isinstance(clip, Clip)
        run = asyncio.run(last_run("generate-clip"))
        assert cli("open", str(run.id)).code == 0
        assert opened == [(media / clip.path).as_uri()]


def test_without_a_browser_the_address_is_printed(cli, media, monkeypatch):
    (media / "clips").mkdir(parents=True)
    (media / "clips" / "own.mp4").write_bytes(b"x")
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    ran = cli("open", "clips/own.mp4")
    assert ran.out.strip() == (media / "clips" / "own.mp4").as_uri()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("no-such-film", "there is no film 'no-such-film'"),
        ("films/no/such.mp4", "there is no films/no/such.mp4"),
        ("0123456789abcdef", "nothing is recorded of 0123456789abcdef"),
        ("00000000-0000-4000-8000-000000000000", "has reported no film"),
        ("../../etc/passwd", "no path inside the media store"),
    ],
)
def test_what_is_not_there_is_told(cli, media, opened, target, said):
    ran = cli("open", target)
    assert ran.code in {1, 2}
    assert said in ran.err
    assert not opened


async def test_a_bucket_gives_a_signed_url_of_a_short_life(s3_server, media):
    block = Studio(
        media=MediaStore(url=s3_server.folder(), options=SecretDict(s3_server.options)),
        apixo=ApixoCredentials(api_key=SecretStr("k" * 12)),
    )
    async with block.open() as studio:
        folder = "films/kites/aaaa"
        for name in ("film.mp4", "index.html", "manifest.json"):
            await studio.store.create(f"{folder}/{name}", name.encode())
        shown = await find(studio, "kites")
        address = address_of(studio, shown, film=False)
        assert f"X-Amz-Expires={LIVES_FOR}" in address
        async with httpx.AsyncClient(trust_env=False) as web:
            assert (await web.get(address)).content == b"film.mp4"
        assert s3_server.options["secret"] not in address
        studio.view_url = "https://films.example.org/"
        address = address_of(studio, shown, film=False)
        assert address == f"https://films.example.org/{folder}/index.html"


async def test_a_variant_is_shown_as_itself(media):
    block = Studio(
        media=MediaStore(url=media.as_uri()), apixo=ApixoCredentials(api_key=SecretStr("k" * 12))
    )
    async with block.open() as studio:
        for name in ("film.mp4", "film-9x16.mp4", "index.html"):
            await studio.store.create(f"films/kites/aaaa/{name}", b"x")
        shown = await find(studio, "films/kites/aaaa/film-9x16.mp4")
        assert shown == Shown("films/kites/aaaa/film-9x16.mp4", "films/kites/aaaa/index.html")
        with pytest.raises(StudioError):
            await find(studio, "films/kites/aaaa/film-1x1.mp4")


def test_deployment_files_are_written_and_never_overwritten(cli, work):
    ran = cli("setup", "--deployments", "mine")
    assert ran.code == 0, ran.err
    assert {path.name for path in (work / "mine").iterdir()} == set(NAMES)
    for name, text in templates().items():
        assert (work / "mine" / name).read_text() == text
        assert f"wrote mine/{name}" in ran.out
    (work / "mine" / "prefect.yaml").write_text("mine: own\n")
    (work / "mine" / "serve.py").unlink()
    ran = cli("setup", "--deployments", "mine")
    assert ran.code == 2
    assert "prefect.yaml" in ran.err
    assert "--force" in ran.err
    assert (work / "mine" / "prefect.yaml").read_text() == "mine: own\n"
    assert not (work / "mine" / "serve.py").exists()
    assert cli("setup", "--deployments", "mine", "--force").code == 0
    assert (work / "mine" / "prefect.yaml").read_text() == templates()["prefect.yaml"]


def test_a_folder_that_cannot_be_written_is_told(cli, work):
    (work / "file").write_text("")
    ran = cli("setup", "--deployments", "file/below")
    assert ran.code == 2
    assert "can't be written" in ran.err


def test_force_alone_is_refused(cli, work):
    assert "--force is for --deployments" in cli("setup", "--force").err


def test_what_is_written_is_the_packages_own_and_stands_alone():
    data = YAML(typ="safe", pure=True).load(templates()["prefect.yaml"])
    assert data["deployments"]
    for name, text in templates().items():
        if name.endswith(".py"):
            assert not re.search(r"^from \.", text, re.MULTILINE)
            compile(text, name, "exec")
