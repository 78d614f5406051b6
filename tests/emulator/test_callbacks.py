"""Callbacks: bodies, acknowledgements, retries, and the strict rules for their URLs."""

from __future__ import annotations

import json
import socket

import pytest

from prefect_videogen.emulator import ManualClock, callbacks

EVOLINK = "wan2.5-image-to-video"


def order(customer, vendor, url, **changes):
    if vendor == "evolink":
        return customer.evolink(callback_url=url, **changes)
    envelope = {"request_type": "callback", "callback_url": url}
    return customer.wan(envelope=envelope, **changes)


def model_of(vendor):
    return EVOLINK if vendor == "evolink" else "wan-2-5"


@pytest.mark.parametrize("vendor", ["apixo", "evolink"])
@pytest.mark.parametrize("prompt", ["a kite", "[violation]"])
def test_end_is_announced_like_a_status_answer(customer, receiver, vendor, prompt):
    job_id = customer.id_of(order(customer, vendor, receiver.url + "/token", prompt=prompt))
    customer.until(lambda: customer.emulator.deliveries)

    assert receiver.bodies == [customer.status(model_of(vendor), job_id).json()]
    assert receiver.paths == ["/hook/token"]
    (delivery,) = customer.emulator.deliveries
    assert (delivery.job_id, delivery.attempt, delivery.status) == (job_id, 1, 200)


def test_async_request_with_a_callback_url_is_not_announced(customer, receiver):
    answer = customer.wan(envelope={"request_type": "async", "callback_url": receiver.url})
    customer.ended("wan-2-5", customer.id_of(answer))
    other = customer.id_of(order(customer, "apixo", receiver.url))
    customer.until(lambda: customer.emulator.deliveries)

    assert [delivery.job_id for delivery in customer.emulator.deliveries] == [other]


@pytest.mark.parametrize(
    ("vendor", "answers", "expected"),
    [
        ("apixo", [500, 404], [500, 404, 200]),
        ("apixo", [204, 302], [204, 302, 200]),
        ("apixo", [500, 500, 500, 500, 500], [500, 500, 500, 500]),
        ("evolink", [500], [500, 200]),
        ("evolink", [204], [204]),
        ("evolink", [500, 500, 500, 500, 500], [500, 500, 500, 500]),
    ],
)
def test_unacknowledged_callback_is_repeated_three_times_at_most(
    customer, receiver, vendor, answers, expected
):
    receiver.answers = list(answers)
    order(customer, vendor, receiver.url)
    customer.until(lambda: len(customer.emulator.deliveries) == len(expected))
    # The next job's callback proves that the first is over.
    order(customer, vendor, receiver.url)
    customer.until(lambda: len(customer.emulator.deliveries) > len(expected))

    tries = customer.emulator.deliveries[: len(expected)]
    assert [delivery.status for delivery in tries] == expected
    assert [delivery.attempt for delivery in tries] == list(range(1, len(expected) + 1))


@pytest.mark.parametrize(("vendor", "delays"), [("apixo", (30, 60, 120)), ("evolink", (1, 2, 4))])
def test_retries_wait_as_documented(start, receiver, vendor, delays):
    clock = ManualClock()
    customer = start(clock=clock, speed=1)
    receiver.answers = [500] * 4
    order(customer, vendor, receiver.url)
    clock.advance(120)
    customer.until(lambda: len(customer.emulator.deliveries) == 1)
    for count, delay in enumerate(delays, 2):
        clock.advance(delay - 0.5)
        assert len(customer.emulator.deliveries) == count - 1
        clock.advance(0.6)
        customer.until(lambda count=count: len(customer.emulator.deliveries) == count)


def test_receiver_that_does_not_answer_times_out(customer, monkeypatch):
    monkeypatch.setattr(callbacks, "LEAST_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/hook"
        order(customer, "evolink", url)
        customer.until(lambda: len(customer.emulator.deliveries) == 4)

    assert [delivery.status for delivery in customer.emulator.deliveries] == [None] * 4


def test_absent_receiver_does_not_hurt_the_job(customer):
    job_id = customer.id_of(order(customer, "apixo", "http://127.0.0.1:9/hook"))

    assert customer.ended("wan-2-5", job_id)["state"] == "success"


@pytest.mark.parametrize("vendor", ["apixo", "evolink"])
@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "https://10.1.2.3/hook",
        "https://172.16.0.1/hook",
        "https://192.168.1.1/hook",
        "https://169.254.169.254/hook",
        "https://[::1]/hook",
        "https://localhost/hook",
        "https://printer.local/hook",
    ],
)
def test_strict_emulator_refuses_plain_or_private_urls(start, vendor, url):
    customer = start(strict=True)

    answer = order(customer, vendor, url, **strict_fields(vendor))
    assert answer.status_code == 400
    assert "callback_url" in json.dumps(answer.json())
    assert customer.emulator.charges == []


def test_strict_emulator_takes_public_https_urls(start):
    customer = start(strict=True, clock=ManualClock())

    for vendor in ("apixo", "evolink"):
        url = "https://203.0.114.1/hook"
        assert order(customer, vendor, url, **strict_fields(vendor)).status_code == 200


def strict_fields(vendor):
    return {"duration": 5} if vendor == "evolink" else {}
