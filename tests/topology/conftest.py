"""One installation for the module, and a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.browser.conftest import chromium
from tests.topology.production import Installation, installed

__all__ = ["chromium"]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The page's installation, running."""
    with installed(tmp_path_factory.mktemp("production")) as made:
        yield made
