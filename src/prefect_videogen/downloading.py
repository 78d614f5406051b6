"""Bytes from a vendor's URL into a file: streamed, resumed after a break, within limits.

The URL is untrusted: no private address but the configured vendor's own host, no plain http, no
redirect from elsewhere into this network, a size cap. What the bytes are is for others to check.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx

from prefect_videogen.errors import DownloadError, UntrustedAddress
from prefect_videogen.vendors.account import is_private_address, is_private_host

LARGEST_CLIP = 4 * 1024**3
"""Bytes; no documented clip comes near."""

TIMEOUT = httpx.Timeout(60, connect=10, read=30)
CHUNK = 1024 * 1024
MOST_REDIRECTS = 3
GONE = frozenset({401, 403, 404, 410})


class GoneError(Exception):
    """The URL does not serve the result, or not any more."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class BrokenError(OSError):
    """The transfer was not what it said it would be; trying again may help."""


@dataclass
class Download:
    """One result on its way into a file; every try goes on where the last one broke off.

    Attributes:
        place: The file.
        own_host: Host and port of the configured vendor, which may be private.
        client: What `open_client` gives; may serve many downloads at once.
    """

    place: Path
    own_host: str
    client: httpx.AsyncClient
    _version: str = field(default="", init=False)

    async def attempt(self, url: str) -> None:
        """Try once to get all of it, or what is still missing.

        Args:
            url: The vendor's URL.

        Raises:
            GoneError: If the URL does not serve it.
            DownloadError: If it is too large or redirects in circles; trying again is no use.
            UntrustedAddress: If it leads where we don't go.
            httpx.HTTPError: If the transfer breaks.
            BrokenError: If it ends too early.
        """
        own_host = self.own_host
        for _ in range(MOST_REDIRECTS + 1):
            await check_address(url, own_host)
            async with self.client.stream("GET", url, headers=self._headers()) as answer:
                if answer.has_redirect_location:
                    url = _redirected(url, answer.headers["location"])
                    if urlsplit(url).netloc != own_host:
                        own_host = ""  # after a detour nothing private is trusted
                    continue
                await self._take(answer)
                return
        message = f"the result redirects more than {MOST_REDIRECTS} times"
        raise DownloadError(message)

    def _have(self) -> int:
        return self.place.stat().st_size if self.place.exists() else 0

    def _headers(self) -> dict[str, str]:
        """Ask for the rest, if what is there is known to be of the same version."""
        plain = {"Accept-Encoding": "identity"}
        if self._version and self._have():
            return {**plain, "Range": f"bytes={self._have()}-", "If-Range": self._version}
        return plain

    async def _take(self, answer: httpx.Response) -> None:
        if answer.status_code in GONE:
            raise GoneError(answer.status_code)
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            self.place.unlink(missing_ok=True)
            message = "the rest can't be had; it is fetched anew"
            raise BrokenError(message)
        answer.raise_for_status()
        have, total = self._where(answer)
        self._check_size(total or 0)
        # Only a strong tag, or none at all: a weak one does not promise the same bytes.
        tag = answer.headers.get("etag", "")
        self._version = "" if tag.startswith("W/") else tag
        with self.place.open("ab" if have else "wb") as file:
            async for chunk in answer.aiter_bytes(CHUNK):
                have += len(chunk)
                self._check_size(have)
                file.write(chunk)
        if total is not None and have != total and "content-encoding" not in answer.headers:
            message = f"{have} of {total} bytes came"
            raise BrokenError(message)

    def _where(self, answer: httpx.Response) -> tuple[int, int | None]:
        """From which byte on the answer goes, and how many there are in all, if it says so."""
        if answer.status_code == httpx.codes.PARTIAL_CONTENT:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("content-range", ""))
            if found is None or int(found.group(1)) != self._have():
                self.place.unlink(missing_ok=True)
                message = "another part came than was asked for"
                raise BrokenError(message)
            return int(found.group(1)), int(found.group(2))
        length = answer.headers.get("content-length", "")
        return 0, int(length) if length.isdigit() else None

    def _check_size(self, size: int) -> None:
        if size > LARGEST_CLIP:
            self.place.unlink(missing_ok=True)
            message = f"the result is larger than {LARGEST_CLIP // 2**30} GiB"
            raise DownloadError(message)


def open_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Make a client for downloads; its connections are used again, no cookie is kept.

    Args:
        transport: For tests: how HTTP goes out.
    """
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return httpx.AsyncClient(
        timeout=TIMEOUT,
        transport=transport,
        verify=_tls(),
        cookies=no_cookies,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
    )


@functools.cache
def _tls() -> ssl.SSLContext:
    """The certificates to trust, read once: that takes as long as a small download."""
    return httpx.create_ssl_context()


async def check_address(url: str, own_host: str) -> None:
    """Refuse URLs that lead into this machine or its network.

    Args:
        url: The vendor's URL.
        own_host: Host and port of the configured vendor, which may be private.

    Raises:
        UntrustedAddress: If the address is private, not http(s), or can't be read.
    """
    parts = _parts(url)
    where = parts.netloc.rpartition("@")[2]
    if own_host and where == own_host:
        return
    if parts.scheme != "https" or not parts.hostname:
        message = f"the result's address is not https ({parts.scheme}://{where})"
        raise UntrustedAddress(message)
    if await leads_home(url):
        message = f"the result's address is private ({where})"
        raise UntrustedAddress(message, next_step="The vendor sent an address we don't go to.")


def _parts(url: str) -> SplitResult:
    """Take a URL apart; a text that the HTTP client can't read as one is refused, unquoted."""
    try:
        httpx.URL(url)
        return urlsplit(url)
    except (ValueError, httpx.InvalidURL):
        raise _unreadable_address() from None


def _redirected(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise _unreadable_address() from None


def _unreadable_address() -> UntrustedAddress:
    message = "the result's address can't be read as one"
    return UntrustedAddress(message, next_step="The vendor sent an address we don't go to.")


async def leads_home(url: str) -> bool:
    """Say whether a URL leads into this machine or its network, by its name's addresses too.

    Args:
        url: An absolute URL with a host.
    """
    if is_private_host(url):
        return True
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(urlsplit(url).hostname, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False  # it will fail to connect, which is reported as what it is
    addresses = {ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found}
    return any(is_private_address(address) for address in addresses)
