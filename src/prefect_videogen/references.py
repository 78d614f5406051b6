"""References: where what a storyboard names lies, and reading it with limits and guards.

A reference is a path, an s3:// or an https:// address, relative ones starting from a place. Small
things are read into memory, footage into a file. What the bytes are is for others to check.
"""

from __future__ import annotations

import asyncio
import shlex
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

import fsspec
import httpx
from botocore.exceptions import BotoCoreError

from prefect_videogen.downloading import leads_home
from prefect_videogen.errors import RecordError, StudioError, VideoGenError
from prefect_videogen.hiding import discreet
from prefect_videogen.plan import Unreadable
from prefect_videogen.records import Store
from prefect_videogen.vendors import is_private_host

LARGEST_STILL = 64 * 1024 * 1024
"""Bytes of what is read into memory."""

LARGEST_FILE = 2 * 1024**3
"""Bytes of what is read into a file: more than an hour of film at 4 Mbit a second."""

TIMEOUT = httpx.Timeout(20, connect=10)
UNREADABLE = (OSError, ValueError, httpx.HTTPError, httpx.InvalidURL, VideoGenError)
"""What reading a reference may raise if it can't be read."""


class Place(Protocol):
    """Where relative references start from."""

    async def read(self, reference: str) -> bytes:
        """Read a reference's bytes; one of `UNREADABLE` means that it can't be read."""
        ...

    async def bring(self, reference: str, folder: Path) -> Path:
        """Give a local file with a reference's content, fetched into a folder if it must be.

        The file must not be changed. One of `UNREADABLE` means that it can't be read.
        """
        ...

    def absolute(self, reference: str) -> str:
        """The reference in a form that means the same everywhere."""
        ...


@dataclass(frozen=True)
class Folder:
    """References start from a storyboard file's folder: a path, s3:// or https:// address."""

    base: str

    def absolute(self, reference: str) -> str:
        """Join a relative reference to the base."""
        if is_absolute(reference):
            return reference
        if "://" in self.base:
            scheme = urlsplit(self.base).scheme
            base = self.base.rstrip("/") + "/"
            if scheme in {"http", "https"}:
                return urljoin(base, reference)
            return base + reference
        return str(Path(self.base) / reference)

    async def read(self, reference: str) -> bytes:
        """Read a reference from disk, S3 or the web."""
        return await read_anywhere(self.absolute(reference))

    async def bring(self, reference: str, folder: Path) -> Path:
        """Give a local file with a reference's content, from disk, S3 or the web."""
        return await bring_anywhere(self.absolute(reference), folder)


class NotInInbox(FileNotFoundError):
    """A relative reference is not in the media store's inbox.

    Args:
        reference: The reference.
        store: The media store.
    """

    def __init__(self, reference: str, store: Store) -> None:
        super().__init__(f"is not in the inbox of the media store {store.url}")
        self.remedy = _way_into_the_inbox(reference)


def _way_into_the_inbox(reference: str) -> str:
    path = Path(reference)
    put = f"`prefect-videogen put {shlex.quote(reference)}` puts it there"
    name = f" as {path.name}" if path.name != reference else ""
    full = f", or write its full path {path.absolute()}" if path.is_file() else ""
    return f"{put}{name}{full}"


@dataclass(frozen=True)
class Inbox:
    """References start from the media store's inbox, as in a form."""

    store: Store

    def absolute(self, reference: str) -> str:
        """Name the inbox, unless the reference is absolute."""
        return reference if is_absolute(reference) else f"inbox:{reference}"

    async def read(self, reference: str) -> bytes:
        """Read a reference from the inbox, S3, the web, or an absolute path."""
        if is_absolute(reference):
            return await read_anywhere(reference)
        data = await self.store.read(f"inbox/{reference}")
        if data is None:
            raise NotInInbox(reference, self.store)
        return data

    async def bring(self, reference: str, folder: Path) -> Path:
        """Give a local file with a reference's content, the inbox's own if it lies there."""
        if is_absolute(reference):
            return await bring_anywhere(reference, folder)
        path = f"inbox/{reference}"
        try:
            return await self.store.fetch(path)
        except RecordError:
            if path in await self.store.list("inbox"):
                raise
            raise NotInInbox(reference, self.store) from None


def is_absolute(reference: str) -> bool:
    """Whether a reference means the same from everywhere: a whole path, or an address."""
    return "://" in reference or Path(reference).is_absolute()


async def read_anywhere(address: str) -> bytes:
    """Read a path, file://, s3:// or https:// address, at most 64 MiB.

    Raises:
        OSError: If it can't be read.
        httpx.HTTPError: If the web does not give it.
        StudioError: For an address of another kind.
    """
    scheme = _scheme(address)
    if scheme in {"http", "https"}:
        return await read_web(address)
    if scheme == "s3":
        return await asyncio.to_thread(_read_object, address)
    return await asyncio.to_thread(_read_file, _local(address))


async def bring_anywhere(address: str, folder: Path) -> Path:
    """Give a local file with the content of a path or address, at most 2 GiB.

    Args:
        address: A path, file://, s3:// or https:// address.
        folder: Where it is fetched to, unless it is a local file already.

    Returns:
        The file, which must not be changed.

    Raises:
        OSError: If it can't be read.
        httpx.HTTPError: If the web does not give it.
        StudioError: For an address of another kind.
    """
    scheme = _scheme(address)
    if scheme in {"", "file"}:
        return await asyncio.to_thread(_checked_file, _local(address))
    place = folder / uuid.uuid4().hex
    if scheme == "s3":
        await asyncio.to_thread(_fetch_object, address, place)
        return place
    with place.open("wb") as file:
        async for chunk in _web_chunks(address, LARGEST_FILE):
            file.write(chunk)
    return place


def _scheme(address: str) -> str:
    scheme = urlsplit(address).scheme if "://" in address else ""
    if scheme not in {"", "file", "http", "https", "s3"}:
        message = f"{scheme}:// can't be read"
        raise StudioError(message, next_step="Use a path, s3:// or https://.")
    return scheme


def _local(address: str) -> Path:
    return Path(url2pathname(urlsplit(address).path)) if "://" in address else Path(address)


def _check_size(size: int, most: int) -> None:
    if size > most:
        message = f"is larger than {most // 2**20} MiB"
        raise OSError(message)


def _read_file(path: Path) -> bytes:
    _check_size(path.stat().st_size, LARGEST_STILL)
    return path.read_bytes()


def _checked_file(path: Path) -> Path:
    _check_size(path.stat().st_size, LARGEST_FILE)
    with path.open("rb"):  # a folder, or a file that may not be read, says so here
        return path


def _read_object(address: str) -> bytes:
    try:
        filesystem, path = fsspec.core.url_to_fs(address, skip_instance_cache=True)
        _check_size(filesystem.size(path), LARGEST_STILL)
        data: bytes = filesystem.cat_file(path)
    except BotoCoreError as error:  # no credentials, no such endpoint
        message = f"S3 does not give it: {type(error).__name__}"
        raise OSError(message) from None
    return data


def _fetch_object(address: str, place: Path) -> None:
    try:
        filesystem, path = fsspec.core.url_to_fs(address, skip_instance_cache=True)
        _check_size(filesystem.size(path), LARGEST_FILE)
        filesystem.get_file(path, str(place))
    except BotoCoreError as error:
        message = f"S3 does not give it: {type(error).__name__}"
        raise OSError(message) from None


async def read_web(address: str) -> bytes:
    """Read an http(s) address, at most 64 MiB.

    Raises:
        OSError: If it is too large, or leads where we don't go.
        httpx.HTTPError: If the web does not give it.
    """
    data = bytearray()
    async for chunk in _web_chunks(address, LARGEST_STILL):
        data += chunk
    return bytes(data)


async def _web_chunks(address: str, most: int) -> AsyncIterator[bytes]:
    size = 0
    async with web_client(address) as client, client.stream("GET", address) as answer:
        answer.raise_for_status()
        async for chunk in answer.aiter_bytes():
            size += len(chunk)
            _check_size(size, most)
            yield chunk


def web_client(
    address: str, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """Make a client for one address: https only, no redirect from the world into this network.

    Args:
        address: The address; its own host may be private, as who wrote it knows.
        transport: For tests: how HTTP goes out.
    """
    start = httpx.URL(address)
    starts_private = is_private_host(address)

    async def check(request: httpx.Request) -> None:
        url = str(request.url)
        redirected = request.url.netloc != start.netloc
        if redirected and not starts_private and await leads_home(url):
            message = "redirects to a private address"
            raise OSError(message)
        if request.url.scheme != "https" and not is_private_host(url):
            message = "is not https"
            raise OSError(message)

    return httpx.AsyncClient(
        timeout=TIMEOUT,
        transport=transport,
        follow_redirects=True,
        max_redirects=3,
        event_hooks={"request": [check]},
    )


def unreadable(error: Exception, place: Place, reference: str) -> Unreadable:
    """Say of a reference that can't be read why, and what would do.

    Args:
        error: One of `UNREADABLE`.
        place: Where relative references start from.
        reference: The reference.
    """
    remedy = "check the path or address"
    missing = isinstance(error, FileNotFoundError | httpx.HTTPStatusError)
    if isinstance(error, NotInInbox):
        remedy = error.remedy
    elif missing and not is_absolute(reference):
        looked = discreet(place.absolute(reference))
        remedy = f"check the path: it is looked for from the storyboard's folder on, at {looked}"
    return Unreadable(f"can't be read: {why_unreadable(error)}", remedy)


def why_unreadable(error: Exception) -> str:
    """Say in a few words why a reference can't be read."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error) if isinstance(error, OSError | VideoGenError) else ""
    return text or type(error).__name__
