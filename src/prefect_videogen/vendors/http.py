"""HTTP to a vendor: every wait bounded, the key for its own host only, failures sorted by phase.

Sends and reads, never retries, follows no redirect and judges no answer. A submission that fails
before anything was sent is `NotSent`; one that fails later is `SubmissionUnknown`; any other call
that fails is `StatusUnavailable`, even before sending, for it says nothing about a job.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import quote, urlsplit

import httpx

from prefect_videogen.errors import NotSent, StatusUnavailable, SubmissionUnknown, VendorError
from prefect_videogen.vendors.account import VENDOR_NAMES, Account, is_private_host
from prefect_videogen.vendors.reading import quotable

LARGEST_ANSWER = 1024 * 1024
"""Most bytes read of an answer; the longest documented one is a page of the task list."""

MOST_ASKING = 16
"""Queries under way at once at one vendor, each on a connection of its own."""

Purpose = Literal["submit", "status", "balance", "list", "upload"]

_WORDS: Mapping[Purpose, str] = {
    "submit": "submission",
    "status": "status query",
    "balance": "balance query",
    "list": "query of the task list",
    "upload": "file upload",
}

# A key shorter than this may be an ordinary word of an answer (an emulator's `demo`).
_LONG_KEY = 12

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait for each part of an exchange, and for the whole of it.

    Attributes:
        connect: For a connection, TLS included.
        read: Between two parts of an answer [contracts 4.9: the vendor's own client, 15 s].
        submit_read: The same for a submission [30 s].
        write: Between two parts of a request.
        pool: For a free connection.
        total: For the whole exchange, so that a trickle of bytes ends too.
        upload_total: The same for a file upload.
    """

    connect: float = 10.0
    read: float = 15.0
    submit_read: float = 30.0
    write: float = 30.0
    pool: float = 10.0
    total: float = 60.0
    upload_total: float = 300.0

    def of(self, purpose: Purpose) -> httpx.Timeout:
        """Timeouts of one call, but for its total."""
        read = self.submit_read if purpose == "submit" else self.read
        return httpx.Timeout(connect=self.connect, read=read, write=self.write, pool=self.pool)

    def total_of(self, purpose: Purpose) -> float:
        """Total of one call."""
        return self.upload_total if purpose == "upload" else self.total


DEFAULT_TIMEOUTS = Timeouts()


class HttpAnswer(NamedTuple):
    """An answer, read to its end; its three parts go to the `*_answers` functions."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Call:
    """One request to a vendor.

    Attributes:
        purpose: What it is for; decides its timeouts and the errors of a failure.
        method: HTTP method.
        url: Absolute URL.
        content: Body of the request.
        headers: Headers beside those that every request has.
        files: Parts of a multipart body.
        job_id: The job it is about.
    """

    purpose: Purpose
    method: Literal["GET", "POST"]
    url: str
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] | None = field(default=None, repr=False)
    job_id: str | None = None


class HttpSession:
    """Connections to one account's hosts.

    Args:
        account: Whose key is sent, and to which hosts only.
        transport: Stands in for the network; for tests and emulators in the same process.
        timeouts: How long to wait.
    """

    def __init__(
        self,
        account: Account,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self._account = account
        self._timeouts = timeouts
        self._auth = _BearerAuth(account)
        # A client looks at all its connections, twice for each request: so each has only one. The
        # one used last is used next, while it is open.
        self._idle: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        common: dict[str, Any] = {
            "headers": {"User-Agent": user_agent(), "Accept-Encoding": "identity"},
            "follow_redirects": False,
            # A proxy of the environment can't reach, and need not see, what is at home.
            "trust_env": not is_private_host(account.base_url),
        }
        if transport is None:
            common["verify"] = httpx.create_ssl_context(trust_env=common["trust_env"])
        one = httpx.Limits(max_connections=1)
        self._new_client = partial(httpx.AsyncClient, limits=one, **common)
        # A kept connection may close under the very request that reuses it, which would leave a
        # paid POST unknown for nothing: submissions get a connection of their own.
        fresh = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        self._fresh_client = httpx.AsyncClient(transport=transport, limits=fresh, **common)
        self._clients = {self._fresh_client}
        self._closing: set[asyncio.Task[None]] = set()
        for _ in range(MOST_ASKING):
            client = self._new_client() if transport is None else self._fresh_client
            self._clients.add(client)
            self._idle.put_nowait(client)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        while self._clients:
            await self._clients.pop().aclose()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def send(self, call: Call) -> HttpAnswer:
        """Send one request and read its answer, once.

        Args:
            call: The request.

        Returns:
            The answer, whatever its status; the key is blotted out of a body that repeats it.

        Raises:
            NotSent: If a submission certainly never left.
            SubmissionUnknown: If a submission failed in any other way.
            StatusUnavailable: If any other call failed; transient.
        """
        # Those who send a submission have a gate of their own, before they claim.
        if call.purpose == "submit":
            return await self._send(call, self._fresh_client)
        client = await self._idle.get()
        try:
            return await self._send(call, client)
        except BaseException:
            client = self._instead_of(client)
            raise
        finally:
            self._idle.put_nowait(client)

    def _instead_of(self, client: httpx.AsyncClient) -> httpx.AsyncClient:
        """Have another client where one got no answer.

        A cancellation at a bad moment leaves httpcore's connection neither idle nor closed, and
        whoever uses the client next would wait for it in vain. The closing is a task of its own,
        as whoever sends may be cancelled.
        """
        if client is self._fresh_client or client.is_closed:
            return client  # many connections, or a session that is closed
        self._clients.remove(client)
        closing = asyncio.create_task(client.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        fresh = self._new_client()
        self._clients.add(fresh)
        return fresh

    async def _send(self, call: Call, client: httpx.AsyncClient) -> HttpAnswer:
        sent = _Sent()
        try:
            async with asyncio.timeout(self._timeouts.total_of(call.purpose)):
                return await self._exchange(call, client, sent)
        except _NEVER_SENT as error:
            # A proxy's refusal comes after a CONNECT that the trace takes for a request.
            never = not sent.anything or isinstance(error, httpx.ProxyError)
            failure = self._failure(call, error, sent_nothing=never)
        except httpx.LocalProtocolError as error:
            failure = self._failure(call, error, sent_nothing=not sent.anything)
        except (TimeoutError, httpx.HTTPError, httpx.StreamError, OSError, _TooLong) as error:
            failure = self._failure(call, error, sent_nothing=False)
        # Raised out here, so that httpx's exception, which holds the request, is no part of it.
        raise failure

    async def _exchange(self, call: Call, client: httpx.AsyncClient, sent: _Sent) -> HttpAnswer:
        async with client.stream(
            call.method,
            call.url,
            content=call.content,
            files=call.files,
            headers=call.headers,
            auth=self._auth,
            timeout=self._timeouts.of(call.purpose),
            extensions={"trace": sent.trace},
        ) as response:
            body = await _read(response)
            return HttpAnswer(response.status_code, dict(response.headers), self._blot(body))

    def _blot(self, body: bytes) -> bytes:
        key = self._account.api_key.get_secret_value()
        if len(key) < _LONG_KEY:
            return body
        spelt = json.dumps(key)[1:-1]
        for spelling in {key, spelt, spelt.replace("/", "\\/"), quote(key, safe="")}:
            body = body.replace(spelling.encode(), b"***")
        return body

    def _failure(self, call: Call, error: Exception, *, sent_nothing: bool) -> VendorError:
        vendor = self._account.vendor
        host = urlsplit(call.url).netloc
        what = f"the {_WORDS[call.purpose]} to {VENDOR_NAMES[vendor]} at {host}"
        reason = _reason(error)
        if call.purpose != "submit":
            message = f"{what} failed: {reason}"
            billed: Literal["yes", "no"] = "yes" if call.purpose == "status" else "no"
            return StatusUnavailable(
                message, vendor=vendor, transient=True, job_id=call.job_id, billed=billed
            )
        if sent_nothing:
            message = f"{what} never left: {reason}"
            step = "Check the network and the base URL."
            return NotSent(message, vendor=vendor, transient=True, next_step=step)
        message = f"{what} was sent, but its answer was lost: {reason}"
        step = "It may have been accepted: look it up at the vendor before buying again."
        return SubmissionUnknown(message, vendor=vendor, next_step=step)


def user_agent() -> str:
    """Name ourselves to the vendor."""
    try:
        number = version("prefect-videogen")
    except PackageNotFoundError:
        number = "0+source"
    return f"prefect-videogen/{number} (+python httpx)"


class _BearerAuth(httpx.Auth):
    """Puts the key into requests to the account's own hosts, and nowhere else."""

    def __init__(self, account: Account) -> None:
        self._key = account.api_key
        self._origins = {_origin(account.base_url), _origin(account.files_base)}

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if _origin(str(request.url)) in self._origins:
            request.headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        yield request


class _Sent:
    """Notes whether any byte of a request may have been sent, from httpcore's trace."""

    def __init__(self) -> None:
        self.anything = False

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.anything = True


class _TooLong(Exception):
    """The answer is longer than any answer should be."""


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > LARGEST_ANSWER:
            raise _TooLong
    return bytes(body)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = httpx.URL(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.host, parts.port or default


def _reason(error: Exception) -> str:
    if isinstance(error, _TooLong):
        return f"an answer of more than {LARGEST_ANSWER} bytes"
    if isinstance(error, TimeoutError):
        return "no whole answer in time"
    # Only the failure to connect has a text worth reading, and no request in it yet.
    text = quotable(str(error), 120) if isinstance(error, httpx.ConnectError) else ""
    return f"{type(error).__name__} ({text})" if text else type(error).__name__
