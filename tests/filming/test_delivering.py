from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from prefect_videogen.errors import RecordError
from prefect_videogen.filming import Film, deliver


@pytest.fixture
def no_access(monkeypatch, tmp_path):
    """A machine that has no access to S3."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


async def test_machine_without_access_to_s3_says_where_the_film_lies(no_access, tmp_path):
    async def fetch(path: str) -> Any:
        (tmp_path / "film.mp4").write_bytes(b"film")
        return tmp_path / "film.mp4"

    studio = SimpleNamespace(store=SimpleNamespace(fetch=fetch))
    film = Film(title="Kite", slug="kite", path="films/kite/1/film.mp4", media="file:///media")

    with pytest.raises(RecordError, match=r"s3://nowhere/kite.mp4: .*credentials") as caught:
        await deliver(cast("Any", studio), film, "s3://nowhere/")

    assert caught.value.next_step == "It lies in file:///media/films/kite/1/film.mp4."
