"""Ctrl-C and SIGTERM while films are made: one sentence on what goes on, and no traceback."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import typer

from prefect_videogen.cli.terminal import terminal

INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM


class _Terminated(KeyboardInterrupt):
    """SIGTERM; of this kind, as asyncio hands that on at once, from whatever task it meets."""


def _terminate(*_: object) -> NoReturn:
    raise _Terminated


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Raise at SIGTERM, also where a flow's run has answered it and then passes it on to us."""
    if threading.current_thread() is not threading.main_thread():  # no other gets signals
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def stoppable(what_goes_on: Callable[[], str]) -> Iterator[None]:
    """End the command with a sentence and its exit code when it is told to stop.

    Loads Prefect, so set its console up before.

    Args:
        what_goes_on: Says what becomes of what was begun; asked once everything has ended.

    Raises:
        Exit: With 130 after SIGINT (Ctrl-C), and 143 after SIGTERM.
    """
    from prefect.exceptions import TerminationSignal

    try:
        with _sigterm_raises():
            yield
    except (KeyboardInterrupt, TerminationSignal) as stop:
        terminal(stderr=True).print(f"Stopped. {what_goes_on()}")
        raise typer.Exit(
            TERMINATED if isinstance(stop, _Terminated | TerminationSignal) else INTERRUPTED
        ) from None
