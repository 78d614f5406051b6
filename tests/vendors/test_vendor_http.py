"""The wire: phases of failure over real sockets, limits, redirects, and the key's own host."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import pickle
import socket
import traceback

import httpx
import pytest

from prefect_videogen.capabilities import MODELS
from prefect_videogen.errors import (
    NotSent,
    StatusUnavailable,
    SubmissionUnknown,
    Throttled,
    VendorError,
)
from prefect_videogen.vendors import HttpSession, Timeouts, open_client
from prefect_videogen.vendors.http import LARGEST_ANSWER, MOST_ASKING, Call, _Sent

pytestmark = pytest.mark.asyncio

# Connecting is never what is slow here but on a busy machine, where it must not pass for the fault.
QUICK = Timeouts(connect=5, read=0.2, submit_read=0.2, total=0.5)
MODEL = MODELS["wan-2-5"]
OK = b'{"code":200,"message":"success","data":{"taskId":"task_1"}}'


def _answer(body, *, status=b"200 OK", length=None, headers=b""):
    told = str(len(body) if length is None else length).encode()
    return (
        b"HTTP/1.1 " + status + b"\r\nContent-Length: " + told + b"\r\n" + headers + b"\r\n" + body
    )


async def _request(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    if lengths:
        await reader.readexactly(int(lengths[0].split(b":")[1]))
    return head


def _says(raw):
    async def behave(reader, writer):
        await _request(reader)
        writer.write(raw)
        await writer.drain()

    return behave


async def _drops_at_once(_, writer):
    writer.transport.abort()


async def _drops_after_reading(reader, writer):
    await _request(reader)
    writer.transport.abort()


async def _never_answers(reader, _):
    await reader.read()


async def _stalls_after_headers(reader, writer):
    await _request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")
    await reader.read()


async def _trickles(reader, writer):
    await _request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)


async def _never_ends(reader, writer):
    await _request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" " * 65536)
        await writer.drain()


AFTER_SENDING = {
    "drops at once": _drops_at_once,
    "drops after reading": _drops_after_reading,
    "never answers": _never_answers,
    "stalls after headers": _stalls_after_headers,
    "trickles": _trickles,
    "never ends": _never_ends,
    "garbage": _says(b"\x00\x01garbage\r\n\r\n"),
    "half an answer": _says(_answer(OK, length=len(OK) + 100)),
    "cut to half by its length": _says(_answer(OK, length=len(OK) // 2)),
    "502 with HTML": _says(_answer(b"<html>bad gateway</html>", status=b"502 Bad Gateway")),
    "200 with HTML": _says(_answer(b"<html>welcome</html>")),
    "broken gzip": _says(_answer(b"not gzip", headers=b"Content-Encoding: gzip\r\n")),
    "redirect to nowhere": _says(
        _answer(b"", status=b"302 Found", headers=b"Location: http://[\r\n")
    ),
}


@pytest.mark.parametrize("behaviour", AFTER_SENDING.values(), ids=AFTER_SENDING)
async def test_failure_after_connecting_is_unknown_for_a_submission(
    server_that, account_at, key, behaviour
):
    async with (
        server_that(behaviour) as url,
        open_client(account_at("apixo", url), timeouts=QUICK) as client,
    ):
        with pytest.raises(SubmissionUnknown) as caught:
            await client.submit(MODEL, b'{"prompt":"secret prompt"}')
    _holds_no_secret(caught.value, key)
    assert caught.value.billed == "unknown"


@pytest.mark.parametrize("behaviour", AFTER_SENDING.values(), ids=AFTER_SENDING)
async def test_failure_after_connecting_is_transient_for_a_status_query(
    server_that, account_at, key, behaviour
):
    async with (
        server_that(behaviour) as url,
        open_client(account_at("evolink", url), timeouts=QUICK) as client,
    ):
        with pytest.raises(StatusUnavailable) as caught:
            await client.status("wan2.5-image-to-video", "task-unified-1-a")
    _holds_no_secret(caught.value, key)
    assert caught.value.transient
    assert caught.value.job_id == "task-unified-1-a"


def _unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_refused_connection_is_not_sent_for_a_submission(account_at, key):
    account = account_at("apixo", f"http://127.0.0.1:{_unused_port()}")
    async with open_client(account) as client:
        with pytest.raises(NotSent) as caught:
            await client.submit(MODEL, b"{}")
    _holds_no_secret(caught.value, key)
    assert (caught.value.billed, caught.value.transient) == ("no", True)


async def test_refused_connection_is_no_word_about_a_job(account_at):
    account = account_at("apixo", f"http://127.0.0.1:{_unused_port()}")
    async with open_client(account) as client:
        with pytest.raises(StatusUnavailable):
            await client.status("wan-2-5", "task_1")
        with pytest.raises(StatusUnavailable):
            await client.balance()


async def test_unknown_name_is_not_sent(account_at):
    account = account_at("apixo", "http://nowhere.localhost:1")
    async with open_client(account) as client:
        with pytest.raises(NotSent):
            await client.submit(MODEL, b"{}")


async def test_tls_to_a_server_without_tls_is_not_sent(server_that, account_at):
    async with server_that(_says(_answer(OK))) as url:
        account = account_at("apixo", url.replace("http:", "https:"))
        async with open_client(account, timeouts=Timeouts(connect=0.2)) as client:
            with pytest.raises(NotSent):
                await client.submit(MODEL, b"{}")


RAISED = [
    (httpx.ConnectError, NotSent),
    (httpx.ConnectTimeout, NotSent),
    (httpx.PoolTimeout, NotSent),
    (httpx.ProxyError, NotSent),
    (httpx.UnsupportedProtocol, NotSent),
    (httpx.LocalProtocolError, NotSent),
    (httpx.ReadTimeout, SubmissionUnknown),
    (httpx.WriteTimeout, SubmissionUnknown),
    (httpx.ReadError, SubmissionUnknown),
    (httpx.WriteError, SubmissionUnknown),
    (httpx.CloseError, SubmissionUnknown),
    (httpx.RemoteProtocolError, SubmissionUnknown),
    (httpx.DecodingError, SubmissionUnknown),
    (httpx.TooManyRedirects, SubmissionUnknown),
    (ConnectionResetError, SubmissionUnknown),
    (TimeoutError, SubmissionUnknown),
]


@pytest.mark.parametrize(("raised", "expected"), RAISED)
async def test_exception_of_a_phase_becomes_its_error(account_at, key, raised, expected):
    def fail(request):
        raise raised(f"{request.headers['authorization']} https://x.example/?sig=f00")

    client = open_client(account_at("apixo"), transport=httpx.MockTransport(fail))
    with pytest.raises(expected) as caught:
        await client.submit(MODEL, b"{}")
    _holds_no_secret(caught.value, key)
    assert "f00" not in str(caught.value)
    with pytest.raises(StatusUnavailable):
        await client.status("wan-2-5", "task_1")


@pytest.mark.parametrize("raised", [httpx.ConnectError, httpx.LocalProtocolError])
async def test_connect_error_after_a_byte_was_sent_is_unknown(account_at, raised):
    class Reconnects(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            await request.extensions["trace"]("http11.send_request_headers.started", {})
            raise raised("again")

    client = open_client(account_at("apixo"), transport=Reconnects())
    with pytest.raises(SubmissionUnknown):
        await client.submit(MODEL, b"{}")


async def test_answer_over_the_limit_is_not_read_to_its_end(account_at):
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 65536
            yield b" " * 65536

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=endless()))
    client = open_client(account_at("apixo"), transport=transport)
    with pytest.raises(StatusUnavailable, match=str(LARGEST_ANSWER)):
        await client.balance()
    assert read < 2 * LARGEST_ANSWER


async def test_compressed_answer_over_the_limit_is_refused(server_that, account_at):
    bomb = gzip.compress(b" " * (4 * LARGEST_ANSWER))
    raw = _answer(bomb, headers=b"Content-Encoding: gzip\r\n")
    async with (
        server_that(_says(raw)) as url,
        open_client(account_at("apixo", url)) as client,
    ):
        with pytest.raises(StatusUnavailable, match="more than"):
            await client.balance()


async def test_submission_gets_a_connection_of_its_own_and_queries_share_one(
    server_that, account_at
):
    connections = []

    async def behave(reader, writer):
        connections.append(0)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await _request(reader)
                connections[-1] += 1
                writer.write(_answer(OK))

    async with (
        server_that(behave) as url,
        open_client(account_at("apixo", url)) as client,
    ):
        for _ in range(2):
            assert (await client.submit(MODEL, b"{}")).job_id == "task_1"
        for _ in range(3):
            with pytest.raises(StatusUnavailable):
                await client.balance()
    assert connections == [1, 1, 3]


async def _answers_balances(reader, writer):
    while True:
        await _request(reader)
        writer.write(_answer(b'{"code":200,"message":"success","data":12.5}'))


@pytest.fixture
def cancelled_once_connected(monkeypatch):
    """Cancel the next query between its connection and the first byte of its request."""
    real, pending = _Sent.trace, [True]

    async def trace(self, event, info):
        await real(self, event, info)
        if event.endswith("connect_tcp.complete") and pending:
            pending.clear()
            query = asyncio.current_task()
            assert query
            query.cancel()

    monkeypatch.setattr(_Sent, "trace", trace)


async def test_query_cancelled_once_connected_is_not_in_the_way_of_the_next(
    server_that, account_at, cancelled_once_connected
):
    async with (
        server_that(_answers_balances) as url,
        open_client(account_at("apixo", url), timeouts=Timeouts(pool=0.2)) as client,
    ):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(client.balance())
        assert [(await client.balance()).amount for _ in range(2)] == [12.5, 12.5]


async def test_all_connections_are_closed_with_the_session_those_put_in_place_of_others_too(
    server_that, account_at, cancelled_once_connected, monkeypatch
):
    made = []

    class Noted(httpx.AsyncClient):
        def __init__(self, **settings):
            super().__init__(**settings)
            made.append(self)

    monkeypatch.setattr(httpx, "AsyncClient", Noted)
    async with server_that(_answers_balances) as url:
        async with open_client(account_at("apixo", url)) as client:
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(client.balance())
            await client.balance()
            assert [one.is_closed for one in made].count(True) == 1
        assert len(made) == MOST_ASKING + 2  # that of submissions, and the one put in place
        assert all(one.is_closed for one in made)


async def test_query_that_a_closed_session_breaks_off_opens_nothing_anew(server_that, account_at):
    asked = asyncio.Event()

    async def keeps_waiting(reader, _):
        await _request(reader)
        asked.set()
        await reader.read()

    async with server_that(keeps_waiting) as url:
        client = open_client(account_at("apixo", url))
        query = asyncio.create_task(client.balance())
        await asked.wait()
        await client.aclose()
        query.cancel()
        await asyncio.gather(query, return_exceptions=True)
        with pytest.raises(RuntimeError, match="closed"):
            await client.balance()


async def test_network_of_a_test_outlives_a_cancelled_query(account_at):
    asked, answer = asyncio.Event(), asyncio.Event()

    async def handle(_):
        asked.set()
        await answer.wait()
        return httpx.Response(200, json={"code": 200, "message": "success", "data": 12.5})

    client = open_client(account_at("apixo"), transport=httpx.MockTransport(handle))
    query = asyncio.create_task(client.balance())
    await asked.wait()
    query.cancel()
    with pytest.raises(asyncio.CancelledError):
        await query
    answer.set()
    assert (await client.balance()).amount == 12.5


async def test_request_has_key_agent_timeouts_and_exact_bytes(account_at, key):
    seen = []

    def handle(request):
        seen.append(request)
        return httpx.Response(200, content=OK)

    client = open_client(account_at("apixo"), transport=httpx.MockTransport(handle))
    body = '{"prompt":"Ålesund"}'.encode()
    await client.submit(MODEL, body, idempotency_key="apixo-knows-no-such-key")
    (request,) = seen
    assert request.content == body
    assert request.headers["authorization"] == f"Bearer {key}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("prefect-videogen/")
    assert request.headers["user-agent"].endswith(" (+python httpx)")
    assert "idempotency-key" not in request.headers
    assert request.extensions["timeout"] == {"connect": 10, "read": 30, "write": 30, "pool": 10}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://vendor.example/v1", True),
        ("https://VENDOR.example:443/v1", True),
        ("https://files.example:444/y", True),
        ("https://vendor.example.evil.example/v1", False),
        ("https://vendor.example:444/v1", False),
        ("http://vendor.example/v1", False),
        ("https://files.example/y", False),
    ],
)
async def test_key_goes_to_the_accounts_own_hosts_only(account_at, url, expected):
    seen = []

    def handle(request):
        seen.append("authorization" in request.headers)
        return httpx.Response(200, content=b"{}")

    account = account_at("evolink", files_url="https://files.example:444/x")
    async with HttpSession(account, transport=httpx.MockTransport(handle)) as session:
        await session.send(Call("balance", "GET", url))
    assert seen == [expected]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_never_followed(account_at, status):
    asked = []

    def handle(request):
        asked.append(str(request.url))
        return httpx.Response(status, headers={"location": "https://evil.example/"})

    client = open_client(account_at("apixo"), transport=httpx.MockTransport(handle))
    with pytest.raises(VendorError):
        await client.submit(MODEL, b"{}")
    with pytest.raises(StatusUnavailable):
        await client.status("wan-2-5", "task_1")
    assert len(asked) == 2
    assert not any("evil" in url for url in asked)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500])
@pytest.mark.parametrize("vendor", ["apixo", "evolink"])
async def test_key_repeated_by_the_vendor_is_blotted_out(account_at, key, vendor, status):
    said = f"the key {key} (Bearer {key}) is odd, https://x.example/?key={key}"
    own = {"code": 400, "message": said, "data": None, "error": {"code": key, "message": said}}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=own))
    client = open_client(account_at(vendor), transport=transport)
    model = MODEL if vendor == "apixo" else MODELS["wan2.5-image-to-video"]
    for call in (
        client.submit(model, b"{}"),
        client.status(model.id, "task-1"),
        client.balance(),
    ):
        with pytest.raises(VendorError) as caught:
            await call
        _holds_no_secret(caught.value, key)


async def test_key_repeated_in_a_good_answer_enters_no_record(account_at, key):
    answer = {"code": 200, "message": "success", "data": {"taskId": "task_1", "echo": key}}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    got = await open_client(account_at("apixo"), transport=transport).submit(MODEL, b"{}")
    assert got.answer["data"]["echo"] == "***"


async def test_proxy_of_the_environment_is_not_used_at_home(server_that, account_at, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{_unused_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{_unused_port()}")
    async with (
        server_that(_says(_answer(OK))) as url,
        open_client(account_at("apixo", url)) as client,
    ):
        assert (await client.submit(MODEL, b"{}")).job_id == "task_1"


async def test_refusing_proxy_means_not_sent(server_that, account_at, monkeypatch):
    refuses = _says(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    async with server_that(refuses) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with open_client(account_at("apixo")) as client:
            with pytest.raises(NotSent):
                await client.submit(MODEL, b"{}")


async def test_cancelled_submission_stays_cancelled(server_that, account_at):
    async with (
        server_that(_never_answers) as url,
        open_client(account_at("apixo", url)) as client,
    ):
        task = asyncio.create_task(client.submit(MODEL, b"{}"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_throttled_answer_over_the_wire_keeps_its_header(server_that, account_at):
    raw = _answer(b"", status=b"429 Too Many Requests", headers=b"Retry-After: 3\r\n")
    async with (
        server_that(_says(raw)) as url,
        open_client(account_at("apixo", url)) as client,
    ):
        with pytest.raises(Throttled) as caught:
            await client.submit(MODEL, b"{}")
    assert caught.value.retry_after == 3


def _holds_no_secret(error, key):
    """Look for the key wherever an error can carry it, frames' local variables included."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [f for f in told.stack if "/prefect_videogen/" in f.filename]
    assert frames
    texts = [
        str(error),
        repr(error),
        repr(vars(error)),
        pickle.dumps(error).decode("latin-1"),
        *(value for frame in frames for value in (frame.locals or {}).values()),
    ]
    assert error.__cause__ is None
    assert error.__context__ is None
    assert not [text for text in texts if key in text]
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), str(again)) == (type(error), str(error))
