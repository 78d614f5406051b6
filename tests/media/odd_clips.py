"""Clips as odd as vendors, phones and editors make them, each with what it really shows.

Every frame carries its number in black and white blocks, so that a wrong one can't pass for
the right one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.video.frame import VideoFrame

Picture = npt.NDArray[np.uint8]
Painter = Callable[[int, int, int], Picture]
Maker = Callable[..., Path]

SIZE = (320, 180)
# What a phone held upright writes: turn the stored picture clockwise by 90 degrees.
CLOCKWISE = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
# What a phone's front camera writes, and the same upside down.
MIRRORED = (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
UPSIDE_DOWN_MIRRORED = (65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30)
MIRRORED_CLOCKWISE = (0, 65536, 0, 65536, 0, 0, 0, 0, 1 << 30)
# Milliseconds at which a clip of variable rate shows its frames: 7.6 a second on average.
VARIABLE = [0, 100, 200, 280, 400, 640, 800, 920]


@dataclass(frozen=True)
class Odd:
    """One odd clip.

    Attributes:
        name: What is odd about it.
        options: How to make it; see the `make_clip` fixture.
        numbers: The frames it shows, by what they carry.
        film_frames: Frames of a film of it, at the usual rate next to its own; 0: as many.
        special: Makes it in another way than `make_clip` does.
        turns: How often what was painted is turned by 90 degrees counter-clockwise when shown.
        mirrored: Whether what was painted is turned upside down before that, as in a mirror.
        painted: Size of the pictures as shown before turning.
        suffix: Its container.
    """

    name: str
    options: dict[str, Any]
    numbers: Sequence[int] = range(24)
    film_frames: int = 0
    special: Callable[[Path, Painter], None] | None = None
    turns: int = 0
    mirrored: bool = False
    painted: tuple[int, int] = SIZE
    suffix: str = "mp4"

    def make(self, folder: Path, make_clip: Maker, paint: Painter) -> Path:
        """Write the clip."""
        file = f"odd.{self.suffix}"
        if self.special is None:
            return make_clip(file, len(self.numbers), **self.options)
        self.special(folder / file, paint)
        return folder / file

    def last(self, paint: Painter) -> Picture:
        """Paint its last frame as it has to be shown."""
        stored = paint(self.numbers[-1], *self.painted)
        upside = stored[::-1] if self.mirrored else stored
        return np.ascontiguousarray(np.rot90(upside, self.turns))

    def as_painted(self, shown: Picture) -> Picture:
        """Turn a picture back to how it was painted."""
        turned = np.rot90(shown, -self.turns)
        return turned[::-1] if self.mirrored else turned


def silence(seconds: float, rate: int = 48_000, channels: int = 2) -> npt.NDArray[np.float32]:
    return np.zeros((channels, round(seconds * rate)), np.float32)


def write_frames(
    path: Path,
    frames: Sequence[tuple[int, Picture]],
    *,
    pix_fmt: str = "yuv420p",
    x264: str = "",
    tick: Fraction = Fraction(1, 24),
) -> None:
    """Write BT.709 pictures at given ticks with x264, in any of its pixel formats."""
    height, width = frames[0][1].shape[:2]
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=Fraction(24))
        track.width, track.height, track.pix_fmt = width, height, pix_fmt
        context = track.codec_context
        context.time_base = tick
        context.options = {"crf": "12", "preset": "veryfast", "x264-params": x264}
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        for pts, picture in frames:
            frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format=pix_fmt, dst_colorspace=1, dst_color_range=1
            )
            frame.pts, frame.time_base = pts, tick
            container.mux(track.encode(frame))
        container.mux(track.encode(None))


def write_untagged(path: Path, picture: Picture, frames: int, *, matrix: str, crf: int) -> None:
    """Write a still clip without a colour tag, its levels right for a matrix (FFmpeg's name)."""
    height, width = picture.shape[:2]
    graph = Graph()
    source = graph.add(
        "buffer",
        f"video_size={width}x{height}:pix_fmt=rgb24:time_base=1/24:colorspace=gbr:range=pc",
    )
    flags = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
    to = f"out_color_matrix={matrix}:out_range=tv:out_chroma_loc=left:flags={flags}"
    shape = graph.add("format", "pix_fmts=yuv420p")
    graph.link_nodes(source, graph.add("scale", to), shape, graph.add("buffersink")).configure()
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=24, options={"crf": str(crf)})
        track.width, track.height, track.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.colorspace, frame.color_range = 0, 2
            frame.pts, frame.time_base = index, Fraction(1, 24)
            graph.vpush(frame)
            untagged = graph.vpull()
            untagged.colorspace, untagged.color_range = 2, 0
            container.mux(track.encode(untagged))
        container.mux(track.encode(None))


def ten_bit(path: Path, paint: Painter) -> None:
    frames = [(n, paint(n, *SIZE)) for n in range(24)]
    write_frames(path, frames, pix_fmt="yuv420p10le")


def open_gop(path: Path, paint: Painter) -> None:
    """Write groups of eight whose first frames shown refer to the group before."""
    frames = [(n, paint(n, *SIZE)) for n in range(24)]
    write_frames(path, frames, x264="keyint=8:min-keyint=8:open-gop=1:bframes=3:scenecut=0")


def late_start(path: Path, paint: Painter) -> None:
    """Write a picture that begins half a second into the file."""
    write_frames(path, [(n + 12, paint(n, *SIZE)) for n in range(24)])


def edit_list(path: Path, paint: Painter) -> None:
    """Write 24 frames of which an edit list shows numbers 4 to 19, as a phone trims."""
    frames = [(n, paint(n, *SIZE)) for n in range(24)]
    write_frames(path, frames, x264="bframes=2")
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 4 + 8
    timescale = struct.unpack_from(">I", data, data.index(b"mdhd") + 4 + 12)[0]
    movie = struct.unpack_from(">I", data, data.index(b"mvhd") + 4 + 12)[0]
    media_time = struct.unpack_from(">i", data, entry + 4)[0]
    struct.pack_into(">Ii", data, entry, 16 * movie // 24, media_time + 4 * timescale // 24)
    path.write_bytes(data)


ODD_CLIPS = (
    Odd("no sound and no reordering", {"b_frames": 0}),
    Odd("three B-frames", {"b_frames": 3}),
    Odd("open groups of pictures", {}, special=open_gop),
    Odd("sound longer than picture", {"sound": silence(3)}),
    Odd("sound shorter than picture", {"sound": silence(0.4)}),
    Odd("mono sound at 44.1 kHz", {"sound": silence(1, 44_100, 1), "sound_rate": 44_100}),
    # Its header holds the last frame for 240 ms, so that it lasts 1.16 s: 9 frames of 1/8 s.
    Odd("variable rate", {"pts": VARIABLE}, numbers=range(len(VARIABLE)), film_frames=9),
    Odd("one frame", {}, numbers=range(1)),
    Odd("one frame and sound", {"sound": silence(1)}, numbers=range(1)),
    Odd("rotated", {"display_matrix": CLOCKWISE}, turns=3),
    Odd("mirrored", {"display_matrix": MIRRORED}, turns=2, mirrored=True),
    Odd("upside down in a mirror", {"display_matrix": UPSIDE_DOWN_MIRRORED}, mirrored=True),
    Odd(
        "rotated in a mirror",
        {"display_matrix": MIRRORED_CLOCKWISE},
        turns=3,
        mirrored=True,
    ),
    Odd("ten bits", {}, special=ten_bit),
    Odd("untagged and small", {"matrix": 5, "tagged": False}),
    Odd(
        "untagged and high",
        {"matrix": 1, "tagged": False, "size": (160, 720)},
        painted=(160, 720),
    ),
    Odd("tagged BT.601", {"matrix": 6}),
    Odd("full range", {"full_range": True}),
    Odd(
        "oblong pixels",
        {"size": (180, 180), "pixel_aspect": Fraction(16, 9)},
    ),
    Odd("late start", {}, special=late_start),
    Odd("edit list", {}, numbers=range(4, 20), special=edit_list),
    Odd("transport stream", {"sound": silence(1)}, suffix="ts"),
    Odd(
        "Matroska of variable rate",
        {"pts": VARIABLE},
        numbers=range(len(VARIABLE)),
        suffix="mkv",
    ),
)
