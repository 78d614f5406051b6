"""Passwords and queries of addresses, and secret fields' values, are in nothing quoted."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_videogen.hiding import discreet, is_secret, plain_reference, without_query
from prefect_videogen.keys import without_queries

BLANK = "https://u:hidden@h/my pic.png?X-Amz-Signature=hidden"


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://x/y.safetensors?a=1&b=2#c", "https://x/y.safetensors"),
        ("https://u:p@x:8/y", "https://x:8/y"),
        ("no url", "no url"),
        ("https://[x/y", "https://[x/y"),
        ("https://[x/y?hidden", "https://..."),
        ("https://u:p@[x/y", "https://..."),
        ("https://u:half/a/password@x/y", "https://..."),
        ("https://u:half?a#password@x/y", "https://..."),
    ],
)
def test_url_is_left_without_what_may_be_a_secret(url, plain):
    assert without_query(url) == plain


@pytest.mark.parametrize(
    ("reference", "plain"),
    [
        (BLANK, "https://h/my pic.png"),
        (f"vendor:{BLANK}", "vendor:https://h/my pic.png"),
        (f" vendor: {BLANK}", " vendor: https://h/my pic.png"),
        ("s3://key:hidden@bucket/x?versionId=1", "s3://bucket/x"),
        ("what now?.png", "what now?.png"),
        ("A kite? Seen at https://x/y?z", "A kite? Seen at https://x/y?z"),
    ],
)
def test_reference_is_plain_wherever_it_is_written_down(reference, plain):
    assert plain_reference(reference) == plain
    assert without_queries({"pictures": [{"ref": reference}]}) == {"pictures": [{"ref": plain}]}


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        (BLANK, "https://h/my pic.png"),
        (f"vendor:vendor:{BLANK}", "vendor:vendor:https://h/my pic.png"),
        ("<1https://u:hidden@h/x>", "<1https://h/x>"),
        ("from https://u:p@h/x?y to https://u:p@h/z", "from https://h/x https://h/z"),
        ("['https://h/x?y', 'ftp://u:p@h/z']", "['https://h/x'ftp://h/z']"),
        ("https://h/x?next=https://h/y&sig=hidden", "https://h/x"),
        ({"url": BLANK, "apikey": "sk-hidden"}, {"url": "https://h/my pic.png", "apikey": "***"}),
        ([{"to": ("a", BLANK)}], [{"to": ["a", "https://h/my pic.png"]}]),
        (7.5, 7.5),
        (None, None),
        ("is it? #1", "is it? #1"),
    ],
)
def test_value_is_quoted_without_what_may_be_a_secret(value: Any, quoted: Any):
    assert discreet(value) == quoted
    assert discreet(quoted) == quoted


def test_long_text_is_searched_once_through():
    for text in ("a" * 200_000, " " * 200_000, "a://" * 50_000):
        assert len(discreet(text)) == len(text)


@pytest.mark.parametrize(
    ("field", "secret"),
    [
        ("options.api_key", True),
        ("extra_input.accessToken", True),
        ("Authorization", True),
        ("webhook_secret", True),
        ("first_frame", False),
        ("options.movement", False),
        ("film.music", False),
    ],
)
def test_field_is_secret_by_its_name(field, secret):
    assert is_secret(field) is secret
