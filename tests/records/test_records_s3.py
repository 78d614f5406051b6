"""The media store on a real S3 server: exclusive, honest about absence, and verified."""

from __future__ import annotations

import asyncio
import hashlib
import os

import httpx
import pytest

from prefect_videogen.errors import RecordError
from prefect_videogen.records import open_store
from prefect_videogen.records.s3 import PART, S3Store


@pytest.fixture
def bucket(s3_server):
    return s3_server.folder()


@pytest.fixture
def store(s3_server, bucket):
    return open_store(f"{bucket}/media", options=s3_server.options)


async def test_a_record_is_created_once(store):
    assert await store.create("clips/k/1/1-claimed.json", b"one")
    assert not await store.create("clips/k/1/1-claimed.json", b"two")
    assert await store.read("clips/k/1/1-claimed.json") == b"one"


async def test_a_lost_race_that_was_our_own_write_is_won(store):
    """A client's retry can meet its own first try: the very same bytes are there."""
    assert await store.create("a", b"with a token of its owner")
    assert await store.create("a", b"with a token of its owner")


async def test_of_sixteen_writers_at_once_one_wins(s3_server, bucket):
    for number in range(5):
        stores = [S3Store(bucket, options=s3_server.options) for _ in range(16)]
        won = await asyncio.gather(
            *(store.create(f"race/{number}", f"{i}".encode()) for i, store in enumerate(stores))
        )
        assert won.count(True) == 1
        assert await stores[0].read(f"race/{number}") == f"{won.index(True)}".encode()


async def test_what_another_client_wrote_after_a_listing_is_seen(s3_server, bucket):
    """s3fs's caches would answer "not there" from memory."""
    one, other = (S3Store(bucket, options=s3_server.options) for _ in range(2))
    assert await one.list("clips") == []
    assert await one.read("clips/a") is None
    await other.create("clips/a", b"x")
    assert await one.read("clips/a") == b"x"
    assert await one.list("clips") == ["clips/a"]


async def test_absent_is_none_and_removing_it_is_no_error(store):
    assert await store.read("nowhere") is None
    await store.remove("nowhere")


async def test_a_wrong_key_is_an_error_that_does_not_show_it(s3_server, bucket):
    options = {**s3_server.options, "secret": "wrong-and-secret"}
    store = S3Store(bucket, options=options)
    with pytest.raises(RecordError) as caught:
        await store.read("a")
    assert "wrong-and-secret" not in str(caught.value)


async def test_a_server_that_is_gone_is_an_error(s3_server):
    options = {
        **s3_server.options,
        "endpoint_url": "http://127.0.0.1:9",
        "config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 1},
    }
    store = S3Store("s3://bucket", options=options)
    with pytest.raises(RecordError):
        await store.read("a")


async def test_a_server_that_ignores_the_condition_is_found_out(store, monkeypatch):
    real = store._fs.pipe_file

    def ignoring(path, data, mode="overwrite", **more):
        return real(path, data, **more)

    monkeypatch.setattr(store._fs, "pipe_file", ignoring)
    with pytest.raises(RecordError, match="If-None-Match") as caught:
        await store.create("clips/k/1/1-claimed.json", b"one")
    assert "nothing is bought" in caught.value.next_step
    assert await store.read("clips/k/1/1-claimed.json") is None


@pytest.mark.parametrize("size", [10, 2 * PART + 5, 3 * PART])
async def test_a_file_arrives_whole_and_can_be_fetched(store, tmp_path, size):
    source = tmp_path / "clip.mp4"
    source.write_bytes(os.urandom(size))
    assert await store.put_file("clips/k/clip.mp4", source)
    assert not await store.put_file("clips/k/clip.mp4", source)
    fetched = await store.fetch("clips/k/clip.mp4")
    assert fetched.suffix == ".mp4"
    wanted = hashlib.sha256(source.read_bytes()).digest()
    assert hashlib.sha256(fetched.read_bytes()).digest() == wanted


async def test_other_bytes_at_the_server_are_found_out(store, tmp_path, monkeypatch):
    source = tmp_path / "clip.mp4"
    source.write_bytes(b"what was sent")

    def spoilt(_local, place, **_more):
        store._fs.pipe_file(place, b"what was SENT")

    monkeypatch.setattr(store._fs, "put_file", spoilt)
    with pytest.raises(RecordError, match="other bytes"):
        await store.put_file("clips/k/clip.mp4", source)


async def test_an_upload_that_fails_leaves_no_parts(store, tmp_path, monkeypatch):
    source = tmp_path / "clip.mp4"
    source.write_bytes(os.urandom(3 * PART))
    real = store._fs._call_s3

    async def failing(method, *args, **more):
        if method == "upload_part" and more.get("PartNumber") == 2:
            raise OSError("cut off")
        return await real(method, *args, **more)

    monkeypatch.setattr(store._fs, "_call_s3", failing)
    with pytest.raises(RecordError, match="cut off"):
        await store.put_file("clips/k/clip.mp4", source)
    monkeypatch.undo()
    bucket = store._base.partition("/")[0]
    left = store._fs.call_s3("list_multipart_uploads", Bucket=bucket)
    assert not left.get("Uploads")
    assert await store.read("clips/k/clip.mp4") is None


async def test_a_signed_url_serves_the_object_with_its_type(store, tmp_path):
    await store.create("stills/a.png", b"picture")
    url = store.public_url("stills/a.png")
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    assert answer.content == b"picture"
    assert answer.headers["content-type"] == "image/png"
    lives = int(httpx.URL(url).params.get("X-Amz-Expires", "0"))
    assert lives >= 12 * 3600, "it has to outlive the queue"


@pytest.mark.parametrize("path", ["", "/abs", "a/../../b"])
async def test_a_path_outside_the_store_is_refused(store, path):
    with pytest.raises(RecordError):
        await store.read(path)
