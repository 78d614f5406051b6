"""When each frame of a clip is shown, and how often a film of another rate shows it.

Promises arithmetic in whole fractions: no rate is rounded and no error adds up over a film.
Leaves files alone; `probe` reads the times, `reels` follow the schedule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import floor

HALF = Fraction(1, 2)

# A last frame held for more frame lengths than this is how some writers store a still: its
# declared length is meant.
_HELD = Fraction(3, 2)

# Rates that cameras and models really use; a rate measured from coarse timestamps snaps to them.
COMMON_RATES = (
    Fraction(24000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(50),
    Fraction(60000, 1001),
    Fraction(60),
    *(Fraction(rate) for rate in (5, 6, 8, 10, 12, 15, 16, 18, 20, 32, 48, 72, 90, 96, 100, 120)),
)


def nearest(value: Fraction) -> int:
    """Round to the nearest whole number, halves upwards.

    `round` sends halves to the even neighbour, which would treat equal cuts differently.

    Args:
        value: Any fraction.

    Returns:
        The nearest integer.
    """
    return floor(value + HALF)


@dataclass(frozen=True)
class Timing:
    """When the frames of one clip are shown.

    Attributes:
        starts: Start of every frame in seconds of the container's clock, ascending.
        end: When the last frame ends, in seconds of the same clock.
        rate: Frames a second; the mean if the rate is variable.
        constant: Whether every frame is within half a frame of where `rate` puts it.
    """

    starts: tuple[Fraction, ...]
    end: Fraction
    rate: Fraction
    constant: bool

    @property
    def seconds(self) -> Fraction:
        """How long the picture lasts, in seconds."""
        return self.end - self.starts[0]


def measure(
    starts: Iterable[Fraction],
    last_duration: Fraction,
    *,
    tick: Fraction,
    declared: Sequence[Fraction | None],
) -> Timing:
    """Work out a clip's timing from the timestamps of its packets.

    Args:
        starts: Start of every frame in seconds, in any order; at least one.
        last_duration: Declared duration of the frame shown last, in seconds; 0 if unknown.
        tick: Length of one tick of the stream's clock in seconds: the timestamps' precision.
        declared: Rates the header claims, best first; believed only if the times bear them out.

    Returns:
        The timing. The end of a constant clip is exactly its frames over its rate.
    """
    ordered = tuple(sorted(starts))
    claims = [rate for rate in declared if rate is not None and rate > 0]
    if len(ordered) == 1:
        rate = claims[0] if claims else (1 / last_duration if last_duration > 0 else Fraction(24))
        held = last_duration if last_duration * rate > _HELD else 1 / rate
        return Timing(ordered, ordered[0] + held, rate, constant=held * rate == 1)
    span = ordered[-1] - ordered[0]
    if span <= 0:
        rate = claims[0] if claims else Fraction(24)
        return Timing(ordered, ordered[0] + len(ordered) / rate, rate, constant=False)
    rate = _believed_rate((len(ordered) - 1) / span, 2 * tick / span, claims)
    if _is_constant(ordered, rate, last_duration):
        return Timing(ordered, ordered[0] + len(ordered) / rate, rate, constant=True)
    typical = sorted(b - a for a, b in pairwise(ordered))[(len(ordered) - 1) // 2]
    held = last_duration if last_duration * 2 >= typical else typical
    return Timing(ordered, ordered[-1] + held, rate, constant=False)


def _believed_rate(measured: Fraction, error: Fraction, claims: Iterable[Fraction]) -> Fraction:
    for rate in (*claims, *COMMON_RATES):
        if abs(rate - measured) <= measured * error:
            return rate
    return measured.limit_denominator(1001)


def _is_constant(ordered: Sequence[Fraction], rate: Fraction, last_duration: Fraction) -> bool:
    if last_duration * rate > _HELD:
        return False
    first = ordered[0]
    return all(abs((start - first) * rate - index) < HALF for index, start in enumerate(ordered))


def schedule(timing: Timing, rate: Fraction, start: int = 0, stop: int | None = None) -> list[int]:
    """Say how often a film shows each frame of a clip.

    A clip of the film's own constant rate is shown frame by frame. Any other is resampled by
    time: every film frame shows the clip frame whose start, rounded to the film's grid, is
    the latest; the last frame kept is always shown.

    Args:
        timing: The clip's timing.
        rate: The film's frames a second.
        start: Index of the first frame that is kept; the clip's time then begins with it.
        stop: Index after the last kept frame, at most the number of frames; None keeps all.

    Returns:
        One count per clip frame (0: not shown); their sum is the clip's length in film frames,
        and 0 only if no frame is kept.
    """
    count = len(timing.starts)
    stop = count if stop is None else stop
    kept = timing.starts[start:stop]
    if not kept:
        return [0] * count
    if timing.constant and timing.rate == rate:
        shown = [1] * len(kept)
    else:
        end = timing.starts[stop] if stop < count else timing.end
        ticks = [nearest((at - kept[0]) * rate) for at in kept]
        total = max(nearest((end - kept[0]) * rate), ticks[-1] + 1)
        shown = [after - tick for tick, after in zip(ticks, [*ticks[1:], total], strict=True)]
    return [0] * start + shown + [0] * (count - stop)


def sample_at(frames: int, rate: Fraction, sound_rate: int) -> int:
    """Find the sound sample at which a film frame begins.

    Args:
        frames: Number of film frames before it.
        rate: The film's frames a second.
        sound_rate: Sound samples a second.

    Returns:
        The sample's index from the film's start: computed from the whole count, never added
        up clip by clip, so rounding can't drift.
    """
    return nearest(frames * Fraction(sound_rate) / rate)
