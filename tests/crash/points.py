"""Places where a process can be killed: around every write to the media store and every request."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from prefect_videogen.records import Store


@dataclass
class Points:
    """Counts the places as they are reached, and dies at one of them.

    Attributes:
        kill_at: Number of the place to die at; None lives on.
        said: File in which the last place is written before dying.
    """

    kill_at: int | None
    said: Path
    names: list[str] = field(default_factory=list)
    once: set[str] = field(default_factory=set)

    def reach(self, name: str) -> None:
        """Reach a place; the same one again, as in a polling loop, does not count."""
        if name in self.once:
            return
        self.once.add(name)
        number = len(self.names)
        self.names.append(name)
        if number == self.kill_at:
            self.said.write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)


def plain(path: str) -> str:
    """A path without digests and ids, so that places have names."""
    return re.sub(r"[0-9a-f]{32,64}", "*", path)


class DeadlyStore:
    """A media store with places to die around every write."""

    def __init__(self, inner: Store, points: Points) -> None:
        self.inner = inner
        self.points = points

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def create(self, path: str, data: bytes) -> bool:
        return await self._around("create", path, self.inner.create(path, data))

    async def put_file(self, path: str, source: Path) -> bool:
        return await self._around("put", path, self.inner.put_file(path, source))

    async def remove(self, path: str) -> None:
        await self._around("remove", path, self.inner.remove(path))

    async def _around(self, what: str, path: str, action: Any) -> Any:
        try:
            self.points.reach(f"before {what} {plain(path)}")
            result = await action
        finally:
            action.close()
        self.points.reach(f"after {what} {plain(path)}")
        return result


class DeadlyTransport(httpx.AsyncBaseTransport):
    """HTTP with places to die around every request."""

    def __init__(self, points: Points, open_inner: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self.points = points
        self.open_inner = open_inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        kind = re.sub(r"task[-_][\w-]+", "*", request.url.path)
        self.points.reach(f"before {request.method} {plain(kind)}")
        response = await self.open_inner().handle_async_request(request)
        self.points.reach(f"after {request.method} {plain(kind)}")
        return response
