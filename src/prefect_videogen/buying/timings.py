"""Remembering how long jobs took: a few small objects of the media store, whose names say it all.

`timings/<vendor>/<model>/<kind>/<month>-<job>-<seconds>`, so that one listing per kind and process
reads them, and at most `PER_MONTH` writes a month and kind keep them. A convenience: what can't be
read or written is done without.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from prefect_videogen.errors import RecordError
from prefect_videogen.studio import OpenStudio

logger = logging.getLogger(__name__)

PER_MONTH = 20
REMEMBERED = 50
"""Newest times that count, stored and seen by this process together."""


@dataclass
class _Kind:
    took: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    months: dict[str, int] = field(default_factory=dict)
    loaded: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


_known: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], _Kind]] = (
    WeakKeyDictionary()
)


@dataclass(frozen=True)
class Timings:
    """The times of one kind of job.

    Attributes:
        studio: The open studio.
        vendor: Vendor's label.
        model: Model id.
        kind: The kind, as `waiting.kind_of` names it.
    """

    studio: OpenStudio
    vendor: str
    model: str
    kind: str

    @property
    def folder(self) -> str:
        """Where they lie in the media store."""
        return f"timings/{self.vendor}/{self.model}/{self.kind}"

    async def took(self) -> list[float]:
        """How long past jobs took, in seconds of a real vendor's time; oldest first."""
        return list((await self._loaded()).took)

    async def add(self, job_id: str, seconds: float) -> None:
        """Remember how long a job took, in seconds of a real vendor's time."""
        kind = await self._loaded()
        kind.took.append(seconds)
        month = datetime.fromtimestamp(self.studio.time.now(), UTC).strftime("%Y%m")
        if kind.months.get(month, 0) >= PER_MONTH:
            return
        kind.months[month] = kind.months.get(month, 0) + 1
        name = hashlib.sha256(job_id.encode()).hexdigest()[:8]
        try:
            await self.studio.store.create(f"{self.folder}/{month}-{name}-{seconds:.1f}", b"{}")
        except RecordError as error:
            logger.debug("how long job %s took is not kept: %s", job_id, error)

    async def _loaded(self) -> _Kind:
        kinds = _known.setdefault(asyncio.get_running_loop(), {})
        kind = kinds.setdefault((self.studio.store.url, self.folder), _Kind())
        async with kind.lock:
            if not kind.loaded:
                kind.loaded = True
                await self._load(kind)
        return kind

    async def _load(self, kind: _Kind) -> None:
        try:
            names = await self.studio.store.list(self.folder)
        except RecordError as error:
            logger.debug("how long jobs took before can't be read: %s", error)
            return
        for path in names:
            month, _, rest = path.rpartition("/")[2].partition("-")
            try:
                kind.took.append(float(rest.partition("-")[2]))
            except ValueError:
                continue  # a file of somebody else's
            kind.months[month] = kind.months.get(month, 0) + 1
