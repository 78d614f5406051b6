"""Telling whoever watches how far each shot has come, within one process.

A listener is set for a context (the command line's live view, a test); without one nothing
happens. It is a convenience: nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

ShotState = Literal[
    "waiting", "pictures", "buying", "running", "downloading", "done", "failed", "stitching"
]


@dataclass(frozen=True)
class Progress:
    """One change of a shot, or of the film (`shot` is then empty).

    Attributes:
        shot: Id of the shot.
        state: What is happening now.
        detail: What a person wants to know: the job id, `reused`, the error.
        expected: Shortest and longest expected seconds of this state, if known.
    """

    shot: str
    state: ShotState
    detail: str = ""
    expected: tuple[float, float] | None = None


Listener = Callable[[Progress], None]

_listener: ContextVar[Listener | None] = ContextVar("videogen_progress", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send all progress of this context to a listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(
    shot: str,
    state: ShotState,
    detail: str = "",
    expected: tuple[float, float] | None = None,
) -> None:
    """Tell the listener, if there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(Progress(shot, state, detail, expected))
