"""Ctrl-C and SIGTERM while films are made: one sentence on what goes on, and no traceback."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import typer

from prefect_videogen.cli.terminal import terminal

INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM

T = TypeVar("T")


def run_until_stopped(work: Coroutine[Any, Any, T], what_goes_on: Callable[[], str]) -> T:
    """Run to the end, or until told to stop: then say so, and exit.

    Loads Prefect, so set its console up before.

    Args:
        work: What to run.
        what_goes_on: Says what becomes of what was begun; asked once everything has ended.

    Raises:
        Exit: With 130 after SIGINT (Ctrl-C), and 143 after SIGTERM.
    """
    from prefect.exceptions import TerminationSignal

    try:
        return asyncio.run(_cancelled_by_sigterm(work))
    except (KeyboardInterrupt, asyncio.CancelledError, TerminationSignal) as stop:
        terminal(stderr=True).print(f"Stopped. {what_goes_on()}")
        code = INTERRUPTED if isinstance(stop, KeyboardInterrupt) else TERMINATED
        raise typer.Exit(code) from None


async def _cancelled_by_sigterm(work: Coroutine[Any, Any, T]) -> T:
    """Have SIGTERM cancel the work, as asyncio has SIGINT do.

    A flow's run answers SIGTERM too, by raising in whatever line runs just then, where a library
    may take it for a failure of its own. What is set here is heard all the same.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - for the type; this is one
    with suppress(RuntimeError, NotImplementedError):  # no main thread, or Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
