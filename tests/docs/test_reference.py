"""The documentation agrees with the code, and with itself."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.docs import generate
from tests.docs.reference.fields import FLOWS

from prefect_videogen import flows
from prefect_videogen.blocks.variables import VARIABLES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LARGEST = 200_000
"""Bytes of a picture."""


def test_generated_pages_are_what_the_code_says():
    stale = [str(path.relative_to(ROOT)) for path in generate.stale()]
    assert stale == [], "run `make docs`"


def test_generated_pages_are_the_only_ones_in_the_reference():
    there = {path.stem for path in (ROOT / "docs/reference").iterdir()}
    assert there == set(generate.PAGES)


def test_every_variable_of_the_program_is_in_the_settings():
    names = set()
    for folder in ("src", "blocks", "tasks", "flows", "deployments"):
        for file in (ROOT / folder).rglob("*.py"):
            names |= set(re.findall(r"VIDEOGEN_[A-Z_]*[A-Z]", file.read_text(encoding="utf-8")))
    assert names == set(VARIABLES)


def test_every_flow_is_in_the_reference():
    named = {name for name in flows.__all__ if not name.endswith("_sync")}
    assert {flow.fn.__name__ for flow in FLOWS} == named


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    for page in PAGES:
        if page.is_relative_to(ROOT / "docs") and page.name != "README.md":
            assert f"({page.relative_to(ROOT / 'docs')})" in index


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_of_a_page_are_there(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(target), link
        if target.suffix == ".png":
            assert target.stat().st_size < LARGEST


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
