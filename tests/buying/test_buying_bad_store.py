"""With a media store that is read-only, full or answering 500, no submission is made."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from prefect_videogen.buying import Buyer
from prefect_videogen.errors import RecordError
from prefect_videogen.records import open_store


@pytest.fixture
def broken_s3() -> Iterator[str]:
    """The address of a server that answers 500 to everything."""

    class Broken(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(500)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process may be longer than ten bytes, as on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def refused(vendors, studio, request) -> RecordError:
    async with studio:
        with pytest.raises(RecordError) as caught:
            await Buyer(studio, request).buy()
    assert vendors.charges == []
    assert not [seen for seen in vendors.requests if seen.kind == "submit"]
    assert caught.value.billed == "no"
    assert caught.value.next_step
    return caught.value


async def test_read_only_store_buys_nothing(emulator, open_studio, ask, s3_server):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    store = open_store(s3_server.folder(), options=s3_server.reader)
    await refused(vendors, open_studio(vendors, store=store), request)


async def test_store_that_answers_500_buys_nothing(emulator, open_studio, ask, broken_s3):
    vendors = emulator()
    request = await ask(open_studio(vendors))
    options = {
        "key": "k",
        "secret": "s",
        "endpoint_url": broken_s3,
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    store = open_store("s3://videogen/broken", options=options)
    await refused(vendors, open_studio(vendors, store=store), request)


async def test_full_disk_buys_nothing(emulator, open_studio, ask, request):
    vendors = emulator()
    studio = open_studio(vendors)
    asked = await ask(studio)
    request.getfixturevalue("full_disk")
    await refused(vendors, studio, asked)
