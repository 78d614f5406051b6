"""Result URLs: the finished clips, public for as long as the vendor documents, then gone.

Ranges, lengths and types are real; the download part of the failure menu happens here.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from prefect_videogen.emulator.desk import Desk
from prefect_videogen.emulator.faults import Fault
from prefect_videogen.emulator.ledger import Job, SeenRequest
from prefect_videogen.emulator.mischief import spoil
from prefect_videogen.emulator.world import Refusal

PRIVATE = "http://169.254.169.254/latest/meta-data/"
ELSEWHERE = "https://cdn.example.net/clip.mp4"
# What an expired URL answers is not documented; APIXO's results lie in object storage, where the
# object is gone, and EvoLink's look like signed URLs [both inferred].
_EXPIRED = {"apixo": (404, "Not Found"), "evolink": (403, "Request has expired")}


class Downloads(Desk):
    """The hosts that serve both vendors' results."""

    vendor = None

    def routes(self) -> list[Route]:
        """List the endpoints."""
        return [self.route("/results/{job_id}/{name}", "result", self._serve)]

    def refused(self, refusal: Refusal) -> Response:
        """Word a refusal as storage does: without an API's envelope."""
        return PlainTextResponse(refusal.message, refusal.status, refusal.headers)

    async def _serve(self, request: Request, seen: SeenRequest) -> ASGIApp:
        job = self.world.jobs.get(request.path_params["job_id"])
        if (
            job is None
            or job.clip is None
            or job.expires is None
            or request.path_params["name"] != f"{job.token}.mp4"
        ):
            raise Refusal(404, "Not Found")
        seen.vendor, seen.model, seen.job_id = job.vendor, job.model.id, job.id
        fault = self.world.faults.take("download", "refuse", vendor=job.vendor, model=job.model.id)
        if fault is not None:
            return self._refuse(job, fault)
        if job.expires <= self.world.timeline.now():
            return _expired(job)
        fault = self.world.faults.take("download", "answer", vendor=job.vendor, model=job.model.id)
        if fault is not None:
            body = await asyncio.to_thread(job.clip.read_bytes)
            answer = Response(body, media_type="video/mp4")
            return spoil(answer, fault, self.world.stopping, self.connection)
        return FileResponse(job.clip, media_type="video/mp4")

    def _refuse(self, job: Job, fault: Fault) -> Response:
        if fault.name == "result-expired":
            job.expires = self.world.timeline.now()
            return _expired(job)
        if fault.name.startswith("redirect-"):
            target = PRIVATE if fault.name == "redirect-private" else ELSEWHERE
            return RedirectResponse(str(fault.options.get("location", target)), 302)
        if fault.name.startswith("download-"):
            return PlainTextResponse("", int(fault.name.removeprefix("download-")))
        return self._refusal(fault)


def _expired(job: Job) -> Response:
    status, text = _EXPIRED[job.vendor]
    return PlainTextResponse(text, status)
