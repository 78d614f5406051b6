"""Limits of a real Prefect server, each under a name of its own."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from prefect_videogen.blocks import limits as limits_module
from prefect_videogen.blocks.limits import create_limits
from prefect_videogen.waiting import Limit

RETRY = 0.1


@pytest.fixture
async def limit(prefect_server: Path) -> Callable[..., Awaitable[Limit]]:
    """Set up a limit of some size."""

    async def make(most: int) -> Limit:
        made = Limit(f"videogen-test-{uuid.uuid4().hex[:8]}", most, RETRY)
        await create_limits([made])
        return made

    return make


async def active(limit: Limit) -> int:
    """How many slots the server says are taken."""
    async with get_client() as client:
        found = await client.read_global_concurrency_limit_by_name(limit.name)
    return int(found.active_slots)


@pytest.fixture
def taken() -> Callable[[Limit], Awaitable[int]]:
    """Ask the server how many slots are taken."""
    return active


@pytest.fixture
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is logged once for each limit be logged again."""
    monkeypatch.setattr(limits_module, "_said", set())
