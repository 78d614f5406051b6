"""Colour rules: which matrix and range a frame has, and conversions that shift nothing.

Promises that a frame's matrix is chosen on purpose (tag, else by height), that rounding is
accurate and that colour samples stay in place: the library's defaults darken every hand-over
by more than a level and move its colour by half a pixel. HDR is converted by matrix only.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

RGB = npt.NDArray[np.uint8]

# All of them are needed: accurate_rnd alone is worse than the default (field notes, f2).
_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"

# Height in pixels from which an untagged clip is taken for BT.709 instead of BT.601.
HD_HEIGHT = 720

# FFmpeg's numbers of colour tags (AVCOL_*), under the names ffprobe prints.
MATRICES = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
    9: "bt2020nc", 10: "bt2020c", 14: "ictcp",
}  # fmt: skip
PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film",
    9: "bt2020", 10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear",
    9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1",
    14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
RANGES = {1: "tv", 2: "pc"}

BT709, BT601, GBR = 1, 6, 0
_USABLE = {1: BT709, 4: 4, 5: BT601, 6: BT601, 7: 7, 9: 9, 10: 9}


@dataclass(frozen=True)
class Levels:
    """A correction of a film frame's colours: what each of its numbers becomes.

    Attributes:
        luma: New luma for each of the 256 old ones, in limited range.
        blue: The same for the blue colour difference.
        red: The same for the red colour difference.
    """

    luma: tuple[int, ...]
    blue: tuple[int, ...]
    red: tuple[int, ...]


def matrix_of(frame: VideoFrame) -> int:
    """Choose the YUV matrix of a frame.

    Args:
        frame: A decoded frame.

    Returns:
        A key of `MATRICES`: the tagged one; without a tag BT.709 from 720 lines on and
        BT.601 below.
    """
    if frame.format.is_rgb:
        return GBR
    return _USABLE.get(frame.colorspace) or (BT709 if frame.height >= HD_HEIGHT else BT601)


def range_of(frame: VideoFrame) -> ColorRange:
    """Choose the level range of a frame.

    Args:
        frame: A decoded frame.

    Returns:
        Full range for RGB, for the `yuvj` formats and where tagged; limited otherwise.
    """
    if frame.format.is_rgb or frame.format.name.startswith("yuvj"):
        return ColorRange.JPEG
    return ColorRange.JPEG if frame.color_range == ColorRange.JPEG else ColorRange.MPEG


def from_rgb(rgb: npt.NDArray[Any]) -> VideoFrame:
    """Wrap 8 bit RGB in a frame tagged as what it is.

    Args:
        rgb: Array of (height, width, 3), uint8.

    Returns:
        A frame in rgb24, full range.
    """
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb, dtype=np.uint8), format="rgb24")
    frame.colorspace, frame.color_range = GBR, ColorRange.JPEG
    return frame


def tag_film(frame: VideoFrame) -> VideoFrame:
    """Write the film's colour tags on a frame that already has its levels.

    Args:
        frame: A frame in yuv420p with BT.709 limited levels.

    Returns:
        The same frame.
    """
    frame.colorspace = BT709
    frame.color_range = ColorRange.MPEG
    frame.color_primaries = ColorPrimaries.BT709
    frame.color_trc = ColorTrc.BT709
    return frame


class Converter:
    """Converts frames; keeps what it set up for frames of the same kind.

    A filter graph and not `VideoFrame.reformat`: only the graph can be told that colour samples
    lie on the left, as in every H.264 clip. `reformat` puts them in the middle when it comes
    from RGB and reads them on the left when it decodes, half a pixel of colour every hand-over.
    """

    def __init__(self) -> None:
        self._graphs: dict[tuple[object, ...], Graph] = {}

    def to_rgb(self, frame: VideoFrame, width: int | None = None) -> RGB:
        """Convert a decoded frame to 8 bit full range RGB without shifting its levels.

        Args:
            frame: A decoded frame.
            width: New width in pixels, to square up oblong pixels; None keeps the frame's.

        Returns:
            Array of (height, width, 3).
        """
        size = (width or frame.width, frame.height)
        converted = self._convert(frame, size, "rgb24", "out_range=pc")
        return cast("RGB", converted.to_ndarray())

    def to_film(
        self, frame: VideoFrame, width: int | None = None, height: int | None = None
    ) -> VideoFrame:
        """Convert a frame to what films are made of: yuv420p, BT.709, limited range.

        Args:
            frame: Any frame.
            width: New width in pixels; None keeps the frame's.
            height: New height in pixels; None keeps the frame's.

        Returns:
            A converted frame, or the same one if it is right already; tagged either way.
        """
        size = (width or frame.width, height or frame.height)
        if _is_film(frame, size):
            return tag_film(frame)
        target = "out_color_matrix=bt709:out_range=tv:out_chroma_loc=left"
        return tag_film(self._convert(frame, size, "yuv420p", target))

    def _convert(
        self, frame: VideoFrame, size: tuple[int, int], pix_fmt: str, target: str
    ) -> VideoFrame:
        tags = (frame.colorspace, frame.color_range)
        frame.colorspace, frame.color_range = matrix_of(frame), range_of(frame)
        key = (*size, pix_fmt, frame.width, frame.height, frame.format.name, *_tags(frame))
        graph = self._graphs.get(key)
        if graph is None:
            graph = self._graphs[key] = _graph(frame, size, pix_fmt, target)
        graph.vpush(frame)
        converted = graph.vpull()
        frame.colorspace, frame.color_range = tags
        return converted


def _tags(frame: VideoFrame) -> tuple[str, str]:
    return MATRICES[frame.colorspace], RANGES[frame.color_range]


def _graph(frame: VideoFrame, size: tuple[int, int], pix_fmt: str, target: str) -> Graph:
    matrix, levels = _tags(frame)
    tick = frame.time_base or Fraction(1, 1000)
    graph = Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
        f":time_base={tick.numerator}/{tick.denominator}:colorspace={matrix}:range={levels}",
    )
    # Without a word the filter takes the colour samples to lie in the middle as well.
    halved = frame.format.chroma_width(frame.width) < frame.width
    place = "in_chroma_loc=left:" if halved and not frame.format.is_rgb else ""
    scale = graph.add("scale", f"w={size[0]}:h={size[1]}:{place}{target}:flags={_FLAGS}")
    shape = graph.add("format", f"pix_fmts={pix_fmt}")
    graph.link_nodes(source, scale, shape, graph.add("buffersink")).configure()
    return graph


def _is_film(frame: VideoFrame, size: tuple[int, int]) -> bool:
    return (
        frame.format.name == "yuv420p"
        and (frame.width, frame.height) == size
        and matrix_of(frame) == BT709
        and range_of(frame) == ColorRange.MPEG
    )
