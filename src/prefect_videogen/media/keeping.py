"""Which frames of a clip a trim keeps, and which one it hands over: rules in seconds, pure.

Promises the same answer from the exact timing and, at a constant rate, from a probe alone, so
that nobody has to read a clip to name a frame of it. Leaves finding a tail to `tails`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil

from prefect_videogen.errors import MediaError
from prefect_videogen.media.probe import Probe
from prefect_videogen.media.timing import HALF, Timing


def constant_timing(found: Probe) -> Timing | None:
    """Tell a clip's timing from its probe.

    Args:
        found: What the clip is.

    Returns:
        The timing, on a clock that starts at 0; None if the rate is variable.
    """
    if not found.constant_rate:
        return None
    count, rate = found.frame_count, found.rate
    return Timing(tuple(n / rate for n in range(count)), count / rate, rate, constant=True)


def kept_frames(timing: Timing, trim: Sequence[float]) -> tuple[int, int]:
    """Find the frames that a trim keeps.

    The first is the first that starts at or after `from`, the last the last that starts before
    `to`; a frame that is off by at most half its length counts as being there. So two trims
    that meet share no frame and lose none, and at least one frame is always kept.

    Args:
        timing: The clip's timing.
        trim: From and to in seconds after the clip's first frame; to 0, or nothing at all, is
            its end. What lies beyond the end is cut off.

    Returns:
        Index of the first kept frame, and the index after the last.

    Raises:
        MediaError: The trim begins at the clip's end or after it.
    """
    count = len(timing.starts)
    begin, end = trim or (0.0, 0.0)
    start = _place(timing, begin)
    if start >= count:
        raise MediaError(
            f"The trim begins at {begin:g} s, the clip is {float(timing.seconds):g} s long.",
            next_step="Begin it earlier.",
        )
    stop = _place(timing, end) if end else count
    return start, min(max(stop, start + 1), count)


def handed_frame(timing: Timing, trim: Sequence[float], steady: int | None = None) -> int:
    """Find the frame that a clip hands over to the one chained to it.

    Args:
        timing: The clip's timing.
        trim: As for `kept_frames`.
        steady: Index of the last frame before a black or frozen tail, if that shall be handed
            over; None is the last frame.

    Returns:
        Its index: always one that the trim keeps.

    Raises:
        MediaError: The trim begins at the clip's end or after it.
    """
    start, stop = kept_frames(timing, trim)
    return stop - 1 if steady is None else max(start, min(steady, stop - 1))


def _place(timing: Timing, seconds: float) -> int:
    """Index of the first frame that does not start more than half its length before a time."""
    time = Fraction(str(seconds))
    if timing.constant:
        return max(ceil(time * timing.rate - HALF), 0)
    # Half of the shorter neighbour: a frame that is held for long is there from its start on.
    edges = (*timing.starts, timing.end)
    lengths = [after - start for start, after in pairwise(edges)]
    shorter = [min(pair) for pair in pairwise([lengths[0], *lengths])]
    late = [at - edges[0] + length / 2 for at, length in zip(edges, shorter, strict=False)]
    return bisect_left(late, time)
