"""Pictures on their way to a vendor: what they are, and how to make them acceptable.

Promises the original bytes where they will do, and otherwise the least loss that fits the
vendor's limits, with a sentence for each change. Leaves fetching and publishing to others.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Literal

import numpy as np
from PIL import Image, ImageCms, ImageOps
from PIL.ImageFile import ImageFile
from pydantic import BaseModel, ConfigDict

from prefect_videogen.capabilities.sizes import Size, allowed_size, has_shape, shaped_size
from prefect_videogen.errors import MediaError
from prefect_videogen.media.containers import looks_like

StillFit = Literal["crop", "pad", "keep"]

# A hundred megapixels take 300 MB as RGB; no vendor takes more than 64.
MAX_PIXELS = 80_000_000

# The hand-over measurements hold for 95 and 4:4:4; less only where the size limit forces it.
JPEG_QUALITIES = (97, 95, 92, 89, 85, 80, 75)
_SHRINK = Fraction(17, 20)
_SMALLEST_SIDE = 64

_BLACK = (0, 0, 0)
_EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}
_SYNONYMS = {"jpg": "jpeg", "mpo": "jpeg", "tif": "tiff"}
_ORIENTATION_TAG = 0x0112
_UPRIGHT = 1

# What Pillow raises for bytes that it can't make sense of, depending on the format.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, RuntimeError)


class StillInfo(BaseModel):
    """What a picture file holds.

    Attributes:
        sha256: Digest of the bytes, in hex.
        format: `jpeg`, `png`, `webp`, `bmp`, `gif` or another of Pillow's names in lower case.
        width: Width in pixels as shown, with the EXIF orientation applied.
        height: Height in pixels as shown.
        has_alpha: Whether it can be transparent.
        size_bytes: Number of bytes.
        extension: File name extension without a dot, such as `jpg`.
    """

    model_config = ConfigDict(frozen=True)

    sha256: str
    format: str
    width: int
    height: int
    has_alpha: bool
    size_bytes: int
    extension: str


def inspect_still(data: bytes) -> StillInfo:
    """Read what a picture file holds, decoding it once to see that all of it is there.

    Args:
        data: The bytes of the file.

    Returns:
        The facts.

    Raises:
        MediaError: Not a picture, of more than 80 megapixels, or cut off.
    """
    with _opened(data) as image:
        info = _info(image, data)
        # A JPEG made an eighth as large is read to its end too, in a quarter of the time.
        image.draft(None, (max(image.width // 8, 1), max(image.height // 8, 1)))
        image.load()
        return info


@dataclass(frozen=True)
class _Limits:
    formats: frozenset[str]
    max_bytes: int
    min_side: int
    max_side: int | None
    shape: Fraction | None
    fit: StillFit
    alpha: bool


def fit_still(
    data: bytes,
    *,
    formats: Collection[str],
    max_bytes: int,
    min_side: int | None = None,
    max_side: int | None = None,
    aspect_ratio: str | None = None,
    fit: StillFit = "crop",
    alpha: bool = True,
) -> tuple[bytes, list[str]]:
    """Make a picture acceptable to a model, changing as little as possible.

    Where it is changed, transparent parts become black, the orientation its camera noted is
    applied, an embedded colour profile is converted to sRGB and metadata is dropped. The
    result is a PNG where that is allowed and small enough, else a JPEG in 4:4:4 of quality 97
    or, only where the limit forces it, less.

    Args:
        data: The bytes of the picture.
        formats: What the model takes: `png`, `jpeg` (or `jpg`), `webp`, ...
        max_bytes: Largest file it takes, in bytes.
        min_side: Fewest pixels of the shorter side, or None.
        max_side: Most pixels of the longer side, or None.
        aspect_ratio: Shape wanted, such as `16:9`, or None. 1 % off counts as right.
        fit: How to reach it: `crop` cuts evenly, `pad` adds black bars, `keep` leaves the shape.
        alpha: Whether the model takes pictures with an alpha channel.

    Returns:
        The bytes, and a plain sentence per change; the original and no sentence if it will do.

    Raises:
        MediaError: Not a picture, the limits contradict each other, or nothing fits them.
    """
    limits = _Limits(
        formats=frozenset(_SYNONYMS.get(name.lower(), name.lower()) for name in formats),
        max_bytes=max_bytes,
        min_side=min_side or 1,
        max_side=max_side,
        shape=_shape(aspect_ratio) if aspect_ratio and fit != "keep" else None,
        fit=fit,
        alpha=alpha,
    )
    with _opened(data) as image:
        info = _info(image, data)
        changes = list(_needed(info, image, limits))
        if not changes:
            return data, []
        picture = plain(image)
    picture, reshaped = _reshape(picture, limits)
    encoded, kind = _encode(picture, limits)
    return encoded, [*changes, *reshaped, kind]


@contextmanager
def _opened(data: bytes) -> Iterator[ImageFile]:
    try:
        image = Image.open(io.BytesIO(data))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large("an enormous size") from error
    except _BROKEN as error:
        raise MediaError(
            f"This is not a picture that can be read: it looks like {looks_like(data[:64])}.",
            next_step="Give a JPEG, PNG or WebP; if it was downloaded, look at what came.",
        ) from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(f"{image.width}x{image.height}")
    try:
        with image:
            yield image
    except _BROKEN as error:
        raise MediaError(
            "The picture is cut off or damaged: it can't be decoded to its end.",
            next_step="Save or fetch it again.",
        ) from error


def _too_large(size: str) -> MediaError:
    return MediaError(
        f"The picture claims {size}; more than {MAX_PIXELS // 1_000_000} megapixels are refused.",
        next_step="Scale it down first.",
    )


def _info(image: ImageFile, data: bytes) -> StillInfo:
    name = (image.format or "unknown").lower()
    name = _SYNONYMS.get(name, name)
    # EXIF orientations from 5 on lie on their side.
    sideways = _orientation(image) > 4  # noqa: PLR2004
    width, height = (image.height, image.width) if sideways else image.size
    return StillInfo(
        sha256=hashlib.sha256(data).hexdigest(),
        format=name,
        width=width,
        height=height,
        has_alpha=image.has_transparency_data,
        size_bytes=len(data),
        extension=_EXTENSIONS.get(name, name),
    )


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(_ORIENTATION_TAG, _UPRIGHT)
    return value if isinstance(value, int) else _UPRIGHT


def _needed(info: StillInfo, image: ImageFile, limits: _Limits) -> Iterator[str]:
    size = f"{info.width}x{info.height}"
    if info.format not in limits.formats:
        yield f"{info.format} is not accepted ({', '.join(sorted(limits.formats))} are)"
    if info.size_bytes > limits.max_bytes:
        yield f"{info.size_bytes} bytes are over the limit of {limits.max_bytes}"
    if min(info.width, info.height) < limits.min_side:
        yield f"{size} is under the least side of {limits.min_side} pixels"
    if limits.max_side and max(info.width, info.height) > limits.max_side:
        yield f"{size} is over the greatest side of {limits.max_side} pixels"
    if limits.shape and not has_shape((info.width, info.height), limits.shape):
        yield f"{size} is not {limits.shape.numerator}:{limits.shape.denominator}"
    if _orientation(image) != _UPRIGHT:
        yield "the camera's orientation mark is not read by every model"
    if info.has_alpha and not limits.alpha:
        yield "transparency is not accepted"


def _shape(aspect_ratio: str) -> Fraction:
    try:
        width, height = (int(side) for side in aspect_ratio.split(":"))
        shape = Fraction(width, height)
    except (ValueError, ZeroDivisionError) as error:
        raise MediaError(
            f"{aspect_ratio!r} is not an aspect ratio.", next_step="Write it like 16:9."
        ) from error
    if shape <= 0:
        raise MediaError(
            f"{aspect_ratio!r} is not an aspect ratio.", next_step="Write it like 16:9."
        )
    return shape


def plain(image: ImageFile) -> Image.Image:
    """Decode a picture as it is meant to be seen.

    Args:
        image: An opened picture.

    Returns:
        Upright, 8 bit sRGB, black where it was transparent.
    """
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(_eight_bit(image))
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        upright = Image.new("RGB", layer.size, _BLACK)
        upright.paste(layer, mask=layer.getchannel("A"))
    if profile:
        upright = _to_srgb(upright, profile)
    decoded = upright.convert("RGB")
    # Pillow would write the old profile and comments into the new file.
    decoded.info.clear()
    return decoded


def _eight_bit(image: Image.Image) -> Image.Image:
    # Pillow clips 16 bit greys at 255 instead of scaling them: all white.
    if not image.mode.startswith("I"):
        return image
    levels = np.asarray(image, dtype=np.float64) / 257
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        # A broken or mismatched profile is what viewers ignore as well.
        return image
    return converted or image


def _reshape(picture: Image.Image, limits: _Limits) -> tuple[Image.Image, list[str]]:
    width, height = picture.size
    changes: list[str] = []
    if limits.shape and not has_shape(picture.size, limits.shape):
        picture = _to_shape(picture, limits.shape, limits.fit)
        verb = "cropped" if limits.fit == "crop" else "padded with black"
        changes.append(f"{verb} from {width}x{height} to {picture.width}x{picture.height}")
    size = _size_within(picture.size, limits)
    if size != picture.size:
        changes.append(f"scaled from {picture.width}x{picture.height} to {size[0]}x{size[1]}")
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return picture, changes


def _to_shape(picture: Image.Image, shape: Fraction, fit: StillFit) -> Image.Image:
    width, height = picture.size
    new = shaped_size(picture.size, shape, pad=fit == "pad")
    left, top = (width - new[0]) // 2, (height - new[1]) // 2
    if fit == "crop":
        return picture.crop((left, top, left + new[0], top + new[1]))
    padded = Image.new("RGB", new, _BLACK)
    padded.paste(picture, (-left, -top))
    return padded


def _size_within(size: Size, limits: _Limits) -> Size:
    new = allowed_size(size, limits.min_side, limits.max_side)
    if new is None:
        raise MediaError(
            f"A picture of {size[0]}x{size[1]} can't have sides from {limits.min_side} to"
            f" {limits.max_side} pixels without changing its shape.",
            next_step="Crop it, or set picture_fit to crop or pad.",
        )
    return new


def _encode(picture: Image.Image, limits: _Limits) -> tuple[bytes, str]:
    if "png" in limits.formats:
        encoded = _saved(picture, "PNG", compress_level=6)
        if len(encoded) <= limits.max_bytes:
            return encoded, "written as PNG"
    for size, quality in _attempts(picture.size, limits):
        scaled = picture
        if size != picture.size:
            scaled = picture.resize(size, Image.Resampling.LANCZOS)
        encoded, name = _lossy(scaled, quality, limits)
        if len(encoded) <= limits.max_bytes:
            smaller = "" if size == picture.size else f", scaled to {size[0]}x{size[1]} to fit"
            return encoded, f"written as {name} of quality {quality}{smaller}"
    raise MediaError(
        f"The picture can't be brought under {limits.max_bytes} bytes in any of"
        f" {', '.join(sorted(limits.formats))}.",
        next_step="Use another model, or a picture with less detail.",
    )


def _attempts(size: Size, limits: _Limits) -> Iterator[tuple[Size, int]]:
    """Quality first, then size: the model scales the picture anyway."""
    if not limits.formats & {"jpeg", "webp"}:
        return
    for quality in JPEG_QUALITIES:
        yield size, quality
    factor = _SHRINK
    while ceil(min(size) * factor) >= max(limits.min_side, _SMALLEST_SIDE):
        yield (max(ceil(size[0] * factor), 1), max(ceil(size[1] * factor), 1)), JPEG_QUALITIES[-1]
        factor *= _SHRINK


def _lossy(picture: Image.Image, quality: int, limits: _Limits) -> tuple[bytes, str]:
    if "jpeg" in limits.formats:
        return _saved(picture, "JPEG", quality=quality, subsampling=0), "JPEG"
    return _saved(picture, "WEBP", quality=quality, method=4), "WebP"


def _saved(picture: Image.Image, kind: str, **options: int | bool) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()
