"""Film frames as three planes of numbers: taken apart, mixed, darkened and corrected.

Promises sums in whole numbers, rounded to the nearest, straight from one frame's memory into the
next. Every frame here is a film frame: yuv420p, BT.709, limited range; `colour` makes them so.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from prefect_videogen.media import colour

Plane = npt.NDArray[np.uint8]

# Black in limited range: luma, then both colour differences.
BLACK = (16, 128, 128)


def planes_of(frame: VideoFrame) -> tuple[Plane, ...]:
    """Look at a film frame's planes, without copying them.

    Args:
        frame: A film frame.

    Returns:
        Luma of (height, width), then both colour differences of half that; they are the frame's
        own memory, so only a frame made here may be written to.
    """
    return tuple(
        np.frombuffer(cast("memoryview", plane), np.uint8).reshape(plane.height, plane.line_size)[
            :, : plane.width
        ]
        for plane in frame.planes
    )


def empty_frame(width: int, height: int) -> VideoFrame:
    """Make a film frame to be filled through `planes_of`.

    Args:
        width: Width in pixels, even.
        height: Height in pixels, even.

    Returns:
        A tagged frame of arbitrary content.
    """
    return colour.tag_film(VideoFrame(width, height, "yuv420p"))


def blend(before: VideoFrame, after: VideoFrame, share: Fraction) -> VideoFrame:
    """Mix two film frames.

    Args:
        before: A film frame.
        after: Another of the same size.
        share: How much of `after` is in the mixture, 0 to 1.

    Returns:
        A new frame.
    """
    mixed = empty_frame(before.width, before.height)
    for old, new, out in zip(*map(planes_of, (before, after, mixed)), strict=True):
        _mix(old, new, share, out)
    return mixed


def darken(frame: VideoFrame, share: Fraction) -> VideoFrame:
    """Fade a film frame to black.

    Args:
        frame: A film frame.
        share: How much of it is left, 0 to 1.

    Returns:
        A new frame.
    """
    dark = empty_frame(frame.width, frame.height)
    for black, plane, out in zip(BLACK, *map(planes_of, (frame, dark)), strict=True):
        _mix(np.uint8(black), plane, share, out)
    return dark


def _mix(old: Plane | np.uint8, new: Plane, share: Fraction, out: Plane) -> None:
    whole, part = share.denominator, share.numerator
    # The type is named, or older numpy would reckon in 8 bits.
    total = np.multiply(new, part, dtype=np.uint32)
    total += np.multiply(old, whole - part, dtype=np.uint32)
    total += whole // 2
    total //= whole
    out[:] = total


def corrected(frame: VideoFrame, levels: colour.Levels) -> VideoFrame:
    """Replace every number of a film frame by its entry in a table.

    Args:
        frame: A film frame.
        levels: The tables.

    Returns:
        A new frame.
    """
    changed = empty_frame(frame.width, frame.height)
    tables: Sequence[tuple[int, ...]] = (levels.luma, levels.blue, levels.red)
    for table, plane, out in zip(tables, *map(planes_of, (frame, changed)), strict=True):
        np.take(np.array(table, np.uint8), plane, out=out)
    return changed
