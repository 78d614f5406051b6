"""A coroutine that sync code waits for: its result, its error, and its end on an interrupt."""

from __future__ import annotations

import asyncio
import signal
import threading
from types import SimpleNamespace

import pytest

from prefect_videogen import apart
from prefect_videogen.apart import run_apart


class Interrupted(BaseException):
    """What the signal handler raises, as Python's own raises KeyboardInterrupt."""


@pytest.fixture
def interrupt():
    """Interrupts the main thread, from whatever thread it is called in."""

    def handler(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, handler)
    main = threading.main_thread().ident
    assert main is not None
    yield lambda: signal.pthread_kill(main, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


async def test_result_is_handed_over_inside_a_running_loop_too():
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert run_apart(work) == 7


def test_error_is_the_callers():
    async def work() -> None:
        message = "wrong"
        raise ValueError(message)

    with pytest.raises(ValueError, match="wrong"):
        run_apart(work)


def test_interrupted_caller_cancels_the_work_and_waits_for_its_end(interrupt):
    seen = []

    async def work() -> None:
        interrupt()
        try:
            await asyncio.sleep(20)  # only if nobody cancels it
            seen.append("went on")
        finally:
            await asyncio.sleep(0)
            seen.append("ended")

    with pytest.raises(Interrupted):
        run_apart(work)
    assert seen == ["ended"]


def test_caller_that_is_interrupted_before_the_work_begins_prevents_it(interrupt, monkeypatch):
    began = []
    made: list[threading.Event] = []

    def event() -> threading.Event:
        made.append(threading.Event())
        return made[-1]

    class Interrupting(threading.Thread):
        def run(self) -> None:
            interrupt()
            made[0].wait(20)  # the first one says that the work is not wanted
            super().run()

    async def work() -> None:
        began.append(True)

    monkeypatch.setattr(apart, "threading", SimpleNamespace(Thread=Interrupting, Event=event))
    with pytest.raises(Interrupted):
        run_apart(work)
    assert began == []
