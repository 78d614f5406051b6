"""The parts of a film as frames: clips decoded and fitted, cards shown, transitions blended.

Promises one frame for every frame of the film, in order, with at most two clips open at a time
and no frame kept longer than it is needed. Leaves where parts lie to `layout` and encoding and
sound to `stitch`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction

from av.video.frame import VideoFrame

from prefect_videogen.errors import MediaError
from prefect_videogen.media import colour
from prefect_videogen.media.canvas import Canvas
from prefect_videogen.media.containers import open_media, picture_stream
from prefect_videogen.media.layout import Card, Place, Segment, brightness, frames_of
from prefect_videogen.media.planes import blend, corrected, darken
from prefect_videogen.media.probe import Probe, inspect
from prefect_videogen.media.timing import schedule


@dataclass(frozen=True)
class ClipReel:
    """A clip, ready to be shown.

    Attributes:
        segment: Its part in the film.
        probe: What the clip is.
        shows: How often the film shows each of its frames.
        begin: Where the first frame that is kept starts, in seconds of the clip's clock.
    """

    segment: Segment
    probe: Probe
    shows: Sequence[int]
    begin: Fraction

    @property
    def frames(self) -> int:
        """Film frames that it fills."""
        return sum(self.shows)

    @property
    def stop(self) -> int:
        """Index after the last clip frame that is kept."""
        return len(self.shows) if self.segment.stop is None else self.segment.stop

    def play(self, canvas: Canvas) -> Generator[VideoFrame]:
        """Decode it.

        Args:
            canvas: The film's picture area.

        Yields:
            One film frame for each of `frames`; the clip is decoded to its end, or to the end of
            what is kept of it.

        Raises:
            MediaError: The clip is damaged or has another number of frames than its packets.
        """
        decoded = 0
        with open_media(self.segment.path) as container:
            stream = picture_stream(container, self.segment.path)
            aspect = stream.sample_aspect_ratio
            for frame in container.decode(stream):
                if decoded == self.stop < len(self.shows):
                    return
                if decoded < len(self.shows) and self.shows[decoded]:
                    placed = self._placed(frame, aspect, canvas)
                    for _ in range(self.shows[decoded]):
                        yield placed
                decoded += 1
        if decoded != len(self.shows):
            raise MediaError(
                f"{name_of(self.segment)} has {len(self.shows)} frames by its packets, but"
                f" {decoded} could be decoded.",
                next_step="The clip is damaged; fetch it again.",
            )

    def _placed(self, frame: VideoFrame, aspect: Fraction | None, canvas: Canvas) -> VideoFrame:
        placed = canvas.place(frame, aspect)
        levels = self.segment.levels
        return placed if levels is None else corrected(placed, levels)


@dataclass(frozen=True)
class CardReel:
    """A card, ready to be shown.

    Attributes:
        card: Its part in the film.
        frames: Film frames that it fills.
    """

    card: Card
    frames: int

    def play(self, canvas: Canvas) -> Generator[VideoFrame]:
        """Show it.

        Args:
            canvas: The film's picture area.

        Yields:
            One film frame for each of `frames`.
        """
        placed = canvas.place(colour.from_rgb(self.card.picture), None)
        for _ in range(self.frames):
            yield placed


Reel = ClipReel | CardReel


def load(part: Segment | Card, fps: Fraction) -> Reel:
    """Find out all about a part of a film before any of it is shown.

    Args:
        part: The part.
        fps: The film's frames a second.

    Returns:
        It, ready to be shown; its length is known.

    Raises:
        MediaError: The clip can't be read, nothing of it is kept, or a card is shown for no time.
    """
    if isinstance(part, Card):
        if part.seconds <= 0:
            raise MediaError(
                f"{part.label or 'A card'} can't be shown for {part.seconds:g} s.",
                next_step="Show it for some seconds, or leave it out.",
            )
        return CardReel(part, max(frames_of(part.seconds, fps), 1))
    found, timing = inspect(part.path)
    count = found.frame_count
    if not 0 <= part.start < (count if part.stop is None else part.stop) <= count:
        kept = f"{part.start} to {count if part.stop is None else part.stop}"
        raise MediaError(
            f"{name_of(part)} has {count} frames, so {kept} can't be kept of it.",
            next_step="Keep at least one of its frames, or leave the clip out.",
        )
    shows = schedule(timing, fps, part.start, part.stop)
    return ClipReel(part, found, shows, timing.starts[part.start])


def name_of(segment: Segment) -> str:
    """Say which clip is meant, for an error.

    Args:
        segment: The clip's part in a film.

    Returns:
        Its label, if it has one, and its path.
    """
    return f"{segment.label} ({segment.path})" if segment.label else str(segment.path)


def film_frames(
    reels: Sequence[Reel], places: Sequence[Place], canvas: Canvas
) -> Generator[VideoFrame]:
    """Show the parts of a film one after another, with their transitions.

    Args:
        reels: The parts in order.
        places: Their places on the film's grid.
        canvas: The film's picture area.

    Yields:
        Every frame of the film, in order. The same frame may come several times in a row.

    Raises:
        MediaError: A clip is damaged.
    """
    with ExitStack() as opened:
        before: Generator[VideoFrame] | None = None
        for index, (reel, place) in enumerate(zip(reels, places, strict=True)):
            following = places[index + 1] if index + 1 < len(places) else None
            frames = opened.enter_context(closing(reel.play(canvas)))
            if before is not None:
                for number in range(place.overlap):
                    share = Fraction(number + 1, place.overlap + 1)
                    yield blend(next(before), next(frames), share)
                _finish(before)
            own = place.frames - (following.overlap if following else 0)
            for number in range(place.overlap, own):
                share = brightness(place, following, number)
                frame = next(frames)
                yield frame if share == 1 else darken(frame, share)
            before = frames
        if before is not None:
            _finish(before)


def _finish(frames: Generator[VideoFrame]) -> None:
    """Run a part to its end, where it counts what it decoded."""
    for _ in frames:
        pass
