"""Requests a minute and concurrent tasks, both shortened by the speed."""

from __future__ import annotations

from prefect_videogen.emulator import ManualClock


def vidu(customer, **changes):
    return customer.apixo("vidu-q3", "text-to-video", duration=1, **changes)


def test_submits_and_polls_share_one_budget(start):
    clock = ManualClock()
    customer = start(clock=clock, speed=60)
    job_id = customer.id_of(vidu(customer))
    for _ in range(59):
        assert customer.status("vidu-q3", job_id).status_code == 200

    refused = customer.status("vidu-q3", job_id)
    assert refused.json() == {
        "code": 429,
        "message": "Rate limit exceeded: 60 requests per minute",
        "data": None,
    }
    assert (refused.status_code, "retry-after" in refused.headers) == (429, False)
    assert vidu(customer).status_code == 429
    assert customer.wan().status_code == 200
    clock.advance(1.001)
    assert customer.status("vidu-q3", job_id).status_code == 200
    assert customer.emulator.requests_per_minute("vidu-q3") == 62
    assert len(customer.emulator.charges) == 2


def test_eleventh_task_is_refused_until_one_has_ended(start):
    clock = ManualClock()
    customer = start(clock=clock, speed=60)
    ids = [customer.id_of(vidu(customer)) for _ in range(10)]

    assert vidu(customer).status_code == 429
    assert customer.emulator.peak_running("vidu-q3") == 10
    clock.advance(2)
    customer.ended("vidu-q3", ids[0])
    assert vidu(customer).status_code == 200
    assert len(customer.emulator.charges) == 11


def test_models_without_published_limits_are_not_limited(start):
    customer = start(clock=ManualClock())
    for _ in range(70):
        assert customer.evolink().status_code == 200

    assert customer.emulator.peak_running("wan2.5-image-to-video") <= 70


def test_failed_job_frees_its_place(start):
    customer = start(speed=60)
    for _ in range(10):
        customer.id_of(vidu(customer, prompt="[violation]"))
    customer.until(lambda: all(job.state == "failed" for job in customer.emulator.jobs))

    assert vidu(customer).status_code == 200
