"""Every block keeps Prefect's own standards for blocks; the logo needs a network."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite

import prefect_videogen
from prefect_videogen import (
    ApixoCredentials,
    CallbackEndpoint,
    EvolinkCredentials,
    MediaStore,
    Studio,
)

BLOCKS = (ApixoCredentials, CallbackEndpoint, EvolinkCredentials, MediaStore, Studio)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
class TestBlockStandards(BlockStandardTestSuite):
    @pytest.fixture
    def block(self, request):
        return request.param

    @pytest.mark.skip(reason="downloads the logo")
    def test_has_a_valid_image(self, block): ...


def test_the_package_root_shows_every_block():
    shown = {
        member for _, member in inspect.getmembers(prefect_videogen) if Block.is_block_class(member)
    }
    assert shown == set(BLOCKS)


def test_slugs_never_change():
    assert {block.get_block_type_slug() for block in BLOCKS} == {
        "apixo-credentials",
        "evolink-credentials",
        "videogen-callback-endpoint",
        "videogen-media-store",
        "videogen-studio",
    }


def test_registering_the_package_lists_every_block(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "block", "register", "-m", "prefect_videogen"],
        env={**os.environ, "PREFECT_HOME": str(tmp_path), "PREFECT_API_URL": "", "COLUMNS": "200"},
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
