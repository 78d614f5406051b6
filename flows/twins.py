"""Sync twins of async flows, for callers that are sync, wherever they are called from.

The flow runs on a loop of its own in a thread of its own, so it works inside a running loop too,
and with the caller's context, so it is a subflow there.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from prefect import Flow

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


def run_apart(start: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Run a coroutine on a loop of its own in another thread, with the caller's context.

    Args:
        start: Makes the coroutine, in that thread.

    Returns:
        Its result.

    Raises:
        BaseException: Whatever it raises.
    """
    outcome: list[R] = []
    failure: list[BaseException] = []

    async def run() -> R:
        return await start()

    def work() -> None:
        try:
            outcome.append(asyncio.run(run()))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            failure.append(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name="videogen-flow")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
