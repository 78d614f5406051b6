"""A socket that a server of ours listens on, or the reason in words why it can't."""

from __future__ import annotations

import socket

from prefect_videogen.errors import StudioError

BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address.

    Args:
        host: Name or address to listen on.
        port: Port to listen on; 0 takes a free one.

    Raises:
        StudioError: If the port is taken, or the address is none of this machine's.
    """
    try:
        made = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        why = (error.strerror or type(error).__name__).partition(" (while")[0]
        message = f"can't listen on {host}:{port}: {why}"
        raise StudioError(message, next_step="Choose another --port or --host.") from None
    # Inherited by every connection. asyncio sets it only where the socket names its protocol, and
    # without it head and body of an answer are 40 ms apart.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
