"""APIXO over HTTP: submit, look, ask for the balance.

One request per call, nothing retried: the record decides what may be sent again. APIXO documents
no idempotency key, no task list and no upload [contracts 8.3], so there is none here either.
"""

from __future__ import annotations

from typing import Self
from urllib.parse import quote

import httpx

from prefect_videogen.capabilities import Model
from prefect_videogen.errors import StudioError
from prefect_videogen.vendors import apixo_answers as answers
from prefect_videogen.vendors.account import Account
from prefect_videogen.vendors.answers import Balance, JobStatus, Submitted
from prefect_videogen.vendors.bodies import JSON_BODY, submit_path, usable_job_id
from prefect_videogen.vendors.http import DEFAULT_TIMEOUTS, Call, HttpSession, Timeouts


class ApixoClient:
    """A client for one APIXO account; close it, or use it as an async context manager.

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
        if account.vendor != "apixo":
            message = f"an {account.vendor} account can't be used at APIXO"
            raise StudioError(message, next_step="Give the studio APIXO credentials.")
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
            model: The model, which is part of the path.
            body: The bytes that were recorded.
            idempotency_key: Not used: APIXO documents none.

        Returns:
            The accepted job.

        Raises:
            NotSent: If the request never left.
            Throttled: If the vendor is at its limit.
            Refused: If it said no to the request.
            Unavailable: If it said no to the account, the model or an input.
            SubmissionUnknown: If it is not known whether it accepted the job.
        """
        del idempotency_key
        url = self.account.base_url + submit_path(model)
        call = Call("submit", "POST", url, content=body, headers=JSON_BODY)
        return answers.submitted(*await self._http.send(call))

    async def status(self, model_id: str, job_id: str) -> JobStatus:
        """Look at a job once.

        Args:
            model_id: The model it was submitted to; it is part of the path [contracts 1.1].
            job_id: The vendor's id of the job.

        Returns:
            Its status; a failed job is one, too.

        Raises:
            JobNotFound: If the vendor does not know the job (yet).
            Throttled: If the vendor is at its limit.
            KeyRefused: If the key is wrong.
            BadAnswer: If there was no usable answer; transient.
        """
        job = quote(usable_job_id("apixo", job_id), safe="")
        path = f"/api/v1/statusTask/{quote(model_id, safe='')}?taskId={job}"
        call = Call("status", "GET", self.account.base_url + path, job_id=job_id)
        return answers.job_status(*await self._http.send(call), job_id=job_id)

    async def balance(self) -> Balance:
        """Ask what the account can still spend, in US dollars.

        Returns:
            The balance.

        Raises:
            KeyRefused: If the key is wrong.
            Throttled: If the vendor is at its limit.
            BadAnswer: If there was no usable answer; transient.
        """
        url = self.account.base_url + "/api/v1/apikeys/current-balance"
        return answers.balance(*await self._http.send(Call("balance", "GET", url)))
