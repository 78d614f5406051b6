"""The emulator's web application: both vendors, the files, the results and the test's own pages.

`/_emulator/report` and `/_emulator/faults` let other processes count charges and script faults.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from prefect_videogen.emulator.desk import Desk, json_object
from prefect_videogen.emulator.faults import MENU, Fault
from prefect_videogen.emulator.ledger import SeenRequest
from prefect_videogen.emulator.world import Refusal, World


def build(world: World, desks: list[Desk]) -> Starlette:
    """Put the endpoints together.

    Args:
        world: The emulator's shared state.
        desks: The vendors' APIs.

    Returns:
        The application.
    """
    routes: list[BaseRoute] = [route for desk in desks for route in desk.routes()]
    routes += [
        Route("/_emulator/report", _report(world)),
        Route("/_emulator/faults", _faults(world), methods=["GET", "POST", "DELETE"]),
    ]
    if world.settings.media_dir is not None:
        routes.append(Mount("/media", _Media(world)))
    return Starlette(routes=routes)


def report(world: World) -> dict[str, Any]:
    """Sum up what happened so far, as `GET /_emulator/report` gives it.

    Args:
        world: The emulator's shared state.

    Returns:
        Charges, jobs, requests, peaks and faults, ready for JSON.
    """
    charges, jobs = list(world.charges), list(world.jobs.values())
    requests, models = list(world.requests), list(world.settings.models)
    return {
        "url": world.base_url,
        "speed": world.settings.speed,
        "charges": len(charges),
        "refunds": sum(charge.refunded for charge in charges),
        "charged": {vendor: world.spent(vendor) for vendor in ("apixo", "evolink")},
        "balance": {vendor: world.balance(vendor) for vendor in ("apixo", "evolink")},
        "jobs": Counter(job.state for job in jobs),
        "requests": Counter(request.kind for request in requests),
        "statuses": Counter(str(request.status) for request in requests),
        "peak_running": {model: world.peak_running(model) for model in models},
        "requests_per_minute": {model: world.requests_per_minute(model) for model in models},
        "deliveries": [asdict(delivery) for delivery in list(world.deliveries)],
        "charge_list": [
            {
                "vendor": charge.vendor,
                "model": charge.model,
                "job_id": charge.job_id,
                "mode": charge.mode,
                "params": dict(charge.params),
                "amount": charge.amount,
                "time": charge.time,
                "refunded": charge.refunded,
                "images": [
                    {"sha256": picture.sha256, "bytes": len(picture.data), "url": picture.url}
                    for picture in list(charge.images)
                ],
            }
            for charge in charges
        ],
        "faults": [_told(fault) for fault in world.faults.pending],
    }


def _report(world: World) -> Callable[[Request], Response]:
    def answer(_: Request) -> Response:
        return JSONResponse(report(world))

    return answer


def _faults(world: World) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        if request.method == "DELETE":
            world.faults.clear()
        elif request.method == "POST":
            try:
                wanted = await json_object(request)
                fault = world.faults.add(wanted.pop("name", ""), **wanted)
            except (Refusal, TypeError, ValueError) as error:
                raise HTTPException(400, str(error)) from None
            return JSONResponse(_told(fault))
        menu = [asdict(entry) for entry in MENU.values()]
        pending = [_told(fault) for fault in world.faults.pending]
        return JSONResponse({"menu": menu, "pending": pending})

    return answer


def _told(fault: Fault) -> dict[str, Any]:
    return {**asdict(fault), "does": fault.entry.does}


class _Media:
    """Serves the media folder read-only, and notes who asked for what."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._files = StaticFiles(directory=world.settings.media_dir, check_dir=False)
        # Looked for at each request: whoever uses the emulator makes it, maybe later.
        self._files.config_checked = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = SeenRequest(
            self._world.timeline.now(), None, "media", scope["method"], scope["path"]
        )
        self._world.requests.append(seen)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
            await send(message)

        await self._files(scope, receive, watched)
