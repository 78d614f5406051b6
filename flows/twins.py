"""Sync twins of async flows, for callers that are sync, wherever they are called from."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from prefect import Flow

from prefect_videogen.apart import run_apart

P = ParamSpec("P")
R = TypeVar("R")


def sync_twin(flow: Flow[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """Make the sync twin of an async flow.

    Args:
        flow: The async flow.

    Returns:
        A function with the flow's parameters that runs it to its end and returns its result.
    """

    @functools.wraps(flow.fn)
    def twin(*args: P.args, **kwargs: P.kwargs) -> R:
        return run_apart(lambda: flow(*args, **kwargs))

    twin.__name__ = twin.__qualname__ = f"{flow.fn.__name__}_sync"
    return twin
