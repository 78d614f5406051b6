"""Every block keeps Prefect's own standards for blocks."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.blocks.webhook import Webhook
from prefect.filesystems import LocalFileSystem
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from prefect.utilities.dispatch import get_registry_for_type
from prefect.workers.process import ProcessWorker
from pydantic import SecretStr

import prefect_videogen
from prefect_videogen import (
    ApixoCredentials,
    CallbackEndpoint,
    EvolinkCredentials,
    MediaStore,
    Studio,
    VideoGeneration,
)
from prefect_videogen.blocks import BLOCK_TYPES

BLOCKS = (
    ApixoCredentials,
    CallbackEndpoint,
    EvolinkCredentials,
    MediaStore,
    Studio,
    VideoGeneration,
)
PREFECTS_OWN = (Secret, LocalFileSystem, Webhook, ProcessWorker)
"""Blocks and workers of Prefect itself whose pictures are used."""

KEY = SecretStr("a key of the tests")
SAVED: dict[type[Block], Callable[[Path], Block]] = {
    ApixoCredentials: lambda _: ApixoCredentials(api_key=KEY),
    CallbackEndpoint: lambda _: CallbackEndpoint(url="https://hooks.example.org", secret=KEY),
    EvolinkCredentials: lambda _: EvolinkCredentials(api_key=KEY),
    MediaStore: lambda folder: MediaStore(url=folder.as_uri()),
    Studio: lambda folder: Studio(media=MediaStore(url=folder.as_uri())),
    VideoGeneration: lambda _: VideoGeneration(prompt="a kite", model="wan-2-5"),
}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
class TestBlockStandards(BlockStandardTestSuite):
    @pytest.fixture
    def block(self, request):
        return request.param

    def test_has_a_valid_image(self, block):
        """Offline: the picture is one that the installed Prefect shows for a block of its own."""
        assert str(block._logo_url) in {str(own._logo_url) for own in PREFECTS_OWN}

    def test_every_field_has_a_title_and_a_sentence(self, block):
        for name, field in block.model_fields.items():
            assert field.title, name
            assert field.description, name
            assert field.description.endswith("."), name

    def test_its_example_runs(self, block, prefect_server, monkeypatch, tmp_path):
        """As it stands in the UI, but for what it would buy."""
        example = block.get_code_example()
        (code,) = re.findall(r"```python\n(.*?)```", example, re.DOTALL)
        loaded, _, rest = textwrap.dedent(code).partition("run = ")
        SAVED[block](tmp_path).save("block-name", overwrite=True)
        names: dict[str, object] = {}
        exec(loaded.replace("BLOCK_NAME", "block-name"), names)  # noqa: S102 - our own example
        assert any(isinstance(value, block) for value in names.values())
        assert bool(rest) == (block is VideoGeneration)  # tests/blocks/test_jobs.py runs that


def test_the_package_root_shows_every_block():
    shown = {
        member for _, member in inspect.getmembers(prefect_videogen) if Block.is_block_class(member)
    }
    assert shown == set(BLOCKS)


def test_prefects_catalogue_gets_no_block_type_beside_them():
    """A server offers whatever class of block our import makes known, also one behind generics."""
    known = get_registry_for_type(Block) or {}
    ours = {kind for kind in known.values() if kind.__module__.startswith("prefect_videogen")}
    assert ours == set(BLOCKS)


def test_setup_and_doctor_know_every_block():
    assert set(BLOCK_TYPES) == set(BLOCKS)


def test_slugs_never_change():
    assert {block.get_block_type_slug() for block in BLOCKS} == {
        "apixo-credentials",
        "evolink-credentials",
        "video-generation",
        "videogen-callback-endpoint",
        "videogen-media-store",
        "videogen-studio",
    }


def test_registering_the_package_lists_every_block(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "block", "register", "-m", "prefect_videogen"],
        env={
            **os.environ,
            "PREFECT_HOME": str(tmp_path),
            "PREFECT_API_URL": "",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "200",
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for block in BLOCKS:
        assert block.get_block_type_name() in done.stdout


def test_prefect_finds_the_classes_by_entry_point():
    """`Block.load("videogen-studio/x")` must know the class without the user importing it."""
    program = (
        "from prefect.blocks.core import Block\n"
        "from prefect.plugins import load_prefect_collections\n"
        "load_prefect_collections()\n"
        "from prefect.utilities.dispatch import lookup_type\n"
        "print(lookup_type(Block, 'videogen-studio').__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip().endswith("Studio"), done.stdout + done.stderr
