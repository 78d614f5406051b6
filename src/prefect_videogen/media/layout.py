"""Where every part of a film lies on its grid, and how one part gives way to the next.

Promises whole film frames reckoned from the lengths alone: no offset is taken from running
time, so none can drift. Pure; leaves files to `reels` and pixels to `planes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from prefect_videogen.media.colour import RGB, Levels
from prefect_videogen.media.timing import nearest

Transition = Literal["cut", "crossfade", "dip"]

TRANSITION_SECONDS = 0.5

# Seconds given as decimals are meant as such: 0.3 s at 25 frames a second is 7.5 frames.
_FINEST = 1_000_000


@dataclass(frozen=True)
class Segment:
    """One clip's part in a film.

    Attributes:
        path: The clip.
        start: Index of its first frame that is kept: 1 where frame 0 repeats the clip before.
        stop: Index after its last kept frame; None keeps it to its end.
        label: What to call it in errors and in the result, such as the shot's id.
        transition: How the part before gives way to this one; ignored on a film's first.
        transition_seconds: How long that takes, in seconds; a cut takes none.
        levels: Correction of its colours on the film; None leaves them.
        trimmed: Whether the frames before `start` are unlike the part before it, so that none of
            them may be seen for however short a time.
    """

    path: Path
    start: int = 0
    stop: int | None = None
    label: str = ""
    transition: Transition = "cut"
    transition_seconds: float = TRANSITION_SECONDS
    levels: Levels | None = None
    trimmed: bool = False


@dataclass(frozen=True, eq=False)
class Card:
    """A still picture in a film, silent: a title, or what stands for a missing shot.

    Attributes:
        picture: 8 bit RGB array of (height, width, 3) of any size; fitted like a clip.
        seconds: How long it is shown.
        label: As in `Segment`.
        transition: As in `Segment`.
        transition_seconds: As in `Segment`.
    """

    picture: RGB
    seconds: float
    label: str = ""
    transition: Transition = "cut"
    transition_seconds: float = TRANSITION_SECONDS


@dataclass(frozen=True)
class Place:
    """A part's place on the film's grid, in film frames.

    Attributes:
        start_frame: The first film frame in which any of it is seen.
        frames: How many it is seen in, transitions included.
        transition: How the part before gives way to it; `cut` if nothing is left of it.
        transition_frames: How many frames that takes.
        head: How many of its own first frames take part in that.
        tail: How many of its own last frames take part in giving way to the next.
        note: Why a transition is shorter than asked for; empty if it is not.
    """

    start_frame: int
    frames: int
    transition: Transition = "cut"
    transition_frames: int = 0
    head: int = 0
    tail: int = 0
    note: str = ""

    @property
    def overlap(self) -> int:
        """Frames in which the part before is seen as well."""
        return self.head if self.transition == "crossfade" else 0

    @property
    def end_frame(self) -> int:
        """The film frame after its last."""
        return self.start_frame + self.frames


def frames_of(seconds: float, fps: Fraction) -> int:
    """Say how many film frames are nearest to a length.

    Args:
        seconds: A length in seconds; below 0 counts as 0.
        fps: The film's frames a second.

    Returns:
        Whole frames.
    """
    return max(nearest(Fraction(seconds).limit_denominator(_FINEST) * fps), 0)


def lay_out(
    parts: Sequence[Segment | Card], lengths: Sequence[int], fps: Fraction
) -> tuple[Place, ...]:
    """Place the parts of a film one after another.

    A crossfade shows two parts at once and makes the film shorter; a dip to black takes half its
    frames from the end of one part and half from the start of the next, and the film keeps its
    length. Every part keeps at least one frame outside its transitions: what it can spare is
    shared between the two in the ratio they were asked for.

    Args:
        parts: The parts in order.
        lengths: How many film frames each fills on its own, at least 1.
        fps: The film's frames a second.

    Returns:
        One place per part; the last one's `end_frame` is the film's length.
    """
    wanted = [0, *(_wanted(part, fps) for part in parts[1:])]
    taken = _taken(parts, lengths, wanted)
    sides = [_sides(part.transition, count) for part, count in zip(parts, taken, strict=True)]
    tails = [*(tail for tail, _ in sides[1:]), 0]
    places: list[Place] = []
    end = 0
    for index, part in enumerate(parts):
        count = taken[index]
        place = Place(
            start_frame=end - (count if part.transition == "crossfade" else 0),
            frames=lengths[index],
            transition=part.transition if count else "cut",
            transition_frames=count,
            head=sides[index][1],
            tail=tails[index],
            note=_note(part, count, wanted[index]) if index else "",
        )
        places.append(place)
        end = place.end_frame
    return tuple(places)


def _taken(
    parts: Sequence[Segment | Card], lengths: Sequence[int], wanted: Sequence[int]
) -> list[int]:
    """Frames that each part's transition may take, so that every part has one left."""
    sides = [_sides(part.transition, count) for part, count in zip(parts, wanted, strict=True)]
    tails = [*(tail for tail, _ in sides[1:]), 0]
    spare = [
        _shared(length - 1, head, tail)
        for length, (_, head), tail in zip(lengths, sides, tails, strict=True)
    ]
    taken = [
        min(count, _longest(part.transition, tail, head))
        for part, count, (_, tail), (head, _) in zip(
            parts[1:], wanted[1:], spare[:-1], spare[1:], strict=True
        )
    ]
    return [0, *taken]


def dip_share(position: int, frames: int) -> Fraction:
    """Say how much of the picture is left in one frame of a dip to black.

    Args:
        position: The frame's number in the dip, from 0.
        frames: How many frames the dip takes.

    Returns:
        0 to 1: it falls and rises evenly, and the middle frame (the middle two, if their number
        is even) is black.
    """
    odd = frames % 2
    return Fraction(abs(2 * position - (frames - 1)) - 1 + odd, frames + odd)


def brightness(place: Place, following: Place | None, number: int) -> Fraction:
    """Say how much of the picture is left in one frame of a part: less than 1 in a dip.

    Args:
        place: The part's place.
        following: That of the part after it; None at the film's end.
        number: The frame's number within the part, from 0.

    Returns:
        0 to 1.
    """
    if place.transition == "dip" and number < place.head:
        dip = place.transition_frames
        return dip_share(dip - place.head + number, dip)
    left = place.frames - number
    if following is not None and following.transition == "dip" and left <= place.tail:
        return dip_share(place.tail - left, following.transition_frames)
    return Fraction(1)


def _wanted(part: Segment | Card, fps: Fraction) -> int:
    return 0 if part.transition == "cut" else frames_of(part.transition_seconds, fps)


def _sides(transition: Transition, count: int) -> tuple[int, int]:
    """Frames of the part before and of the part after that a transition takes part in."""
    if transition == "crossfade":
        return count, count
    return (count // 2, count - count // 2) if transition == "dip" else (0, 0)


def _shared(spare: int, head: int, tail: int) -> tuple[int, int]:
    if head + tail <= spare:
        return head, tail
    return spare * head // (head + tail), spare * tail // (head + tail)


def _longest(transition: Transition, before: int, after: int) -> int:
    """The longest transition that takes no more than these frames of its two parts."""
    return min(before, after) if transition == "crossfade" else min(2 * before + 1, 2 * after)


def _note(part: Segment | Card, count: int, wanted: int) -> str:
    if part.transition == "cut" or count == wanted > 0:
        return ""
    asked = f"{part.transition} of {part.transition_seconds:g} s"
    if not wanted:
        return f"{asked} is less than a frame: cut"
    if not count:
        return f"{asked} left out: there are not enough frames around it"
    return f"{asked} shortened from {wanted} to {count} frames to leave each shot one of its own"
