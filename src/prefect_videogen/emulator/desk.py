"""What all endpoints do alike: note the request, refuse in the vendor's words, apply the script.

A desk belongs to one vendor's API; the modules `apixo`, `evolink` and `files` derive theirs from it
and add what they answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prefect_videogen.emulator.faults import Fault, Place
from prefect_videogen.emulator.jobs import Workshop
from prefect_videogen.emulator.ledger import Job, RequestKind, SeenRequest, Vendor
from prefect_videogen.emulator.mischief import Connection, as_json, spoil
from prefect_videogen.emulator.world import Refusal, World

Handler = Callable[[Request, SeenRequest], Awaitable[ASGIApp]]

# An early callback holds the submit's answer back until its receiver has answered; not longer.
_EARLY_PATIENCE = 60.0


class Desk(ABC):
    """One vendor's API.

    Args:
        world: The emulator's shared state.
        workshop: Runs the jobs.
        connection: Finds the connection of a request.
    """

    vendor: Vendor | None

    def __init__(self, world: World, workshop: Workshop, connection: Connection) -> None:
        self.world = world
        self.workshop = workshop
        self.connection = connection

    @abstractmethod
    def routes(self) -> list[Route]:
        """List the endpoints."""

    @abstractmethod
    def refused(self, refusal: Refusal) -> Response:
        """Word a refusal as the vendor does."""

    def envelope_error(self, status: int, message: str, code: str) -> Response:
        """Word an error as the vendor does, but with HTTP status 200."""
        told = self.refused(Refusal(status, message, code=code))
        return as_json(json.loads(bytes(told.body)))

    def route(self, path: str, kind: RequestKind, handler: Handler, method: str = "GET") -> Route:
        """Make an endpoint that is noted in the ledger."""
        return Route(path, _Endpoint(self, kind, handler), methods=[method])

    def check_key(self, request: Request) -> None:
        """Refuse a request without the right key.

        Raises:
            Refusal: 401.
        """
        self.world.check_key(request.headers.get("authorization"))

    def scripted_refusal(
        self, at: Place, vendor: Vendor, model: str, state: str | None = None
    ) -> Response | None:
        """Take a fault that refuses this request before anything happened, if one is due."""
        fault = self.world.faults.take(at, "refuse", vendor=vendor, model=model, state=state)
        return None if fault is None else self._refusal(fault)

    def _refusal(self, fault: Fault) -> Response:
        if fault.name == "envelope-error":
            return self.envelope_error(500, "Internal server error", "internal_error")
        if fault.name == "envelope-queue-full":
            message = "The task queue is full, please try again later"
            return self.envelope_error(429, message, "rate_limit_exceeded")
        return self.refused(_REFUSALS[fault.name](fault))

    async def finished(
        self, answer: Response, at: Place, vendor: Vendor, model: str, job: Job | None = None
    ) -> ASGIApp:
        """Give a good answer, or spoil it if a fault is due; the deed itself is done by now."""
        if at == "submit" and job is not None and "callback-early" in job.faults:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(job.told.wait(), _EARLY_PATIENCE)
        state = job.state if job else None
        fault = self.world.faults.take(at, "answer", vendor=vendor, model=model, state=state)
        if fault is None:
            return answer
        return spoil(answer, fault, self.world.stopping, self.connection)


_REFUSALS: dict[str, Callable[[Fault], Refusal]] = {
    "refuse-500": lambda _: Refusal(500, "Internal server error", code="internal_error"),
    "refuse-503": lambda _: Refusal(
        503, "Service temporarily unavailable", code="service_unavailable"
    ),
    "throttle": lambda _: Refusal(429, "Too many requests", code="rate_limit_exceeded"),
    "throttle-retry-after": lambda fault: Refusal(
        429,
        "Too many requests",
        code="rate_limit_exceeded",
        headers={"retry-after": str(fault.options.get("seconds", 1))},
    ),
    "no-credits-400": lambda _: Refusal(400, "Insufficient credits"),
    "no-credits-402": lambda _: Refusal(402, "Insufficient credits", code="insufficient_quota"),
    "key-refused-403": lambda _: Refusal(403, "Permission denied", code="permission_denied"),
    "not-found-at-first": lambda _: Refusal(404, "Task not found", code="task_not_found"),
}


class _Endpoint:
    """One path of a desk: notes the request, runs its handler, words its refusal."""

    def __init__(self, desk: Desk, kind: RequestKind, handler: Handler) -> None:
        self._desk = desk
        self._kind = kind
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        seen = SeenRequest(
            time=self._desk.world.timeline.now(),
            vendor=self._desk.vendor,
            kind=self._kind,
            method=request.method,
            path=request.url.path,
        )
        self._desk.world.requests.append(seen)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
            await send(message)

        try:
            answer = await self._handler(request, seen)
        except Refusal as refusal:
            answer = self._desk.refused(refusal)
        except ClientDisconnect:
            return
        await answer(scope, receive, watched)


async def json_object(request: Request) -> dict[str, Any]:
    """Read a request's body.

    Args:
        request: The request.

    Returns:
        The JSON object.

    Raises:
        Refusal: 400, if it is something else.
    """
    try:
        body = json.loads(await request.body(), parse_constant=_no_number)
    except ValueError:
        raise Refusal(400, "Invalid request body: not JSON") from None
    if not isinstance(body, dict):
        raise Refusal(400, "Invalid request body: not an object")
    return body


def _no_number(word: str) -> float:
    """Refuse NaN and Infinity, which are not JSON but Python reads."""
    raise ValueError(word)
