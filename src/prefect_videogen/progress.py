"""Telling whoever watches how far each shot has come, within one process.

Listeners are set for a context (the command line's live view, the shot table of a run, a test);
without one nothing happens. It is a convenience: nothing is decided by it.
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
        shot: Id of the shot; of one of its takes beside the picked one, the take's name.
        state: What is happening now.
        detail: What a person wants to know: the job id, `reused`, the error.
        expected: Shortest and longest expected seconds of this state, if known.
        about: What there is by now: the job, the clip, or why it is missing.
    """

    shot: str
    state: ShotState
    detail: str = ""
    expected: tuple[float, float] | None = None
    about: object = None


Listener = Callable[[Progress], None]

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("videogen_progress", default=())
_name: ContextVar[str] = ContextVar("videogen_progress_name", default="")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send all progress of this context to a listener, beside those that listen already."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


@contextmanager
def named(name: str) -> Iterator[None]:
    """Tell all progress of shots in this context under a name: two takes are of one shot."""
    token = _name.set(name)
    try:
        yield
    finally:
        _name.reset(token)


def name_of(shot: str) -> str:
    """The name that a shot's progress is told under in this context."""
    return _name.get() or shot


def tell(
    shot: str,
    state: ShotState,
    detail: str = "",
    expected: tuple[float, float] | None = None,
    *,
    about: object = None,
) -> None:
    """Tell all listeners, if there are any."""
    listeners = _listeners.get()
    if not listeners:
        return
    change = Progress(shot and name_of(shot), state, detail, expected, about)
    for listener in listeners:
        listener(change)
