"""`callbacks`: the webhook receiver, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from prefect_videogen.cli.opening import quiet_console, studio_name
from prefect_videogen.cli.terminal import terminal


def run_callbacks(*, studio: str, host: str, port: int) -> None:
    """Receive callbacks for a studio and print where, and what is noteworthy.

    Args:
        studio: Name of the studio.
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        StudioError: If the studio has no callback endpoint, or one that vendors can't use.
    """
    quiet_console()
    from prefect_videogen.callbacks.serving import Listening, serve

    console = terminal()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for chatty in ("httpx", "prefect"):
        logging.getLogger(chatty).setLevel(logging.WARNING)

    def ready(listening: Listening) -> None:
        console.print(f"callbacks for {listening.public} are received at {listening.address}")
        if not listening.announces:
            console.print(
                "PREFECT_API_URL is not set: runs are not woken, they find results by polling"
            )
        console.print("Ctrl-C ends it.")

    with contextlib.suppress(KeyboardInterrupt):  # it ends in good order; told so again, at once
        asyncio.run(serve(studio_name(studio), host=host, port=port, ready=ready))
