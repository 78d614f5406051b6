"""The receiver's web application: checks the token, takes the delivery in, answers at once.

Starlette is enough: a delivery may have any body of any type, or none, so nothing is validated but
its path and its size. Whoever has no right token learns nothing, not even that the path exists.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_videogen.blocks import CallbackEndpoint
from prefect_videogen.callbacks.deliveries import Delivery, address_of, job_id_in
from prefect_videogen.callbacks.inbox import Inbox
from prefect_videogen.checking import NOBODY

logger = logging.getLogger(__name__)

LARGEST_BODY = 256 * 1024
"""Bytes; a real one has a few thousand."""

BODY_WITHIN = 10.0
"""Seconds in which a body has to be there."""


def build_app(endpoint: CallbackEndpoint, inbox: Inbox) -> Starlette:
    """Make the application.

    Args:
        endpoint: Knows the tokens.
        inbox: Takes what is delivered.
    """

    async def take(request: Request) -> Response:
        address = address_of(request.url.path)
        if address is None or not endpoint.verify(*address):
            _log_refused(request, address.key if address else "")
            return Response(status_code=404)
        body, status = await _body(request)
        if status:
            logger.warning("A callback for %.12s was refused with %s", address.key, status)
            return Response(status_code=status)
        taken = inbox.put(Delivery(address.key, address.attempt, job_id_in(body)))
        return Response(status_code=200 if taken else 503)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "open": inbox.open_cases})

    return Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            Route("/{rest:path}", take, methods=["POST"]),
        ]
    )


def _log_refused(request: Request, key: str) -> None:
    """Log a delivery without a right token; never the path, which may hold a nearly right one.

    `doctor` forges one for a key that no clip has; that is worth no warning.
    """
    who = request.client.host if request.client else "?"
    about = f" for {key[:12]}" if key else ""
    level = logging.DEBUG if key == NOBODY else logging.WARNING
    logger.log(level, "Refused a callback%s from %s: the token is wrong or missing", about, who)


async def _body(request: Request) -> tuple[bytes, int]:
    """Read a body as far as it may go; with it the status to refuse it with, or 0."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_BODY:
                    return b"", 413
    except TimeoutError:
        return b"", 408
    except ClientDisconnect:
        return b"", 400
    return bytes(body), 0
