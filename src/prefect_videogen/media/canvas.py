"""Geometry: how a stored frame is shown, and how it is fitted onto a film of another size.

Promises square pixels, applied rotation and mirroring, and whole chroma samples, and leaves a
frame that fits already untouched. Leaves colour rules to `colour`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame

from prefect_videogen.media import colour
from prefect_videogen.media.planes import BLACK, Plane, empty_frame, planes_of

Fit = Literal["crop", "pad"]


def quarter_turns(frame: VideoFrame) -> int:
    """Say how often a stored frame is turned by 90 degrees counter-clockwise to be shown.

    Args:
        frame: A decoded frame.

    Returns:
        0 to 3.
    """
    return round(frame.rotation / 90) % 4


def mirrored(frame: VideoFrame) -> bool:
    """Say whether a stored frame is turned upside down, as in a mirror, before its quarter turns.

    Args:
        frame: A decoded frame.

    Returns:
        Whether its display matrix mirrors it; a phone's front camera writes such ones.
    """
    # The library's stub knows but one of the names there are.
    found = cast("Mapping[str, SideData]", frame.side_data)
    if "DISPLAYMATRIX" not in found:
        return False
    matrix = np.frombuffer(bytes(found["DISPLAYMATRIX"]), np.int32).astype(float)
    across, down = matrix.reshape(3, 3)[:2, :2]
    return bool(across[0] * down[1] < across[1] * down[0])


def upright(stored: Plane | colour.RGB, frame: VideoFrame) -> npt.NDArray[np.uint8]:
    """Turn a frame's pixels, or one of its planes, as it is shown.

    Args:
        stored: Array of (height, width) or (height, width, 3) as stored.
        frame: The decoded frame that it is of.

    Returns:
        A view of it.
    """
    return np.rot90(stored[::-1] if mirrored(frame) else stored, quarter_turns(frame))


def square_width(frame: VideoFrame, pixel_aspect: Fraction | None) -> int:
    """Find the width a stored frame has with square pixels, before any rotation.

    Args:
        frame: A decoded frame.
        pixel_aspect: Width of a pixel over its height; None or 0 if the file does not say.

    Returns:
        Width in pixels.
    """
    if pixel_aspect is None or pixel_aspect <= 0:
        return frame.width
    return max(round(frame.width * pixel_aspect), 1)


def shown_size(frame: VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Find the size at which a frame is shown: square pixels, rotation applied.

    Args:
        frame: A decoded frame.
        pixel_aspect: Width of a pixel over its height; None or 0 if the file does not say.

    Returns:
        Width and height in pixels.
    """
    width, height = square_width(frame, pixel_aspect), frame.height
    return (height, width) if quarter_turns(frame) % 2 else (width, height)


def shown_rgb(frame: VideoFrame, pixel_aspect: Fraction | None) -> colour.RGB:
    """Turn a decoded frame into the picture a person sees.

    Args:
        frame: A decoded frame.
        pixel_aspect: Width of a pixel over its height; None or 0 if the file does not say.

    Returns:
        8 bit RGB array of (height, width, 3).
    """
    rgb = colour.Converter().to_rgb(frame, width=square_width(frame, pixel_aspect))
    return np.ascontiguousarray(upright(rgb, frame))


def even(value: float) -> int:
    """Round to the nearest even number, at least 2: yuv420p has one chroma sample per two.

    Args:
        value: A size in pixels.

    Returns:
        An even size in pixels.
    """
    return max(2 * round(value / 2), 2)


@dataclass(frozen=True)
class Canvas:
    """The film's picture area, onto which frames of any size are fitted.

    Attributes:
        width: Width in pixels, even.
        height: Height in pixels, even.
        fit: `crop` fills the area and cuts the overhang off evenly on both sides; `pad` shows
            the whole frame between black bars.
    """

    width: int
    height: int
    fit: Fit
    _converter: colour.Converter = field(default_factory=colour.Converter, repr=False)

    def place(self, frame: VideoFrame, pixel_aspect: Fraction | None) -> VideoFrame:
        """Fit one frame onto the film.

        Args:
            frame: A decoded frame.
            pixel_aspect: Width of a pixel over its height; None or 0 if the file does not say.

        Returns:
            A frame of the film's size, pixel format and colour; the same one if it had them.
        """
        shown = shown_size(frame, pixel_aspect)
        turns = quarter_turns(frame)
        if shown == (self.width, self.height) and not turns and not mirrored(frame):
            return self._converter.to_film(frame, self.width, self.height)
        width, height = self._scaled(*shown)
        stored = (height, width) if turns % 2 else (width, height)
        placed = self._converter.to_film(frame, *stored)
        # Shifts are counted in chroma samples, or colour would slip against brightness.
        down, right = ((height - self.height) // 4, (width - self.width) // 4)
        film = empty_frame(self.width, self.height)
        # Luma has two rows and columns where colour has one.
        for scale, black, source, window in zip(
            (2, 1, 1), BLACK, planes_of(placed), planes_of(film), strict=True
        ):
            window[:] = black
            _lay(upright(source, frame), window, scale * down, scale * right)
        return film

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        pick = max if self.fit == "crop" else min
        factor = pick(Fraction(self.width, width), Fraction(self.height, height))
        return even(float(width * factor)), even(float(height * factor))


def _lay(source: Plane, window: Plane, down: int, right: int) -> None:
    """Show a plane through a window; a negative shift leaves what is above or left of it."""
    seen = source[max(down, 0) :, max(right, 0) :]
    target = window[max(-down, 0) :, max(-right, 0) :]
    rows, columns = min(len(seen), len(target)), min(seen.shape[1], target.shape[1])
    target[:rows, :columns] = seen[:rows, :columns]
