"""What EvoLink's answers mean: bytes in, a typed answer or an error of the tree out.

Pure and total. Answers are flat, refusals are `{error: {code, message, type}}` with a code that is
a string or an integer [contracts 4.4]; times are seconds. The files API has an envelope of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prefect_videogen.errors import BadAnswer, BadParameters, Unavailable
from prefect_videogen.vendors.answers import (
    Balance,
    JobState,
    JobStatus,
    Submitted,
    TaskSummary,
    UploadedFile,
)
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
    "completed": "succeeded",
    "failed": "failed",
    "cancelled": "failed",
    "canceled": "failed",
}  # [contracts 4.2]; anything else is an unknown word

# Ids look like `task-unified-<seconds>-<8>` [contracts 3.3]. Any other `id`, unless the object
# calls itself a task, may be another service's, and must not pass for a bought job.
_TASK_PREFIX = "task-"

_CANCELLED = "request_cancelled"
_BAD_FILE = frozenset({400, 413, 415, 422})
_NOT_FOUND = 404
_SERVER = 500


def submitted(status: int, headers: Mapping[str, str], body: bytes) -> Submitted:
    """Read the answer to a submission.

    Args:
        status: HTTP status.
        headers: HTTP headers.
        body: The bytes.

    Returns:
        The accepted job, whatever its state; `replayed` if an Idempotency-Key found it
        [contracts 4.7].

    Raises:
        VendorError: Whatever `refusals.submit_error` makes of a no or of doubt.
    """
    said, answer = _read(status, headers, body)
    kind = answer.get("object")
    is_task = isinstance(kind, str) and kind.endswith(".task")
    job_id = said.job_id or (as_job_id(answer.get("id")) if is_task else None)
    if said.fine and job_id is not None:
        replayed = said.headers.get("idempotency-replayed", "").strip().lower() == "true"
        return Submitted(job_id, answer, replayed=replayed)
    raise submit_error(said)


def job_status(status: int, headers: Mapping[str, str], body: bytes, *, job_id: str) -> JobStatus:
    """Read the answer to a status query; a failed job is a status, not an error.

    Args:
        status: HTTP status.
        headers: HTTP headers.
        body: The bytes.
        job_id: The job asked about.

    Returns:
        The status. Failed and cancelled jobs are not billed [contracts 4.2].

    Raises:
        BadAnswer: If the job is completed but no URL came with it; transient.
        VendorError: Whatever `refusals.query_error` makes of another answer.
    """
    said, answer = _read(status, headers, body)
    word = as_text(answer.get("status"))
    own_job = as_job_id(answer.get("id")) in {None, job_id}
    if not (said.fine and word and own_job):
        raise query_error(said, what="a status query", job_id=job_id, billed="yes")
    state = _STATES.get(word.lower(), "unknown")
    urls = _result_urls(answer) if state == "succeeded" else ()
    if state == "succeeded" and not urls:
        message = replace(said, text="").sentence(
            "says the job is completed, but gives no URL of its clip"
        )
        raise BadAnswer(
            message, vendor="evolink", status=status, transient=True, job_id=job_id, billed="yes"
        )
    usage = answer.get("usage")
    return JobStatus(
        state=state,
        word=word,
        result_urls=urls,
        failure=job_failure(_why(said, word), job_id=job_id, billed="no")
        if state == "failed"
        else None,
        started_at=as_time(answer.get("created")),
        cost_seconds=as_duration(answer.get("duration")),
        charge=usage if isinstance(usage, dict) else None,
        estimated_seconds=as_duration(as_object(answer.get("task_info")).get("estimated_time")),
        answer=answer,
    )


def balance(status: int, headers: Mapping[str, str], body: bytes) -> Balance:
    """Read the credits [contracts 4.9, doc: get-credits].

    Args:
        status: HTTP status.
        headers: HTTP headers.
        body: The bytes.

    Returns:
        The smaller of what the key and what the account have left.

    Raises:
        VendorError: Whatever `refusals.query_error` makes of another answer.
    """
    said, answer = _read(status, headers, body)
    data = as_object(answer.get("data"))
    key, account = as_object(data.get("token")), as_object(data.get("user"))
    unlimited = key.get("unlimited_credits") is True
    left = [as_number(account.get("remaining_credits"))]
    if not unlimited:
        left.append(as_number(key.get("remaining_credits")))
    known = [amount for amount in left if amount is not None]
    if said.fine and answer.get("success") is not False and known:
        return Balance(min(known), "credits", unlimited=unlimited)
    raise query_error(said, what="a balance query")


def task_list(status: int, headers: Mapping[str, str], body: bytes) -> list[TaskSummary]:
    """Read a page of the task list, newest first [contracts 4.3, doc: evolink-mcp].

    Args:
        status: HTTP status.
        headers: HTTP headers.
        body: The bytes.

    Returns:
        Its lines; a line without an id is left out.

    Raises:
        VendorError: Whatever `refusals.query_error` makes of another answer.
    """
    said, answer = _read(status, headers, body)
    lines = answer.get("data")
    if not (said.fine and isinstance(lines, list)):
        raise query_error(said, what="a query of the task list")
    return [line for item in lines if (line := _task(as_object(item))) is not None]


def uploaded(status: int, headers: Mapping[str, str], body: bytes) -> UploadedFile:
    """Read the answer to a file upload [contracts 4.8].

    Args:
        status: HTTP status.
        headers: HTTP headers.
        body: The bytes.

    Returns:
        Where the file is served and until when.

    Raises:
        BadParameters: If the vendor does not take this file.
        Unavailable: If the account holds as many files as it may, or there is no such API.
        VendorError: Whatever `refusals.query_error` makes of another answer.
    """
    answer = json_object(body) or {}
    own = as_int(answer.get("code"))
    envelope = isinstance(answer.get("success"), bool)
    error = as_object(answer.get("error"))
    said = Said(
        vendor="evolink",
        http=status,
        headers=lower_headers(headers),
        body=body,
        own=own,
        envelope=envelope or bool(error),
        code=as_code(error.get("code")),
        text=as_text(answer.get("msg")) or as_text(error.get("message")),
    )
    data = as_object(answer.get("data"))
    urls = as_urls([data.get("file_url"), data.get("download_url")])
    if said.fine and answer.get("success") is True and urls:
        return UploadedFile(urls[0], as_time(data.get("expires_at")))
    if said.envelope and said.status < _SERVER and _full(said.text):
        step = "Delete old files at EvoLink, or publish pictures from the media store."
        raise Unavailable(
            said.sentence("has no room for another file"),
            vendor="evolink",
            status=status,
            code=said.code,
            next_step=step,
        )
    if said.envelope and said.status in _BAD_FILE:
        message = said.sentence("does not take the file")
        raise BadParameters(message, vendor="evolink", status=status, code=said.code)
    if said.status == _NOT_FOUND:
        message = said.sentence("has no files API here")
        step = "Set VIDEOGEN_EVOLINK_FILES_URL, or publish pictures from the media store."
        raise Unavailable(message, vendor="evolink", status=status, next_step=step)
    raise query_error(said, what="a file upload")


def _read(status: int, headers: Mapping[str, str], body: bytes) -> tuple[Said, dict[str, Any]]:
    answer = json_object(body)
    if answer is None:
        return Said.nothing("evolink", status, headers, body), {}
    error = answer.get("error")
    details = as_object(error)
    text = as_text(details.get("message")) or as_text(error)
    if suggestion := as_text(details.get("suggestion")):
        text = f"{text} - {suggestion}" if text else suggestion
    job_id = as_job_id(answer.get("id"))
    said = Said(
        vendor="evolink",
        http=status,
        headers=lower_headers(headers),
        body=body,
        own=as_int(details.get("code")),
        envelope=bool(details) or bool(text),
        code=as_code(details.get("code")),
        text=text,
        job_id=job_id if job_id and job_id.startswith(_TASK_PREFIX) else None,
    )
    return said, answer


def _why(said: Said, word: str) -> Said:
    cancelled = _STATES.get(word.lower()) == "failed" and word.lower() != "failed"
    code = _CANCELLED if cancelled else said.code
    return replace(said, own=None, code=code, text=said.text or NO_REASON)


def _result_urls(answer: dict[str, Any]) -> tuple[str, ...]:
    urls = as_urls(answer.get("results"))
    if urls:
        return urls
    data = answer.get("result_data")
    items = data if isinstance(data, list) else [data]
    return as_urls([as_object(item).get("video_url") for item in items])


def _task(item: dict[str, Any]) -> TaskSummary | None:
    job_id = as_job_id(item.get("id"))
    if job_id is None:
        return None
    word = as_text(item.get("status"))
    return TaskSummary(
        job_id=job_id,
        model=as_text(item.get("model")),
        state=_STATES.get(word.lower(), "unknown"),
        word=word,
        created_at=as_time(item.get("created_at")),
        credits_used=as_number(item.get("credits_used")),
    )


def _full(text: str) -> bool:
    words = text.lower()
    return any(hint in words for hint in ("quota", "file limit", "too many files", "max_files"))
