"""Running a coroutine to its end from code that is sync, wherever that is called from.

It gets a loop of its own in a thread of its own, so this works inside a running loop too, and it
has the caller's context, so a flow started in it is a subflow there.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


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
    thread = threading.Thread(target=context.run, args=(work,), name="videogen-apart")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
