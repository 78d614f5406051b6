"""Own footage, title cards and music: read from wherever they are, and kept in the media store.

Read into files, never into memory. As for stills, the digest is what counts, and a reference that
can't be read any more is used as it was kept. Which frame a shot hands over is `handing`'s.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from prefect_videogen.errors import MediaError
from prefect_videogen.keys import without_queries
from prefect_videogen.media import Probe, inspect_still, probe
from prefect_videogen.media.containers import first_bytes, looks_like, looks_like_picture
from prefect_videogen.media.mixing import check_music
from prefect_videogen.media.sound import decoded_sound
from prefect_videogen.pictures import Still, remember, remembered, source_path, still_record
from prefect_videogen.plan import FootageFacts, FootageKind, Picture, Unreadable
from prefect_videogen.records import Store
from prefect_videogen.references import LARGEST_STILL, UNREADABLE, Place, unreadable

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset(
    {"mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "flv", "ogv", "3gp"}
)
SOUND_SUFFIXES = frozenset({"mp3", "wav", "flac", "m4a", "aac", "ogg", "oga", "opus", "aiff"})


class Footage(BaseModel):
    """Own footage in the media store, or on its way there.

    Attributes:
        kind: A video, or a picture to be shown for some time.
        path: Where it lies in the media store, once kept.
        sha256: Digest of its bytes.
        size: Its size in bytes.
        probe: What a video is; None for a picture.
    """

    model_config = ConfigDict(frozen=True)

    kind: FootageKind
    path: str
    sha256: str
    size: int
    probe: Probe | None = None

    def facts(self) -> FootageFacts:
        """What planning must know."""
        if self.probe is None:
            return FootageFacts(self.kind, self.sha256)
        return FootageFacts(self.kind, self.sha256, self.probe.seconds, float(self.probe.rate))


class Music(BaseModel):
    """Music in the media store, or on its way there.

    Attributes:
        path: Where it lies in the media store, once kept.
        sha256: Digest of its bytes.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    sha256: str


@dataclass(frozen=True)
class FootageFile:
    """Own footage with a local file of its content, which must not be changed."""

    footage: Footage
    local: Path


async def read_footage(
    references: Iterable[str], place: Place, store: Store, folder: Path, *, keep: bool
) -> dict[str, FootageFile | Unreadable]:
    """Read every footage once, and keep it in the media store if it shall be used.

    Args:
        references: References as the storyboard writes them.
        place: Where relative ones start from.
        store: The media store.
        folder: Where files are fetched to; they are the caller's to remove.
        keep: Whether to store them; planning alone writes nothing.

    Returns:
        What each reference is, or why it can't be used.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    names = list(references)
    read = await asyncio.gather(
        *(_read_footage(name, place, store, folder, keep=keep) for name in names)
    )
    return dict(zip(names, read, strict=True))


async def _read_footage(
    reference: str, place: Place, store: Store, folder: Path, *, keep: bool
) -> FootageFile | Unreadable:
    source = source_path(place, reference)
    try:
        local = await place.bring(reference, folder)
    except UNREADABLE as error:
        known = await remembered(store, source)
        if known is None:
            return unreadable(error, place, reference)
        shown = without_queries(reference)
        logger.warning("%s can't be read any more; its kept copy is used", shown)
        path = str(known["path"])
        local = await store.fetch(path)
        footage, _ = await asyncio.to_thread(_inspect, local, reference)
        return FootageFile(footage.model_copy(update={"path": path}), local)
    try:
        footage, record = await asyncio.to_thread(_inspect, local, reference)
    except MediaError as error:
        return Unreadable(error.message, "give a video, or a picture with `seconds`")
    if keep:
        await store.put_file(footage.path, local)
        await remember(store, source, record)
    return FootageFile(footage, local)


def _inspect(local: Path, reference: str) -> tuple[Footage, bytes]:
    """What a file is, and what shall be remembered of it."""
    head, size, sha256 = first_bytes(local), local.stat().st_size, file_digest(local)
    still, why_none = _card(local, size)
    if still is not None:
        footage = Footage(kind="card", path=still.path, sha256=sha256, size=size)
        return footage, still_record(reference, still)
    try:
        found = probe(local)
    except MediaError as error:
        message = _without(local, error)
        if looks_like_picture(head) and why_none:
            message = f"can't be used: {why_none[0].lower()}{why_none[1:].rstrip('.')}"
        elif "looks like" not in message:
            message = f"{message}; it looks like {looks_like(head)}"
        raise MediaError(message, next_step=error.next_step) from None
    path = f"footage/{sha256}.{_suffix(reference, VIDEO_SUFFIXES, 'mp4')}"
    footage = Footage(kind="video", path=path, sha256=sha256, size=size, probe=found)
    return footage, _record(reference, path, sha256)


def _card(local: Path, size: int) -> tuple[Still | None, str]:
    """The picture that a file is, or why it is none."""
    if size > LARGEST_STILL:
        return None, f"a picture may have {LARGEST_STILL >> 20} MiB"
    try:
        info = inspect_still(local.read_bytes())
    except MediaError as error:
        return None, error.message
    picture = Picture(info.sha256, info.format, info.width, info.height)
    return Still(picture, f"stills/{info.sha256}.{info.extension}"), ""


async def read_music(
    reference: str, place: Place, store: Store, folder: Path, *, keep: bool
) -> Music | Unreadable:
    """Read the film's music, and keep it in the media store if it shall be used.

    Args:
        reference: Reference as the storyboard writes it.
        place: Where a relative one starts from.
        store: The media store.
        folder: Where it is fetched to; the caller's to remove.
        keep: Whether to store it.

    Returns:
        What it is, or why it can't be used.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    source = source_path(place, reference)
    try:
        local = await place.bring(reference, folder)
    except UNREADABLE as error:
        known = await remembered(store, source)
        if known is None:
            return unreadable(error, place, reference)
        shown = without_queries(reference)
        logger.warning("%s can't be read any more; its kept copy is used", shown)
        return Music.model_validate(known)
    problem = await asyncio.to_thread(_why_no_sound, local)
    if problem:
        return Unreadable(problem, "give an MP3, WAV, FLAC, M4A or OGG file")
    try:
        await asyncio.to_thread(check_music, local)
    except MediaError as error:
        return Unreadable(_without(local, error), "give a whole file with at least a second of it")
    sha256 = await asyncio.to_thread(file_digest, local)
    suffix = _suffix(reference, SOUND_SUFFIXES | VIDEO_SUFFIXES, "m4a")
    music = Music(path=f"music/{sha256}.{suffix}", sha256=sha256)
    if keep:
        await store.put_file(music.path, local)
        await remember(store, source, _record(reference, music.path, sha256))
    return music


def why_unusable(local: Path) -> str:
    """Say why a file is neither a picture nor a video nor music; empty if it is one.

    Args:
        local: The file.

    Returns:
        Half a sentence that follows the file's name.
    """
    try:
        _inspect(local, local.name)
    except MediaError as error:
        if not _why_no_sound(local):
            return ""
        neither = "is neither a picture, a video nor music:"
        return _without(local, error).replace("is not a video:", neither)
    return ""


def _without(local: Path, error: MediaError) -> str:
    """An error's message as half a sentence that follows the file's name."""
    return error.message.removeprefix(str(local)).strip().rstrip(".")


def _why_no_sound(local: Path) -> str:
    try:
        with closing(decoded_sound(local)) as blocks:
            if next(blocks, None) is None:
                return "holds no sound"
    except MediaError as error:
        return _without(local, error)
    return ""


def _record(reference: str, path: str, sha256: str) -> bytes:
    """What is remembered of a file."""
    return json.dumps(
        {"reference": without_queries(reference), "path": path, "sha256": sha256}
    ).encode()


def _suffix(reference: str, known: frozenset[str], otherwise: str) -> str:
    """The reference's own suffix, for the content type; a usual one if it has none."""
    path = urlsplit(reference).path if "://" in reference else reference
    suffix = PurePosixPath(path).suffix.lstrip(".").lower()
    return suffix if suffix in known else otherwise


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
