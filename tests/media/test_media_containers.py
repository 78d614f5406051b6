"""What a file looks like, in words."""

from __future__ import annotations

import pytest

from prefect_videogen.media.containers import looks_like


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"", "an empty file"),
        (b"hallo\n", 'plain text (it begins "hallo")'),
        ("Grüße\tan  alle".encode(), 'plain text (it begins "Grüße an alle")'),
        ("ü".encode() * 40, f'plain text (it begins "{"ü" * 20}")'),
        (("x" * 39 + "ü").encode(), f'plain text (it begins "{"x" * 39}")'),
        (b"<html>\n<p>no", 'an HTML page (it begins "<html> <p>no")'),
        (b'{"a": 1}', 'JSON text (it begins "{"a": 1}")'),
        (b"\xff\xd8\xff\xe0 and more", "a JPEG picture"),
        (b"%PDF-1.4", 'a PDF document (it begins "%PDF-1.4")'),
        (b"\x00\x01\xfe" + b"x" * 50, "something unknown (it begins with the bytes 00 01 fe 78)"),
        (b" \n ", "something unknown (it begins with the bytes 20 0a 20)"),
    ],
)
def test_first_bytes_are_named_and_quoted_as_people_read_them(head, words):
    assert looks_like(head) == words
