"""Small pictures for a review: the first and last frame of each clip, side by side.

They are handed out as data URLs, so that a reviewer sees them wherever the media lie. A picture
that can't be had is left out; the review goes on without it.
"""

from __future__ import annotations

import asyncio
import base64
import io
import logging
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from prefect_videogen.errors import VideoGenError
from prefect_videogen.media import first_frame
from prefect_videogen.records import Store
from prefect_videogen.reviewing.model import Shown

logger = logging.getLogger(__name__)

MOST = 60
"""Clips with pictures; what more there are stand in the review without."""

HEIGHT, GAP, QUALITY = 72, 4, 75
AT_ONCE = 4


async def strips_of(store: Store, shots: Sequence[Shown]) -> dict[str, str]:
    """Make the pictures.

    Args:
        store: The media store.
        shots: What is shown.

    Returns:
        Path of each clip, also of another take, to a JPEG as a data URL.
    """
    working = asyncio.Semaphore(AT_ONCE)

    async def strip(shot: str, path: str, last_frame: str) -> str:
        async with working:
            try:
                clip = await store.fetch(path)
                last = await store.read(last_frame) if last_frame else None
                return await asyncio.to_thread(_strip, clip, last)
            except (VideoGenError, OSError) as error:
                logger.warning("Shot %s is shown without a picture: %s", shot, error)
                return ""

    there = [(shot.shot, shot.path, shot.last_frame) for shot in shots if shot.key]
    there += [
        (shot.shot, path, shot.frames.get(take, ""))
        for shot in shots
        for take, path in shot.takes.items()
    ]
    there = there[:MOST]
    made = await asyncio.gather(*(strip(*clip) for clip in there))
    return {path: strip for (_, path, _), strip in zip(there, made, strict=True) if strip}


def _strip(clip: Path, last: bytes | None) -> str:
    pictures = [_small(Image.fromarray(first_frame(clip).rgb))]
    if last:
        with Image.open(io.BytesIO(last)) as opened:
            pictures.append(_small(opened.convert("RGB")))
    width = sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1)
    strip = Image.new("RGB", (width, HEIGHT), "white")
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width + GAP
    buffer = io.BytesIO()
    strip.save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _small(picture: Image.Image) -> Image.Image:
    width = max(round(picture.width * HEIGHT / picture.height), 1)
    return picture.resize((width, HEIGHT), Image.Resampling.LANCZOS)
