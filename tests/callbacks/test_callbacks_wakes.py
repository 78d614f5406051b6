"""One subscription to Prefect's events for all waiters of an event loop, come what may."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace

import pytest
from prefect.events import emit_event

from prefect_videogen.blocks import wakes
from prefect_videogen.blocks.wakes import JOB_FINISHED, PrefectWakes, job_resource

KEY, OTHER = "ab" * 32, "cd" * 32


def event_of(key: str, attempt: int):
    return SimpleNamespace(payload={"key": key, "attempt": attempt})


class Stream:
    """Stands for Prefect's event stream: each subscription meets the next of a script.

    An entry is an exception, which connecting meets, or a list of events to give before it ends, or
    breaks off with the exception that is last; with nothing left a subscription stays silent.
    """

    def __init__(self, *script) -> None:
        self.script = list(script)
        self.opened = self.closed = 0

    def __call__(self, **_):
        return self

    async def __aenter__(self):
        self.opened += 1
        self.events = self.script.pop(0) if self.script else None
        if isinstance(self.events, Exception):
            raise self.events
        return self

    async def __aexit__(self, *_) -> None:
        self.closed += 1

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.events is None:
            await asyncio.sleep(3600)
        if not self.events:
            raise StopAsyncIteration
        event = self.events.pop(0)
        if isinstance(event, Exception):
            raise event
        return event


@pytest.fixture
def stream(monkeypatch):
    """Replace Prefect's stream; only its events wake, and two subscriptions follow at once."""
    monkeypatch.setattr(wakes, "SHORTEST_PAUSE", 0.0)
    monkeypatch.setattr(wakes, "SETTLING", ())

    def play(*script) -> Stream:
        made = Stream(*script)
        monkeypatch.setattr(wakes, "get_events_subscriber", made)
        return made

    return play


async def test_event_wakes_all_waiters_of_its_attempt_and_no_other(stream):
    played = stream([event_of(KEY, 2), event_of("nobody's", 1), event_of(KEY, 1)], None)
    prefect = PrefectWakes()
    with prefect.of(KEY, 1) as one, PrefectWakes().of(KEY, 1) as two, prefect.of(OTHER, 1) as three:
        async with asyncio.timeout(120):
            await one.wait()
        assert two.is_set()
        assert not three.is_set()
    assert played.opened == 1


async def test_waiters_share_one_subscription_which_ends_with_the_last(stream):
    played = stream()
    prefect = PrefectWakes()
    with prefect.of(KEY, 1):
        with prefect.of(OTHER, 1):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        assert (played.opened, played.closed) == (1, 0)
    async with asyncio.timeout(120):
        while not played.closed:  # noqa: ASYNC110 - a task that was cancelled
            await asyncio.sleep(0)
    with prefect.of(KEY, 1):
        await asyncio.sleep(0.01)
        assert played.opened == 2


async def test_lost_connection_is_logged_once_and_taken_up_again(stream, caplog):
    played = stream(ConnectionError("gone"), [], OSError("gone"), [event_of(KEY, 1)])
    with caplog.at_level(logging.WARNING), PrefectWakes().of(KEY, 1) as woken:
        async with asyncio.timeout(120):
            await woken.wait()
    assert played.opened == 4
    told = {id(line) for line in caplog.records if "sends no events" in line.getMessage()}
    assert len(told) == 1


async def test_connection_that_lasted_is_taken_up_again_soon_however_often_it_was_lost(
    stream, monkeypatch
):
    monkeypatch.setattr(wakes, "SHORTEST_PAUSE", 0.001)
    monkeypatch.setattr(wakes, "LONGEST_PAUSE", 3600)
    played = stream(*[[event_of(OTHER, 1), OSError("lost")] for _ in range(20)], [event_of(KEY, 1)])
    with PrefectWakes().of(KEY, 1) as woken:
        async with asyncio.timeout(120):
            await woken.wait()
    assert played.opened == 21


async def test_every_new_subscription_has_all_waiters_glance_once_it_is_settled(
    stream, monkeypatch
):
    stream(ConnectionError("gone"))
    monkeypatch.setattr(wakes, "SETTLING", (0.0,))
    with PrefectWakes().of(KEY, 1) as one, PrefectWakes().of(OTHER, 1) as two:
        async with asyncio.timeout(120):
            await asyncio.gather(one.wait(), two.wait())


async def test_event_of_a_real_server_wakes(prefect_server, monkeypatch):
    monkeypatch.setattr(wakes, "SETTLING", ())
    payload = {"key": KEY, "attempt": 7, "model": "wan-2-5", "state": "ready"}
    with PrefectWakes().of(KEY, 7) as woken, PrefectWakes().of(OTHER, 7) as other:
        async with asyncio.timeout(120):
            while not woken.is_set():  # a server does not say when it begins to listen
                emit_event(JOB_FINISHED, resource=job_resource("apixo", "task_1"), payload=payload)
                await asyncio.sleep(0.2)
        assert not other.is_set()
