"""Real clips for the media tests, written straight with PyAV and not by the code under test."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

Picture = npt.NDArray[np.uint8]
Painter = Callable[[int, int, int], Picture]
BITS = 10


def numbered(index: int, width: int, height: int) -> Picture:
    """Paint a frame that carries its own index as ten black or white blocks."""
    picture = np.full((height, width, 3), (90, 120, 150), np.uint8)
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        picture[: height // 2, left:right] = 235 if index >> bit & 1 else 16
    return picture


def number_in(picture: Picture) -> int:
    """Read the index back."""
    height, width = picture.shape[:2]
    centres = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]
    return sum(int(picture[height // 4, x].mean() > 128) << bit for bit, x in enumerate(centres))


class MakeClip(Protocol):
    """Writes a clip and returns its path."""

    def __call__(self, name: str, frames: int = 24, **options: Any) -> Path: ...


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    def make(name: str, frames: int = 24, **options: Any) -> Path:
        path = tmp_path / name
        write_clip(path, frames, **options)
        return path

    return make


@pytest.fixture
def read_number() -> Callable[[Picture], int]:
    return number_in


@pytest.fixture
def paint_number() -> Painter:
    return numbered


def write_clip(
    path: Path,
    frames: int,
    *,
    size: tuple[int, int] = (320, 180),
    fps: Fraction | int = 24,
    paint: Painter = numbered,
    sound: npt.NDArray[np.float32] | None = None,
    sound_rate: int = 48_000,
    sound_starts: Callable[[int], int] = lambda at: at,
    matrix: int = 1,
    tagged: bool = True,
    full_range: bool = False,
    b_frames: int = 3,
    display_matrix: tuple[int, ...] | None = None,
    pts: list[int] | None = None,
    pixel_aspect: Fraction | None = None,
) -> None:
    """Write a clip.

    `pts` are in thousandths of a second and make its rate variable; `sound_starts` moves sound
    blocks, given and returning samples.
    """
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "12"})
        picture.width, picture.height = size
        picture.pix_fmt = "yuv420p"
        context = picture.codec_context
        context.time_base = Fraction(1, 1000) if pts else 1 / Fraction(fps)
        context.max_b_frames = b_frames
        context.options = {"crf": "12", "bf": str(b_frames), "preset": "veryfast"}
        if pixel_aspect is not None:
            context.sample_aspect_ratio = pixel_aspect
        if tagged:
            context.colorspace = matrix
            context.color_primaries = context.color_trc = matrix
            context.color_range = 2 if full_range else 1
        if display_matrix is not None:
            picture.set_display_matrix(display_matrix)
        track = None
        layout = "stereo"
        if sound is not None:
            layout = "mono" if len(sound) == 1 else "stereo"
            track = container.add_stream("aac", rate=sound_rate)
            track.layout, track.format = layout, "fltp"
        for index in range(frames):
            rgb = VideoFrame.from_ndarray(paint(index, *size), format="rgb24")
            frame = rgb.reformat(
                format="yuv420p",
                dst_colorspace=matrix,
                dst_color_range=2 if full_range else 1,
            )
            frame.pts = pts[index] if pts else index
            frame.time_base = context.time_base
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if track is None or sound is None:
            return
        for at in range(0, sound.shape[1], 1024):
            block = np.ascontiguousarray(sound[:, at : at + 1024])
            heard = AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            heard.sample_rate, heard.pts = sound_rate, sound_starts(at)
            heard.time_base = Fraction(1, sound_rate)
            container.mux(track.encode(heard))
        container.mux(track.encode(None))


def read_sound(path: Path) -> npt.NDArray[np.float32]:
    """Decode the sound track to an array of (channels, samples)."""
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(blocks, axis=1).astype(np.float32)


@pytest.fixture
def sound_of() -> Callable[[Path], npt.NDArray[np.float32]]:
    return read_sound
