"""Which addresses vendors are given, and how a run's `wait` is held against the studio."""

from __future__ import annotations

import logging

import pytest
from pydantic import SecretStr

from prefect_videogen.blocks import CallbackEndpoint
from prefect_videogen.blocks.environment import studio_from_environment
from prefect_videogen.callbacks import serve
from prefect_videogen.errors import StudioError
from prefect_videogen.flows.waiting_mode import choose_wait

KEY = "0123456789abcdef" * 4
REAL = {"VIDEOGEN_APIXO_API_KEY": "key"}
EMULATED = {**REAL, "VIDEOGEN_APIXO_BASE_URL": "http://127.0.0.1:9"}
ENDPOINT = {
    "VIDEOGEN_CALLBACK_URL": "https://hooks.example.org/v",
    "VIDEOGEN_CALLBACK_SECRET": "secret",
}


def endpoint(url: str) -> CallbackEndpoint:
    return CallbackEndpoint(url=url, secret=SecretStr("secret"))


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org",
        "http://127.0.0.1:4300",
        "https://127.0.0.1:4300",
        "https://192.168.1.5/hooks",
        "https://localhost",
    ],
)
def test_plain_or_private_address_is_for_sandboxes_only(url):
    with pytest.raises(StudioError, match="public https"):
        endpoint(url).job_url(KEY, 1)
    assert endpoint(url).job_url(KEY, 1, sandbox=True).startswith(url + "/")


@pytest.mark.parametrize(
    "url", ["", "hooks.example.org", "https://x.org?a=1", "ftp://x.org", "https://x.org:99999"]
)
@pytest.mark.parametrize("sandbox", [True, False])
def test_address_that_no_vendor_can_use_is_refused(url, sandbox):
    with pytest.raises(StudioError, match="public https"):
        endpoint(url).job_url(KEY, 1, sandbox=sandbox)


def test_address_as_long_as_vendors_refuse_is_refused():
    url = "https://hooks.example.org/" + "x" * 1889
    assert len(endpoint(url).job_url(KEY, 1)) < 2048
    with pytest.raises(StudioError, match="2048"):
        endpoint(url + "x").job_url(KEY, 1)


def test_missing_secret_is_refused_and_named():
    with pytest.raises(StudioError, match="VIDEOGEN_CALLBACK_SECRET"):
        CallbackEndpoint(url="https://hooks.example.org", secret=SecretStr("")).job_url(KEY, 1)


def test_verify_takes_any_text():
    hooks = endpoint("https://hooks.example.org")
    assert hooks.verify(KEY, 1, hooks.token(KEY, 1))
    assert not hooks.verify(KEY, 1, "é")
    assert not hooks.verify(KEY, 2, hooks.token(KEY, 1))


def test_studio_without_an_endpoint_polls_unless_callbacks_are_asked_for():
    studio = studio_from_environment(REAL).open()
    choose_wait(studio, "auto")
    assert studio.callbacks is None
    with pytest.raises(StudioError, match="VIDEOGEN_CALLBACK_URL"):
        choose_wait(studio, "callback")


def test_studio_with_an_endpoint_uses_it_unless_polling_is_asked_for():
    studio = studio_from_environment({**REAL, **ENDPOINT}).open()
    for wait in ("auto", "callback"):
        choose_wait(studio, wait)
        assert studio.callbacks is not None
    choose_wait(studio, "poll")
    assert (studio.callbacks, studio.wakes) == (None, None)


@pytest.mark.parametrize("wait", ["auto", "callback"])
def test_endpoint_that_a_vendor_can_not_use_is_a_fault_before_anything_is_bought(wait):
    private = {**ENDPOINT, "VIDEOGEN_CALLBACK_URL": "http://127.0.0.1:4300"}
    with pytest.raises(StudioError, match="public https"):
        choose_wait(studio_from_environment({**REAL, **private}).open(), wait)
    choose_wait(studio_from_environment({**EMULATED, **private}).open(), wait)


@pytest.mark.parametrize(("more", "how"), [({}, "polling"), (ENDPOINT, "callbacks")])
def test_run_that_can_not_suspend_waits_awake_and_says_so(more, how, caplog):
    studio = studio_from_environment({**REAL, **more}).open()
    with caplog.at_level(logging.WARNING):
        assert choose_wait(studio, "suspend") is False
    assert f"waits awake, by {how}" in caplog.text
    assert bool(studio.callbacks) == bool(more)


async def test_receiver_needs_an_endpoint_that_can_be_used(monkeypatch):
    for name, value in EMULATED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("VIDEOGEN_CALLBACK_URL", raising=False)
    with pytest.raises(StudioError, match="VIDEOGEN_CALLBACK_URL"):
        await serve("env", port=0)
    monkeypatch.setenv("VIDEOGEN_CALLBACK_URL", "http://127.0.0.1:4300")
    with pytest.raises(StudioError, match="VIDEOGEN_CALLBACK_SECRET"):
        await serve("env", port=0)
