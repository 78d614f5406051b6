"""One sample film for all tests here; nobody changes it."""

from __future__ import annotations

import pytest
from tests.filming.manifests import Sample, make_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("media"))
