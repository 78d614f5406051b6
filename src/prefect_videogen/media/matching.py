"""How a clip's colours lie, how far they have drifted, and a correction that brings them back.

Promises numbers of the film's own levels (BT.709, limited range) whatever the clip's tags, and
corrections gentle enough to leave every picture what it is. Leaves applying them to `stitch`,
and choosing the anchor to the caller: a chain's first clip, never the clip before, which has
drifted itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from prefect_videogen.errors import MediaError
from prefect_videogen.media.canvas import even
from prefect_videogen.media.colour import Converter, Levels
from prefect_videogen.media.containers import decoded_frames
from prefect_videogen.media.probe import probe

SAMPLES = 12

# Detail is only comparable at one size; at this one a soft picture still differs from a sharp one.
_WIDTH = 640

# A stronger correction would pull noise up or turn one scene into another.
_LEAST_GAIN, _MOST_GAIN = 0.8, 1.25
_MOST_SHIFT = 24.0
# A plane with hardly any spread says nothing about contrast.
_FLAT = 0.5

_BLACK, _WHITE, _STRONGEST_CHROMA = 16, 235, 240
_NUMBERS = np.arange(256, dtype=np.float64)


@dataclass(frozen=True)
class PlaneStatistics:
    """Mean and standard deviation of one plane's numbers."""

    mean: float
    spread: float


@dataclass(frozen=True)
class ColourStatistics:
    """A clip's colours, over frames spread evenly from its first to its last.

    Attributes:
        luma: Brightness, 16 (black) to 235 (white).
        blue: Blue colour difference, 16 to 240; 128 is grey.
        red: Red colour difference, likewise.
        sharpness: Fine detail: mean absolute Laplacian of luma, in levels, at 640 pixels width.
    """

    luma: PlaneStatistics
    blue: PlaneStatistics
    red: PlaneStatistics
    sharpness: float


@dataclass(frozen=True)
class ColourDrift:
    """How far a clip's colours are from its anchor's.

    Attributes:
        luma: Change of mean brightness in 8 bit full range levels; positive is brighter.
        red: Change of mean red in the same levels.
        green: The same of green.
        blue: The same of blue.
        sharpness: Fine detail as a share of the anchor's; below 1 is softer.
    """

    luma: float
    red: float
    green: float
    blue: float
    sharpness: float


def statistics_of(path: Path) -> ColourStatistics:
    """Measure a clip's colours.

    Args:
        path: A video file, decoded once; 12 of its frames are looked at.

    Returns:
        The statistics; the same for the same clip in another matrix, range or size, but for
        what the codec and the scaling change.

    Raises:
        MediaError: Not a video, damaged, or it has no frame.
    """
    sums = np.zeros((3, 2))
    detail, count = 0.0, 0
    converter = Converter()
    for frame in _sampled(path, probe(path).frame_count):
        planes = _planes(frame, converter)
        sums += [[plane.mean(), (plane**2).mean()] for plane in planes]
        detail += _detail(planes[0])
        count += 1
    if not count:
        raise MediaError(
            f"{path} has no frame to measure.", next_step="The file is damaged; fetch it again."
        )
    luma, blue, red = (
        PlaneStatistics(mean, max(square - mean**2, 0.0) ** 0.5)
        for mean, square in (sums / count).tolist()
    )
    return ColourStatistics(luma, blue, red, detail / count)


def levels_to_match(
    clip: ColourStatistics, anchor: ColourStatistics, strength: float = 1.0
) -> Levels:
    """Find the correction that gives a clip its anchor's colours.

    Args:
        clip: The clip to correct.
        anchor: The clip to be like.
        strength: Share of the correction, from 0 (none) to 1 (all).

    Returns:
        Tables for the three planes: mean and spread become the anchor's, the spread changed by
        0.8 to 1.25 times and the mean by 24 levels at most. Levels stay in limited range.

    Raises:
        MediaError: The strength is out of range.
    """
    if not 0 <= strength <= 1:
        raise MediaError(
            f"Colours can't be matched with a strength of {strength}.",
            next_step="Use a strength from 0 to 1.",
        )
    return Levels(
        luma=_table(clip.luma, anchor.luma, strength, _WHITE),
        blue=_table(clip.blue, anchor.blue, strength, _STRONGEST_CHROMA),
        red=_table(clip.red, anchor.red, strength, _STRONGEST_CHROMA),
    )


def drift_between(anchor: ColourStatistics, clip: ColourStatistics) -> ColourDrift:
    """Say how far a clip has come from its anchor.

    Args:
        anchor: The clip it should be like.
        clip: The clip.

    Returns:
        The differences, rounded to hundredths of a level.
    """
    luma = (clip.luma.mean - anchor.luma.mean) * 255 / 219
    blue = (clip.blue.mean - anchor.blue.mean) * 255 / 224
    red = (clip.red.mean - anchor.red.mean) * 255 / 224
    # A picture without any detail is as sharp as another one without.
    share = clip.sharpness / anchor.sharpness if anchor.sharpness else 1.0
    return ColourDrift(
        luma=round(luma, 2),
        # The inverse of BT.709's matrix; differences of means need no offset.
        red=round(luma + 1.5748 * red, 2),
        green=round(luma - 0.1873 * blue - 0.4681 * red, 2),
        blue=round(luma + 1.8556 * blue, 2),
        sharpness=round(share, 3),
    )


def _sampled(path: Path, count: int) -> Iterator[VideoFrame]:
    wanted = set(np.linspace(0, count - 1, SAMPLES).round().astype(int).tolist())
    with closing(decoded_frames(path)) as frames:
        yield from (frame for index, frame in enumerate(frames) if index in wanted)


def _planes(frame: VideoFrame, converter: Converter) -> list[npt.NDArray[np.float64]]:
    height = even(frame.height * _WIDTH / frame.width)
    film = converter.to_film(frame, _WIDTH, height)
    flat = cast("npt.NDArray[np.uint8]", film.to_ndarray()).reshape(-1).astype(np.float64)
    luma, chroma = _WIDTH * height, _WIDTH * height // 4
    return [
        flat[:luma].reshape(height, _WIDTH),
        flat[luma : luma + chroma],
        flat[luma + chroma :],
    ]


def _detail(luma: npt.NDArray[np.float64]) -> float:
    if min(luma.shape) < 3:  # noqa: PLR2004 - a pixel and its neighbours
        return 0.0
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float(np.abs(around - 4 * luma[1:-1, 1:-1]).mean())


def _table(
    clip: PlaneStatistics, anchor: PlaneStatistics, strength: float, highest: int
) -> tuple[int, ...]:
    gain = anchor.spread / clip.spread if min(anchor.spread, clip.spread) > _FLAT else 1.0
    gain = min(max(gain, _LEAST_GAIN), _MOST_GAIN)
    shift = min(max(anchor.mean - clip.mean, -_MOST_SHIFT), _MOST_SHIFT)
    matched = clip.mean + shift + gain * (_NUMBERS - clip.mean)
    # What the codec left just outside the range moves with its neighbours, or it would stand out.
    kept = np.clip(matched, _BLACK, highest)
    return tuple(np.rint(_NUMBERS + strength * (kept - _NUMBERS)).astype(int).tolist())
