"""Whole purchases without Prefect, and a wire that says what a test wants said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from prefect_videogen.buying import Buyer, ClipRequest, Job, wait_for
from prefect_videogen.fetching import Clip, fetch_clip
from prefect_videogen.studio import OpenStudio


class Wire(httpx.AsyncHTTPTransport):
    """The real network, but for the first submissions, which meet what `script` says.

    An entry is an exception to raise before anything is sent, or an answer to give instead.
    """

    def __init__(self) -> None:
        super().__init__()
        self.script: list[Exception | tuple[int, Any]] = []
        self.submitted: list[tuple[str, bytes]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST" or "upload" in request.url.path:
            return await super().handle_async_request(request)
        key = request.headers.get("idempotency-key", "")
        self.submitted.append((key, await request.aread()))
        if not self.script:
            return await super().handle_async_request(request)
        met = self.script.pop(0)
        if isinstance(met, Exception):
            raise met
        status, body = met
        return httpx.Response(status, json=body, request=request)

    async def aclose(self) -> None:
        """Stay open: the studios of one test share it."""


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    shared = Wire()
    yield shared
    await httpx.AsyncHTTPTransport.aclose(shared)


@pytest.fixture
def obtain() -> Callable[..., Awaitable[Clip]]:
    """Buy, wait and fetch in a studio, as a flow does."""

    async def run(studio: OpenStudio, request: ClipRequest, **options: Any) -> Clip:
        async with studio:
            job: Job = await Buyer(studio, request, **options).buy()
            return await fetch_clip(studio, await wait_for(studio, job))

    return run
