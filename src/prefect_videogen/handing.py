"""The frame that a shot hands over to the one chained to it: found, and kept as PNG.

The last frame was kept with the clip. Any other is decoded when it is first needed and created
once, so that its digest counts in keys from then on. Planning alone looks and writes nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict

from prefect_videogen.footage import FootageFile
from prefect_videogen.keys import digest
from prefect_videogen.media import Probe
from prefect_videogen.media.frames import frame_png
from prefect_videogen.media.keeping import constant_timing, handed_frame
from prefect_videogen.media.probe import inspect
from prefect_videogen.media.tails import tail_of
from prefect_videogen.plan import LAST_FRAME, Handing
from prefect_videogen.records import Store, Stored


class Handed(BaseModel):
    """A frame that is handed over.

    Attributes:
        path: Where it lies in the media store as a picture, once kept.
        sha256: Digest of that picture.
        index: Its place in the clip, from 0; the clip is shown up to it where the next shot of
            the film starts on it.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    sha256: str
    index: int = 0


async def handed_by_clip(store: Store, stored: Stored, handing: Handing, *, keep: bool) -> Handed:
    """Give the frame that a stored clip hands over.

    Args:
        store: The media store.
        stored: The clip's record.
        handing: Which frame.
        keep: Whether to store it; planning alone writes nothing.

    Raises:
        MediaError: If its trim leaves nothing of the clip.
        RecordError: If the media store does not answer as it must.
    """
    found = Probe.model_validate(stored.probe)
    last = Handed(
        path=stored.last_frame, sha256=stored.last_frame_sha256, index=found.frame_count - 1
    )
    if handing == LAST_FRAME:
        return last
    clip = _Clip(store, found, stored.path, steady=stored.steady)
    index = await clip.index(handing)
    if index == last.index:
        return last
    folder = PurePosixPath(stored.path).parent / "frames"
    return await clip.frame(index, f"{folder}/{index}.png", keep=keep)


async def handed_by_footage(
    store: Store, file: FootageFile, handing: Handing, *, keep: bool
) -> Handed:
    """Give the frame that own footage hands over: of a card, the picture itself.

    Args:
        store: The media store.
        file: The footage.
        handing: Which frame.
        keep: Whether to store it; planning alone writes nothing.

    Raises:
        MediaError: If its trim leaves nothing of the footage, or it is damaged.
        RecordError: If the media store does not answer as it must.
    """
    footage = file.footage
    if footage.probe is None:
        return Handed(path=footage.path, sha256=footage.sha256)
    clip = _Clip(store, footage.probe, footage.path, local=file.local)
    index = await clip.index(handing)
    return await clip.frame(index, f"footage/{footage.sha256}/{index}.png", keep=keep)


class _Clip:
    """A video whose file is fetched only if a question needs it."""

    def __init__(
        self,
        store: Store,
        found: Probe,
        path: str,
        *,
        steady: int | None = None,
        local: Path | None = None,
    ) -> None:
        self.store = store
        self.found = found
        self.path = path
        self.steady = steady
        self.local = local

    async def file(self) -> Path:
        self.local = self.local or await self.store.fetch(self.path)
        return self.local

    async def index(self, handing: Handing) -> int:
        timing = constant_timing(self.found)
        if timing is None:
            timing = (await asyncio.to_thread(inspect, await self.file()))[1]
        steady = None
        if handing.steady:
            steady = self.steady
            if steady is None:
                steady = (await asyncio.to_thread(tail_of, await self.file())).steady
        return handed_frame(timing, handing.trim, steady)

    async def frame(self, index: int, path: str, *, keep: bool) -> Handed:
        data = await self.store.read(path)
        if data is None:
            data = await asyncio.to_thread(frame_png, await self.file(), index)
            if keep and not await self.store.create(path, data):
                # Another version may have drawn other bytes; those that lie there count.
                data = await self.store.read(path) or data
        return Handed(path=path, sha256=digest(data), index=index)
