"""The how-tos about storage, budgets and models are done as they stand, with the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image
from tests.docs.reader import Block, Reader, answers, blocks_of, until
from tests.seaweed import free_port

from prefect_videogen.cli.opening_films import LIVES_FOR
from prefect_videogen.emulator import Emulator

KITE = """\
title: Kite
model: kling-2-1
seconds: 5
shots:
  - {prompt: A kite rises, first_frame: sky.jpg}
  - {prompt: A second one joins it, model: wan-2-5}
"""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory) -> Iterator[Emulator]:
    with Emulator(speed=600, pixel_scale=0.125, fps=8) as running:
        yield running


@pytest.fixture
def reader(emulator, tmp_path, stills) -> Reader:
    """A reader with a storyboard, a picture, and keys."""
    (tmp_path / "kite.yaml").write_text(KITE)
    with Image.open(stills["sky"]) as picture:
        picture.convert("RGB").save(tmp_path / "sky.jpg")
    own = {"VIDEOGEN_MEDIA_URL": (tmp_path / "media").as_uri()}
    return Reader(tmp_path, told={**emulator.environment(), **own})


def read_on(reader: Reader, blocks: dict[str, Block]) -> dict[str, str]:
    """Do all of a page; gives what each block printed."""
    return {name: reader.reads(block) for name, block in blocks.items()}


def test_storage_is_set_up_used_and_opened_in_s3(reader, emulator, s3_server):
    place = s3_server.folder()
    instead = {
        "s3://videogen/": f"{place}/",
        "ACCESS_KEY=SECRET": f"ACCESS_KEY={s3_server.options['secret']}",
        "ID=KEY": f"ID={s3_server.options['key']}",
        '"KEY"': json.dumps(s3_server.options["key"]),
        '"SECRET"': json.dumps(s3_server.options["secret"]),
        "https://s3.example.com": s3_server.endpoint,
    }
    told = {name: value for name, value in reader.told.items() if "MEDIA" not in name}
    reader = Reader(reader.folder, instead=instead, told=told)
    charges = len(emulator.charges)

    said = read_on(reader, blocks_of("storage.md"))

    assert "Nothing is wrong" in said["s3"] or "Everything is fine" in said["s3"]
    assert "saved the studio default" in said["s3"]
    assert len(emulator.charges) == charges + 2
    address = said["use"].splitlines()[-1]
    assert address.startswith(s3_server.endpoint)
    assert f"X-Amz-Expires={LIVES_FOR}" in address
    assert LIVES_FOR == 15 * 60
    assert not (reader.folder / "videogen-media").exists()


def test_budgets_are_planned_kept_and_saved(reader, emulator):
    (reader.folder / "media/inbox").mkdir(parents=True)
    reader = Reader(reader.folder, told={**reader.told, "VIDEOGEN_MEDIA_PUBLIC_URL": ""})
    charges = len(emulator.charges)
    blocks = blocks_of("budgets.md")
    # Kling's picture would have to be served; a clip without one is as dear.
    board = KITE.replace("first_frame: sky.jpg", "tier: master")
    (reader.folder / "kite.yaml").write_text(board)

    said = read_on(reader, blocks)

    assert "0.85 USD" in said["prices"]
    assert len(emulator.charges) == charges + 2
    assert (reader.folder / "media/budgets/june").is_dir() is False  # nothing was left to buy
    assert "saved the studio default" in said["studio"]


def test_a_model_of_ones_own_is_known_played_made_and_limited(tmp_path):
    port = free_port()
    at = f"http://127.0.0.1:{port}"
    instead = {"videogen emulator": f"videogen emulator --port {port} --api-key k --speed 600"}
    told = {
        "VIDEOGEN_APIXO_API_KEY": "k",
        "VIDEOGEN_APIXO_BASE_URL": at,
        "VIDEOGEN_SPEED": "600",
        "VIDEOGEN_MEDIA_URL": (tmp_path / "media").as_uri(),
    }
    reader = Reader(tmp_path, instead=instead, told=told)
    blocks = blocks_of("models.md")
    emulator = blocks.pop("emulator")
    assert json.loads(reader.reads(blocks.pop("show")))["models"]
    reader.reads(blocks.pop("models.yaml"))
    with reader.leaves_running(emulator):
        until(lambda: answers(f"{at}/_emulator/report"), "the emulator")
        said = read_on(reader, blocks)
        assert httpx.get(f"{at}/_emulator/report", timeout=60).json()["charges"] == 1
    assert "1 of 1 clips to buy" in said["use"]
    assert "1 bought" in said["use"]
    assert "paper-boat-1 to 5 jobs at once" in said["use"]
