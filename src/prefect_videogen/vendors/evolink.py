"""EvoLink over HTTP: submit, look, ask for the balance, list tasks, upload a picture.

One request per call, nothing retried: the record decides what may be sent again. Idempotency key
and task list are known from the vendor's own client only [contracts 4.3, 4.7]: help, no guarantee.
"""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import quote, urlencode

import httpx

from prefect_videogen.capabilities import Model
from prefect_videogen.errors import BadParameters, StudioError
from prefect_videogen.vendors import evolink_answers as answers
from prefect_videogen.vendors.account import Account
from prefect_videogen.vendors.answers import (
    Balance,
    JobStatus,
    Submitted,
    TaskSummary,
    UploadedFile,
)
from prefect_videogen.vendors.bodies import JSON_BODY, submit_path, usable_job_id
from prefect_videogen.vendors.http import DEFAULT_TIMEOUTS, Call, HttpSession, Timeouts

UPLOAD_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""What the files API takes [contracts 4.8]; BMP is legal for wan2.5, but not here."""

LARGEST_UPLOAD = 100 * 1024 * 1024
PAGE_SIZE = 50

_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9._-]{16,96}")


class EvolinkClient:
    """A client for one EvoLink account; close it, or use it as an async context manager.

    Args:
        account: The account.
        transport: Stands in for the network.
        timeouts: How long to wait.

    Raises:
        StudioError: If the account is another vendor's.
    """

    def __init__(
        self,
        account: Account,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        if account.vendor != "evolink":
            message = f"an {account.vendor} account can't be used at EvoLink"
            raise StudioError(message, next_step="Give the studio EvoLink credentials.")
        self.account = account
        self._http = HttpSession(account, transport=transport, timeouts=timeouts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def submit(
        self, model: Model, body: bytes, *, idempotency_key: str | None = None
    ) -> Submitted:
        """Buy one clip: send exactly these bytes, once.

        Args:
            model: The model; the body names it, too.
            body: The bytes that were recorded.
            idempotency_key: 16 to 96 letters, digits, `.`, `_`, `-`; a repeat of the same bytes
                under the same key finds the first job [contracts 4.7].

        Returns:
            The accepted job.

        Raises:
            StudioError: If the idempotency key is malformed; nothing was sent.
            NotSent: If the request never left.
            Throttled: If the vendor is at its limit.
            Refused: If it said no to the request.
            Unavailable: If it said no to the account, the model or an input.
            SubmissionUnknown: If it is not known whether it accepted the job.
        """
        headers = dict(JSON_BODY)
        if idempotency_key is not None:
            if not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
                message = "an idempotency key is 16 to 96 letters, digits, `.`, `_` or `-`"
                raise StudioError(message)
            headers["Idempotency-Key"] = idempotency_key
        url = self.account.base_url + submit_path(model)
        call = Call("submit", "POST", url, content=body, headers=headers)
        return answers.submitted(*await self._http.send(call))

    async def status(self, model_id: str, job_id: str) -> JobStatus:
        """Look at a job once.

        Args:
            model_id: Not used: EvoLink finds a job by its id alone.
            job_id: The vendor's id of the job.

        Returns:
            Its status; a failed or cancelled job is one, too.

        Raises:
            JobNotFound: If the vendor does not know the job (yet).
            Throttled: If the vendor is at its limit.
            KeyRefused: If the key is wrong.
            BadAnswer: If there was no usable answer; transient.
        """
        del model_id
        job = quote(usable_job_id("evolink", job_id), safe="")
        call = Call("status", "GET", f"{self.account.base_url}/v1/tasks/{job}", job_id=job_id)
        return answers.job_status(*await self._http.send(call), job_id=job_id)

    async def balance(self) -> Balance:
        """Ask what key and account can still spend, in credits.

        Returns:
            The balance.

        Raises:
            KeyRefused: If the key is wrong.
            Throttled: If the vendor is at its limit.
            BadAnswer: If there was no usable answer; transient.
        """
        url = self.account.base_url + "/v1/credits"
        return answers.balance(*await self._http.send(Call("balance", "GET", url)))

    async def list_tasks(self, model_id: str) -> list[TaskSummary]:
        """List the newest tasks of a model, for finding a job whose submit answer was lost.

        Args:
            model_id: The model.

        Returns:
            The newest tasks, newest first, at most `PAGE_SIZE`.

        Raises:
            KeyRefused: If the key is wrong.
            Throttled: If the vendor is at its limit.
            BadAnswer: If there was no usable answer; transient.
        """
        query = urlencode({"model": model_id, "page": 1, "page_size": PAGE_SIZE})
        call = Call("list", "GET", f"{self.account.base_url}/v1/tasks?{query}")
        return answers.task_list(*await self._http.send(call))

    async def upload(self, data: bytes, *, name: str, mime: str) -> UploadedFile:
        """Have EvoLink serve a picture for 72 hours [contracts 4.8]; costs nothing.

        Args:
            data: The picture.
            name: Its file name.
            mime: Its media type, one of `UPLOAD_TYPES`.

        Returns:
            Its public URL and when it ends.

        Raises:
            BadParameters: If the files API does not take such a file.
            Unavailable: If the account holds as many files as it may, or there is no such API.
            KeyRefused: If the key is wrong.
            Throttled: If the vendor is at its limit.
            BadAnswer: If there was no usable answer; transient.
        """
        if mime not in UPLOAD_TYPES or len(data) > LARGEST_UPLOAD:
            message = f"EvoLink's files API does not take {mime} of {len(data)} bytes"
            step = "Use a JPEG or PNG of at most 100 MB."
            raise BadParameters(message, vendor="evolink", next_step=step)
        parts = {"file": (name, data, mime), "file_name": (None, name)}
        url = self.account.files_base + "/api/v1/files/upload/stream"
        return answers.uploaded(*await self._http.send(Call("upload", "POST", url, files=parts)))
