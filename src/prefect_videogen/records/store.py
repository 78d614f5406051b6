"""The media store: small objects that exist whole or not at all, created once.

Exclusive creation is what buying once rests on. On disk it is a temporary file, fsync and
`os.link`, which has exactly one winner; everything that is not a clear "absent" is an error.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from prefect_videogen.errors import RecordError

_T = TypeVar("_T")
_TEMPORARY = ".tmp-"


class Store(Protocol):
    """Where media and records lie. Paths are relative, with forward slashes."""

    url: str

    async def read(self, path: str) -> bytes | None:
        """Read a small object; None means that it does not exist."""
        ...

    async def read_all(self, paths: Sequence[str]) -> tuple[bytes | None, ...]:
        """Read some small objects, in order; None means that one does not exist."""
        ...

    async def create(self, path: str, data: bytes) -> bool:
        """Create an object that must not exist yet; False means that it did."""
        ...

    async def put_file(self, path: str, source: Path) -> bool:
        """Create an object from a local file; False means that it existed."""
        ...

    async def fetch(self, path: str) -> Path:
        """Give a local file with the object's content; it must not be changed."""
        ...

    async def list(self, prefix: str) -> list[str]:
        """List all objects below a folder, sorted."""
        ...

    async def remove(self, path: str) -> None:
        """Remove an object; one that does not exist is no error."""
        ...

    def public_url(self, path: str) -> str | None:
        """Where a vendor can fetch the object, or None if nowhere."""
        ...


_disk = ThreadPoolExecutor(16, thread_name_prefix="videogen-store")
# Threads of its own: a record must not wait for decoders, and what waits for the disk to sync is
# synced together.


class LocalStore:
    """A media store in a folder of this machine.

    Args:
        root: The folder; made when the first object is created.
        served_at: Base URL under which the folder is served, if it is.
    """

    def __init__(self, root: Path, *, served_at: str = "") -> None:
        self.root = root.absolute()
        self.url = self.root.as_uri()
        self.served_at = served_at.rstrip("/")

    async def read(self, path: str) -> bytes | None:
        """Read a small object; None means that it does not exist.

        Raises:
            RecordError: If the disk can't tell.
        """
        return await self._off_loop(path, _read)

    async def read_all(self, paths: Sequence[str]) -> tuple[bytes | None, ...]:
        """Read some small objects in one go; None means that one does not exist.

        Raises:
            RecordError: If the disk can't tell.
        """
        places = {str(self._place(path)): path for path in paths}

        def read() -> tuple[bytes | None, ...]:
            return tuple(_read(Path(place)) for place in places)

        try:
            return await asyncio.get_running_loop().run_in_executor(_disk, read)
        except OSError as error:
            raise self._trouble(places.get(str(error.filename), paths[0]), error) from error

    async def create(self, path: str, data: bytes) -> bool:
        """Create an object that must not exist yet; False means that it did.

        Raises:
            RecordError: If it could not be written and synced.
        """
        return await self._off_loop(path, lambda place: _create(place, data))

    async def put_file(self, path: str, source: Path) -> bool:
        """Create an object from a local file; False means that it existed.

        Raises:
            RecordError: If it could not be written and synced.
        """
        return await self._off_loop(path, lambda place: _copy_in(place, source))

    async def fetch(self, path: str) -> Path:
        """Give the object's own file.

        Raises:
            RecordError: If it does not exist.
        """
        place = self._place(path)
        if not await self._off_loop(path, Path.is_file):
            message = f"{path} is missing from the media store {self.url}"
            raise RecordError(message, next_step="Was a file removed by hand?")
        return place

    async def list(self, prefix: str) -> list[str]:
        """List all objects below a folder, sorted."""
        return await self._off_loop(prefix, lambda place: _list(place, self.root))

    async def remove(self, path: str) -> None:
        """Remove an object; one that does not exist is no error."""
        await self._off_loop(path, lambda place: place.unlink(missing_ok=True))

    def public_url(self, path: str) -> str | None:
        """Where the folder's server gives the object out, or None without one."""
        return f"{self.served_at}/{quote(path)}" if self.served_at else None

    def _place(self, path: str) -> Path:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts:
            message = f"{path!r} is no path inside the media store"
            raise RecordError(message)
        return self.root.joinpath(*parts)

    async def _off_loop(self, path: str, action: Callable[[Path], _T]) -> _T:
        place = self._place(path)
        try:
            return await asyncio.get_running_loop().run_in_executor(_disk, action, place)
        except OSError as error:
            raise self._trouble(path, error) from error

    def _trouble(self, path: str, error: OSError) -> RecordError:
        message = f"{path}: {error.strerror or type(error).__name__}"
        step = f"Check the media store {self.url}; nothing is bought until it answers."
        return RecordError(message, next_step=step)


def local_store(url: str, *, served_at: str = "") -> LocalStore | None:
    """The local store at a path or file:// address; None for any other address."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(Path(url2pathname(parts.path)), served_at=served_at)
    return LocalStore(Path(url), served_at=served_at) if url and not parts.scheme else None


def _read(place: Path) -> bytes | None:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None


def _create(place: Path, data: bytes) -> bool:
    temporary = _temporary_beside(place)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return _link(temporary, place)
    finally:
        temporary.unlink(missing_ok=True)


def _copy_in(place: Path, source: Path) -> bool:
    temporary = _temporary_beside(place)
    try:
        with source.open("rb") as read, temporary.open("xb") as write:
            shutil.copyfileobj(read, write, 1024 * 1024)
            write.flush()
            os.fsync(write.fileno())
        return _link(temporary, place)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary_beside(place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    return place.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")


def _link(temporary: Path, place: Path) -> bool:
    try:
        os.link(temporary, place)
    except FileExistsError:
        return False
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _list(place: Path, root: Path) -> list[str]:
    found = (entry for entry in place.rglob("*") if entry.is_file())
    names = (entry.relative_to(root).as_posix() for entry in found)
    return sorted(name for name in names if _TEMPORARY not in name)
