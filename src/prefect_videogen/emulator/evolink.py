"""EvoLink's endpoints but for its files: submit, tasks, credits, prices (contracts, 3 and 4).

Bodies are flat, times are in seconds, refusals are {error: {code, message, type, param?}}, failed
jobs are refunded, and an `Idempotency-Key` gives the original task back.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
import string
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from prefect_videogen.emulator.checks import check_callback_url, check_input
from prefect_videogen.emulator.desk import Desk, json_object
from prefect_videogen.emulator.ledger import Job, SeenRequest, View
from prefect_videogen.emulator.mischief import as_json
from prefect_videogen.emulator.world import CREDITS_PER_DOLLAR, Refusal, World

ID_PREFIX = "task-unified-"
_YUAN_PER_CREDIT = 0.1  # [doc: evolink-mcp]
_KEY = re.compile(r"[A-Za-z0-9._-]{16,96}")  # [doc: evolink-mcp]
_MOST_IN_A_BATCH = 50  # [doc: evolink-mcp]
_PAGE_SIZE = 20
_ID_LETTERS = string.ascii_lowercase + string.digits
_UNFINISHED = {"pending", "processing"}
# [doc: error-codes evolink]
_TASK_CODES = {
    "content": "content_policy_violation",
    "picture": "image_processing_error",
    "picture-format": "image_processing_error",
    "picture-bytes": "image_processing_error",
    "picture-sides": "image_dimension_mismatch",
    "lora": "resource_not_found",
    "transient": "service_error",
    "broken": "generation_failed_no_content",
    "cancelled": "request_cancelled",
}
_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    413: "request_too_large_error",
    429: "rate_limit_error",
    500: "api_error",
    502: "upstream_error",
    503: "service_unavailable_error",
}


def describe(world: World, job: Job, view: View) -> dict[str, Any]:
    """Word a job as a task query, a submit's answer and a callback do.

    Args:
        world: The emulator's shared state.
        job: The job.
        view: What to say of it.

    Returns:
        The body.
    """
    # The moment a forged announcement claims is the present one.
    finished = job.finished if job.finished is not None else world.timeline.now()
    unfinished = view.state in _UNFINISHED
    task: dict[str, Any] = {
        "created": int(job.created),
        "id": job.id,
        "model": job.model.id,
        "object": "video.generation.task",
        "progress": _progress(world, job, view),
        "status": view.word or view.state,
        "task_info": {"can_cancel": unfinished, "estimated_time": _estimate(world, job)},
        "type": "video",
    }
    if view.price:
        task["usage"] = _usage(job, view)
    if view.state == "completed":
        task["results"] = list(view.urls)
    if not unfinished:
        task["duration"] = round(finished - job.created, 3)
    if view.state in {"failed", "cancelled"} and job.failure is not None:
        task["error"] = {
            "code": job.failure.code or _TASK_CODES[job.failure.reason],
            "message": job.failure.message,
            "type": "task_error",
        }
    return task


def _progress(world: World, job: Job, view: View) -> int:
    if view.state == "completed":
        return 100
    if view.state != "processing":
        return 0  # failed samples show 0 [doc: error-codes evolink]
    passed = (world.timeline.now() - job.created) / max(job.seconds, 1e-9)
    return max(1, min(99, int(100 * passed)))


def _estimate(world: World, job: Job) -> int:
    _, longest = job.model.generation_seconds(job.mode.name, job.params)
    return max(1, math.ceil(world.timeline.scaled(longest)))


def _usage(job: Job, view: View) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "billing_rule": "per_call",
        "credits_reserved": _tidy(job.charge.amount),
        "user_group": "default",
    }
    if view.state not in _UNFINISHED:
        used = 0 if job.charge.refunded else _tidy(job.charge.amount)
        usage["credits_used"] = used
        usage["cost"] = {
            "credits": used,
            "usd": round(used / CREDITS_PER_DOLLAR, 6),
            "cny": round(used * _YUAN_PER_CREDIT, 6),
        }
    return usage


class Evolink(Desk):
    """EvoLink's API."""

    vendor = "evolink"
    # Idempotency key -> digest of the body, and the job it made.
    _sent: dict[str, tuple[str, Job]]

    def routes(self) -> list[Route]:
        """List the endpoints."""
        self._sent = {}
        return [
            self.route("/v1/videos/generations", "submit", self._submit, "POST"),
            self.route("/v1/tasks/batch", "batch", self._batch, "POST"),
            self.route("/v1/tasks/{task_id}", "status", self._status),
            self.route("/v1/tasks", "list", self._list),
            self.route("/v1/credits", "balance", self._credits),
            self.route("/web/api/models/pricing", "pricing", self._pricing),
        ]

    def refused(self, refusal: Refusal) -> Response:
        """Word a refusal as the task page does [doc: get-task-detail]."""
        error = {
            "code": refusal.code,
            "message": refusal.message,
            "type": _TYPES.get(refusal.status, "invalid_request_error"),
        }
        if refusal.param:
            error["param"] = refusal.param
        return as_json({"error": error}, refusal.status, refusal.headers)

    async def _submit(self, request: Request, seen: SeenRequest) -> ASGIApp:
        world = self.world
        self.check_key(request)
        body = await json_object(request)
        name = body.get("model")
        seen.model = name if isinstance(name, str) else ""
        if refusal := self.scripted_refusal("submit", "evolink", seen.model):
            return refusal
        model = world.find_model("evolink", name)
        world.admit(model)
        digest = hashlib.sha256(await request.body()).hexdigest()
        key = self._key(request)
        if (original := self._replayed(key, digest)) is not None:
            seen.job_id = original.id
            answer = self._told(original, replayed=True)
            return await self.finished(answer, "submit", "evolink", model.id)
        callback_url = str(body.get("callback_url") or "")
        if callback_url:
            check_callback_url(body["callback_url"], strict=world.settings.strict)
        submission = check_input(model, body, strict=world.settings.strict)
        world.check_room(model)
        if world.price(model, submission.params) > world.balance("evolink"):
            raise Refusal(402, "Insufficient quota", code="insufficient_quota")
        job = world.accept(self._new_id(), model, *submission, body, callback_url=callback_url)
        seen.job_id = job.id
        if key:
            self._sent[key] = (digest, job)
        fault = world.faults.take("submit", "view", vendor="evolink", model=model.id)
        answer = as_json(describe(world, job, View(job.state).bent(fault)))
        self.workshop.begin(job)
        return await self.finished(answer, "submit", "evolink", model.id, job)

    def _new_id(self) -> str:
        letters = "".join(secrets.choice(_ID_LETTERS) for _ in range(8))
        return f"{ID_PREFIX}{int(self.world.timeline.now())}-{letters}"

    def _key(self, request: Request) -> str:
        """Read the idempotency key; an endpoint that knows none ignores the header."""
        key = request.headers.get("idempotency-key", "")
        if not self.world.settings.replay or not key:
            return ""
        if not _KEY.fullmatch(key):
            message = "Idempotency-Key must be 16 to 96 letters, digits, dots, underscores, hyphens"
            raise Refusal(400, message, param="Idempotency-Key")
        return key

    def _replayed(self, key: str, digest: str) -> Job | None:
        if key not in self._sent:
            return None
        known, job = self._sent[key]
        # Compared byte by byte, the strictest reading of "another body".
        if known != digest:
            message = "Idempotency-Key was used with another request body"
            raise Refusal(409, message, code="idempotency_conflict")
        return job

    def _told(self, job: Job, *, replayed: bool = False) -> Response:
        headers = {"idempotency-replayed": "true"} if replayed else None
        return as_json(describe(self.world, job, self._view(job)), headers=headers)

    def _view(self, job: Job) -> View:
        urls = (self.world.result_url(job),) if job.state == "completed" else ()
        return View(job.state, urls)

    async def _status(self, request: Request, seen: SeenRequest) -> ASGIApp:
        world = self.world
        seen.job_id = job_id = request.path_params["task_id"]
        self.check_key(request)
        job = world.jobs.get(job_id)
        if job is not None and job.vendor != "evolink":
            job = None
        seen.model = model = job.model.id if job else ""
        state = job.state if job else None
        if refusal := self.scripted_refusal("status", "evolink", model, state):
            return refusal
        if not job_id.startswith(ID_PREFIX):
            message = f"Task id must begin with {ID_PREFIX}"
            raise Refusal(400, message, code="invalid_task_id", param="task_id")
        if job is None:
            raise Refusal(404, "Task not found", code="task_not_found")
        world.admit(job.model)
        fault = world.faults.take("status", "view", vendor="evolink", model=model, state=state)
        answer = as_json(describe(world, job, self._view(job).bent(fault)))
        return await self.finished(answer, "status", "evolink", model, job)

    async def _list(self, request: Request, seen: SeenRequest) -> ASGIApp:
        """Newest first, without result URLs [doc: evolink-mcp]."""
        del seen
        self.check_key(request)
        query = request.query_params
        page, size = _number(query.get("page"), 1), _number(query.get("page_size"), _PAGE_SIZE)
        jobs = [
            job
            for job in reversed(self.world.jobs.values())
            if job.vendor == "evolink"
            and query.get("status") in {None, "", job.state}
            and query.get("model") in {None, "", job.model.id}
            and query.get("type") in {None, "", "video"}
        ]
        items = [self._item(job) for job in jobs[(page - 1) * size : page * size]]
        return as_json({"data": items, "total": len(jobs), "page": page, "page_size": size})

    def _item(self, job: Job) -> dict[str, Any]:
        task = describe(self.world, job, self._view(job))
        return {
            "id": job.id,
            "model": job.model.id,
            "type": "video",
            "status": job.state,
            "progress": task["progress"],
            "created_at": task["created"],
            "duration": task.get("duration", 0),
            "has_results": job.state == "completed",
            "result_count": int(job.state == "completed"),
            "has_error": job.failure is not None,
            "credits_used": task["usage"].get("credits_used", 0),
        }

    async def _batch(self, request: Request, seen: SeenRequest) -> ASGIApp:
        """Up to 50 tasks; unknown ones are silently absent [doc: evolink-mcp]."""
        del seen
        self.check_key(request)
        ids = (await json_object(request)).get("task_ids")
        if not isinstance(ids, list) or not 1 <= len(ids) <= _MOST_IN_A_BATCH:
            message = f"task_ids must be a list of 1 to {_MOST_IN_A_BATCH} ids"
            raise Refusal(400, message, param="task_ids")
        jobs = (self.world.jobs.get(job_id) for job_id in ids if isinstance(job_id, str))
        tasks = [
            describe(self.world, job, self._view(job))
            for job in jobs
            if job is not None and job.vendor == "evolink"
        ]
        return as_json({"data": tasks})

    async def _credits(self, request: Request, seen: SeenRequest) -> ASGIApp:
        del seen
        self.check_key(request)
        left = {
            "remaining_credits": _tidy(self.world.balance("evolink")),
            "used_credits": _tidy(self.world.spent("evolink")),
        }
        data = {"token": {**left, "unlimited_credits": False}, "user": left}
        return as_json({"success": True, "message": "", "data": data})

    async def _pricing(self, request: Request, seen: SeenRequest) -> ASGIApp:
        """The public price list, without a key; the prices are the emulator's own."""
        del request, seen
        listed = []
        for model in self.world.settings.models.values():
            if model.vendor == "evolink":
                least, most = (
                    round(self.world.price(model, {"duration": seconds}) / CREDITS_PER_DOLLAR, 6)
                    for seconds in (5, 10)
                )
                listed.append(
                    {
                        "model_name": model.id,
                        "billing_rule": "per_call",
                        "price_range": {"min_usd": least, "max_usd": most},
                        "resolution_multipliers": {},
                    }
                )
        return as_json({"success": True, "data": listed})


def _tidy(amount: float) -> float:
    """Show a whole amount without a fraction, as the samples do."""
    return int(amount) if amount == int(amount) else round(amount, 6)


def _number(text: str | None, default: int) -> int:
    try:
        return max(int(text or default), 1)
    except ValueError:
        return default
