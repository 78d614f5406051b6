"""Fetching what a submission points at: pictures and LoRA weights, over real HTTP.

A picture that can't be fetched or read ends the job, not the submission, as the vendors do it.
Sizes and times are bounded; with `strict` private addresses are refused, redirects included.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import io
import ssl
from urllib.parse import urljoin, urlsplit

import httpx
from PIL import Image, UnidentifiedImageError

from prefect_videogen.capabilities import Images
from prefect_videogen.emulator.checks import host_of, is_private, leads_inside
from prefect_videogen.emulator.ledger import JobEnds, Picture
from prefect_videogen.emulator.world import World

FETCH_SECONDS = 15.0
MOST_REDIRECTS = 3
_SIDEWAYS = {5, 6, 7, 8}  # EXIF orientations that swap width and height
_ORIENTATION_TAG = 0x0112
_FORMATS = {"jpg": "jpeg", "mpo": "jpeg"}


@functools.cache
def tls() -> ssl.SSLContext:
    """Load the certificates once: it takes longer than all else an emulator does to start."""
    return httpx.create_ssl_context()


class Unreachable(Exception):
    """A URL gives nothing usable; the text says why."""


class Fetcher:
    """Fetches for all jobs of one emulator; close it at the end.

    Args:
        world: The emulator's shared state.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._clients: dict[bool, httpx.AsyncClient] = {}

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    async def picture(self, url: str, rules: Images) -> Picture:
        """Fetch a picture and check it against a model's rules.

        Args:
            url: Where it is.
            rules: What pictures the model takes.

        Returns:
            The picture.

        Raises:
            JobEnds: It can't be had, is no picture, or breaks a rule.
        """
        try:
            data = await self.read(url, most=rules.max_bytes)
        except Unreachable as error:
            raise JobEnds("picture", f"Cannot download image {url}: {error}") from None
        if len(data) > rules.max_bytes:
            mib = rules.max_bytes // 2**20
            raise JobEnds("picture-bytes", f"Image {url} is larger than {mib} MB")
        try:
            picture = await asyncio.to_thread(inspect, url, data)
        except Unreachable as error:
            raise JobEnds("picture", f"{url}: {error}") from None
        _check(picture, rules)
        return picture

    async def lora(self, url: str) -> None:
        """See whether LoRA weights can be had; only the answer's head is awaited.

        Args:
            url: Where they are.

        Raises:
            JobEnds: They can't be had.
        """
        try:
            await self.read(url, most=0)
        except Unreachable as error:
            raise JobEnds("lora", f"Cannot download LoRA {url}: {error}") from None

    async def read(self, url: str, *, most: int) -> bytes:
        """Read a public URL, following a few redirects.

        Args:
            url: Where to read.
            most: Stop after this many bytes and one more.

        Returns:
            The bytes; longer than `most` if there was more.

        Raises:
            Unreachable: It does not answer 200 in time, or is not a URL at all.
        """
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                return await self._follow(url, most)
        except TimeoutError:
            message = f"no answer within {FETCH_SECONDS:g} s"
            raise Unreachable(message) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unreachable(str(error) or type(error).__name__) from None

    async def _follow(self, url: str, most: int) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            await self._check_address(url)
            async with self._client(url).stream("GET", url) as answer:
                if answer.has_redirect_location:
                    url = urljoin(url, answer.headers["location"])
                    continue
                if answer.status_code != httpx.codes.OK:
                    message = f"HTTP {answer.status_code}"
                    raise Unreachable(message)
                data = bytearray()
                if most == 0:
                    return bytes(data)
                async for chunk in answer.aiter_bytes():
                    data += chunk
                    if len(data) > most:
                        break
                return bytes(data)
        message = "too many redirects"
        raise Unreachable(message)

    async def _check_address(self, url: str) -> None:
        host = host_of(url)
        if urlsplit(url).scheme not in {"http", "https"} or not host.strip("."):
            message = "not a URL"
            raise Unreachable(message)
        # What was uploaded here is the vendor's own file, wherever the emulator happens to run.
        own = url.startswith(f"{self._world.base_url}/files/")
        if self._world.settings.strict and not own and await leads_inside(host):
            message = "private address"
            raise Unreachable(message)

    def _client(self, url: str) -> httpx.AsyncClient:
        # A proxy from the environment is right for the outside and wrong for this machine.
        outside = not is_private(host_of(url))
        if outside not in self._clients:
            self._clients[outside] = httpx.AsyncClient(
                verify=tls(),
                trust_env=outside,
                timeout=FETCH_SECONDS,
                headers={"accept": "image/*, */*"},
            )
        return self._clients[outside]


def inspect(url: str, data: bytes) -> Picture:
    """Decode a picture, to be sure that it is one.

    Args:
        url: Where it came from.
        data: The file.

    Returns:
        What it holds.

    Raises:
        Unreachable: It is not a picture.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            sideways = image.getexif().get(_ORIENTATION_TAG) in _SIDEWAYS
            kind = (image.format or "").lower()
            return Picture(
                url=url,
                sha256=hashlib.sha256(data).hexdigest(),
                data=data,
                format=_FORMATS.get(kind, kind),
                size=image.size[::-1] if sideways else image.size,
                alpha=image.has_transparency_data,
            )
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        message = f"not a picture ({error})"
        raise Unreachable(message) from None
    except Image.DecompressionBombError:
        message = "too many pixels"
        raise Unreachable(message) from None


def _check(picture: Picture, rules: Images) -> None:
    if picture.format not in rules.formats:
        known = ", ".join(rules.formats)
        raise JobEnds("picture-format", f"Unsupported format {picture.format}, use {known}")
    if picture.alpha and not rules.alpha:
        raise JobEnds("picture-format", "Images with an alpha channel are not supported")
    least, most = rules.min_side or 0, rules.max_side or max(picture.size)
    if min(picture.size) < least or max(picture.size) > most:
        width, height = picture.size
        raise JobEnds(
            "picture-sides", f"Image is {width}x{height}, sides must be {least} to {most} pixels"
        )
