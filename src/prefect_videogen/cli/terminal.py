"""The terminal: plain text as it is, without markup, colours or emoji made of what a user wrote."""

from __future__ import annotations

import os

from rich.console import Console

UNBOUNDED = 10_000
"""Columns of what is no terminal: whoever reads a file or a pipe breaks lines himself."""


def terminal(*, stderr: bool = False) -> Console:
    """A console that prints a user's words unchanged; `shot:b` stays what it is.

    Args:
        stderr: Whether to print to standard error, so that standard output stays for programs.
    """
    console = Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)
    if not (console.is_terminal or os.environ.get("COLUMNS")):
        console.width = UNBOUNDED
    return console
