from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from prefect_videogen.errors import RecordError, StudioError
from prefect_videogen.filming import Film, deliver
from prefect_videogen.flows.options import RunOptions


@pytest.fixture
def no_access(monkeypatch, tmp_path):
    """A machine that has no access to S3."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def delivered(tmp_path, monkeypatch):
    """Deliver a film of two shapes, from a folder of its own."""
    (tmp_path / "stored.mp4").write_bytes(b"film")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    async def fetch(path: str) -> Path:
        return tmp_path / "stored.mp4"

    studio = SimpleNamespace(store=SimpleNamespace(fetch=fetch))
    film = Film(
        title="Kite",
        slug="kite",
        path="films/kite/1/film.mp4",
        media="file:///media",
        variants={"9:16": "films/kite/1/film-9x16.mp4"},
    )

    async def run(target: str) -> str:
        return (await deliver(cast("Any", studio), film, target)).delivered

    return run


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("s3://nowhere/", r"s3://nowhere/kite.mp4: .*credentials"),
        ("/dev/null/a/out.mp4", r"/dev/null/a/out.mp4: Not a directory"),
        ("a\0b", r"a\0b/kite.mp4: embedded null byte"),
    ],
)
async def test_whatever_keeps_a_film_from_its_place_it_is_said_where_it_lies(
    no_access, delivered, target, says
):
    with pytest.raises(RecordError, match=says) as caught:
        await delivered(target)

    assert caught.value.next_step == "It lies in file:///media/films/kite/1/film.mp4."


@pytest.mark.parametrize(
    ("target", "place", "variant"),
    [
        ("films", "films/kite.mp4", "films/kite-9x16.mp4"),
        ("out.mov/", "out.mov/kite.mp4", "out.mov/kite-9x16.mp4"),
        ("new/out.mp4", "new/out.mp4", "new/out-9x16.mp4"),
        ("FILM.MP4", "FILM.MP4", "FILM-9x16.MP4"),
        ("~/films", "{home}/films/kite.mp4", "{home}/films/kite-9x16.mp4"),
        ("~/out.mp4", "{home}/out.mp4", "{home}/out-9x16.mp4"),
        ("file://{home}/a b/out.mp4", "file://{home}/a b/out.mp4", "{home}/a b/out-9x16.mp4"),
    ],
)
async def test_film_goes_where_a_shell_would_put_it(
    no_access, delivered, tmp_path, target, place, variant
):
    target, place, variant = (text.format(home=tmp_path) for text in (target, place, variant))
    RunOptions(deliver_to=target).check()

    assert await delivered(target) == place
    here = tmp_path / "here"
    assert (here / place.removeprefix("file://")).read_bytes() == b"film"
    assert (here / variant).read_bytes() == b"film"
    assert not (here / "~").exists()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("gs://bucket/film.mp4", "gs://bucket/film.mp4 is no place"),
        ("bogus://x/y.mp4", "bogus://x/y.mp4 is no place"),
        ("s3:///film.mp4", "s3:///film.mp4 is no place"),
        ("file://films/film.mp4", "file://films/film.mp4 is no place"),
        ("out.mov", "out.mov ends in .mov, and films are MP4"),
        ("s3://bucket/films/out.WEBM", "out.WEBM ends in .webm, and films are MP4"),
        ("~nobody-of-this-name/films", "begins with a home folder that is not known"),
    ],
)
def test_place_that_films_do_not_go_to_is_refused_before_there_is_one(target, says):
    with pytest.raises(StudioError, match=says) as caught:
        RunOptions(deliver_to=target).check()

    assert str(caught.value).startswith(f"deliver_to = {target}")
    assert caught.value.next_step
