"""Chosen frames of a finished film, by their place on its grid.

Promises the frames a viewer sees, one slot of constant rate each: a frame that is stored but
held for next to no time, as in a film whose picture was copied, has no place and shifts no
other. Seeks, so that a few frames of a long film cost little. Leaves clips, whose rate may
vary, to `frames`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from prefect_videogen.errors import MediaError
from prefect_videogen.media.canvas import shown_rgb
from prefect_videogen.media.colour import RGB
from prefect_videogen.media.containers import open_media, picture_stream
from prefect_videogen.media.timing import nearest


def frames_at(film: Path, indices: Iterable[int]) -> dict[int, RGB]:
    """Decode some frames of a film and keep them all.

    Args:
        film: A film of constant rate.
        indices: Places on its grid, from 0, in any order; repeats count once.

    Returns:
        8 bit RGB arrays of (height, width, 3) by place, ascending.

    Raises:
        MediaError: Not a video, damaged, or it has no such frame.
    """
    return dict(each_frame_at(film, indices))


def each_frame_at(film: Path, indices: Iterable[int]) -> Generator[tuple[int, RGB]]:
    """Decode some frames of a film, holding one at a time.

    Args:
        film: A film of constant rate.
        indices: Places on its grid, from 0, in any order; repeats count once.

    Yields:
        Place and 8 bit RGB array of (height, width, 3), ascending by place.

    Raises:
        MediaError: Not a video, damaged, or it has no such frame.
    """
    wanted = sorted(set(indices))
    if not wanted:
        return
    grid = _read_grid(film)
    for index in (wanted[0], wanted[-1]):
        if not 0 <= index < len(grid.slots):
            raise MediaError(
                f"{film} has {len(grid.slots)} frames, so there is none at {index}.",
                next_step="Ask for one within the film.",
            )
    with open_media(film) as container:
        reader = _Reader(container, picture_stream(container, film), grid.keys)
        pending: tuple[int, RGB] | None = None
        for index in wanted:
            stamp = grid.slots[index]
            # One stored frame may fill several slots.
            if pending is None or pending[0] != stamp:
                pending = stamp, reader.at(stamp, film)
            yield index, pending[1]


@dataclass(frozen=True)
class _Grid:
    """Timestamps of one film, in ticks.

    Attributes:
        slots: The frame shown in every slot.
        keys: Where decoding can begin, ascending.
    """

    slots: list[int]
    keys: list[int]


def _read_grid(film: Path) -> _Grid:
    """Read when each frame is shown from the packets, without decoding."""
    stamps: list[int] = []
    keys: list[int] = []
    with open_media(film) as container:
        for packet in container.demux(picture_stream(container, film)):
            if packet.pts is None or packet.is_discard:
                continue
            stamps.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
    return _Grid(slots=slots_of(stamps), keys=sorted(keys))


def frames_shown(film: Path) -> int:
    """Count the frames that a film shows, which are fewer than it stores if it was copied.

    Args:
        film: A film of constant rate.

    Returns:
        Number of slots on its grid.

    Raises:
        MediaError: Not a video.
    """
    with open_media(film) as container:
        packets = container.demux(picture_stream(container, film))
        return len(slots_of([p.pts for p in packets if p.pts is not None and not p.is_discard]))


def slots_of(stamps: Iterable[int]) -> list[int]:
    """Say which frame each slot of a film shows.

    The usual distance of two frames is a slot. A frame fills as many as its own length comes
    nearest to, so one that is gone after a tick fills none, and the tick adds up to nothing.

    Args:
        stamps: Start of every stored frame in ticks, in any order.

    Returns:
        The start of the frame shown, slot by slot; the last frame fills one.
    """
    ordered = sorted(stamps)
    lengths = [following - start for start, following in pairwise(ordered)]
    slot = Counter(lengths).most_common(1)[0][0] if lengths else 1
    slots: list[int] = []
    for start, length in zip(ordered, [*lengths, slot], strict=False):
        slots += [start] * nearest(Fraction(length, slot))
    return slots


class _Reader:
    """Decodes forward, and jumps where a later frame to begin with lies on the way."""

    def __init__(self, container: InputContainer, stream: VideoStream, keys: list[int]) -> None:
        self._container, self._stream, self._keys = container, stream, keys
        self._aspect = stream.sample_aspect_ratio
        self._frames = container.decode(stream)
        self._reached: int | None = None

    def at(self, stamp: int, film: Path) -> RGB:
        """Decode the frame that starts at a timestamp not before the last one asked for."""
        before = bisect_right(self._keys, stamp)
        key = self._keys[before - 1] if before else None
        if key is not None and (self._reached is None or key > self._reached):
            self._jump(key)
        frame = self._forward(stamp)
        if frame is None:
            raise MediaError(
                f"{film} has a frame at tick {stamp} that does not decode.",
                next_step="The file is damaged; make or fetch it again.",
            )
        return shown_rgb(frame, self._aspect)

    def _jump(self, stamp: int) -> None:
        self._container.seek(stamp, stream=self._stream)
        self._frames = self._container.decode(self._stream)

    def _forward(self, stamp: int) -> VideoFrame | None:
        for frame in self._frames:
            if frame.pts is None:
                continue
            self._reached = frame.pts
            if frame.pts >= stamp:
                return frame if frame.pts == stamp else None
        return None
