"""The terminal: plain text as it is, without markup, colours or emoji made of what a user wrote."""

from __future__ import annotations

from rich.console import Console


def terminal(*, stderr: bool = False) -> Console:
    """A console that prints a user's words unchanged; `shot:b` stays what it is.

    Args:
        stderr: Whether to print to standard error, so that standard output stays for programs.
    """
    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)
