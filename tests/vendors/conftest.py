"""What the vendors' tests share: accounts, sample answers, and servers that misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from prefect_videogen.vendors import Account, Vendor

KEY = "Tr0ub4dor-and-3-horses-battery"

DATA = Path(__file__).parent / "data"

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="session")
def key() -> str:
    """Return a key long and odd enough to be found wherever it leaks."""
    return KEY


@pytest.fixture(scope="session")
def account_at() -> Callable[..., Account]:
    """Make an account of a vendor at a URL."""

    def make(vendor: Vendor, base_url: str = "https://vendor.example", **more: Any) -> Account:
        values = {"sandbox": False, "api_key": SecretStr(KEY), **more}
        return Account(vendor=vendor, base_url=base_url, **values)

    return make


@pytest.fixture(scope="session")
def samples() -> dict[str, Any]:
    """Return the answers that the vendors' pages show."""
    loaded: dict[str, Any] = json.loads((DATA / "responses.json").read_text())
    return loaded


@pytest.fixture
def server_that() -> Callable[[Behaviour], AbstractAsyncContextManager[str]]:
    """Run a TCP server of a given behaviour; gives its URL."""

    @asynccontextmanager
    async def run(behaviour: Behaviour) -> AsyncIterator[str]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await behaviour(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            port = server.sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            server.close()

    return run
