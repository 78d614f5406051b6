"""Waking waiters by Prefect events: one subscription for all waiters of a process and event loop.

Only a convenience: what an event means stands in the records, and without a server, or while the
connection is lost, waiters find the same by their slow poll.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.settings import PREFECT_API_URL

logger = logging.getLogger(__name__)

JOB_FINISHED = "videogen.job.finished"
"""Name of the event that a callback receiver emits once a job's end is recorded."""

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two tries to subscribe."""

SETTLING = (1.0, 10.0)
"""Seconds after connecting when all waiters glance at the records.

A server confirms no subscription, and what it replays may lack the last seconds: it writes events
down in batches.
"""

_Name = tuple[str, int]


def job_resource(vendor: str, job_id: str) -> dict[str, str]:
    """The Prefect resource that a job is in events."""
    return {"prefect.resource.id": f"videogen.job.{vendor}.{job_id}"}


def server_is_shared() -> bool:
    """Whether events reach other processes: a server was named, so it is not one of our own."""
    return bool(PREFECT_API_URL.value())


def server_host(url: object) -> str:
    """A Prefect server's host and port, for messages: its address may hold user and password.

    Args:
        url: The address of its API; empty if there is none.
    """
    return urlsplit(str(url)).netloc.rpartition("@")[2] or "a server of its own"


@dataclass
class _Subscription:
    """Who waits for what in one event loop, and the task that listens while anybody does.

    Attributes:
        waiting: Who waits, by attempt.
        task: Listens.
        pause: Seconds until the next try to subscribe.
    """

    waiting: dict[_Name, list[asyncio.Event]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    pause: float = 0.0

    def add(self, name: _Name, woken: asyncio.Event) -> None:
        self.waiting.setdefault(name, []).append(woken)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._listen(), name="videogen-wakes")

    def remove(self, name: _Name, woken: asyncio.Event) -> None:
        others = [event for event in self.waiting.pop(name) if event is not woken]
        if others:
            self.waiting[name] = others
        if not self.waiting and self.task is not None:
            self.task.cancel()
            self.task = None

    async def _listen(self) -> None:
        self.pause, warned = SHORTEST_PAUSE, False
        while True:
            try:
                await self._listen_once()
            except Exception as error:  # noqa: BLE001 - whatever it is, the slow poll goes on
                level = logging.DEBUG if warned else logging.WARNING
                text = "Prefect sends no events (%s): jobs are found by the slow poll meanwhile"
                logger.log(level, text, type(error).__name__)
                warned = True
            await asyncio.sleep(self.pause)
            self.pause = min(self.pause * 2, LONGEST_PAUSE)

    async def _listen_once(self) -> None:
        """Listen until the stream ends."""
        async with get_events_subscriber(
            filter=EventFilter(event=EventNameFilter(name=[JOB_FINISHED])),
            reconnection_attempts=0,
        ) as subscriber:
            self.pause = SHORTEST_PAUSE
            loop = asyncio.get_running_loop()
            settling = [loop.call_later(seconds, self._wake_all) for seconds in SETTLING]
            try:
                async for event in subscriber:
                    self._wake(event)
            finally:
                for handle in settling:
                    handle.cancel()

    def _wake(self, event: Event) -> None:
        key, attempt = event.payload.get("key"), event.payload.get("attempt")
        if isinstance(key, str) and isinstance(attempt, int):
            for woken in self.waiting.get((key, attempt), ()):
                woken.set()

    def _wake_all(self) -> None:
        for events in self.waiting.values():
            for woken in events:
                woken.set()


_subscriptions: WeakKeyDictionary[asyncio.AbstractEventLoop, _Subscription] = WeakKeyDictionary()


class PrefectWakes:
    """Wakes waiters when a callback receiver, in whatever process, has recorded a job's end."""

    @contextmanager
    def of(self, key: str, attempt: int) -> Iterator[asyncio.Event]:
        """Listen for one attempt.

        Args:
            key: Key of the clip.
            attempt: Number of the attempt.

        Returns:
            Enter it for an event that is set when the records may hold more than before.
        """
        woken = asyncio.Event()
        subscription = _subscriptions.setdefault(asyncio.get_running_loop(), _Subscription())
        subscription.add((key, attempt), woken)
        try:
            yield woken
        finally:
            subscription.remove((key, attempt), woken)
