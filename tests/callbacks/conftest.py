"""A receiver on a thread of its own, behind real HTTP, and studios whose vendors call it back."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.responses import Response

from prefect_videogen.blocks import CallbackEndpoint
from prefect_videogen.buying import Buyer, ClipRequest, Job, wait_for
from prefect_videogen.callbacks import Clerk, Finished, Inbox, build_app
from prefect_videogen.emulator import Emulator
from prefect_videogen.fetching import Clip, fetch_clip
from prefect_videogen.studio import OpenStudio


class LocalWakes:
    """What Prefect's events do, within one process and without a server."""

    def __init__(self) -> None:
        self.told: list[Finished] = []
        self.waiting: dict[tuple[str, int], tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}

    @contextmanager
    def of(self, key: str, attempt: int) -> Iterator[asyncio.Event]:
        woken = asyncio.Event()
        self.waiting[key, attempt] = asyncio.get_running_loop(), woken
        yield woken
        del self.waiting[key, attempt]

    def announce(self, finished: Finished) -> None:
        self.told.append(finished)
        if waiter := self.waiting.get((finished.key, finished.attempt)):
            loop, woken = waiter
            loop.call_soon_threadsafe(woken.set)


class Receiver:
    """The receiver's own parts, run in a thread on a studio of their own.

    Attributes:
        wakes: Hears what the receiver announces.
        endpoint: Its address and secret.
        refusals: How many of the next deliveries meet a proxy that has no receiver behind it.
        paths: The paths that were delivered to, as they came.
        inbox: Its inbox, once it runs.
    """

    def __init__(self) -> None:
        self.wakes = LocalWakes()
        self.refusals = 0
        self.paths: list[str] = []
        self.inbox: Inbox | None = None
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.root = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.endpoint = CallbackEndpoint(
            url=f"{self.root}/hooks", secret=SecretStr("a secret of the tests")
        )
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, studio: OpenStudio) -> None:
        up = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(studio, up)), daemon=True
        )
        self._thread.start()
        assert up.wait(20)

    def stop(self) -> None:
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join(20)
        self.listener.close()

    async def _run(self, studio: OpenStudio, up: threading.Event) -> None:
        clerk = Clerk(studio, self.wakes.announce)
        async with studio, Inbox(clerk.work, studio.time, pause=0.01) as inbox:
            self.inbox = inbox
            app = build_app(self.endpoint, inbox)

            async def proxy(scope: Any, receive: Any, send: Any) -> None:
                self.paths.append(scope["path"])
                if self.refusals and scope["method"] == "POST":
                    self.refusals -= 1
                    await Response(status_code=502)(scope, receive, send)
                else:
                    await app(scope, receive, send)

            config = uvicorn.Config(proxy, log_level="error", access_log=False, lifespan="off")
            self._server = uvicorn.Server(config)
            serving = asyncio.create_task(self._server.serve(sockets=[self.listener]))
            while not self._server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.002)
            up.set()
            await serving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that has an address already; `start` it with a studio."""
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture
def studio_with_callbacks(
    open_studio: Callable[..., OpenStudio], receiver: Receiver
) -> Callable[..., OpenStudio]:
    """Make studios whose jobs are announced to the receiver."""

    def make(vendors: Emulator, **more: Any) -> OpenStudio:
        settings = {"callbacks": receiver.endpoint, "wakes": receiver.wakes, **more}
        return open_studio(vendors, **settings)

    return make


@pytest.fixture
def obtain() -> Callable[..., Awaitable[Clip]]:
    """Buy, wait and fetch in a studio that is open, as a flow does."""

    async def run(studio: OpenStudio, request: ClipRequest, **options: Any) -> Clip:
        job: Job = await Buyer(studio, request, **options).buy()
        return await fetch_clip(studio, await wait_for(studio, job))

    return run


@pytest.fixture
def deliver() -> Iterator[Callable[..., httpx.Response]]:
    """Deliver something to a URL, as a vendor or a stranger does."""
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client.post


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Wait until something is true, in tiny steps."""

    async def wait(what: Callable[[], Any], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not what():  # noqa: ASYNC110 - another thread makes it true
                await asyncio.sleep(0.002)

    return wait
