"""The emulator's clips: real MP4s that start, and where asked end, on the pictures given.

Promises exactly seconds x fps frames, the same bytes for the same request, and speed: pictures are
turned into YUV planes once and every frame is cut or mixed from those planes by numpy.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from PIL import Image, ImageDraw, ImageFont, ImageOps

from prefect_videogen.media import SOUND_RATE, VideoWriter, colour
from prefect_videogen.media.encode import Preset

Plane = npt.NDArray[np.uint8]
Size = tuple[int, int]

# 120 frames of 720p in 1.5 s on one core, 42 dB, and with B-frames, as vendors' clips have them:
# they are what makes finding the last frame hard.
PRESET: Preset = "superfast"
CRF = 18
# Small frames are cheap, and fine detail in them costs more quality.
SMALL_CRF = 8
SMALL_PIXELS = 320 * 180

LEAST_SIDE = 16
MOST_SIDE = 4096
PUSH_IN = 0.08
WORDS = 6


@dataclass(frozen=True)
class Scene:
    """Everything a clip depends on.

    Attributes:
        prompt: Chooses the colours of a clip without pictures; its first words are drawn.
        look: What else makes one request differ from another (model, seed, style, ...).
        seconds: Length of the clip.
        fps: Frames a second.
        short_side: The resolution: 720 for 720p.
        ratio: Width over height of a clip without pictures.
        scale: Shrinks the clip, for quick tests.
        sound: Whether it has a sound track.
        pictures: The first frame, or first and last, as encoded files.
    """

    prompt: str
    look: str
    seconds: int
    fps: int
    short_side: int
    ratio: float
    scale: float
    sound: bool
    pictures: tuple[bytes, ...] = ()

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.seconds * self.fps

    def digest(self) -> str:
        """Name the scene: equal scenes have equal clips."""
        known = hashlib.sha256(
            repr((
                self.prompt, self.look, self.seconds, self.fps, self.short_side, self.ratio,
                self.scale, self.sound,
            )).encode()
        )  # fmt: skip
        for picture in self.pictures:
            known.update(hashlib.sha256(picture).digest())
        return known.hexdigest()


def frame_size(short_side: int, ratio: float, scale: float = 1.0) -> Size:
    """Find the size of a clip.

    Args:
        short_side: The resolution: 720 for 720p.
        ratio: Width over height.
        scale: Shrinks it.

    Returns:
        Width and height in pixels, both even: 480 at 16:9 gives 854x480.
    """
    long_side = min(short_side * max(ratio, 1 / ratio), MOST_SIDE)
    short = long_side / max(ratio, 1 / ratio)
    sides = (long_side, short) if ratio >= 1 else (short, long_side)
    width, height = (max(2 * round(side * scale / 2), LEAST_SIDE) for side in sides)
    return width, height


class Dropped(Exception):
    """Nobody wants the clip any more."""


def render(scene: Scene, path: Path, dropped: Callable[[], bool] = lambda: False) -> None:
    """Make a clip.

    Args:
        scene: What it shows.
        path: Where it goes; it appears there whole or not at all.
        dropped: Asked at every frame whether to give up.

    Raises:
        Dropped: It was given up.
        MediaError: The clip can't be written.
    """
    pictures = [open_picture(data) for data in scene.pictures]
    ratio = pictures[0].width / pictures[0].height if pictures else scene.ratio
    size = frame_size(scene.short_side, ratio, scene.scale)
    width, height = size
    crf = SMALL_CRF if width * height <= SMALL_PIXELS else CRF
    with VideoWriter(
        path, width, height, scene.fps, sound=scene.sound, preset=PRESET, crf=crf
    ) as writer:
        for planes in _frames(scene, pictures, size):
            if dropped():
                raise Dropped
            writer.write_frame(planes.frame())
        if scene.sound:
            writer.write_sound(tone(scene))


def open_picture(data: bytes) -> Image.Image:
    """Decode a picture the way it is meant to be seen: turned upright, without transparency."""
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            black = Image.new("RGBA", upright.size, "black")
            return Image.alpha_composite(black, upright.convert("RGBA")).convert("RGB")
        return upright.convert("RGB")


def tone(scene: Scene) -> npt.NDArray[np.float32]:
    """Make a soft chord as long as the clip, its pitch chosen by the prompt.

    Args:
        scene: The clip.

    Returns:
        Array of (2, samples), 48 kHz, well below full scale, silent at both ends.
    """
    samples = scene.frames * SOUND_RATE // scene.fps
    time = np.arange(samples) / SOUND_RATE
    root = 110.0 * 2 ** (_digest(scene)[0] % 12 / 12)
    fade = np.clip(np.minimum(time, time[-1] - time) / 0.25, 0, 1)
    left = np.sin(2 * math.pi * root * time) + 0.5 * np.sin(3 * math.pi * root * time)
    right = np.sin(2 * math.pi * root * time) + 0.5 * np.sin(2.5 * math.pi * root * time)
    return cast("npt.NDArray[np.float32]", (0.06 * fade * np.stack([left, right])).astype("f4"))


class Planes(NamedTuple):
    """A picture as the encoder wants it: luma, and both chroma at half the size."""

    luma: Plane
    blue: Plane
    red: Plane

    @classmethod
    def of(cls, image: Image.Image) -> Planes:
        """Convert an RGB picture of even size, with the film's matrix and range."""
        width, height = image.size
        film = colour.Converter().to_film(colour.from_rgb(np.asarray(image)))
        flat = cast("Plane", film.to_ndarray()).reshape(-1)
        half = (height // 2, width // 2)
        luma, chroma = width * height, width * height // 4
        return cls(
            flat[:luma].reshape(height, width),
            flat[luma : luma + chroma].reshape(half),
            flat[luma + chroma :].reshape(half),
        )

    def frame(self) -> VideoFrame:
        """Pack the planes into a frame that the writer takes without converting it."""
        height, width = self.luma.shape
        packed = np.concatenate([plane.reshape(-1) for plane in self])
        packed = packed.reshape(height * 3 // 2, width)
        return colour.tag_film(VideoFrame.from_ndarray(packed, format="yuv420p"))

    def copy(self) -> Planes:
        """Copy the planes, to draw on them."""
        return Planes(*(plane.copy() for plane in self))


class Sprite(NamedTuple):
    """A small picture with transparency (0 to 256 per sample), to be laid onto planes."""

    planes: Planes
    opacity: tuple[npt.NDArray[np.int32], ...]

    @classmethod
    def of(cls, image: Image.Image) -> Sprite:
        """Convert an RGBA picture of even size."""
        alpha = image.getchannel("A")
        half = alpha.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        full, small = (np.asarray(mask).astype(np.int32) * 256 // 255 for mask in (alpha, half))
        return cls(Planes.of(image.convert("RGB")), (full, small, small))

    def onto(self, target: Planes, left: int, top: int) -> None:
        """Draw it at an even place that lies wholly inside the target."""
        for step, below, above, opacity in zip(
            (1, 2, 2), target, self.planes, self.opacity, strict=True
        ):
            height, width = above.shape
            window = below[top // step :, left // step :][:height, :width]
            mixed = window + ((above.astype(np.int32) - window) * opacity >> 8)
            window[:] = mixed.astype(np.uint8)


def _frames(scene: Scene, pictures: list[Image.Image], size: Size) -> Iterator[Planes]:
    count = scene.frames
    steps = [index / max(count - 1, 1) for index in range(count)]
    if not pictures:
        yield from _drawn(scene, size, steps)
    elif len(pictures) == 1:
        yield from _pushed_in(scene, pictures[0], size, steps)
    else:
        yield from _dissolved(pictures[0], pictures[-1], size, steps)


def _pushed_in(
    scene: Scene, picture: Image.Image, size: Size, steps: list[float]
) -> Iterator[Planes]:
    """Move slowly into the picture, starting exactly on it, to where another wish does not."""
    across, down = (0.25 + byte / 510 for byte in _digest(scene)[:2])
    yield Planes.of(_fitted(picture, size))
    # Picking whole samples from twice the size moves in half pixels, which looks smooth, and
    # costs a fifth of interpolating every frame.
    doubled = Planes.of(_fitted(picture, (2 * size[0], 2 * size[1])))
    for step in steps[1:]:
        share = 1 - PUSH_IN * step
        yield Planes(*(_window(plane, share, (down, across)) for plane in doubled))


def _window(plane: Plane, share: float, focus: tuple[float, float]) -> Plane:
    rows, columns = (
        (((np.arange(side // 2) + 0.5) * 2 / side - centre) * share + centre) * side
        for side, centre in zip(plane.shape, focus, strict=True)
    )
    picked = plane[rows.astype(np.intp)].take(columns.astype(np.intp), axis=1)
    return cast("Plane", picked)


def _dissolved(
    first: Image.Image, last: Image.Image, size: Size, steps: list[float]
) -> Iterator[Planes]:
    """Go from the first picture, exactly, to the last one, exactly."""
    begin, end = (Planes.of(_fitted(picture, size)) for picture in (first, last))
    for step in steps:
        weight = round(256 * step * step * (3 - 2 * step))
        yield Planes(*(_mixed(a, b, weight) for a, b in zip(begin, end, strict=True)))


def _mixed(begin: Plane, end: Plane, weight: int) -> Plane:
    mixed = begin * np.uint16(256 - weight)
    mixed += end * np.uint16(weight)
    return cast("Plane", (mixed >> 8).astype(np.uint8))


def _drawn(scene: Scene, size: Size, steps: list[float]) -> Iterator[Planes]:
    """Let a gradient drift by, with a moving disc and the first words of the prompt."""
    width, height = size
    digest = _digest(scene)
    slack = (2 * (width // 8), 2 * (height // 8))
    scenery = Planes.of(_gradient(digest, (width + slack[0], height + slack[1])))
    disc = Sprite.of(_disc(digest, _even(height / 3)))
    words = Sprite.of(_words(scene.prompt, size))
    corner = (_even((width - words.planes.luma.shape[1]) / 2), _even(height * 0.78))
    room = (width - disc.planes.luma.shape[1], height - disc.planes.luma.shape[0])
    phase = digest[1] / 40
    for step in steps:
        moved = (_even(slack[0] * step), _even(slack[1] * (1 - step)))
        planes = Planes(*map(partial(_cut, size=size, moved=moved), scenery, (1, 2, 2))).copy()
        place = [
            _even(side * (0.5 + 0.5 * wave(phase + 4 * step)))
            for side, wave in zip(room, (math.sin, math.cos), strict=True)
        ]
        disc.onto(planes, *(min(value, side) for value, side in zip(place, room, strict=True)))
        words.onto(planes, *corner)
        yield planes


def _cut(plane: Plane, step: int, *, size: Size, moved: Size) -> Plane:
    left, top = moved[0] // step, moved[1] // step
    return plane[top : top + size[1] // step, left : left + size[0] // step]


def _gradient(digest: bytes, size: Size) -> Image.Image:
    colours = [
        [(40 + value * 3 // 5) for value in digest[index : index + 3]] for index in (2, 5, 8)
    ]
    corners = np.array([[colours[0], colours[1]], [colours[1], colours[2]]], np.uint8)
    return Image.fromarray(corners).resize(size, Image.Resampling.BICUBIC)


def _disc(digest: bytes, side: int) -> Image.Image:
    image = Image.new("RGBA", (4 * side, 4 * side), (*digest[11:14], 0))
    inset = side // 8
    ImageDraw.Draw(image).ellipse(
        (inset, inset, 4 * side - inset, 4 * side - inset), fill=(*digest[11:14], 220)
    )
    return image.resize((side, side), Image.Resampling.BOX)


def _words(prompt: str, size: Size) -> Image.Image:
    width, height = size
    text = " ".join(prompt.split()[:WORDS])
    image = Image.new("RGBA", (_even(width * 0.9), _even(height * 0.12)), (255, 255, 255, 0))
    font = ImageFont.load_default(max(image.height * 0.6, 6))
    draw = ImageDraw.Draw(image)
    while text and draw.textlength(text, font) > image.width:
        text = text[:-1]
    middle = (image.width / 2, image.height / 2)
    draw.text(middle, text, font=font, fill=(255, 255, 255, 235), anchor="mm")
    return image


def _fitted(picture: Image.Image, size: Size) -> Image.Image:
    """Fill the size, cutting off what hangs over; the picture itself if it fits already."""
    if picture.size == size:
        return picture
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _digest(scene: Scene) -> bytes:
    return hashlib.sha256(f"{scene.prompt}\n{scene.look}".encode()).digest()


def _even(value: float) -> int:
    return 2 * int(value / 2)
