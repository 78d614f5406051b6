"""The media store on S3 or a server that speaks it, through s3fs, with all its caches off.

Exclusive creation is `If-None-Match: *`. A lost race may come back as more than one error, and a
client's own retry can meet its own write: what is there then decides, by reading it back.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import mimetypes
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError
from s3fs import S3FileSystem

from prefect_videogen.errors import RecordError

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

PART = 8 * 1024 * 1024
"""Bytes of one part of a large upload; four are in memory at a time."""

CONCURRENT_PARTS = 4
SIGNED_FOR = 24 * 3600
"""Seconds that a signed URL lives: longer than any documented queue."""

TROUBLE = (OSError, BotoCoreError, ClientError, aiohttp.ClientError, TimeoutError)


class S3Store:
    """A media store in a bucket.

    Args:
        url: `s3://bucket/prefix`.
        options: Options of s3fs: `key`, `secret`, `endpoint_url`, `client_kwargs` and so on.
        served_at: Base URL under which it is served; signed URLs are used without.
    """

    def __init__(
        self, url: str, *, options: Mapping[str, Any] | None = None, served_at: str = ""
    ) -> None:
        self.url = url.rstrip("/")
        self.served_at = served_at.rstrip("/")
        self._base = self.url.removeprefix("s3://")
        more = dict(options or {})
        # Version 4: newer regions accept no other, and a URL signed so tells how long it lives.
        more["config_kwargs"] = {"signature_version": "s3v4", **more.get("config_kwargs", {})}
        self._fs = S3FileSystem(use_listings_cache=False, skip_instance_cache=True, **more)
        self._fetched = Path(tempfile.mkdtemp(prefix="videogen-s3-"))
        weakref.finalize(self, shutil.rmtree, self._fetched, ignore_errors=True)
        self._excludes: bool | None = None

    async def read(self, path: str) -> bytes | None:
        """Read a small object; None means that it does not exist.

        Raises:
            RecordError: If the server can't tell.
        """
        return await self._off_loop(path, self._read)

    async def read_all(self, paths: Sequence[str]) -> tuple[bytes | None, ...]:
        """Read some small objects, at once; None means that one does not exist.

        Raises:
            RecordError: If the server can't tell.
        """
        return tuple(await asyncio.gather(*map(self.read, paths)))

    async def create(self, path: str, data: bytes) -> bool:
        """Create an object that must not exist yet; False means that it did.

        Raises:
            RecordError: If it could not be written, or the server can't exclude.
        """
        await self._prove_exclusive()
        return await self._off_loop(path, lambda place: self._create(place, data))

    async def put_file(self, path: str, source: Path) -> bool:
        """Create an object from a local file, in parts if it is large, and verify it.

        Raises:
            RecordError: If it could not be written, or is not what was sent.
        """
        return await self._off_loop(path, lambda place: self._put_file(place, source))

    async def fetch(self, path: str) -> Path:
        """Download an object to a file that lives as long as this store is open.

        Raises:
            RecordError: If it does not exist or can't be read.
        """
        name = f"{hashlib.sha256(path.encode()).hexdigest()[:32]}{PurePosixPath(path).suffix}"
        target = self._fetched / name
        if not await asyncio.to_thread(target.exists):
            await self._off_loop(path, lambda place: self._download(place, target))
        return target

    async def list(self, prefix: str) -> list[str]:
        """List all objects below a folder, sorted."""
        start = len(self._base) + 1

        def find(place: str) -> list[str]:
            return sorted(str(name)[start:] for name in self._fs.find(place))

        return await self._off_loop(prefix, find)

    async def remove(self, path: str) -> None:
        """Remove an object; one that does not exist is no error."""

        def remove(place: str) -> None:
            try:
                self._fs.rm_file(place)
            except FileNotFoundError:
                return

        await self._off_loop(path, remove)

    def public_url(self, path: str) -> str | None:
        """Where the object can be fetched: its served address, or a signed URL for a day."""
        if self.served_at:
            return f"{self.served_at}/{quote(path)}"
        return self.signed_url(path, SIGNED_FOR)

    def signed_url(self, path: str, seconds: int) -> str:
        """A signed URL of an object that works for so many seconds."""
        return str(self._fs.sign(self._place(path), expiration=seconds))

    # -- in a thread ---------------------------------------------------------------------------

    def _read(self, place: str) -> bytes | None:
        try:
            data: bytes = self._fs.cat_file(place)
        except FileNotFoundError:
            return None
        return data

    def _create(self, place: str, data: bytes) -> bool:
        try:
            self._fs.pipe_file(place, data, mode="create", **_content_type(place))
        except TROUBLE as error:
            # Lost to somebody else, or to an earlier try of this very write: read it back.
            found = self._read(place)
            if found is None:
                raise (
                    error
                    if not isinstance(error, FileExistsError)
                    else OSError("the server refused to create an object that does not exist")
                ) from error
            return found == data
        return True

    def _put_file(self, place: str, source: Path) -> bool:
        if self._fs.exists(place):
            return False
        try:
            self._fs.put_file(
                str(source),
                place,
                chunksize=PART,
                max_concurrency=CONCURRENT_PARTS,
                mode="create",
                **_content_type(place),
            )
        except TROUBLE:
            if not self._fs.exists(place):
                raise
            return False
        self._verify(place, source)
        return True

    def _verify(self, place: str, source: Path) -> None:
        """Compare size and digest of what the server holds with what was sent."""
        info = self._fs.info(place)
        if info["size"] != source.stat().st_size:
            message = f"the server holds {info['size']} of {source.stat().st_size} bytes"
            raise OSError(message)
        if str(info.get("ETag", "")).strip('"') in _etags(source):
            return
        # An encrypting server gives tags that are no digest: read it back.
        found = hashlib.sha256()
        with self._fs.open(place, "rb", block_size=PART, cache_type="none") as file:
            while chunk := file.read(PART):
                found.update(chunk)
        with source.open("rb") as local:
            if found.digest() != hashlib.file_digest(local, "sha256").digest():
                message = "the server holds other bytes than were sent"
                raise OSError(message)

    def _download(self, place: str, target: Path) -> None:
        partial = target.with_name(f"{uuid.uuid4().hex}.part")
        self._fs.get_file(place, str(partial))
        partial.replace(target)

    # -- around --------------------------------------------------------------------------------

    async def _prove_exclusive(self) -> None:
        """Find out, once, whether the server really refuses to create a thing twice.

        Raises:
            RecordError: If it does not: buying once could not be promised.
        """
        if self._excludes is None:
            self._excludes = await self._off_loop(f"probes/{uuid.uuid4().hex}", self._try_twice)
        if not self._excludes:
            message = f"the server of {self.url} ignores If-None-Match"
            step = (
                "Two runs at once could buy the same clip twice there, so nothing is bought; "
                "use a server that honours it, as Amazon S3 does."
            )
            raise RecordError(message, next_step=step)

    def _try_twice(self, place: str) -> bool:
        self._fs.pipe_file(place, b"one", mode="create")
        try:
            self._fs.pipe_file(place, b"two", mode="create")
        except OSError:
            return self._read(place) == b"one"
        else:
            return False
        finally:
            self._fs.rm_file(place)

    def _place(self, path: str) -> str:
        if not path or path.startswith("/") or ".." in PurePosixPath(path).parts:
            message = f"{path!r} is no path inside the media store"
            raise RecordError(message)
        return f"{self._base}/{path}"

    async def _off_loop(self, path: str, action: Callable[[str], _T]) -> _T:
        place = self._place(path)
        try:
            return await asyncio.to_thread(action, place)
        except TROUBLE as error:
            message = f"{path}: {type(error).__name__}: {_plain(error)}"
            step = f"Check the media store {self.url}; nothing is bought until it answers."
            raise RecordError(message, next_step=step) from None


def _content_type(place: str) -> dict[str, str]:
    kind, _ = mimetypes.guess_type(place)
    return {"ContentType": kind or "application/octet-stream"}


def _etags(source: Path) -> set[str]:
    """The tags that a server gives a file sent whole or in our parts."""
    whole, parts = hashlib.md5(usedforsecurity=False), []
    with source.open("rb") as file:
        while chunk := file.read(PART):
            whole.update(chunk)
            parts.append(hashlib.md5(chunk, usedforsecurity=False).digest())
    of_parts = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
    return {whole.hexdigest(), f"{of_parts}-{len(parts)}"}


def _plain(error: BaseException) -> str:
    """An error's text without the query of any URL in it, where a signature would be."""
    return str(error).partition("?")[0][:200]
