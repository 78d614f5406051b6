"""APIXO's envelope, states, refusals and failures."""

from __future__ import annotations

import json

import pytest

from prefect_videogen.emulator import VIOLATION, ManualClock

EVOLINK = "wan2.5-image-to-video"
STATUS = "/api/v1/statusTask/"
SUBMIT = "/api/v1/generateTask/"


def refused(answer, status):
    body = answer.json()
    assert (answer.status_code, body["code"], body["data"]) == (status, status, None)
    return body["message"]


@pytest.mark.parametrize("header", [None, "Bearer wrong", "emulated-key"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", SUBMIT + "wan-2-5"),
        ("GET", STATUS + "wan-2-5?taskId=task_1"),
        ("GET", "/api/v1/apikeys/current-balance"),
    ],
)
def test_wrong_key_is_refused_in_the_envelope(customer, header, method, path):
    headers = {"authorization": header} if header else {}
    customer.http.headers.pop("authorization")

    refused(customer.http.request(method, path, headers=headers), 401)


@pytest.mark.parametrize("model", ["wan-9", EVOLINK])
def test_unknown_model_is_404(customer, model):
    refused(customer.apixo(model, "text-to-video"), 404)
    refused(customer.status("wan-9", "task_1"), 404)


@pytest.mark.parametrize(
    ("model", "mode", "changes", "field"),
    [
        ("wan-2-5", None, {}, "mode"),
        ("wan-2-5", "nonsense", {}, "mode"),
        ("wan-2-5", "text-to-video", {"prompt": None}, "prompt"),
        ("wan-2-5", "text-to-video", {"prompt": " "}, "prompt"),
        ("wan-2-5", "text-to-video", {"prompt": 5}, "prompt"),
        ("wan-2-5", "text-to-video", {"prompt": "x" * 801}, "prompt"),
        ("wan-2-5", "text-to-video", {"negative_prompt": "x" * 501}, "negative_prompt"),
        ("wan-2-5", "text-to-video", {"resolution": "480p"}, "resolution"),
        ("wan-2-5", "text-to-video", {"duration": 7}, "duration"),
        ("wan-2-5", "text-to-video", {"duration": "5"}, "duration"),
        ("wan-2-5", "text-to-video", {"aspect_ratio": "4:3"}, "aspect_ratio"),
        ("wan-2-5", "text-to-video", {"enable_prompt_expansion": "yes"}, "enable_prompt_expansion"),
        ("wan-2-5", "image-to-video", {}, "image_urls"),
        ("wan-2-5", "image-to-video", {"image_urls": []}, "image_urls"),
        ("wan-2-5", "image-to-video", {"image_urls": ["a", "b"]}, "image_urls"),
        ("wan-2-5", "image-to-video", {"image_urls": [5]}, "image_urls"),
        ("vidu-q3", "text-to-video", {"duration": 17}, "duration"),
        ("vidu-q3", "text-to-video", {"seed": -2}, "seed"),
        ("vidu-q3", "image-to-video", {"image_urls": ["a", "b", "c"]}, "image_urls"),
        ("ltx-2-19b", "text-to-video-lora", {}, "mode"),
        ("ltx-2-19b", "text-to-video-LoRA", {}, "loras"),
        ("ltx-2-19b", "text-to-video-LoRA", {"loras": []}, "loras"),
        ("ltx-2-19b", "text-to-video-LoRA", {"loras": [{"path": "a"}] * 4}, "loras"),
        ("ltx-2-19b", "text-to-video-LoRA", {"loras": [{}]}, "loras[0].path"),
        ("ltx-2-19b", "text-to-video-LoRA", {"loras": ["a"]}, "loras[0]"),
        (
            "ltx-2-19b",
            "text-to-video-LoRA",
            {"loras": [{"path": "a", "scale": "1"}]},
            "loras[0].scale",
        ),
        ("kling-2-1", "master-text-to-video", {}, "aspect_ratio"),
        ("kling-2-1", "standard-image-to-video", {"image_urls": ["a", "b"]}, "image_urls"),
        (
            "kling-2-1",
            "pro-image-to-video",
            {"image_urls": ["a"], "cfg_scale": 1.5},
            "cfg_scale",
        ),
    ],
)
def test_value_that_does_not_fit_is_refused_by_name(customer, model, mode, changes, field):
    message = refused(customer.apixo(model, mode, **changes), 400)

    assert f"Invalid parameter: {field} " in message
    assert customer.emulator.charges == []


@pytest.mark.parametrize(
    ("envelope", "field"),
    [
        ({"request_type": "later"}, "request_type"),
        ({"request_type": ["async"]}, "request_type"),
        ({"request_type": "callback"}, "callback_url"),
        ({"request_type": "callback", "callback_url": "hook"}, "callback_url"),
        ({"request_type": "callback", "callback_url": "http://["}, "callback_url"),
        ({"provider": "cheapest"}, "provider"),
        ({"input": None}, "input"),
    ],
)
def test_bad_envelope_is_refused_by_name(customer, envelope, field):
    assert field in refused(customer.wan(envelope=envelope), 400)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"input": {"duration": Infinity}}'])
def test_body_that_is_no_json_object_is_refused(customer, content):
    refused(customer.http.post(SUBMIT + "wan-2-5", content=content), 400)


def test_vidu_takes_a_channel_of_its_own_as_provider(customer):
    customer.id_of(customer.apixo("vidu-q3", "text-to-video", envelope={"provider": "channel-7"}))


def test_fields_that_the_mode_does_not_use_are_ignored(customer):
    answer = customer.wan(image_urls=["..."], loras="x", cfg_scale=9, surprise={})

    task = customer.ended("wan-2-5", customer.id_of(answer))
    assert task["state"] == "success"
    assert set(customer.emulator.charges[0].params) == {
        "prompt", "resolution", "duration", "aspect_ratio", "enable_prompt_expansion",
    }  # fmt: skip


def test_strict_emulator_wants_required_fields_with_defaults_too(start):
    assert start().wan(duration=None).status_code == 200
    assert "duration" in refused(start(strict=True).wan(duration=None), 400)


def test_job_goes_through_its_states_at_the_documented_time(start):
    clock = ManualClock()
    customer = start(clock=clock, speed=1)
    job_id = customer.id_of(customer.wan())

    waiting = customer.status("wan-2-5", job_id).json()
    assert waiting == {
        "code": 200,
        "message": "success",
        "data": {"taskId": job_id, "state": "pending", "createTime": round(clock() * 1000)},
    }
    clock.advance(10)
    customer.until(lambda: customer.task("wan-2-5", job_id)["state"] == "processing")
    clock.advance(39)
    job = customer.emulator.job(job_id)
    assert 50 <= job.seconds <= 70
    assert job.running
    clock.advance(21)
    task = customer.ended("wan-2-5", job_id)
    assert task["costTime"] == task["completeTime"] - task["createTime"] == 70_000
    assert isinstance(task["resultJson"], str)
    assert set(task) == {
        "taskId", "state", "resultJson", "createTime", "completeTime", "costTime",
    }  # fmt: skip


def test_speed_divides_the_documented_time(start):
    customer = start(speed=1000)
    customer.id_of(customer.wan(resolution="1080p"))

    assert 0.07 <= customer.emulator.jobs[0].seconds <= 0.09


def test_same_seed_draws_the_same_times(start):
    times = []
    for _ in range(2):
        customer = start(seed=5)
        for _ in range(3):
            customer.wan()
        times.append([job.seconds for job in customer.emulator.jobs])

    assert times[0] == times[1]


def test_marker_in_the_prompt_fails_the_job_for_its_content(customer):
    job_id = customer.id_of(customer.wan(prompt=f"a kite {VIOLATION}"))

    task = customer.ended("wan-2-5", job_id)
    answer = customer.status("wan-2-5", job_id)
    assert (answer.status_code, answer.json()["code"]) == (200, 200)
    assert task["failCode"] == "CONTENT_VIOLATION"
    assert set(task) == {
        "taskId", "state", "failCode", "failMsg", "createTime", "completeTime",
    }  # fmt: skip


def test_prompt_can_ask_for_a_code(customer):
    task = customer.ended("wan-2-5", customer.id_of(customer.wan(prompt="x [fail:NSFW_DETECTED]")))

    assert task["failCode"] == "NSFW_DETECTED"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("text.png", "INVALID_IMAGE_URL"),
        ("missing.png", "INVALID_IMAGE_URL"),
        ("old.gif", "UNSUPPORTED_FORMAT"),
    ],
)
def test_useless_picture_fails_the_job_and_is_still_charged(customer, name, code):
    answer = customer.apixo("wan-2-5", "image-to-video", image_urls=[customer.picture(name)])

    assert customer.ended("wan-2-5", customer.id_of(answer))["failCode"] == code
    assert not customer.emulator.charges[0].refunded


def test_unreachable_lora_fails_the_job(customer):
    loras = [{"path": customer.picture("missing.safetensors")}]
    answer = customer.apixo("ltx-2-19b", "text-to-video-LoRA", loras=loras)

    assert customer.ended("ltx-2-19b", customer.id_of(answer))["failCode"] == "INVALID_LORA_URL"


def test_strict_emulator_refuses_pictures_at_private_addresses(start):
    customer = start(strict=True)
    urls = [customer.picture("sky.png")]
    answer = customer.apixo("wan-2-5", "image-to-video", image_urls=urls)

    assert customer.ended("wan-2-5", customer.id_of(answer))["failCode"] == "INVALID_IMAGE_URL"


@pytest.mark.parametrize(
    ("model", "params"), [("wan-2-5", {"taskId": "task_nobody"}), ("vidu-q3", None)]
)
def test_unknown_task_or_other_models_task_is_404(customer, model, params):
    job_id = customer.id_of(customer.wan())

    refused(customer.http.get(STATUS + model, params=params or {"taskId": job_id}), 404)


def test_status_without_task_id_is_400(customer):
    refused(customer.http.get(STATUS + "wan-2-5"), 400)


def test_each_job_lowers_the_balance(customer):
    path = "/api/v1/apikeys/current-balance"
    assert customer.http.get(path).json() == {"code": 200, "message": "success", "data": 1000.0}

    customer.id_of(customer.wan(resolution="1080p", duration=10))

    assert customer.http.get(path).json()["data"] == pytest.approx(998.7)


def test_empty_account_buys_nothing(start):
    customer = start(balance=0.3)

    assert refused(customer.wan(), 400) == "Insufficient credits"
    assert customer.emulator.charges == []


def test_expired_result_is_gone(start):
    clock = ManualClock()
    customer = start(clock=clock, speed=1)
    job_id = customer.id_of(customer.wan())
    clock.advance(70)
    url = json.loads(customer.ended("wan-2-5", job_id)["resultJson"])["resultUrls"][0]

    clock.advance(15 * 86_400 - 1)
    assert customer.http.get(url).status_code == 200
    clock.advance(2)
    assert customer.http.get(url).status_code == 404


@pytest.mark.parametrize(("floor", "seconds"), [(60.0, 60.0), (0.0, 12.96)])
def test_fast_emulator_keeps_results_for_the_floor(start, floor, seconds):
    customer = start(result_floor=floor)
    customer.finished()
    job = customer.emulator.jobs[0]

    assert job.expires - job.finished == pytest.approx(seconds)
