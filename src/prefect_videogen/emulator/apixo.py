"""APIXO's three endpoints: submit, status, balance (contracts, section 1).

Every body is {code, message, data}; `code` repeats the HTTP status, times are in milliseconds, the
results are JSON inside a string, and a failed task is an answer with code 200.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from prefect_videogen.capabilities import Model
from prefect_videogen.emulator.checks import check_callback_url, check_input
from prefect_videogen.emulator.desk import Desk, json_object
from prefect_videogen.emulator.ledger import Job, SeenRequest, View
from prefect_videogen.emulator.mischief import as_json
from prefect_videogen.emulator.world import Refusal

_WORDS = {"completed": "success", "cancelled": "failed"}
_UNFINISHED = {"pending", "processing"}
_FAIL_CODES = {
    "content": "CONTENT_VIOLATION",  # [seed]
    "picture": "INVALID_IMAGE_URL",  # [seed]
    "picture-format": "UNSUPPORTED_FORMAT",  # [doc: error-codes old]
    "picture-bytes": "IMAGE_TOO_LARGE",  # [doc: error-codes old]
    "picture-sides": "INVALID_IMAGE_URL",
    "lora": "INVALID_LORA_URL",  # [seed]
    "transient": "PROCESSING_TIMEOUT",  # "retry" [doc: error-codes old]
    "broken": "GENERATION_FAILED",  # [doc: error-codes old]
}


def describe(job: Job, view: View) -> dict[str, Any]:
    """Word a job as a status answer and a callback do.

    Args:
        job: The job.
        view: What to say of it.

    Returns:
        The body.
    """
    state = view.word or _WORDS.get(view.state, view.state)
    data: dict[str, Any] = {"taskId": job.id, "state": state}
    if view.state == "completed":
        data["resultJson"] = json.dumps({"resultUrls": list(view.urls)}, separators=(",", ":"))
    elif view.state not in _UNFINISHED and job.failure is not None:
        data["failCode"] = job.failure.code or _FAIL_CODES.get(job.failure.reason, "")
        data["failMsg"] = job.failure.message
    created = round(job.created * 1000)
    data["createTime"] = created
    if view.state not in _UNFINISHED:
        # A forged announcement comes before the end.
        completed = round((job.finished or job.created) * 1000)
        data["completeTime"] = completed
        if view.price and view.state == "completed":
            data["costTime"] = completed - created
    return {"code": 200, "message": "success", "data": data}


class Apixo(Desk):
    """APIXO's API."""

    vendor = "apixo"

    def routes(self) -> list[Route]:
        """List the endpoints."""
        return [
            self.route("/api/v1/generateTask/{model}", "submit", self._submit, "POST"),
            self.route("/api/v1/statusTask/{model}", "status", self._status),
            self.route("/api/v1/apikeys/current-balance", "balance", self._balance),
        ]

    def refused(self, refusal: Refusal) -> Response:
        """Word a refusal: the code is the HTTP status again, there is no data [seed]."""
        body = {"code": refusal.status, "message": refusal.message, "data": None}
        return as_json(body, refusal.status, refusal.headers)

    async def _submit(self, request: Request, seen: SeenRequest) -> ASGIApp:
        world = self.world
        seen.model = name = request.path_params["model"]
        self.check_key(request)
        if refusal := self.scripted_refusal("submit", "apixo", name):
            return refusal
        model = world.find_model("apixo", name)
        world.admit(model)
        body = await json_object(request)
        callback_url = self._check_envelope(model, body)
        submission = check_input(model, body["input"], strict=world.settings.strict)
        world.check_room(model)
        if world.price(model, submission.params) > world.balance("apixo"):
            raise Refusal(400, "Insufficient credits")  # 400, not 402 [seed]
        job_id = f"task_{secrets.token_hex(8)}"
        job = world.accept(job_id, model, *submission, body, callback_url=callback_url)
        seen.job_id = job.id
        self.workshop.begin(job)
        answer = as_json({"code": 200, "message": "success", "data": {"taskId": job.id}})
        return await self.finished(answer, "submit", "apixo", name, job)

    def _check_envelope(self, model: Model, body: dict[str, Any]) -> str:
        """Check the fields around `input` and give the callback URL, if one counts."""
        kind = body.get("request_type") or "async"
        if kind not in ("async", "callback"):
            raise Refusal(400, "Invalid parameter: request_type must be async or callback")
        provider = body.get("provider") or "auto"
        known = provider in model.routing or not model.routing
        if not isinstance(provider, str) or not (known or model.routing_open):
            choices = ", ".join(model.routing)
            raise Refusal(400, f"Invalid parameter: provider must be one of {choices}")
        if not isinstance(body.get("input"), dict):
            raise Refusal(400, "Invalid parameter: input must be an object")
        if kind == "async":
            return ""
        if not body.get("callback_url"):
            raise Refusal(400, "Invalid parameter: callback_url is required with callback")
        return check_callback_url(body["callback_url"], strict=self.world.settings.strict)

    async def _status(self, request: Request, seen: SeenRequest) -> ASGIApp:
        world = self.world
        seen.model = name = request.path_params["model"]
        seen.job_id = job_id = request.query_params.get("taskId", "")
        self.check_key(request)
        job = world.jobs.get(job_id)
        state = job.state if job else None
        if refusal := self.scripted_refusal("status", "apixo", name, state):
            return refusal
        world.admit(world.find_model("apixo", name))
        if not job_id:
            raise Refusal(400, "Invalid parameter: taskId is required")
        # A task under another model's path is taken for unknown; no document says.
        if job is None or job.model.id != name:
            raise Refusal(404, "Task not found")
        urls = (world.result_url(job),) if job.state == "completed" else ()
        fault = world.faults.take("status", "view", vendor="apixo", model=name, state=job.state)
        answer = as_json(describe(job, View(job.state, urls).bent(fault)))
        return await self.finished(answer, "status", "apixo", name, job)

    async def _balance(self, request: Request, seen: SeenRequest) -> ASGIApp:
        del seen
        self.check_key(request)
        left = round(self.world.balance("apixo"), 6)
        return as_json({"code": 200, "message": "success", "data": left})
