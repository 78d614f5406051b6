"""Balances, task lists and uploads; and, for all answers: any bytes give an answer or an error."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_videogen.errors import (
    BadParameters,
    KeyRefused,
    NoCredits,
    StatusUnavailable,
    Throttled,
    Unavailable,
    VendorError,
)
from prefect_videogen.vendors import Balance, apixo_answers, evolink_answers

FILE = {
    "file_id": "f1",
    "file_url": "https://files.evolink.ai/f1.png",
    "download_url": "https://files.evolink.ai/d/f1.png",
    "expires_at": "2026-01-04T08:00:00+08:00",
}


def _json(**answer):
    return json.dumps(answer).encode()


def test_apixo_balance_is_dollars():
    body = _json(code=200, message="success", data=74.87)
    assert apixo_answers.balance(200, {}, body) == Balance(74.87, "USD")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ({"remaining_credits": 30, "unlimited_credits": False}, Balance(30, "credits")),
        ({"remaining_credits": 300, "unlimited_credits": False}, Balance(80.5, "credits")),
        (
            {"remaining_credits": 0, "unlimited_credits": True},
            Balance(80.5, "credits", unlimited=True),
        ),
    ],
)
def test_evolink_balance_is_the_smaller_of_key_and_account(key, expected):
    body = _json(success=True, message="", data={"token": key, "user": {"remaining_credits": 80.5}})
    assert evolink_answers.balance(200, {}, body) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, KeyRefused),
        (402, NoCredits),
        (403, KeyRefused),
        (404, StatusUnavailable),
        (429, Throttled),
        (500, StatusUnavailable),
    ],
)
@pytest.mark.parametrize(
    "read",
    [
        apixo_answers.balance,
        evolink_answers.balance,
        evolink_answers.task_list,
    ],
)
def test_query_error_is_named_and_bills_nothing(read, status, expected):
    for body in (b"", _json(code=status, message="no"), _json(error={"code": status})):
        with pytest.raises(expected) as caught:
            read(status, {}, body)
        assert caught.value.billed == "no"


@pytest.mark.parametrize("data", [None, True, "much", {}, []])
def test_balance_that_is_no_number_is_unavailable(data):
    with pytest.raises(StatusUnavailable):
        apixo_answers.balance(200, {}, _json(code=200, message="success", data=data))
    with pytest.raises(StatusUnavailable):
        evolink_answers.balance(200, {}, _json(success=True, data=data))


def test_task_list_gives_its_lines():
    item = {
        "id": "task-unified-1-a",
        "model": "wan2.5-image-to-video",
        "status": "completed",
        "created_at": 1757169743,
        "credits_used": 5,
    }
    body = _json(data=[item, {"status": "pending"}, 7], total=2, page=1, page_size=50)
    (line,) = evolink_answers.task_list(200, {}, body)
    assert (line.job_id, line.state, line.created_at, line.credits_used) == (
        "task-unified-1-a",
        "succeeded",
        1757169743.0,
        5.0,
    )


def test_upload_gives_url_and_expiry():
    body = _json(success=True, code=200, msg="ok", data=FILE)
    got = evolink_answers.uploaded(200, {}, body)
    assert (got.url, got.expires_at) == (FILE["file_url"], 1767484800.0)


@pytest.mark.parametrize(
    ("status", "msg", "expected"),
    [
        (400, "unsupported file type", BadParameters),
        (413, "too large", BadParameters),
        (400, "file quota reached", Unavailable),
        (401, "unauthorized", KeyRefused),
        (403, "forbidden", KeyRefused),
        (404, "not found", Unavailable),
        (429, "slow down", Throttled),
        (500, "oops", StatusUnavailable),
    ],
)
@pytest.mark.parametrize("http", ["same", 200])
def test_upload_error_is_named(http, status, msg, expected):
    body = _json(success=False, code=status, msg=msg, data=None)
    with pytest.raises(expected) as caught:
        evolink_answers.uploaded(status if http == "same" else 200, {}, body)
    assert msg in str(caught.value)


@pytest.mark.parametrize("data", [None, {}, {"file_url": "javascript:alert(1)"}])
def test_upload_without_url_is_unavailable(data):
    with pytest.raises(StatusUnavailable):
        evolink_answers.uploaded(200, {}, _json(success=True, code=200, msg="", data=data))


READERS: list[Callable[..., object]] = [
    apixo_answers.submitted,
    lambda *answer: apixo_answers.job_status(*answer, job_id="task_1"),
    apixo_answers.balance,
    evolink_answers.submitted,
    lambda *answer: evolink_answers.job_status(*answer, job_id="task_1"),
    evolink_answers.balance,
    evolink_answers.task_list,
    evolink_answers.uploaded,
]
NAMES = st.sampled_from(
    [
        "code",
        "message",
        "data",
        "taskId",
        "state",
        "resultJson",
        "resultUrls",
        "createTime",
        "completeTime",
        "costTime",
        "failCode",
        "failMsg",
        "error",
        "id",
        "created",
        "status",
        "results",
        "result_data",
        "video_url",
        "usage",
        "task_info",
        "success",
        "estimated_time",
        "token",
        "user",
        "remaining_credits",
        "file_url",
        "expires_at",
        "msg",
        "object",
        "type",
    ]
)
WORDS = st.sampled_from(
    [
        "success",
        "failed",
        "pending",
        "completed",
        "cancelled",
        "task_1",
        "task-unified-1-a",
        "queue_full",
        "NSFW",
        "https://x.example/a?b",
        "{}",
        '{"resultUrls":["https://x/"]}',
        "video.generation.task",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.sampled_from([200, 400, 403, 404, 409, 429, 500])
    | st.integers()
    | st.floats()
    | WORDS
    | st.text(max_size=30)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "date", "x-request-id", "idempotency-replayed"]),
    st.text(max_size=40) | st.sampled_from(["Wed, 21 Oct 2026 07:28:00 -0000", "10"]),
)
STATUSES = st.sampled_from([200, 201, 302, 400, 401, 403, 404, 409, 429, 500, 503]) | st.integers(
    100, 599
)


def _read_all(status, headers, body):
    for read in READERS:
        try:
            read(status, headers, body)
        except VendorError as error:
            assert len(str(error)) < 1500  # noqa: PT017
            assert str(error).isprintable()  # noqa: PT017


@settings(max_examples=150, deadline=None)
@given(STATUSES, HEADERS, st.binary(max_size=300))
def test_random_bytes_give_an_answer_or_an_error_of_the_tree(status, headers, body):
    _read_all(status, headers, body)


@settings(max_examples=250, deadline=None)
@given(STATUSES, HEADERS, JSON)
def test_random_json_gives_an_answer_or_an_error_of_the_tree(status, headers, value):
    _read_all(status, headers, json.dumps(value).encode())
