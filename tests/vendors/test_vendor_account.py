"""Accounts: labels, keys out of sight, and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from prefect_videogen.errors import StudioError
from prefect_videogen.vendors import (
    APIXO_URL,
    EVOLINK_FILES_URL,
    EVOLINK_URL,
    default_sandbox,
    is_private_host,
)
from prefect_videogen.vendors.account import is_public_url


@pytest.mark.parametrize(("sandbox", "label"), [(False, "evolink"), (True, "evolink@sandbox")])
def test_sandbox_or_not_gives_its_label(account_at, sandbox, label):
    assert account_at("evolink", EVOLINK_URL, sandbox=sandbox).label == label


def test_repr_and_dump_never_show_the_key(account_at, key):
    account = account_at("apixo", APIXO_URL)
    for text in (repr(account), str(account), str(account.model_dump()), account.model_dump_json()):
        assert key not in text


def test_fingerprint_is_short_stable_and_tells_keys_and_vendors_apart(account_at, key):
    here, there = account_at("apixo"), account_at("apixo", "https://gateway.example/apixo")
    assert here.fingerprint == there.fingerprint
    assert here.fingerprint != account_at("evolink").fingerprint
    other = account_at("apixo", api_key="another-key")
    assert here.fingerprint != other.fingerprint
    assert len(here.fingerprint) == 12
    assert here.fingerprint not in key


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000",
        "http://LOCALHOST.",
        "http://demo.localhost",
        "http://127.0.0.1:1",
        "http://127.9.9.9",
        "http://10.1.2.3/x",
        "http://172.16.0.1",
        "http://192.168.1.1",
        "http://169.254.1.1",
        "http://[::1]:8000",
        "http://[fd00::1]",
        "http://[::ffff:127.0.0.1]",
        "http://[::127.0.0.1]",
        "http://[64:ff9b::7f00:1]",
        "http://[2002:7f00:1::]",
        "http://100.64.0.1",
    ],
)
def test_private_address_is_private_and_a_sandbox_by_default(url):
    assert is_private_host(url)
    assert default_sandbox(url)


@pytest.mark.parametrize(
    "url",
    [
        APIXO_URL,
        "https://8.8.8.8",
        "https://172.32.0.1",
        "https://localhost.example.com",
        "https://127.0.0.1.example.com",
        "https://[::ffff:8.8.8.8]",
        "https://[64:ff9b::808:808]",
        "https://[2002:808:808::]",
        "https://emulator:8000",
        "",
        "http://[",
        "nonsense",
    ],
)
def test_public_or_unclear_address_is_not_private(url):
    assert not is_private_host(url)


@pytest.mark.parametrize(
    "url",
    ["https://[bad", "http:///a", "https://a:99999/x", "ftp://a.example/x", "http://10.0.0.7"],
)
def test_what_no_vendor_can_fetch_is_not_public(url):
    assert not is_public_url(url)


@pytest.mark.parametrize("url", ["https://a.example/x?y=%2F", "http://my_bucket.s3.example/x"])
def test_what_a_vendor_may_fetch_is_public(url):
    assert is_public_url(url)


def test_speed_outside_a_sandbox_is_refused(account_at):
    with pytest.raises(StudioError, match="sandbox"):
        account_at("apixo", APIXO_URL, speed=60)
    assert account_at("apixo", "http://127.0.0.1:1", sandbox=True, speed=60).speed == 60


@pytest.mark.parametrize("speed", [0, 0.5, -1, float("nan"), float("inf")])
def test_senseless_speed_is_refused(account_at, speed):
    with pytest.raises(StudioError, match="speed"):
        account_at("apixo", "http://127.0.0.1:1", sandbox=True, speed=speed)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.apixo.ai",
        "http://emulator:8000",
        "ftp://api.apixo.ai",
        "api.apixo.ai",
        "https://",
        "https://user:hunter2@api.apixo.ai",
        "https://api.apixo.ai?token=hunter2",
        "https://api.apixo.ai#hunter2",
        "https://api.apixo.ai:99999",
        "https://[",
        "",
        "  ",
    ],
)
def test_unusable_base_url_is_refused_without_quoting_secrets(account_at, url):
    with pytest.raises(StudioError) as caught:
        account_at("apixo", url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.next_step


def test_trailing_slash_and_blanks_are_taken_off(account_at):
    assert account_at("apixo", " https://gateway.example/apixo/ ").base_url == (
        "https://gateway.example/apixo"
    )


@pytest.mark.parametrize("bad", ["", "two words", "line\n", "schlüssel"])
def test_key_that_fits_no_header_is_refused_without_quoting_it(account_at, bad):
    with pytest.raises(StudioError) as caught:
        account_at("apixo", APIXO_URL, api_key=bad)
    assert not bad or bad not in str(caught.value)


def test_wrong_vendor_is_refused_without_quoting_the_key(account_at, key):
    with pytest.raises(ValidationError) as caught:
        account_at("acme", APIXO_URL, api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "files_url", "expected"),
    [
        (EVOLINK_URL, "", EVOLINK_FILES_URL),
        (EVOLINK_URL, "https://files.example", "https://files.example"),
        ("http://127.0.0.1:9", "", "http://127.0.0.1:9"),
        ("https://gateway.example", "", "https://gateway.example"),
    ],
)
def test_files_base_never_is_a_third_host_unasked(account_at, base_url, files_url, expected):
    assert account_at("evolink", base_url, files_url=files_url).files_base == expected


def test_account_is_frozen(account_at):
    with pytest.raises(ValidationError):
        account_at("apixo").base_url = "https://evil.example"
