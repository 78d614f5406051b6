"""Pictures: kept in the media store, brought into a vendor's limits, handed to it.

The original's digest is what counts in keys. What a vendor gets is brought into its limits, with
a log line, and fetched once by its public URL before anything is claimed.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from prefect_videogen.capabilities import Images, Model
from prefect_videogen.errors import InputUnreachable, MediaError, StudioError
from prefect_videogen.keys import digest, without_queries
from prefect_videogen.media import StillFit, fit_still, inspect_still
from prefect_videogen.plan import Picture, PictureUse, Unreadable
from prefect_videogen.records import Store
from prefect_videogen.references import (
    UNREADABLE,
    Place,
    read_web,
    unreadable,
    web_client,
    why_unreadable,
)
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import EvolinkClient
from prefect_videogen.vendors.account import is_public_url

logger = logging.getLogger(__name__)

MIME = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "bmp": "image/bmp"}


DECODED_AT_ONCE = 2
"""Pictures that are looked at in memory at the same time: each may take 320 MB."""


@dataclass(frozen=True)
class Still:
    """A still as it was read, or as it is remembered.

    Attributes:
        picture: What planning must know.
        path: Where its original lies in the media store, once kept.
    """

    picture: Picture
    path: str


async def read_stills(
    references: Iterable[str], place: Place, store: Store, *, keep: bool
) -> dict[str, Still | Unreadable]:
    """Read every still once, and keep its original in the media store if it shall be used.

    Args:
        references: References as the storyboard writes them.
        place: Where relative ones start from.
        store: The media store.
        keep: Whether to write the originals; planning alone writes nothing.

    Returns:
        What each reference is, or why it can't be read.
    """
    names, decoding = list(references), asyncio.Semaphore(DECODED_AT_ONCE)
    read = await asyncio.gather(
        *(_read_still(name, place, store, decoding, keep=keep) for name in names)
    )
    return dict(zip(names, read, strict=True))


async def _read_still(
    reference: str, place: Place, store: Store, decoding: asyncio.Semaphore, *, keep: bool
) -> Still | Unreadable:
    source = source_path(place, reference)
    try:
        data = await place.read(reference)
    except UNREADABLE as error:
        known = await remembered(store, source)
        if known is not None and "format" in known:
            shown = without_queries(reference)
            logger.warning("%s can't be read any more; its kept copy is used", shown)
            return _still_of(known)
        return unreadable(error, place, reference)
    try:
        async with decoding:
            info = await asyncio.to_thread(inspect_still, data)
    except MediaError as error:
        return Unreadable(error.message.rstrip("."), "use a whole JPEG, PNG or WebP picture")
    picture = Picture(info.sha256, info.format, info.width, info.height)
    still = Still(picture, f"stills/{info.sha256}.{info.extension}")
    if keep:
        await store.create(still.path, data)
        await remember(store, source, still_record(reference, still))
    return still


def source_path(place: Place, reference: str) -> str:
    """Where the media store remembers what a reference was."""
    return f"sources/{digest(place.absolute(reference).encode())}.json"


async def remember(store: Store, source: str, record: bytes) -> None:
    """Note what a reference was when it was read last, in place of what it was before.

    A memory and no purchase record, so it may be replaced. Of two processes at once one is kept,
    and whoever reads in between finds nothing, as of a reference that nobody has read yet.

    Args:
        store: The media store.
        source: Where it is noted, as `source_path` says.
        record: What shall be remembered.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    known = await store.read(source)
    if known == record:
        return
    if known is not None:
        await store.remove(source)
    await store.create(source, record)


async def remembered(store: Store, source: str) -> dict[str, object] | None:
    """What the media store remembers of a reference; None if it was never kept."""
    data = await store.read(source)
    if data is None:
        return None
    record: dict[str, object] = json.loads(data)
    return record


def still_record(reference: str, still: Still) -> bytes:
    """What is remembered of a still."""
    known = still.picture
    record = {
        "reference": without_queries(reference),
        "path": still.path,
        "sha256": known.sha256,
        "format": known.format,
        "width": known.width,
        "height": known.height,
    }
    return json.dumps(record).encode()


def _still_of(record: Mapping[str, object]) -> Still:
    """The still that is remembered."""
    picture = Picture(
        str(record["sha256"]),
        str(record["format"]),
        int(str(record["width"])),
        int(str(record["height"])),
    )
    return Still(picture, str(record["path"]))


async def publish(studio: OpenStudio, model: Model, use: PictureUse, path: str) -> str:
    """Give a vendor a URL for a picture, within the model's limits and proven to work.

    Args:
        studio: The studio: its media store and accounts.
        model: The model that shall read the picture.
        use: How the picture is used.
        path: Where its original lies in the media store; unused for `vendor:` pictures.

    Returns:
        The URL.

    Raises:
        InputUnreachable: If nobody can fetch the picture by that URL.
        MediaError: If the picture can't be brought within the limits.
        RecordError: If the media store does not answer.
    """
    if use.kind == "vendor":
        return use.ref
    data = await asyncio.to_thread((await studio.store.fetch(path)).read_bytes)
    fitted, changes = await asyncio.to_thread(_fit, data, model.images, use.fit)
    if changes:
        logger.info("%s for %s: %s", path, model.id, "; ".join(changes))
        info = await asyncio.to_thread(inspect_still, fitted)
        path = f"stills/{info.sha256}.{info.extension}"
        await studio.store.create(path, fitted)
    url = address_for(studio, model.vendor, path)
    if url is None:
        client = await studio.client(model.vendor)
        if not isinstance(client, EvolinkClient):
            message = f"there is nowhere to publish {path} for {model.vendor}"
            raise StudioError(message, next_step="Give the media store a public URL.")
        extension = path.rpartition(".")[2]
        mime = MIME.get(extension, "application/octet-stream")
        url = (await client.upload(fitted, name=Path(path).name, mime=mime)).url
    await _prove(url, digest(fitted), model.vendor)
    return url


def address_for(studio: OpenStudio, vendor: str, path: str) -> str | None:
    """Where a vendor can fetch an object of the media store.

    Args:
        studio: The studio: its media store and accounts.
        vendor: The vendor; one that is a sandbox reaches private addresses too.
        path: The object.

    Returns:
        The URL, or None if there is none that the vendor can reach.
    """
    url = studio.store.public_url(path)
    reached = url and (studio.account(vendor).sandbox or is_public_url(url))
    return url if reached else None


def publishes(studio: OpenStudio) -> frozenset[str]:
    """The vendors that can be handed a picture: by the media store's address, or by upload."""
    return frozenset(v for v in studio.accounts if v == "evolink" or address_for(studio, v, "x"))


def _fit(data: bytes, images: Images, fit: str) -> tuple[bytes, list[str]]:
    how, _, ratio = fit.partition(" ")
    kind: StillFit = "pad" if how == "pad" else "crop" if how == "crop" else "keep"
    return fit_still(
        data,
        formats=images.formats,
        max_bytes=images.max_bytes,
        min_side=images.min_side,
        max_side=images.max_side,
        aspect_ratio=ratio or None,
        fit=kind,
        alpha=images.alpha,
    )


async def probe_lora(url: str, vendor: str) -> None:
    """Look whether a LoRA's weights can be had, without loading them.

    Raises:
        InputUnreachable: If they can't.
    """
    where = urlsplit(url).netloc.rpartition("@")[2]
    probe = {"Range": "bytes=0-0"}
    try:
        async with web_client(url) as client, client.stream("GET", url, headers=probe) as answer:
            answer.raise_for_status()
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"the LoRA at {where} can't be fetched: {why_unreadable(error)}"
        step = "Its URL must serve the weights publicly."
        raise InputUnreachable(message, vendor=vendor, next_step=step) from None


async def _prove(url: str, sha256: str, vendor: str) -> None:
    """Fetch a published picture once by its public URL, before anything is claimed."""
    where = urlsplit(url).netloc.rpartition("@")[2]
    step = "Check the media store's public URL from outside."
    try:
        data = await read_web(url)
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"the picture published at {where} can't be fetched: {why_unreadable(error)}"
        raise InputUnreachable(message, vendor=vendor, next_step=step) from None
    if digest(data) != sha256:
        message = f"what {where} serves is not the picture that was published"
        raise InputUnreachable(message, vendor=vendor, next_step=step)
