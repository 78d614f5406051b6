"""The end of a clip, where some models show nothing new: black, faded out or frozen.

Promises counts that survive the codec's noise, found in one pass at the speed of decoding, with
a few numbers kept per frame. Leaves what to do about them to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from prefect_videogen.errors import MediaError
from prefect_videogen.media import colour
from prefect_videogen.media.containers import decoded_frames

# Anything shorter goes by unseen: it may be the rhythm of a clip animated on threes.
FEWEST = 3

# Blocks across and down that a frame's brightness is averaged in: the codec's noise is gone,
# and a face that moves still fills some of them.
_COLUMNS, _ROWS = 64, 36
# Lines taken of each block; the others would cost time and change nothing.
_LINES = 4
# Share of the blocks that speaks for a frame: the brightest, or those that changed most.
_LOUDEST = 0.02

# Frames measured together: numpy takes hardly longer for them than for one.
_AT_ONCE = 64

# No block of a black frame is brighter than this, in full range levels.
_BLACK = 10.0
# A frame is part of a fade if it darkens by this share of what the fade's frames do on average,
_FADE_SHARE = 0.25
# and by this many levels, as light wavers.
_FADE_LEVELS = 0.5

# A clip in which three quarters of the frames change less than this is a still picture.
_STILL = 0.3
# A repeated frame changes by less than this share of what a moving one does,
_REPEAT_SHARE = 0.1
# within these levels: less is always the codec's, more is always a motion.
_REPEAT_LEAST, _REPEAT_MOST = 0.1, 0.6
# A keyframe shows a frozen picture anew, with other noise: one such frame, quieter than this
# share of a moving one, does not end the freeze.
_REFRESH_SHARE = 0.5

Blocks = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TailFacts:
    """How a clip ends; its tail is its last `black` frames and the `frozen` ones before them.

    Attributes:
        black: Black frames at the end, and the frames of the fade that leads to them.
        frozen: Frames that repeat the one before them, at the end or just before the black.
        steady: Index of the last frame before the tail; the clip's last one if it has none.
    """

    black: int
    frozen: int
    steady: int


@dataclass(frozen=True)
class FrameFacts:
    """What is kept of one frame, in full range levels of luma.

    Attributes:
        mean: Its brightness.
        brightest: Brightness of its brightest blocks.
        change: How far its most changed blocks are from the frame before; 0 for the first.
    """

    mean: float
    brightest: float
    change: float


def tail_of(path: Path) -> TailFacts:
    """Look at how a clip ends.

    Args:
        path: A video file; decoded once, one frame is held at a time.

    Returns:
        The counts. A tail is reported only if it is less than half of the clip, and black or
        frozen for at least three frames: a clip that is dark or still all along has none.

    Raises:
        MediaError: Not a video, damaged, or it has no frame.
    """
    facts = facts_of(path)
    if not facts:
        raise MediaError(
            f"{path} has no frame, so it has no end.",
            next_step="The file is damaged; fetch it again.",
        )
    return tail_in(facts)


def tail_in(facts: Sequence[FrameFacts]) -> TailFacts:
    """Find the tail from numbers alone.

    Args:
        facts: One entry per frame, in order; at least one.

    Returns:
        The counts; see `tail_of`.
    """
    black = _black_end(facts)
    frozen = _frozen_end(facts[: len(facts) - black])
    if 2 * (black + frozen) >= len(facts):
        black = frozen = 0
    return TailFacts(black, frozen, len(facts) - 1 - black - frozen)


def facts_of(path: Path) -> list[FrameFacts]:
    """Measure a clip.

    Args:
        path: A video file.

    Returns:
        What `tail_in` wants to know of each frame, in order.

    Raises:
        MediaError: Not a video, or damaged.
    """
    measure = Measure()
    for frame in decoded_frames(path):
        measure.add(frame)
    return measure.facts()


class Measure:
    """Measures the frames of one clip, each against the one before; many of them at a time."""

    def __init__(self) -> None:
        self._converter = colour.Converter()
        self._waiting: list[Blocks] = []
        self._before: Blocks | None = None
        self._facts: list[FrameFacts] = []

    def add(self, frame: VideoFrame) -> None:
        """Take the next frame; nothing but its blocks is kept."""
        self._waiting.append(_blocks(frame, self._converter).reshape(-1))
        if len(self._waiting) == _AT_ONCE:
            self._measure()

    def facts(self) -> list[FrameFacts]:
        """What `tail_in` wants to know of each frame so far, in order."""
        if self._waiting:
            self._measure()
        return self._facts

    def _measure(self) -> None:
        first = self._waiting[0] if self._before is None else self._before
        blocks = np.stack([first, *self._waiting])
        self._before, self._waiting = blocks[-1], []
        columns = (
            blocks[1:].mean(axis=1),
            _loudest(blocks[1:]),
            _loudest(np.abs(np.diff(blocks, axis=0))),
        )
        self._facts += [FrameFacts(*row) for row in np.stack(columns, axis=1).tolist()]


def _black_end(facts: Sequence[FrameFacts]) -> int:
    start = len(facts)
    while start and facts[start - 1].brightest <= _BLACK:
        start -= 1
    black = len(facts) - start
    if start and black:
        start = _fade_start(facts, start)
    return len(facts) - start if len(facts) - start >= FEWEST else 0


def _fade_start(facts: Sequence[FrameFacts], black: int) -> int:
    """Go back from the first black frame as long as each frame is darker than the one before."""
    start = black
    while start > 1:
        fall = facts[start - 2].mean - facts[start - 1].mean
        typical = (facts[start - 1].mean - facts[black].mean) / (black - start + 1)
        if fall < max(_FADE_SHARE * typical, _FADE_LEVELS):
            break
        start -= 1
    return start


def _frozen_end(facts: Sequence[FrameFacts]) -> int:
    changes = [frame.change for frame in facts[1:]]
    # A minority that does not move leaves this quartile to the frames that do.
    moving = float(np.quantile(changes, 0.75)) if changes else 0.0
    if moving < _STILL:
        return 0
    limit = min(max(_REPEAT_SHARE * moving, _REPEAT_LEAST), _REPEAT_MOST)
    repeats = [change <= limit for change in changes]
    start = len(changes)
    while start and (
        repeats[start - 1]
        or (
            start < len(changes)
            and changes[start - 1] <= _REFRESH_SHARE * moving
            and repeats[max(start - 1 - FEWEST, 0) : start - 1] == [True] * FEWEST
        )
    ):
        start -= 1
    frozen = len(changes) - start
    return frozen if frozen >= FEWEST else 0


def _loudest(blocks: Blocks) -> Blocks:
    """Mean of the loudest blocks of each frame."""
    size = blocks.shape[1]
    count = max(round(_LOUDEST * size), 1)
    # Of a picture in which little moves, most changes are alike and near 0: asked for the largest,
    # numpy takes ten times as long over them as it takes for the smallest of their negatives.
    loudest: Blocks = -np.partition(-blocks, count - 1, axis=1)[:, :count].mean(axis=1)
    return loudest


def _blocks(frame: VideoFrame, converter: colour.Converter) -> Blocks:
    if not _has_luma_plane(frame):
        frame = converter.to_film(frame)
    luma = _luma(frame)
    height, width = luma.shape
    down, across = max(height // _ROWS, 1), max(width // _COLUMNS, 1)
    luma = luma[: height // down * down, : width // across * across]
    lines = luma.reshape(height // down, down, -1)[:, :: max(down // _LINES, 1)]
    columns = lines.sum(axis=1, dtype=np.uint32)
    sums = columns.reshape(height // down, -1, across).sum(axis=2, dtype=np.uint32)
    depth = frame.format.components[0].bits
    black, share = (0, 1.0) if colour.range_of(frame) == ColorRange.JPEG else (16, 255 / 219)
    step = share / (lines.shape[1] * across * 2 ** (depth - 8))
    levels: Blocks = sums.astype(np.float32) * np.float32(step)
    return levels - np.float32(black * share)


def _has_luma_plane(frame: VideoFrame) -> bool:
    # Every format of that name is planar; `be` ends those of the other byte order.
    return frame.format.name.startswith("yuv") and not frame.format.name.endswith("be")


def _luma(frame: VideoFrame) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Look at a frame's luma where the decoder left it, without a copy."""
    # A plane is a buffer, which its type does not say.
    plane = cast("memoryview", frame.planes[0])
    if frame.format.components[0].bits > 8:  # noqa: PLR2004 - a byte
        return np.frombuffer(plane, np.uint16).reshape(frame.height, -1)[:, : frame.width]
    return np.frombuffer(plane, np.uint8).reshape(frame.height, -1)[:, : frame.width]
