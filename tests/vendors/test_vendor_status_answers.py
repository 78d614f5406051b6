"""Answers to status queries: states, failures and whatever else may come."""

from __future__ import annotations

import json
import pickle

import pytest

from prefect_videogen.errors import (
    BadAnswer,
    BadParameters,
    ContentRefused,
    InputUnreachable,
    JobFailed,
    JobNotFound,
    KeyRefused,
    NoCredits,
    StatusUnavailable,
    Throttled,
)
from prefect_videogen.vendors import apixo_answers, evolink_answers

JOB = "task_12345678"
TASK = "task-unified-1757169743-7cvnl5zw"
URL = "https://r2.apixo.ai/video.mp4"
BOTH = pytest.mark.parametrize(
    ("answers", "job_id"),
    [(apixo_answers, JOB), (evolink_answers, TASK)],
    ids=["apixo", "evolink"],
)


def apixo(data, code=200, http=200):
    body = json.dumps({"code": code, "message": "success", "data": data}).encode()
    return apixo_answers.job_status(http, {}, body, job_id=JOB)


def evolink(http=200, /, **answer):
    body = json.dumps({"id": TASK, "created": 1757169743, **answer}).encode()
    return evolink_answers.job_status(http, {}, body, job_id=TASK)


def test_apixo_sample_of_success_is_read(samples):
    answer = samples["apixo_status_success"]
    got = apixo_answers.job_status(200, {}, json.dumps(answer).encode(), job_id=JOB)
    assert (got.state, got.word, got.result_urls) == ("succeeded", "success", (URL,))
    assert (got.started_at, got.finished_at) == (1767965610.929, 1767965652.317)
    assert got.cost_seconds == 41.388
    assert got.failure is None
    assert got.answer == answer


def test_apixo_sample_of_failure_is_read(samples):
    body = json.dumps(samples["apixo_status_failed"]).encode()
    got = apixo_answers.job_status(200, {}, body, job_id=JOB)
    assert (got.state, got.word) == ("failed", "failed")
    assert isinstance(got.failure, ContentRefused)
    assert (got.failure.job_id, got.failure.billed) == (JOB, "unknown")
    assert "Content does not meet safety guidelines" in str(got.failure)


def test_evolink_sample_of_a_pending_job_is_read(samples):
    body = json.dumps(samples["evolink_submit_ok"]).encode()
    got = evolink_answers.job_status(200, {}, body, job_id=TASK)
    assert (got.state, got.word, got.started_at) == ("queued", "pending", 1757169743.0)
    assert got.estimated_seconds == 120
    assert got.charge == {
        "billing_rule": "per_call",
        "credits_reserved": 5,
        "user_group": "default",
    }


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("pending", "queued"),
        ("processing", "running"),
        ("PROCESSING", "running"),
        ("archiving", "unknown"),
        ("completed", "unknown"),
    ],
)
def test_apixo_state_word_gives_its_state(word, state):
    got = apixo({"taskId": JOB, "state": word, "createTime": 1767965610929})
    assert (got.state, got.word, got.failure) == (state, word, None)


@pytest.mark.parametrize(
    ("word", "state"),
    [("pending", "queued"), ("processing", "running"), ("success", "unknown"), ("x", "unknown")],
)
def test_evolink_state_word_gives_its_state(word, state):
    assert evolink(status=word).state == state


@pytest.mark.parametrize(
    "extra",
    [
        {"results": [URL]},
        {"results": [], "result_data": [{"image_url": "https://x/"}, {"video_url": URL}]},
        {"results": None, "result_data": {"video_url": URL}},
        {"result_data": [{"video_url": URL}]},
    ],
)
def test_evolink_completed_gives_the_clip_wherever_it_stands(extra):
    got = evolink(status="completed", usage={"credits_used": 5}, duration=77, **extra)
    assert (got.state, got.result_urls) == ("succeeded", (URL,))
    assert (got.charge, got.cost_seconds) == ({"credits_used": 5}, 77.0)


def test_apixo_result_that_is_an_object_already_is_read():
    got = apixo({"taskId": JOB, "state": "success", "resultJson": {"resultUrls": [URL]}})
    assert got.result_urls == (URL,)
    assert (got.started_at, got.cost_seconds) == (None, None)


@pytest.mark.parametrize(
    "packed",
    [
        None,
        "",
        "{",
        "null",
        "[]",
        '{"resultUrls":[]}',
        '{"resultUrls":["not a url"]}',
        '{"resultUrls":["file:///etc/passwd"]}',
        '{"resultUrls":[7]}',
        7,
    ],
)
def test_apixo_success_without_url_is_a_transient_bad_answer(packed):
    with pytest.raises(BadAnswer, match="resultJson") as caught:
        apixo({"taskId": JOB, "state": "success", "resultJson": packed})
    assert (caught.value.transient, caught.value.billed) == (True, "yes")
    assert caught.value.job_id == JOB


def test_evolink_completed_without_url_is_a_transient_bad_answer():
    with pytest.raises(BadAnswer) as caught:
        evolink(status="completed", results=[])
    assert caught.value.transient


APIXO_FAILURES = [
    ("CONTENT_VIOLATION", ContentRefused, False),
    ("INVALID_IMAGE_URL", InputUnreachable, False),
    ("INVALID_LORA_URL", InputUnreachable, False),
    ("NSFW_DETECTED", ContentRefused, False),
    ("PROMPT_TOO_LONG", BadParameters, False),
    ("INVALID_PROMPT", BadParameters, False),
    ("IMAGE_TOO_LARGE", BadParameters, False),
    ("UNSUPPORTED_FORMAT", BadParameters, False),
    ("IMAGE_DOWNLOAD_FAILED", InputUnreachable, False),
    ("PROCESSING_TIMEOUT", JobFailed, True),
    ("MODEL_UNAVAILABLE", JobFailed, True),
    ("GENERATION_FAILED", JobFailed, False),
    ("INSUFFICIENT_CREDITS", NoCredits, False),
    ("SensitiveContent", ContentRefused, False),
    ("SensitiveContentDetected", ContentRefused, False),
    ("InputImageSensitiveContentDetected", ContentRefused, False),
    ("InputOutputSensitiveContentDetected", ContentRefused, False),
    ("NSFW", ContentRefused, False),
    ("ProhibitedContentDetected", ContentRefused, False),
    ("PromptLengthExceeded", BadParameters, False),
    ("SOMETHING_NEW", JobFailed, False),
    (None, JobFailed, False),
]


@pytest.mark.parametrize(("code", "expected", "transient"), APIXO_FAILURES)
def test_apixo_fail_code_gives_its_failure(code, expected, transient):
    got = apixo({"taskId": JOB, "state": "failed", "failCode": code, "failMsg": "because"})
    failure = got.failure
    assert got.state == "failed"
    assert type(failure) is expected
    assert (failure.transient, failure.billed, failure.code) == (transient, "unknown", code)
    assert "because" in str(failure)
    assert str(pickle.loads(pickle.dumps(got)).failure) == str(failure)  # noqa: S301 - our own bytes


EVOLINK_FAILURES = [
    ("content_policy_violation", ContentRefused, False),
    ("invalid_parameters", BadParameters, False),
    ("image_processing_error", BadParameters, False),
    ("image_dimension_mismatch", BadParameters, False),
    ("request_cancelled", JobFailed, False),
    ("generation_failed_no_content", JobFailed, False),
    ("service_error", JobFailed, True),
    ("generation_timeout", JobFailed, True),
    ("resource_exhausted", JobFailed, True),
    ("service_unavailable", JobFailed, True),
    ("quota_exceeded", NoCredits, False),
    ("resource_not_found", InputUnreachable, False),
    ("unknown_error", JobFailed, True),
    ("something_new", JobFailed, False),
    (500, JobFailed, False),
]


@pytest.mark.parametrize(("code", "expected", "transient"), EVOLINK_FAILURES)
def test_evolink_task_error_gives_its_failure(code, expected, transient):
    error = {"code": code, "message": "line\nbreak", "type": "task_error", "suggestion": "rest"}
    got = evolink(status="failed", error=error)
    assert got.state == "failed"
    assert type(got.failure) is expected
    assert (got.failure.transient, got.failure.billed) == (transient, "no")
    assert got.failure.code == str(code)
    assert "line break - rest" in str(got.failure)


@pytest.mark.parametrize("word", ["cancelled", "canceled"])
@pytest.mark.parametrize("error", [None, {"code": "service_error", "message": "x"}])
def test_evolink_cancelled_is_a_failure_that_is_not_billed(word, error):
    failure = evolink(status=word, error=error).failure
    assert type(failure) is JobFailed
    assert (failure.code, failure.transient, failure.billed) == ("request_cancelled", False, "no")


def test_evolink_failed_without_a_reason_is_not_transient():
    failure = evolink(status="failed", error=None).failure
    assert type(failure) is JobFailed
    assert not failure.transient
    assert "no reason given" in str(failure)


@pytest.mark.parametrize(
    ("status", "expected", "transient"),
    [
        (400, StatusUnavailable, True),
        (401, KeyRefused, False),
        (403, KeyRefused, False),
        (404, JobNotFound, True),
        (429, Throttled, True),
        (500, StatusUnavailable, True),
        (502, StatusUnavailable, True),
        (503, StatusUnavailable, True),
        (302, StatusUnavailable, True),
    ],
)
@pytest.mark.parametrize("shape", ["own", "html", "body alone"])
@BOTH
def test_status_query_error_is_named(answers, job_id, status, expected, transient, shape):
    body = b"<html>no</html>"
    if shape != "html":
        own = {"code": status, "message": "no", "data": None}
        if answers is evolink_answers:
            own = {"error": {"code": status, "message": "no"}}
        body = json.dumps(own).encode()
    with pytest.raises(expected) as caught:
        answers.job_status(200 if shape == "body alone" else status, {}, body, job_id=job_id)
    assert type(caught.value) is expected
    assert (caught.value.transient, caught.value.job_id) == (transient, job_id)
    assert caught.value.billed != "no"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "invalid_task_id", JobNotFound),
        (404, "task_not_found", JobNotFound),
        (403, "permission_denied", KeyRefused),
        (429, "rate_limit_exceeded", Throttled),
    ],
)
def test_evolink_status_query_code_is_named(status, code, expected):
    body = json.dumps({"error": {"code": code, "message": "m", "param": "task_id"}}).encode()
    with pytest.raises(expected) as caught:
        evolink_answers.job_status(status, {"retry-after": "4"}, body, job_id=TASK)
    assert caught.value.retry_after == (4 if expected is Throttled else None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"<html>",
        b'{"hello": "world"}',
        b'{"code": 200, "message": "success", "data": null}',
        b'{"code": 200, "message": "success", "data": {"taskId": "task_12345678"}}',
        b'{"code": 200, "message": "success", "data": {"taskId": "x", "state": "success"}}',
        b'{"id": "another", "status": "completed", "results": ["https://x.example/"]}',
        b'{"id": "another", "status": 7}',
    ],
)
@BOTH
def test_200_that_is_no_status_is_transient_and_quotes_its_first_bytes(answers, job_id, body):
    with pytest.raises(StatusUnavailable) as caught:
        answers.job_status(200, {}, body, job_id=job_id)
    assert caught.value.transient
    assert (body.decode()[:20] or "an empty body") in str(caught.value)


def test_quoted_bytes_are_few_and_hold_no_query_or_key():
    body = b"<a href='https://s3.example/x?X-Amz-Signature=f00'>Bearer qwertz</a>" + b"z" * 5000
    with pytest.raises(StatusUnavailable) as caught:
        evolink_answers.job_status(200, {}, body, job_id=TASK)
    text = str(caught.value)
    assert "f00" not in text
    assert "qwertz" not in text
    assert len(text) < 400


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1767965610929, 1767965610.929),
        (1767965610, 1767965610.0),
        ("1767965610929", 1767965610.929),
        (0, None),
        (-5, None),
        (True, None),
        ("yesterday", None),
        (10**400, None),
        ([], None),
    ],
)
def test_moment_in_either_unit_is_read_as_seconds(value, expected):
    assert apixo({"taskId": JOB, "state": "pending", "createTime": value}).started_at == expected
