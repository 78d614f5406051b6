"""Pictures: read from wherever they are, kept in the media store, handed to vendors.

The original's digest is what counts in keys. What a vendor gets is brought into its limits, with
a log line, and fetched once by its public URL before anything is claimed.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

import fsspec
import httpx
from botocore.exceptions import BotoCoreError

from prefect_videogen.capabilities import Images, Model
from prefect_videogen.errors import InputUnreachable, MediaError, StudioError, VideoGenError
from prefect_videogen.keys import digest
from prefect_videogen.media import StillFit, fit_still, inspect_still
from prefect_videogen.plan import Picture, PictureUse, Unreadable
from prefect_videogen.records import Store
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import EvolinkClient, is_private_host

logger = logging.getLogger(__name__)

LARGEST_STILL = 64 * 1024 * 1024
TIMEOUT = httpx.Timeout(20, connect=10)
MIME = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "bmp": "image/bmp"}


class Place(Protocol):
    """Where relative references start from."""

    async def read(self, reference: str) -> bytes:
        """Read a reference's bytes; any OSError or httpx error means it can't be read."""
        ...

    def absolute(self, reference: str) -> str:
        """The reference in a form that means the same everywhere."""
        ...


@dataclass(frozen=True)
class Folder:
    """References start from a storyboard file's folder: a path, s3:// or https:// address."""

    base: str

    def absolute(self, reference: str) -> str:
        """Join a relative reference to the base."""
        if _is_absolute(reference):
            return reference
        if "://" in self.base:
            scheme = urlsplit(self.base).scheme
            base = self.base.rstrip("/") + "/"
            if scheme in {"http", "https"}:
                return urljoin(base, reference)
            return base + reference
        return str(Path(self.base) / reference)

    async def read(self, reference: str) -> bytes:
        """Read a reference from disk, S3 or the web."""
        return await read_anywhere(self.absolute(reference))


@dataclass(frozen=True)
class Inbox:
    """References start from the media store's inbox, as in a form."""

    store: Store

    def absolute(self, reference: str) -> str:
        """Name the inbox, unless the reference is absolute."""
        return reference if _is_absolute(reference) else f"inbox:{reference}"

    async def read(self, reference: str) -> bytes:
        """Read a reference from the inbox, S3, the web, or an absolute path."""
        if _is_absolute(reference):
            return await read_anywhere(reference)
        data = await self.store.read(f"inbox/{reference}")
        if data is None:
            message = f"is not in the inbox of the media store {self.store.url}"
            raise FileNotFoundError(message)
        return data


def _is_absolute(reference: str) -> bool:
    return "://" in reference or Path(reference).is_absolute()


async def read_anywhere(address: str) -> bytes:
    """Read a path, file://, s3:// or https:// address, at most 64 MiB.

    Raises:
        OSError: If it can't be read.
        httpx.HTTPError: If the web does not give it.
        StudioError: For an address of another kind.
    """
    scheme = urlsplit(address).scheme if "://" in address else ""
    if scheme in {"http", "https"}:
        return await _read_web(address)
    if scheme in {"", "file"}:
        path = Path(url2pathname(urlsplit(address).path)) if scheme else Path(address)
        return await asyncio.to_thread(_read_file, path)
    if scheme == "s3":
        return await asyncio.to_thread(_read_object, address)
    message = f"{scheme}:// can't be read"
    raise StudioError(message, next_step="Use a path, s3:// or https://.")


def _read_file(path: Path) -> bytes:
    if path.stat().st_size > LARGEST_STILL:
        message = f"is larger than {LARGEST_STILL // 2**20} MiB"
        raise OSError(message)
    return path.read_bytes()


def _read_object(address: str) -> bytes:
    try:
        filesystem, path = fsspec.core.url_to_fs(address, skip_instance_cache=True)
        size = filesystem.size(path)
        data: bytes = b"" if size > LARGEST_STILL else filesystem.cat_file(path)
    except BotoCoreError as error:  # no credentials, no such endpoint
        message = f"S3 does not give it: {type(error).__name__}"
        raise OSError(message) from None
    if size > LARGEST_STILL:
        message = f"is larger than {LARGEST_STILL // 2**20} MiB"
        raise OSError(message)
    return data


async def _read_web(address: str) -> bytes:
    async with _web(address) as client, client.stream("GET", address) as answer:
        answer.raise_for_status()
        data = bytearray()
        async for chunk in answer.aiter_bytes():
            data += chunk
            if len(data) > LARGEST_STILL:
                message = f"is larger than {LARGEST_STILL // 2**20} MiB"
                raise OSError(message)
    return bytes(data)


def _web(address: str) -> httpx.AsyncClient:
    """A client for one address: https only, and no redirect from the world into this network."""
    starts_private = is_private_host(address)

    async def check(request: httpx.Request) -> None:
        url = str(request.url)
        if is_private_host(url):
            if not starts_private:
                message = "redirects to a private address"
                raise OSError(message)
        elif request.url.scheme != "https":
            message = "is not https"
            raise OSError(message)

    return httpx.AsyncClient(
        timeout=TIMEOUT, follow_redirects=True, max_redirects=3, event_hooks={"request": [check]}
    )


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
    names = list(references)
    read = await asyncio.gather(*(_read_still(name, place, store, keep=keep) for name in names))
    return dict(zip(names, read, strict=True))


async def _read_still(
    reference: str, place: Place, store: Store, *, keep: bool
) -> Still | Unreadable:
    source = f"sources/{digest(place.absolute(reference).encode())}.json"
    try:
        data = await place.read(reference)
    except (OSError, ValueError, httpx.HTTPError, httpx.InvalidURL, VideoGenError) as error:
        remembered = await store.read(source)
        if remembered is not None:
            logger.warning("%s can't be read any more; its kept copy is used", reference)
            return _from_record(json.loads(remembered))
        return Unreadable(f"can't be read: {_reason(error)}", "check the path or address")
    try:
        info = await asyncio.to_thread(inspect_still, data)
    except MediaError as error:
        return Unreadable(error.message, "use a JPEG, PNG or WebP picture")
    picture = Picture(info.sha256, info.format, info.width, info.height)
    still = Still(picture, f"stills/{info.sha256}.{info.extension}")
    if keep:
        await store.create(still.path, data)
        await store.create(source, json.dumps(_to_record(reference, still)).encode())
    return still


def _to_record(reference: str, still: Still) -> dict[str, object]:
    known = still.picture
    return {
        "reference": reference,
        "path": still.path,
        "sha256": known.sha256,
        "format": known.format,
        "width": known.width,
        "height": known.height,
    }


def _from_record(record: dict[str, object]) -> Still:
    picture = Picture(
        str(record["sha256"]),
        str(record["format"]),
        int(str(record["width"])),
        int(str(record["height"])),
    )
    return Still(picture, str(record["path"]))


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error) if isinstance(error, OSError | VideoGenError) else ""
    return text or type(error).__name__


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
    url = studio.store.public_url(path)
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
    where = urlsplit(url).netloc
    probe = {"Range": "bytes=0-0"}
    try:
        async with _web(url) as client, client.stream("GET", url, headers=probe) as answer:
            answer.raise_for_status()
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"the LoRA at {where} can't be fetched: {_reason(error)}"
        step = "Its URL must serve the weights publicly."
        raise InputUnreachable(message, vendor=vendor, next_step=step) from None


async def _prove(url: str, sha256: str, vendor: str) -> None:
    """Fetch a published picture once by its public URL, before anything is claimed."""
    where = urlsplit(url).netloc
    step = "Check the media store's public URL from outside."
    try:
        data = await _read_web(url)
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"the picture published at {where} can't be fetched: {_reason(error)}"
        raise InputUnreachable(message, vendor=vendor, next_step=step) from None
    if digest(data) != sha256:
        message = f"what {where} serves is not the picture that was published"
        raise InputUnreachable(message, vendor=vendor, next_step=step)
