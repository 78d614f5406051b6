"""The joins of a finished film: the frames on both sides, and how unlike they are.

Promises the frames a viewer sees and differences measured at full size, read in one pass that
jumps from join to join. Leaves drawing them to `seam_sheet`, and which joins should be seamless
to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from prefect_videogen.errors import MediaError
from prefect_videogen.media.colour import RGB
from prefect_videogen.media.frames_at import each_frame_at, frames_shown

Flag = Literal["", "jump", "repeat"]

IDENTICAL_PSNR = 99.0
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)

# A join that differs this much more than the steps beside it jumps: by brightness of its pixels,
_JUMP_TIMES, _JUMP_LEVELS = 3.0, 1.0
# or by a channel's mean, which motion hardly moves: two levels of it are seen.
_SHIFT_TIMES, _SHIFT_LEVELS = 3.0, 2.0
# A join that differs less than this share of the steps beside it shows the same frame again.
_REPEAT_SHARE = 0.5
# Steps smaller than this are a picture that stands still, which may well go on so.
_MOVING = 0.3


class Differing(Protocol):
    """What a flag is chosen by: a `FrameDifference`, or the manifest's entry of one."""

    @property
    def luma(self) -> float:
        """Mean absolute difference of luma in levels."""

    @property
    def red(self) -> float:
        """Difference of the red means in levels."""

    @property
    def green(self) -> float:
        """Difference of the green means in levels."""

    @property
    def blue(self) -> float:
        """Difference of the blue means in levels."""


@dataclass(frozen=True)
class FrameDifference:
    """How unlike two frames are, in 8 bit full range levels.

    Attributes:
        luma: Mean absolute difference of brightness, 0 to 255.
        red: Mean difference of red, second less first.
        green: The same of green.
        blue: The same of blue.
        psnr: Peak signal to noise ratio in dB over all channels; 99 if they are identical.
    """

    luma: float
    red: float
    green: float
    blue: float
    psnr: float


@dataclass(frozen=True, eq=False)
class SeamFrames:
    """What a film shows around one join.

    Attributes:
        cut: The film frame the later shot begins on.
        before: The last frames before it, small, in order.
        after: The first frames from it on, small, in order.
        shown: Difference of the two frames that meet.
        step: Difference of the two frames before the join; None if there is only one.
        following: Difference of the two frames after it; None if there is only one.
    """

    cut: int
    before: tuple[RGB, ...]
    after: tuple[RGB, ...]
    shown: FrameDifference
    step: FrameDifference | None
    following: FrameDifference | None


def seam_frames(
    film: Path, cuts: Sequence[int], around: int = 3, width: int = 240
) -> list[SeamFrames]:
    """Read the frames on both sides of each join of a film.

    Args:
        film: A film of constant rate, its picture encoded or copied.
        cuts: The film frame each shot but the first begins on, ascending.
        around: How many frames to show on either side; fewer at the film's ends.
        width: Width of the small frames in pixels.

    Returns:
        One entry per join. In memory are the small frames and two whole ones.

    Raises:
        MediaError: Not a video, damaged, or a cut is not within the film.
    """
    total = frames_shown(film)
    for cut in cuts:
        if not 0 < cut < total:
            raise MediaError(
                f"{film} has {total} frames, so no shot can begin on frame {cut}.",
                next_step="Give the frames on which the second and later shots begin.",
            )
    spans = {cut: range(max(cut - around, 0), min(cut + around, total)) for cut in cuts}
    near = {second for cut in cuts for second in (cut - 1, cut, cut + 1)}
    pairs = {second for second in near if 0 < second < total}
    wanted = pairs | {second - 1 for second in pairs} | {n for span in spans.values() for n in span}
    small: dict[int, RGB] = {}
    apart: dict[int, FrameDifference] = {}
    before: RGB | None = None
    for index, rgb in each_frame_at(film, wanted):
        small[index] = _shrunk(rgb, width)
        if index in pairs and before is not None:
            apart[index] = difference(before, rgb)
        before = rgb
    return [
        SeamFrames(
            cut=cut,
            before=tuple(small[n] for n in span if n < cut),
            after=tuple(small[n] for n in span if n >= cut),
            shown=apart[cut],
            step=apart.get(cut - 1),
            following=apart.get(cut + 1),
        )
        for cut, span in spans.items()
    ]


def difference(first: RGB, second: RGB) -> FrameDifference:
    """Measure how unlike two frames are.

    Args:
        first: 8 bit RGB array of (height, width, 3).
        second: The other, of the same size.

    Returns:
        The numbers, rounded to hundredths.

    Raises:
        MediaError: The sizes differ.
    """
    if first.shape != second.shape:
        raise MediaError(
            f"Frames of {first.shape[1]}x{first.shape[0]} and {second.shape[1]}x{second.shape[0]}"
            " can't be compared.",
            next_step="Scale one of them to the size of the other.",
        )
    change: npt.NDArray[np.float32] = second.astype(np.float32) - first
    red, green, blue = change.reshape(-1, 3).mean(axis=0, dtype=np.float64).tolist()
    error = float(np.mean(change**2, dtype=np.float64))
    psnr = min(10 * log10(255**2 / error), IDENTICAL_PSNR) if error else IDENTICAL_PSNR
    luma = float(np.abs(change @ _LUMA).mean(dtype=np.float64))
    # Adding nothing turns a rounded -0.0 into 0.0.
    return FrameDifference(*(round(value, 2) + 0.0 for value in (luma, red, green, blue, psnr)))


def flag_of(shown: Differing, *steps: Differing | None) -> Flag:
    """Say whether a join that should be seamless is not.

    Args:
        shown: Difference of the two frames that meet.
        steps: Differences of the two frames before and of the two after, as far as there are
            any: clips that meet may move at different speeds.

    Returns:
        `jump` if the join differs much more than both steps, or changes colour as no motion
        does; `repeat` if it differs much less than both: a doubled frame is left in.
    """
    known = [step for step in steps if step is not None]
    usual = max((_shift(step) for step in known), default=0.0)
    if _shift(shown) >= _SHIFT_TIMES * usual + _SHIFT_LEVELS:
        return "jump"
    if not known:
        return ""
    slowest, fastest = min(step.luma for step in known), max(step.luma for step in known)
    if shown.luma >= _JUMP_TIMES * fastest + _JUMP_LEVELS:
        return "jump"
    if slowest >= _MOVING and shown.luma < _REPEAT_SHARE * slowest:
        return "repeat"
    return ""


def _shift(difference: Differing) -> float:
    return max(abs(difference.red), abs(difference.green), abs(difference.blue))


def _shrunk(rgb: RGB, width: int) -> RGB:
    height = max(round(rgb.shape[0] * width / rgb.shape[1]), 1)
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.LANCZOS))
