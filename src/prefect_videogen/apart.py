"""Running a coroutine to its end from code that is sync, wherever that is called from.

It gets a loop of its own in a thread of its own, so this works inside a running loop too, and it
has the caller's context, so a flow started in it is a subflow there. A caller that is interrupted
leaves nothing behind: the coroutine is cancelled, and the caller goes on once it has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

R = TypeVar("R")


def run_apart(start: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Run a coroutine on a loop of its own in another thread, with the caller's context.

    Args:
        start: Makes the coroutine, in that thread.

    Returns:
        Its result.

    Raises:
        BaseException: Whatever it raises; or what interrupts the caller, such as KeyboardInterrupt,
            once the coroutine is cancelled and has ended.
    """
    work = _Work(start)
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work.run,), name="videogen-apart")
    try:
        thread.start()
        work.ended.wait()
    except BaseException:
        work.stop()
        if thread.ident is not None:  # None: it could not be started, or finds itself unwanted
            work.ended.wait()
        raise
    thread.join()
    if work.failure is not None:
        raise work.failure
    return work.outcome[0]


class _Work(Generic[R]):
    """The coroutine in its thread: what it came to, and how to end it early."""

    def __init__(self, start: Callable[[], Coroutine[Any, Any, R]]) -> None:
        self.start = start
        self.unwanted, self.ended = threading.Event(), threading.Event()
        self.outcome: list[R] = []
        self.failure: BaseException | None = None
        self._running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = []

    def run(self) -> None:
        try:
            self.outcome.append(asyncio.run(self._noted()))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            self.failure = error
        finally:
            self.ended.set()

    def stop(self) -> None:
        """Cancel it; called from another thread."""
        self.unwanted.set()
        for loop, task in self._running:
            if task is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
                    loop.call_soon_threadsafe(task.cancel)

    async def _noted(self) -> R:
        self._running.append((asyncio.get_running_loop(), asyncio.current_task()))
        if self.unwanted.is_set():  # interrupted before there was anything to cancel
            raise asyncio.CancelledError
        return await self.start()
