"""The records: created once, read or refused, and the furthest one is the state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefect_videogen.errors import RecordError, StudioError
from prefect_videogen.records import (
    Claimed,
    ClipRecords,
    End,
    LocalStore,
    Ready,
    Stored,
    Submitted,
    open_path,
    open_store,
)

KEY = "ab" * 32
CLAIMED = Claimed(
    at=1,
    owner="me",
    shot="kite",
    vendor="apixo",
    model="wan-2-5",
    base_url="https://api.example",
    body="{}",
    idempotency_key="videogen-0123456789-1",
    window=120,
)
SUBMITTED = Submitted(at=2, job_id="task_1")
READY = Ready(at=3, result_urls=("https://api.example/clip.mp4",))
STORED = Stored(at=4, path="p", size=1, sha256="s", last_frame="l", last_frame_sha256="f", probe={})
END = End(at=5, kind="failed")
WRITERS = {"submitted": SUBMITTED, "ready": READY, "stored": STORED, "end": END}


@pytest.fixture
def store(tmp_path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def records(store) -> ClipRecords:
    return ClipRecords(store, lambda: 0.0)


def place(store: LocalStore, name: str, number: int = 1) -> Path:
    return store.root / "clips" / KEY / str(number) / name


@pytest.mark.parametrize("name", ["1-claimed", "2-submitted", "3-ready", "4-stored", "end"])
@pytest.mark.parametrize(
    "text",
    ["", '{"at": 1, "owner"', "null", "{}", "\x00\x00", '{"at": "soon"}', "[]"],
    ids=["empty", "truncated", "null", "no-fields", "zeros", "wrong-type", "list"],
)
async def test_unusable_record_is_an_error_and_never_absent(records, store, name, text):
    await records.claim(KEY, 1, CLAIMED)
    path = place(store, f"{name}.json")
    path.unlink(missing_ok=True)
    path.write_text(text)
    with pytest.raises(RecordError) as caught:
        await records.history(KEY)
    assert f"{name}.json" in str(caught.value)
    assert "nothing is bought" in caught.value.next_step


async def test_unusable_record_quotes_nothing_of_its_content(records, store):
    await records.claim(KEY, 1, CLAIMED)
    place(store, "2-submitted.json").write_text('{"at": "signed-url-or-secret"}')
    with pytest.raises(RecordError) as caught:
        await records.history(KEY)
    assert "signed-url-or-secret" not in str(caught.value)


async def test_unreadable_record_is_an_error_and_never_absent(records, store):
    place(store, "1-claimed.json").mkdir(parents=True)
    with pytest.raises(RecordError, match="1-claimed"):
        await records.history(KEY)


async def test_claimed_attempt_with_another_owner_is_lost(records):
    assert await records.claim(KEY, 1, CLAIMED)
    assert not await records.claim(KEY, 1, CLAIMED.model_copy(update={"owner": "you"}))


async def test_existing_record_is_kept_and_given_back(records, store):
    await records.claim(KEY, 1, CLAIMED)
    assert await records.submitted(KEY, 1, SUBMITTED) == SUBMITTED
    before = place(store, "2-submitted.json").read_bytes()
    later = await records.submitted(KEY, 1, Submitted(at=9, job_id="task_2"))
    assert later == SUBMITTED
    assert place(store, "2-submitted.json").read_bytes() == before


async def test_existing_object_is_never_overwritten(store, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"other")
    assert await store.create("a/b", b"first")
    assert not await store.create("a/b", b"second")
    assert not await store.put_file("a/b", other)
    assert await store.read("a/b") == b"first"
    assert await store.list("a") == ["a/b"]


async def test_file_put_in_is_a_copy_that_leaves_nothing_behind(store, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"clip")
    assert await store.put_file("clips/x/clip.mp4", source)
    source.write_bytes(b"changed")
    assert (await store.fetch("clips/x/clip.mp4")).read_bytes() == b"clip"
    assert [path.name for path in (tmp_path / "clips/x").iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "", ".", "a/..", "..", "//x"])
async def test_path_that_leaves_the_store_is_refused(store, tmp_path, path):
    with pytest.raises(RecordError):
        await store.create(path, b"x")
    with pytest.raises(RecordError):
        await store.read(path)
    with pytest.raises(RecordError):
        await store.fetch(path)
    with pytest.raises(RecordError):
        await store.remove(path)
    assert not (tmp_path.parent / "x").exists()


async def test_full_or_read_only_disk_is_an_error_that_names_the_store(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    store = LocalStore(blocked)
    with pytest.raises(RecordError) as caught:
        await store.create("a", b"x")
    assert store.url in caught.value.next_step


async def test_missing_object_is_absent_to_read_and_an_error_to_fetch(store):
    assert await store.read("nothing/here") is None
    await store.remove("nothing/here")
    with pytest.raises(RecordError, match="nothing/here is missing"):
        await store.fetch("nothing/here")


async def test_no_record_at_all_is_new(records):
    history = await records.history(KEY)
    assert (history.state, history.latest, history.stored, history.jobs) == ("new", None, None, 0)


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ((), "claimed"),
        (("submitted",), "submitted"),
        (("submitted", "ready"), "ready"),
        (("submitted", "ready", "stored"), "stored"),
        (("end",), "ended"),
        (("submitted", "end"), "ended"),
        (("submitted", "ready", "end"), "ended"),
        (("submitted", "ready", "stored", "end"), "stored"),
    ],
)
async def test_furthest_record_is_the_state(records, written, state):
    await records.claim(KEY, 1, CLAIMED)
    for name in written:
        await getattr(records, name)(KEY, 1, WRITERS[name])
    history = await records.history(KEY)
    assert history.state == state
    assert history.jobs == int("submitted" in written)


async def test_stored_attempt_beats_a_later_one(records):
    await records.claim(KEY, 1, CLAIMED)
    await records.submitted(KEY, 1, SUBMITTED)
    await records.ready(KEY, 1, READY)
    await records.stored(KEY, 1, STORED)
    await records.claim(KEY, 2, CLAIMED)
    history = await records.history(KEY)
    assert history.state == "stored"
    assert history.latest.number == 2
    assert history.stored.number == 1


async def test_record_of_a_later_version_is_read_without_its_new_fields(records, store):
    await records.claim(KEY, 1, CLAIMED)
    newer = {**SUBMITTED.model_dump(), "invented_later": True}
    place(store, "2-submitted.json").write_text(json.dumps(newer))
    assert (await records.history(KEY)).latest.submitted == SUBMITTED


class LosingStore(LocalStore):
    """Writes, and then says that it lost: some servers' answer to a client's own retry."""

    async def create(self, path: str, data: bytes) -> bool:
        await super().create(path, data)
        return False


async def test_lost_race_with_the_own_token_counts_as_won(tmp_path):
    records = ClipRecords(LosingStore(tmp_path), lambda: 0.0)
    assert await records.claim(KEY, 1, CLAIMED)
    assert not await records.claim(KEY, 1, CLAIMED.model_copy(update={"owner": "you"}))
    assert await records.submitted(KEY, 1, SUBMITTED) == SUBMITTED


class ForgetfulStore(LocalStore):
    """Refuses to create what it does not have."""

    async def create(self, path: str, data: bytes) -> bool:
        del path, data
        return False


async def test_refused_record_that_does_not_exist_is_never_taken_for_written(tmp_path):
    records = ClipRecords(ForgetfulStore(tmp_path), lambda: 0.0)
    assert not await records.claim(KEY, 1, CLAIMED)
    with pytest.raises(RecordError, match="does not exist"):
        await records.submitted(KEY, 1, SUBMITTED)


async def test_open_entry_exists_until_it_is_closed(records, store):
    await records.open("apixo", "wan-2-5", KEY, 1)
    await records.open("apixo", "wan-2-5", KEY, 1)
    assert await store.list("open") == [open_path("apixo", "wan-2-5", KEY, 1)]
    await records.close("apixo", "wan-2-5", KEY, 1)
    await records.close("apixo", "wan-2-5", KEY, 1)
    assert await store.list("open") == []


async def test_run_is_noted_once_and_only_inside_a_run(records, store):
    await records.note_run("", KEY, 1)
    await records.note_run("run-1", KEY, 1)
    await records.note_run("run-1", KEY, 1)
    assert await store.list("runs") == [f"runs/run-1/{KEY}-1"]


def test_address_of_a_store_is_a_path_or_file_url(tmp_path):
    assert open_store(tmp_path.as_uri()).url == tmp_path.as_uri()
    assert open_store(str(tmp_path)).url == tmp_path.as_uri()
    served = open_store(str(tmp_path), public_url="https://media.example/")
    assert served.public_url("stills/a b.png") == "https://media.example/stills/a%20b.png"
    assert open_store(str(tmp_path)).public_url("x") is None
    with pytest.raises(StudioError):
        open_store("ftp://somewhere")
    with pytest.raises(StudioError):
        open_store("")
