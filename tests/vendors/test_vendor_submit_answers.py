"""Answers to submissions: accepted, refused, or unknown; one case per documented error."""

from __future__ import annotations

import json
import pickle

import pytest

from prefect_videogen.errors import (
    BadParameters,
    ContentRefused,
    InputUnreachable,
    KeyRefused,
    ModelUnavailable,
    NoCredits,
    SubmissionUnknown,
    Throttled,
    Unavailable,
)
from prefect_videogen.vendors import apixo_answers, evolink_answers

TASK = "task-unified-1757169743-7cvnl5zw"


def apixo(status, code, message="no", data=None, headers=None):
    body = json.dumps({"code": code, "message": message, "data": data}).encode()
    return apixo_answers.submitted(status, headers or {}, body)


def evolink(status, code, message="no", headers=None, **error):
    body = json.dumps({"error": {"code": code, "message": message, **error}}).encode()
    return evolink_answers.submitted(status, headers or {}, body)


def test_apixo_sample_of_acceptance_gives_the_job(samples):
    answer = samples["apixo_submit_ok"]
    got = apixo_answers.submitted(200, {}, json.dumps(answer).encode())
    assert (got.job_id, got.answer, got.replayed) == ("task_12345678", answer, False)


def test_apixo_sample_of_refusal_is_no_credits(samples):
    body = json.dumps(samples["apixo_submit_refused"]).encode()
    with pytest.raises(NoCredits, match="Insufficient credits") as caught:
        apixo_answers.submitted(400, {}, body)
    assert caught.value.billed == "no"


def test_evolink_sample_of_acceptance_gives_the_job(samples):
    answer = samples["evolink_submit_ok"]
    headers = {"Idempotency-Replayed": "true"}
    got = evolink_answers.submitted(200, headers, json.dumps(answer).encode())
    assert (got.job_id, got.answer, got.replayed) == (TASK, answer, True)


APIXO_ERRORS = [
    (400, "duration is not allowed", BadParameters),
    (400, "Insufficient credits", NoCredits),
    (400, "Your balance is too low for this request", NoCredits),
    (401, "Invalid API key", KeyRefused),
    (402, "Payment required", NoCredits),
    (403, "Content violates our usage policy", ContentRefused),
    (403, "Your key has no permission for this endpoint", KeyRefused),
    (403, "Forbidden", KeyRefused),
    (404, "Model not found", ModelUnavailable),
    (429, "Too many requests", Throttled),
    (413, "Body too large", BadParameters),
    (422, "prompt: field required", BadParameters),
]


@pytest.mark.parametrize("http", ["same", 200])
@pytest.mark.parametrize(("code", "message", "expected"), APIXO_ERRORS)
def test_apixo_error_in_status_and_body_or_body_alone_is_named(http, code, message, expected):
    with pytest.raises(expected) as caught:
        apixo(code if http == "same" else 200, code, message)
    error = caught.value
    assert type(error) is expected
    assert (error.vendor, error.billed) == ("apixo", "no")
    assert message in str(error)
    assert error.next_step
    assert error.transient is (expected is Throttled)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("CONTENT_VIOLATION", ContentRefused),
        ("NSFW_DETECTED", ContentRefused),
        ("SensitiveContent", ContentRefused),
        ("SensitiveContentDetected", ContentRefused),
        ("InputImageSensitiveContentDetected", ContentRefused),
        ("InputOutputSensitiveContentDetected", ContentRefused),
        ("NSFW", ContentRefused),
        ("ProhibitedContentDetected", ContentRefused),
        ("PROMPT_TOO_LONG", BadParameters),
        ("PromptLengthExceeded", BadParameters),
        ("INVALID_PROMPT", BadParameters),
        ("IMAGE_TOO_LARGE", BadParameters),
        ("UNSUPPORTED_FORMAT", BadParameters),
        ("INVALID_IMAGE_URL", InputUnreachable),
        ("IMAGE_DOWNLOAD_FAILED", InputUnreachable),
        ("INVALID_LORA_URL", InputUnreachable),
        ("INSUFFICIENT_CREDITS", NoCredits),
        ("MODEL_UNAVAILABLE", ModelUnavailable),
    ],
)
@pytest.mark.parametrize("place", ["message", "data.error", "data.error.code", "data.failCode"])
def test_apixo_fail_code_in_an_immediate_error_is_named(code, expected, place):
    data = {
        "message": None,
        "data.error": {"error": f"{code}: see the docs"},
        "data.error.code": {"error": {"code": code}},
        "data.failCode": {"failCode": code},
    }[place]
    with pytest.raises(expected) as caught:
        apixo(400, 400, code if place == "message" else "Bad request", data)
    assert caught.value.code == code


@pytest.mark.parametrize("code", [500, 502, 503])
@pytest.mark.parametrize("http", ["same", 200])
def test_apixo_server_error_is_unknown(code, http):
    with pytest.raises(SubmissionUnknown) as caught:
        apixo(code if http == "same" else 200, code, "Service temporarily unavailable")
    assert caught.value.billed == "unknown"


@pytest.mark.parametrize("code", [200, 429, 500, 503])
def test_apixo_queue_full_in_a_200_is_throttled(code):
    with pytest.raises(Throttled):
        apixo(200, code, "The queue is full, please try again later", None)


EVOLINK_ERRORS = [
    (400, "invalid_request", "invalid_request_error", BadParameters),
    (400, "content_policy_violation", "invalid_request_error", ContentRefused),
    (401, "unauthorized", "authentication_error", KeyRefused),
    (402, "insufficient_quota", "insufficient_quota", NoCredits),
    (402, "quota_exceeded", "insufficient_quota", NoCredits),
    (402, "insufficient_token_quota", "insufficient_quota", NoCredits),
    (402, "token_daily_quota_exceeded", "insufficient_quota", NoCredits),
    (403, "model_access_denied", "invalid_request_error", ModelUnavailable),
    (403, "permission_denied", "invalid_request_error", KeyRefused),
    (404, "model_not_found", "invalid_request_error", ModelUnavailable),
    (409, "idempotency_conflict", "", SubmissionUnknown),
    (400, "idempotency_conflict", "", SubmissionUnknown),
    (409, "paid_outcome_unknown", "", SubmissionUnknown),
    (200, "paid_outcome_unknown", "", SubmissionUnknown),
    (413, "request_too_large", "request_too_large_error", BadParameters),
    (429, "rate_limit_exceeded", "rate_limit_error", Throttled),
    (429, "rate_limit_exceeded", "evo_api_error", Throttled),
    (429, "quota_exceeded", "evo_api_error", Throttled),
    (500, "internal_error", "api_error", SubmissionUnknown),
    (502, "upstream_error", "upstream_error", SubmissionUnknown),
    (503, "service_unavailable", "service_unavailable_error", SubmissionUnknown),
    (503, "model_unavailable", "service_unavailable_error", SubmissionUnknown),
]


@pytest.mark.parametrize(("status", "code", "kind", "expected"), EVOLINK_ERRORS)
def test_evolink_error_is_named(status, code, kind, expected):
    with pytest.raises(expected) as caught:
        evolink(status, code, "it did not work", type=kind)
    error = caught.value
    assert type(error) is expected
    assert (error.vendor, error.code, error.status) == ("evolink", code, status)
    assert error.billed == ("unknown" if expected is SubmissionUnknown else "no")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, BadParameters),
        (401, KeyRefused),
        (402, NoCredits),
        (403, KeyRefused),
        (404, ModelUnavailable),
        (429, Throttled),
        (500, SubmissionUnknown),
        (503, SubmissionUnknown),
    ],
)
@pytest.mark.parametrize("http", ["same", 200])
def test_evolink_integer_code_is_named(http, status, expected):
    with pytest.raises(expected):
        evolink(status if http == "same" else 200, status, fallback_suggestion="none")


def test_evolink_paid_outcome_unknown_asks_to_wait_a_minute():
    with pytest.raises(SubmissionUnknown) as caught:
        evolink(409, "paid_outcome_unknown")
    assert caught.value.retry_after == 60
    with pytest.raises(SubmissionUnknown) as caught:
        evolink(409, "paid_outcome_unknown", headers={"retry-after": "7"})
    assert caught.value.retry_after == 7


def test_evolink_idempotency_conflict_says_what_happened():
    with pytest.raises(SubmissionUnknown, match="Idempotency-Key came with another body"):
        evolink(409, "idempotency_conflict")


def test_evolink_queue_full_in_a_200_is_throttled():
    with pytest.raises(Throttled):
        evolink(200, "busy", "Task queue is full")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"task_12345678"',
        b"<html>hello</html>",
        b'{"id": 7, "name": "a foreigner"}',
        b'{"id": "42", "status": "ok"}',
        b'{"code": 200, "message": "success", "data": null}',
        b'{"code": 200, "message": "success", "data": {}}',
        b'{"code": 200, "message": "success", "data": {"taskId": ""}}',
        b'{"code": 200, "message": "success", "data": {"taskId": "a b"}}',
        b'{"data": {"taskId": "task_1"}}',
        b'{"code": 0, "message": "ok", "data": {"taskId": "task_1"}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"id": ' + b"9" * 5000 + b"}",
    ],
)
@pytest.mark.parametrize("answers", [apixo_answers, evolink_answers])
def test_2xx_that_names_no_accepted_job_is_unknown(answers, body):
    with pytest.raises(SubmissionUnknown):
        answers.submitted(200, {}, body)


@pytest.mark.parametrize("status", [301, 307, 308])
@pytest.mark.parametrize("answers", [apixo_answers, evolink_answers])
def test_permanent_redirect_is_a_wrong_base_url(answers, status):
    with pytest.raises(Unavailable, match="redirects"):
        answers.submitted(status, {"location": "https://elsewhere.example"}, b"")


@pytest.mark.parametrize("status", [100, 300, 302, 303, 304, 408, 409, 499, 520, 599])
@pytest.mark.parametrize("answers", [apixo_answers, evolink_answers])
def test_unclear_status_is_unknown(answers, status):
    with pytest.raises(SubmissionUnknown):
        answers.submitted(status, {}, b"<html></html>")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, SubmissionUnknown),
        (401, KeyRefused),
        (402, NoCredits),
        (403, KeyRefused),
        (404, ModelUnavailable),
        (413, BadParameters),
        (422, SubmissionUnknown),
        (429, Throttled),
    ],
)
@pytest.mark.parametrize("answers", [apixo_answers, evolink_answers])
def test_4xx_of_a_stranger_is_believed_only_where_it_is_clear(answers, status, expected):
    with pytest.raises(expected):
        answers.submitted(status, {}, b"<html>gateway</html>")


def test_no_that_names_a_job_is_unknown_and_carries_the_job():
    with pytest.raises(SubmissionUnknown, match="names job task_9") as caught:
        apixo(400, 400, "odd", {"taskId": "task_9"})
    assert caught.value.job_id == "task_9"
    body = json.dumps({"id": TASK, "error": {"code": "invalid_request"}}).encode()
    with pytest.raises(SubmissionUnknown) as caught:
        evolink_answers.submitted(400, {}, body)
    assert caught.value.job_id == TASK


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "12"}, 12.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "999999999"}, 86_400.0),
        (
            {
                "Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT",
                "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            30.0,
        ),
        (
            {
                "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT",
                "Date": "Wed, 21 Oct 2026 07:29:00 GMT",
            },
            0.0,
        ),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({}, None),
    ],
)
def test_throttled_answer_tells_how_long_to_wait(headers, expected):
    with pytest.raises(Throttled) as caught:
        apixo(429, 429, headers=headers)
    assert caught.value.retry_after == expected


@pytest.mark.parametrize("name", ["X-Request-Id", "x-oneapi-request-id"])
def test_request_id_stands_in_the_message(name):
    with pytest.raises(BadParameters, match="request req-77"):
        evolink(400, "invalid_request", headers={name: "req-77"})


def test_message_is_quoted_without_keys_and_signed_queries():
    said = (
        "Bearer abc.def and sk-live-12345678 at https://u:pw@s3.example/a.png?X-Amz-Signature=f00"
        "\nand token=hunter2"
    )
    with pytest.raises(BadParameters) as caught:
        apixo(400, 400, said)
    text = str(caught.value)
    assert "https://s3.example/a.png?..." in text
    for secret in ("abc.def", "12345678", "f00", "pw@", "hunter2", "\n"):
        assert secret not in text


@pytest.mark.parametrize(("status", "code", "kind", "expected"), EVOLINK_ERRORS)
def test_error_survives_pickling(status, code, kind, expected):
    with pytest.raises(expected) as caught:
        evolink(status, code, type=kind, headers={"retry-after": "3"})
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert type(again) is type(caught.value)
    assert (str(again), vars(again)) == (str(caught.value), vars(caught.value))


def test_answer_with_half_characters_is_fit_for_a_record():
    body = b'{"code":200,"message":"\\ud83d","data":{"taskId":"t1","x":1e999}}'
    answer = apixo_answers.submitted(200, {}, body).answer
    assert json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("depth", [60, 900, 100_000])
def test_answer_nested_beyond_reason_is_unknown(depth):
    deep = b"[" * depth + b"]" * depth
    body = b'{"code":200,"message":"success","data":{"taskId":"t1","x":' + deep + b"}}"
    with pytest.raises(SubmissionUnknown):
        apixo_answers.submitted(200, {}, body)
