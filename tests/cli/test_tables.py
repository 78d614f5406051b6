"""Tables in terminals and pipes: words stay whole."""

from __future__ import annotations

import sys
from io import StringIO

import pytest

from prefect_videogen.cli.tables import table_lines
from prefect_videogen.cli.terminal import terminal

ROWS = [
    line.split(" | ")
    for line in (
        "shot | model | mode | length | starts | state | price | key",
        (
            "zwei-bilder | kling-2-1 | standard-image-to-video | 3.5 of 5 s | at once | to buy"
            " | unpriced | 0123456789ab"
        ),
        (
            "b | wan2.5-image-to-video | image-to-video | 5 s | after zwei-bilder | to buy"
            " | 0.25 USD | later"
        ),
    )
]


def test_table_that_fits_has_a_line_for_each_row():
    lines = list(table_lines(ROWS, 200))
    assert len(lines) == 3
    assert lines[1].split("  ")[:1] == ["zwei-bilder"]
    assert all(lines[n].index(ROWS[n][7]) == lines[0].index("key") for n in (1, 2))
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [100, 92, 80])
def test_table_too_wide_breaks_between_words_and_behind_dashes_alone(width):
    lines = list(table_lines(ROWS, width))
    assert max(map(len, lines)) <= width
    words = {word for row in ROWS for cell in row for word in cell.replace("-", "- ").split()}
    found = {part for line in lines for part in line.replace("-", "- ").split()}
    assert found <= words


def test_table_that_no_break_brings_to_the_width_is_wider_and_whole():
    assert list(table_lines((("a", "b"), ("x" * 30, "y" * 12)), 20)) == [
        "a" + " " * 31 + "b",
        "x" * 30 + "  " + "y" * 12,
    ]


def test_what_is_no_terminal_has_no_width_but_the_one_that_is_asked_for(monkeypatch):
    monkeypatch.setattr(sys, "stdout", StringIO())
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal().width > 500
    monkeypatch.setenv("COLUMNS", "70")
    assert terminal().width == 70
