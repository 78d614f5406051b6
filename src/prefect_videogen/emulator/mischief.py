"""Answers that misbehave: the transport side of the failure menu.

Some lie about themselves in ways an HTTP server does not allow, so those are written past it, onto
the connection. All of them end when the client goes or the server stops.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from prefect_videogen.emulator.faults import Fault

Connection = Callable[[Scope], asyncio.Transport | None]

TRICKLE_PAUSE = 0.05
_ENDLESS_CHUNK = bytes(64 * 1024)
_ENDLESS_PAUSE = 0.001
_LOGIN_PAGE = "<!doctype html><html><title>Sign in</title><body>Please sign in.</body></html>"
_FOREIGN = {"status": "ok", "items": [], "server": "somebody else"}


def spoil(
    answer: Response, fault: Fault, stopping: asyncio.Event, connection: Connection
) -> ASGIApp:
    """Turn a good answer into the bad one that a fault of kind `answer` asks for.

    Args:
        answer: The answer that would be right.
        fault: What is to go wrong.
        stopping: Set when the server stops.
        connection: Finds the connection of a request.

    Returns:
        An ASGI application that answers the request.
    """
    polite = _POLITE.get(fault.name)
    return polite(answer) if polite else _Rogue(answer, fault, stopping, connection)


def _gateway(title: str, status: int) -> Response:
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return HTMLResponse(page, status)


def _outcome_unknown() -> Response:
    error = {
        "code": "paid_outcome_unknown",
        "message": "The outcome of this paid request is unknown, retry with the same key",
        "type": "api_error",
    }
    return JSONResponse({"error": error}, 409)


def _cut(answer: Response) -> Response:
    half = bytes(answer.body)[: len(answer.body) // 2]
    return Response(half, media_type="application/json")


# Wrong, but within the rules of HTTP.
_POLITE: dict[str, Callable[[Response], Response]] = {
    "502-after-accept": lambda _: _gateway("502 Bad Gateway", 502),
    "504-after-accept": lambda _: _gateway("504 Gateway Time-out", 504),
    "paid-outcome-unknown": lambda _: _outcome_unknown(),
    "malformed-json": _cut,
    "foreign-json": lambda _: JSONResponse(_FOREIGN),
    "html-instead": lambda _: HTMLResponse(_LOGIN_PAGE),
}


class _Rogue:
    """An answer that does not keep to the rules of HTTP, or never ends."""

    def __init__(
        self, answer: Response, fault: Fault, stopping: asyncio.Event, connection: Connection
    ) -> None:
        self._answer = answer
        self._fault = fault
        self._stopping = stopping
        self._connection = connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await self._misbehave(scope, send, gone)
        finally:
            gone.cancel()

    async def _misbehave(self, scope: Scope, send: Send, gone: asyncio.Future[None]) -> None:
        body = bytes(self._answer.body)
        if self._fault.name == "drop-after-accept":
            await self._hang_up(scope, gone, b"")
        elif self._fault.name == "truncated-body":
            await self._hang_up(scope, gone, self._head(len(body)) + body[: len(body) // 2])
        elif self._fault.name == "wrong-length":
            await self._hang_up(scope, gone, self._head(len(body) // 2) + body)
        elif self._fault.name == "no-answer":
            await self._pause(None, gone)
            await self._hang_up(scope, gone, b"")
        else:
            await self._drag_on(send, gone, body)

    async def _drag_on(self, send: Send, gone: asyncio.Future[None], body: bytes) -> None:
        headers = [(b"content-type", self._type())]
        if self._fault.name != "endless-body":
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for chunk in self._chunks(body, gone):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _chunks(self, body: bytes, gone: asyncio.Future[None]) -> AsyncIterator[bytes]:
        if self._fault.name == "stall-after-headers":
            await self._pause(None, gone)
        elif self._fault.name == "trickle":
            pause = float(str(self._fault.options.get("pause", TRICKLE_PAUSE)))
            for index in range(len(body)):
                yield body[index : index + 1]
                if not await self._pause(pause, gone):
                    return
        else:
            while await self._pause(_ENDLESS_PAUSE, gone):
                yield _ENDLESS_CHUNK

    async def _pause(self, seconds: float | None, gone: asyncio.Future[None]) -> bool:
        """Wait; False if the client went or the server stops before the time is over."""
        stop = asyncio.ensure_future(_set(self._stopping))
        try:
            done, _ = await asyncio.wait(
                {gone, stop}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stop.cancel()
        return not done

    async def _hang_up(self, scope: Scope, gone: asyncio.Future[None], last_words: bytes) -> None:
        transport = self._connection(scope)
        if transport is not None and not transport.is_closing():
            transport.write(last_words)
            transport.close()
        await gone

    def _head(self, length: int) -> bytes:
        lines = (
            b"HTTP/1.1 %d OK" % self._answer.status_code,
            b"content-type: " + self._type(),
            b"content-length: %d" % length,
        )
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _type(self) -> bytes:
        return self._answer.headers.get("content-type", "application/octet-stream").encode()


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def as_json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Word a body as compact JSON, in UTF-8 as both vendors send it."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, "application/json")
