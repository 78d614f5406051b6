"""What APIXO's answers mean: bytes in, a typed answer or an error of the tree out.

Pure and total. Every body is `{code, message, data}`, and the status is said twice, over HTTP and
as `code`: success is a 2xx and 200 [contracts 1.4, inferred], a no is believed from either place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prefect_videogen.errors import BadAnswer
from prefect_videogen.vendors.answers import Balance, JobState, JobStatus, Submitted
from prefect_videogen.vendors.codes import code_in_text
from prefect_videogen.vendors.reading import (
    as_code,
    as_duration,
    as_int,
    as_job_id,
    as_number,
    as_object,
    as_text,
    as_time,
    as_urls,
    json_object,
    lower_headers,
)
from prefect_videogen.vendors.refusals import (
    NO_REASON,
    Said,
    job_failure,
    query_error,
    submit_error,
)

_STATES: Mapping[str, JobState] = {
    "pending": "queued",
    "processing": "running",
    "success": "succeeded",
    "failed": "failed",
}  # [contracts 1.3, seed]; anything else is an unknown word

_OK = 200


def submitted(status: int, headers: Mapping[str, str], body: bytes) -> Submitted:
    """Read the answer to a submission.

    Args:
        status: HTTP status.
        headers: HTTP headers.
        body: The bytes.

    Returns:
        The accepted job.

    Raises:
        VendorError: Whatever `refusals.submit_error` makes of a no or of doubt.
    """
    said, answer = _read(status, headers, body)
    if said.fine and said.own == _OK and said.job_id is not None:
        return Submitted(said.job_id, answer)
    raise submit_error(said)


def job_status(status: int, headers: Mapping[str, str], body: bytes, *, job_id: str) -> JobStatus:
    """Read the answer to a status query; a failed job is a status, not an error.

    Args:
        status: HTTP status.
        headers: HTTP headers.
        body: The bytes.
        job_id: The job asked about.

    Returns:
        The status.

    Raises:
        BadAnswer: If the job succeeded but no URL came with it; transient.
        VendorError: Whatever `refusals.query_error` makes of another answer.
    """
    said, answer = _read(status, headers, body)
    data = as_object(answer.get("data"))
    word = as_text(data.get("state"))
    own_job = said.job_id in {None, job_id}
    if not (said.fine and said.own == _OK and word and own_job):
        raise query_error(said, what="a status query", job_id=job_id, billed="yes")
    state = _STATES.get(word.lower(), "unknown")
    urls = _result_urls(data) if state == "succeeded" else ()
    if state == "succeeded" and not urls:
        message = replace(said, text="").sentence(
            "says the job succeeded, but gives no URL of its clip"
        )
        raise BadAnswer(
            message, vendor="apixo", status=status, transient=True, job_id=job_id, billed="yes"
        )
    taken = as_duration(data.get("costTime"))
    return JobStatus(
        state=state,
        word=word,
        result_urls=urls,
        failure=job_failure(_why(said, data), job_id=job_id, billed="unknown")
        if state == "failed"
        else None,
        started_at=as_time(data.get("createTime")),
        finished_at=as_time(data.get("completeTime")),
        cost_seconds=None if taken is None else taken / 1000,
        answer=answer,
    )


def balance(status: int, headers: Mapping[str, str], body: bytes) -> Balance:
    """Read the balance: a bare number of US dollars [contracts 1.1, doc: system].

    Args:
        status: HTTP status.
        headers: HTTP headers.
        body: The bytes.

    Returns:
        The balance of the key.

    Raises:
        VendorError: Whatever `refusals.query_error` makes of another answer.
    """
    said, answer = _read(status, headers, body)
    amount = as_number(answer.get("data"))
    if said.fine and said.own == _OK and amount is not None:
        return Balance(amount, "USD")
    raise query_error(said, what="a balance query")


def _read(status: int, headers: Mapping[str, str], body: bytes) -> tuple[Said, dict[str, Any]]:
    answer = json_object(body)
    if answer is None:
        return Said.nothing("apixo", status, headers, body), {}
    data = as_object(answer.get("data"))
    message = as_text(answer.get("message"))
    # An older page has the detail in `data.error` [contracts 1.3]; its inner shape is not shown.
    inner = data.get("error")
    detail = as_text(inner) or as_text(as_object(inner).get("message"))
    text = ": ".join(dict.fromkeys(part for part in (message, detail) if part))
    stated = (data.get("failCode"), as_object(inner).get("code"), data.get("code"))
    code = next((found for value in stated if (found := as_code(value))), None)
    own = as_int(answer.get("code"))
    said = Said(
        vendor="apixo",
        http=status,
        headers=lower_headers(headers),
        body=body,
        own=own,
        envelope=own is not None and isinstance(answer.get("message"), str),
        code=code or code_in_text(text),
        text="" if own == _OK and message.lower() == "success" else text,
        job_id=as_job_id(data.get("taskId")),
    )
    return said, answer


def _why(said: Said, data: dict[str, Any]) -> Said:
    text = as_text(data.get("failMsg")) or NO_REASON
    return replace(said, code=as_code(data.get("failCode")), text=text)


def _result_urls(data: dict[str, Any]) -> tuple[str, ...]:
    packed = data.get("resultJson")
    if isinstance(packed, str):
        packed = json_object(packed.encode("utf-8", "replace"))
    return as_urls(as_object(packed).get("resultUrls"))
