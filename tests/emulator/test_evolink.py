"""EvoLink's bodies, tasks, credits, idempotency and failures."""

from __future__ import annotations

import re

import pytest

from prefect_videogen.emulator import VIOLATION, ManualClock

EVOLINK = "wan2.5-image-to-video"

KEY = "clip-0123456789abcdef"


def refused(answer, status, code, kind="invalid_request_error"):
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (status, code, kind)
    return error


def test_submit_answers_like_the_sample(start):
    clock = ManualClock(start=1_757_169_743)
    answer = start(clock=clock, speed=1).evolink()

    body = answer.json()
    assert re.fullmatch(r"task-unified-1757169743-[a-z0-9]{8}", body.pop("id"))
    assert body == {
        "created": 1_757_169_743,
        "model": EVOLINK,
        "object": "video.generation.task",
        "progress": 0,
        "status": "pending",
        "task_info": {"can_cancel": True, "estimated_time": 120},
        "type": "video",
        "usage": {"billing_rule": "per_call", "credits_reserved": 5, "user_group": "default"},
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/videos/generations"),
        ("GET", "/v1/tasks/task-unified-1-x"),
        ("GET", "/v1/tasks"),
        ("POST", "/v1/tasks/batch"),
        ("GET", "/v1/credits"),
    ],
)
def test_missing_key_is_refused_as_an_error_object(customer, method, path):
    customer.http.headers.pop("authorization")

    answer = customer.http.request(method, path, json={} if method == "POST" else None)
    refused(answer, 401, "unauthorized", "authentication_error")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": "x" * 1001}, "prompt"),
        ({"image_urls": None}, "image_urls"),
        ({"image_urls": ["a", "b"]}, "image_urls"),
        ({"image_urls": "https://example.com/a.png", "duration": 7}, "duration"),
        ({"quality": "540p"}, "quality"),
        ({"prompt_extend": 1}, "prompt_extend"),
        ({"callback_url": "hook"}, "callback_url"),
        ({"callback_url": "https://example.com/" + "x" * 2048}, "callback_url"),
    ],
)
def test_value_that_does_not_fit_names_its_param(customer, changes, param):
    assert refused(customer.evolink(**changes), 400, "invalid_request")["param"] == param
    assert customer.emulator.charges == []


@pytest.mark.parametrize("model", ["wan-2-5", "wan9", 5, None])
def test_unknown_model_is_404(customer, model):
    refused(customer.evolink(model=model), 404, "model_not_found")


def test_ids_of_other_shapes_and_unknown_ids_are_told_apart(customer):
    wrong = refused(customer.http.get("/v1/tasks/task_1"), 400, "invalid_task_id")
    assert wrong["param"] == "task_id"
    refused(customer.http.get("/v1/tasks/task-unified-1-abcdefgh"), 404, "task_not_found")


def test_finished_task_tells_results_usage_and_time(start):
    clock = ManualClock()
    customer = start(clock=clock, speed=1)
    job_id = customer.id_of(customer.evolink())
    clock.advance(30)
    customer.until(lambda: customer.emulator.job(job_id).state == "processing")
    assert 1 <= customer.task(EVOLINK, job_id)["progress"] < 100
    clock.advance(90)

    task = customer.ended(EVOLINK, job_id)
    assert (task["status"], task["progress"], task["duration"]) == ("completed", 100, 120)
    assert task["results"][0].startswith(f"{customer.emulator.url}/results/")
    assert task["task_info"]["can_cancel"] is False
    assert task["usage"]["credits_used"] == 5
    assert set(task["usage"]["cost"]) == {"credits", "usd", "cny"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"prompt": VIOLATION}, "content_policy_violation"),
        ({"picture": "missing.png"}, "image_processing_error"),
        ({"picture": "text.png"}, "image_processing_error"),
        ({"picture": "glass.png"}, "image_processing_error"),
        ({"picture": "old.gif"}, "image_processing_error"),
        ({"picture": "tiny.png"}, "image_dimension_mismatch"),
    ],
)
def test_failed_task_tells_why_and_gives_the_credits_back(customer, changes, code):
    if "picture" in changes:
        changes = {"image_urls": [customer.picture(changes["picture"])]}
    task = customer.ended(EVOLINK, customer.id_of(customer.evolink(**changes)))

    assert (task["status"], task["progress"]) == ("failed", 0)
    assert (task["error"]["code"], task["error"]["type"]) == (code, "task_error")
    assert task["usage"]["credits_used"] == 0
    assert customer.emulator.charges[0].refunded
    assert customer.emulator.balance("evolink") == 68_000


def test_bmp_is_a_legal_picture_here(customer):
    answer = customer.evolink(image_urls=[customer.picture("old.bmp")])

    assert customer.ended(EVOLINK, customer.id_of(answer))["status"] == "completed"


def test_credits_go_down_with_each_job(customer):
    customer.id_of(customer.evolink(duration=10))

    body = customer.http.get("/v1/credits").json()
    left = {"remaining_credits": 67_990, "used_credits": 10}
    assert body == {
        "success": True,
        "message": "",
        "data": {"token": {**left, "unlimited_credits": False}, "user": left},
    }


def test_empty_account_is_402(start):
    answer = start(balance=0).evolink()

    refused(answer, 402, "insufficient_quota", "insufficient_quota")


def test_repeat_with_the_same_key_gives_the_original_task(customer):
    first = customer.evolink(key=KEY)
    again = customer.evolink(key=KEY)

    assert customer.id_of(first) == customer.id_of(again)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(customer.emulator.charges) == 1


def test_same_key_with_another_body_is_a_conflict(customer):
    customer.evolink(key=KEY)

    refused(customer.evolink(key=KEY, prompt="other"), 409, "idempotency_conflict")
    assert len(customer.emulator.charges) == 1


def test_refused_request_leaves_its_key_free(customer):
    customer.evolink(key=KEY, duration=7)

    assert customer.evolink(key=KEY).status_code == 200


@pytest.mark.parametrize("key", ["short", "x" * 97, "spaces are not allowed"])
def test_key_of_another_shape_is_refused(customer, key):
    refused(customer.evolink(key=key), 400, "invalid_request")


def test_endpoint_without_replay_takes_both(start):
    customer = start(replay=False)

    assert customer.id_of(customer.evolink(key=KEY)) != customer.id_of(customer.evolink(key=KEY))
    assert len(customer.emulator.charges) == 2


def test_list_shows_newest_first_in_pages_without_urls(customer):
    ids = [customer.id_of(customer.evolink(prompt=f"kite {number}")) for number in range(3)]
    customer.wan()
    for job_id in ids:
        customer.ended(EVOLINK, job_id)

    page = customer.http.get("/v1/tasks", params={"page": 1, "page_size": 2}).json()
    assert [item["id"] for item in page["data"]] == ids[:0:-1]
    assert (page["total"], page["page"], page["page_size"]) == (3, 1, 2)
    assert "results" not in page["data"][0]
    assert page["data"][0]["has_results"] is True
    rest = customer.http.get("/v1/tasks", params={"page": 2, "page_size": 2}).json()
    assert [item["id"] for item in rest["data"]] == ids[:1]
    for query in ({"status": "failed"}, {"model": "other"}, {"type": "image"}):
        assert customer.http.get("/v1/tasks", params=query).json()["total"] == 0
    odd = customer.http.get("/v1/tasks", params={"page": "x", "type": "video"}).json()
    assert odd["total"] == 3


def test_batch_leaves_unknown_tasks_out(customer):
    job_id = customer.id_of(customer.evolink())
    apixo_id = customer.id_of(customer.wan())

    body = {"task_ids": [job_id, "task-unified-1-unknown0", apixo_id]}
    tasks = customer.http.post("/v1/tasks/batch", json=body).json()["data"]
    assert [task["id"] for task in tasks] == [job_id]
    for ids in ([], ["x"] * 51, "x"):
        answer = customer.http.post("/v1/tasks/batch", json={"task_ids": ids})
        refused(answer, 400, "invalid_request")


def test_price_list_is_public(customer):
    customer.http.headers.pop("authorization")

    data = customer.http.get("/web/api/models/pricing").json()["data"]
    assert [entry["model_name"] for entry in data] == [EVOLINK]


def test_expired_result_is_forbidden(start):
    clock = ManualClock()
    customer = start(clock=clock, speed=1)
    job_id = customer.id_of(customer.evolink())
    clock.advance(120)
    url = customer.ended(EVOLINK, job_id)["results"][0]

    clock.advance(86_401)
    assert customer.http.get(url).status_code == 403
