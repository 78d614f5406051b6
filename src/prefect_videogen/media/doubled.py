"""How many of a clip's first frames repeat the frame it was started from.

Promises a number from 0 to 3 and what it was chosen by. A model that starts on a picture renders
that picture again, mostly as exactly one frame, so anything else is believed only on clear
evidence. Leaves dropping the frames to `stitch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from prefect_videogen.errors import MediaError
from prefect_videogen.media import colour
from prefect_videogen.media.canvas import shown_rgb
from prefect_videogen.media.containers import decoded_frames, open_media, picture_stream

MOST_DOUBLED = 3
_USUAL = 1

# Frames are compared this many pixels wide: grain, softness and the codec's noise average out,
# while a step of motion stays a step and points the same way as the one after it.
_WIDTH = 80
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)

# Below this many levels a step is the codec's noise and not motion.
_STILL = 0.05
# A frame that comes no further from the picture than this share of a step still shows it.
_NO_FURTHER = 0.15
# Repeated frames differ from each other by less than this share of a step.
_ALIKE = 0.6
# From this share of a step on, the first frame may be a whole step away from the picture.
_WHOLE_STEP = 0.85
# Correlation from which the way to the first frame is the beginning of the motion after it.
_SAME_WAY = 0.3

_Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Doubled:
    """How many frames to leave out at a clip's start, and why.

    Attributes:
        count: Number of frames that repeat the frame before the clip, 0 to 3.
        compared: How far the clip's first frames are from that frame, in 8 bit levels of luma;
            up to four.
    """

    count: int
    compared: tuple[float, ...]


def doubled_frames(before: colour.RGB, clip: Path) -> Doubled:
    """Find how many frames at a clip's start repeat the frame it was started from.

    Args:
        before: The frame shown before the clip, or the picture that both clips share: 8 bit RGB
            of any size; it is stretched to the clip's shape.
        clip: The clip; four frames of it are decoded.

    Returns:
        The count, which leaves the clip at least one frame, and the differences.

    Raises:
        MediaError: Not a video, or it has no frame.
    """
    frames = _first_planes(clip, MOST_DOUBLED + 1)
    height, width = frames[0].shape
    apart = [_without_offset(frame - _small_luma(before, width, height)) for frame in frames]
    onward = [_without_offset(after - frame) for frame, after in pairwise(frames)]
    differences = tuple(_mean(difference) for difference in apart)
    way = _correlation(apart[0], onward[0]) if onward else 0.0
    count = count_doubled(differences, [_mean(step) for step in onward], way)
    return Doubled(min(count, len(frames) - 1), tuple(round(value, 3) for value in differences))


def count_doubled(differences: Sequence[float], steps: Sequence[float], way: float) -> int:
    """Say how many frames are doubled, from numbers alone.

    The largest step is one step of motion. Two or three frames are doubled where the second (and
    third) frame comes no further from the picture than the first, is like the first, and motion
    follows without another pause: pauses at every other frame are how some models animate.
    None is doubled only where the first frame is a whole step away already and the step to the
    second one goes the same way; a picture that was rendered softer or brighter is as far away,
    but in no direction. In every other case, a still clip included, it is one.

    Args:
        differences: How far each of the first frames is from the picture, in levels; up to four.
        steps: How far each of them is from the next, in levels; one less.
        way: Correlation from -1 to 1 of the step from the picture to the first frame with the
            step from the first to the second.

    Returns:
        0 to 3.
    """
    step = max(steps, default=0.0)
    if step < _STILL:
        return _USUAL
    near = [apart <= differences[0] + _NO_FURTHER * step for apart in differences[1:]]
    repeats = [gap <= _ALIKE * step for gap in steps]
    if near[0] and repeats[0]:
        pause = near.index(False) if False in near else len(near)
        motion_follows = all(repeats[:pause]) and not any(repeats[pause:])
        return pause + 1 if motion_follows else _USUAL
    return 0 if differences[0] >= _WHOLE_STEP * step and way >= _SAME_WAY else _USUAL


def _first_planes(clip: Path, count: int) -> list[_Plane]:
    with open_media(clip) as container:
        aspect = picture_stream(container, clip).sample_aspect_ratio
    with closing(decoded_frames(clip)) as frames:
        shown = [shown_rgb(frame, aspect) for frame in islice(frames, count)]
    if not shown:
        raise MediaError(
            f"{clip} has no frame to compare.",
            next_step="The file is damaged; fetch it again.",
        )
    height, width = shown[0].shape[:2]
    small = min(width, _WIDTH)
    return [_small_luma(rgb, small, max(round(height * small / width), 1)) for rgb in shown]


def _small_luma(rgb: colour.RGB, width: int, height: int) -> _Plane:
    luma = Image.fromarray(rgb.astype(np.float32) @ _LUMA)
    return np.asarray(luma.resize((width, height), Image.Resampling.BOX))


def _without_offset(difference: _Plane) -> _Plane:
    """Take a change of overall brightness out: models shift it, motion does not."""
    return cast("_Plane", difference - difference.mean())


def _mean(difference: _Plane) -> float:
    return float(np.abs(difference).mean())


def _correlation(a: _Plane, b: _Plane) -> float:
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size else 0.0
