"""Running the receiver: a studio, its inbox and an HTTP server, until it is told to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from prefect_videogen.blocks import load_studio, resumer
from prefect_videogen.blocks.callbacks import check_addresses
from prefect_videogen.blocks.wakes import server_is_shared
from prefect_videogen.callbacks.announcing import announce
from prefect_videogen.callbacks.app import build_app
from prefect_videogen.callbacks.clerk import Clerk
from prefect_videogen.callbacks.inbox import LOOK_EVERY, Inbox
from prefect_videogen.callbacks.keeping import kept
from prefect_videogen.errors import StudioError
from prefect_videogen.listening import listen

logger = logging.getLogger(__name__)

GRACE = 5
"""Seconds that a stop leaves to requests under way, and then to what they led to."""


@dataclass(frozen=True)
class Listening:
    """A receiver that answers.

    Attributes:
        address: Where it listens, for the proxy in front of it.
        public: Where vendors reach it.
        announces: Whether its Prefect events reach other processes.
        stop: Ends it; may be called from any thread.
    """

    address: str
    public: str
    announces: bool
    stop: Callable[[], None]


async def serve(
    studio: str,
    *,
    host: str = "127.0.0.1",
    port: int = 4300,
    ready: Callable[[Listening], None] | None = None,
) -> None:
    """Receive callbacks for a studio until SIGINT or SIGTERM.

    What it works on when it is told to stop is finished, within seconds. What waits for another try
    then is lost with it, and waiters find it by their slow poll; jobs that no record knows, which
    nobody would find, the next receiver goes on with.

    Args:
        studio: Name of the studio.
        host: Address to listen on; TLS is for a proxy in front.
        port: Port to listen on; 0 takes a free one.
        ready: Called once it listens.

    Raises:
        StudioError: If the studio has no callback endpoint, or one that vendors can't use, or the
            port is taken.
    """
    block = await load_studio(studio)
    endpoint = block.callbacks
    if endpoint is None:
        message = f"the studio {studio} has no callback endpoint"
        step = "Set VIDEOGEN_CALLBACK_URL and VIDEOGEN_CALLBACK_SECRET, or give it the block."
        raise StudioError(message, next_step=step)
    async with block.open(name=studio) as place:
        check_addresses(place)
        clerk = Clerk(place, announce, resumer())
        pause = LOOK_EVERY / min(account.speed for account in place.accounts.values())
        async with Inbox(clerk.work, place.time, pause=pause) as inbox:
            for delivery in await kept(place):
                inbox.put(delivery)
            with listen(host, port) as listener:
                server = _server(build_app(endpoint, inbox))
                if ready:
                    bound = f"http://{host}:{listener.getsockname()[1]}"
                    ready(Listening(bound, endpoint.url, server_is_shared(), _stop(server)))
                await server.serve(sockets=[listener])
                await inbox.finish(GRACE)


class _Server(uvicorn.Server):
    """A server that only ends when it is told to stop.

    Uvicorn's would raise the signal once more, and the process would end with what it has begun.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in good order, or, told so again, at once."""
        del sig, frame
        self.force_exit = self.should_exit
        self.should_exit = True


def _server(app: Starlette) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # its lines would hold the tokens
        timeout_graceful_shutdown=GRACE,
        server_header=False,
        lifespan="off",
    )
    return _Server(config)


def _stop(server: uvicorn.Server) -> Callable[[], None]:
    def stop() -> None:
        server.should_exit = True

    return stop
