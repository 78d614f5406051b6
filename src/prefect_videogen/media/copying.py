"""A film whose picture is its clips' own, packet by packet: nothing is encoded a second time.

Promises a copy only of clips whose packets fit together for certain, and a sentence that names
the first that does not. The frames that a clip repeats of the one before stay in the file, since
the clip can't be decoded without its first; they share the time of that clip's last frame.
Leaves the choice to `stitch`, and sound and file to `encode`.

The first repeated frame comes one tick (at most 0.1 ms) after the last frame of the clip before
and the rest a tick apart, so all other frames keep to the film's grid exactly. A player takes
either that last frame or its repetition for the slot, never both. Chromium 156 drops a frame
that comes so soon after another: with the repetition just before the clip's next frame, it drops
that one. The mean rate in the file's header counts the repeated frames, so it is a little above
the film's; the ffmpeg command's `fps` filter keeps to the film's frames, while its own retiming
(`-fps_mode cfr`, or none given) lets the picture fall up to two frames behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path

from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc
from av.video.stream import VideoStream

from prefect_videogen.errors import MediaError
from prefect_videogen.media import colour
from prefect_videogen.media.containers import open_media, picture_stream
from prefect_videogen.media.encode import MUXER, FilmFile
from prefect_videogen.media.layout import Card, Segment
from prefect_videogen.media.probe import Probe
from prefect_videogen.media.settings import FilmSettings
from prefect_videogen.media.stored import Stored, ranked_packets, read_stored

MOST_DOUBLED = 3
_TICKS_A_SECOND = 10_000

# Opening a clip takes most of the time, and FFmpeg does that without the interpreter's lock.
_READERS = 2


@dataclass(frozen=True)
class _Clip:
    """A clip of the film's format; the first is what the others are held against."""

    name: str
    probe: Probe
    stored: Stored


def why_not_copied(
    parts: Sequence[Segment | Card], settings: FilmSettings, probes: Mapping[Path, Probe]
) -> str:
    """Say why a film's picture has to be encoded; the packets of every clip are read.

    Args:
        parts: What the film is made of, in order.
        settings: What it is to be like.
        probes: What the clips are.

    Returns:
        Half a sentence that names the first part that can't be copied and what it has, such as
        `shot orbit is 1280x704, the film 1280x720`; empty if all can.

    Raises:
        MediaError: A clip can't be read.
    """
    segments: list[Segment] = []
    for part in parts:
        if isinstance(part, Card):
            return f"{_name(part)} is a card, which has to be drawn"
        why = _why_by_description(part, probes[part.path], settings, is_first=not segments)
        if why:
            return why
        segments.append(part)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="read") as pool:
        found = pool.map(read_stored, (part.path for part in segments), repeat(settings.fps))
        clips = [
            _Clip(_name(part), probes[part.path], stored)
            for part, stored in zip(segments, found, strict=True)
        ]
    whys = (_why_not_alone(clip) or _why_not_after(clip, clips[0]) for clip in clips)
    return next((why for why in whys if why), "")


def _why_by_description(
    segment: Segment, probe: Probe, settings: FilmSettings, *, is_first: bool
) -> str:
    name = _name(segment)
    return (
        _why_new_pixels(segment, name, is_first=is_first)
        or _why_frames_left_out(segment, probe, name, is_first=is_first)
        or _why_other_format(probe, settings, name)
    )


def _why_new_pixels(segment: Segment, name: str, *, is_first: bool) -> str:
    if not is_first and segment.transition != "cut":
        return f"{name} begins with a {segment.transition}"
    return f"the colours of {name} are corrected" if segment.levels is not None else ""


def _why_frames_left_out(segment: Segment, probe: Probe, name: str, *, is_first: bool) -> str:
    count, stop = probe.frame_count, segment.stop
    if stop is not None and stop != count:
        return f"{name} is cut after {stop} of its {count} frames"
    if segment.start > (0 if is_first or segment.trimmed else MOST_DOUBLED):
        return f"{name} begins {segment.start} frames late, and nothing can hide them"
    return ""


def _why_other_format(probe: Probe, settings: FilmSettings, name: str) -> str:
    size, film = f"{probe.width}x{probe.height}", f"{settings.width}x{settings.height}"
    if probe.video_codec != "h264":
        return f"{name} is {probe.video_codec}, and only h264 is copied"
    if probe.rotation:
        return f"{name} is turned by {probe.rotation} degrees"
    if size != film:
        return f"{name} is {size}, the film {film}"
    if not probe.constant_rate or probe.rate != settings.fps:
        rate = probe.rate if probe.constant_rate else "a changing number of"
        return f"{name} has {rate} frames a second, the film {settings.fps}"
    if probe.pix_fmt != "yuv420p":
        return f"{name} is {probe.pix_fmt}, the film yuv420p"
    return "" if _is_bt709(probe) else f"{name} is {_colours(_tags(probe))}, the film bt709 tv"


def _is_bt709(probe: Probe) -> bool:
    matrix, levels, primaries, transfer = _tags(probe)
    guessed = not matrix and probe.height >= colour.HD_HEIGHT
    return (
        (matrix == "bt709" or guessed)
        and levels in {"", "tv"}
        and {primaries, transfer} <= {"", "bt709"}
    )


def _why_not_alone(clip: _Clip) -> str:
    stored = clip.stored
    if stored.pixel_aspect not in {None, 0, 1}:
        return f"{clip.name} has pixels of {stored.pixel_aspect}, the film square ones"
    if stored.fault:
        return f"{clip.name} {stored.fault}"
    if len(stored.order) != clip.probe.frame_count:
        return f"{clip.name} stores {len(stored.order)} frames and shows {clip.probe.frame_count}"
    return ""


def _why_not_after(clip: _Clip, first: _Clip) -> str:
    stored, begun = clip.stored, first.stored
    if stored.kind != begun.kind:
        return f"{clip.name} is {stored.kind}, {first.name} {begun.kind}"
    if stored.extradata != begun.extradata:
        return f"{clip.name} and {first.name} have other parameter sets, both {begun.kind}"
    tags, begun_tags = _tags(clip.probe), _tags(first.probe)
    if tags != begun_tags:
        return f"{clip.name} is {_colours(tags)}, {first.name} {_colours(begun_tags)}"
    if stored.delay > begun.delay:
        return f"{clip.name} holds {stored.delay} frames back, {first.name} {begun.delay}"
    return ""


def _tags(probe: Probe) -> tuple[str, ...]:
    return probe.color_space, probe.color_range, probe.color_primaries, probe.color_trc


def _colours(tags: Iterable[str]) -> str:
    return " ".join(tag or "untagged" for tag in tags)


def _name(part: Segment | Card) -> str:
    if part.label:
        return f"shot {part.label}"
    return "a card" if isinstance(part, Card) else part.path.name


@dataclass(frozen=True)
class Ticks:
    """The clock of a copied picture: the film's grid, and ticks much finer than that.

    Attributes:
        fps: The film's frames a second.
    """

    fps: Fraction

    @property
    def rate(self) -> int:
        """Ticks a second: at least 10,000 and whole ones in every frame."""
        rate = self.fps.numerator
        while rate < _TICKS_A_SECOND:
            rate *= 2
        return rate

    @property
    def slot(self) -> int:
        """Ticks that a frame is shown for."""
        return int(self.rate / self.fps)

    def shown(self, rank: int, doubled: int, start_frame: int) -> int:
        """Say when a frame is shown.

        Args:
            rank: Its place in its clip, from 0.
            doubled: How many of the clip's first frames repeat the clip before.
            start_frame: The film frame that the first other one fills.

        Returns:
            The time in ticks: on the grid, or just behind the last frame of the clip before.
        """
        if rank < doubled:
            return (start_frame - 1) * self.slot + 1 + rank
        return (start_frame + rank - doubled) * self.slot


class CopyWriter(FilmFile):
    """Writes a film of copied pictures, as `FilmFile` says; `why_not_copied` must have said "".

    Example:
        >>> with CopyWriter(path, 24) as writer:  # doctest: +SKIP
        ...     writer.copy(first, 0)
        ...     writer.copy(second, 1)

    Args:
        path: Where the film goes; the folder exists.
        fps: Frames a second, the clips' own.
        sound: Whether the film has a sound track, added after the first picture.
    """

    # The tracks come a clip at a time; without this, those of clips over 10 s would not lie side
    # by side in the file. A clip's packets wait in memory for its sound.
    _muxer = {**MUXER, "max_interleave_delta": "0"}  # noqa: RUF012 - typed in the base class

    def __init__(self, path: Path, fps: Fraction | int, *, sound: bool = False) -> None:
        super().__init__(path, fps, sound=sound)
        self._ticks = Ticks(self.fps)
        self._track: VideoStream | None = None
        self._waiting: list[int] = []
        self._stored = 0

    def copy(self, path: Path, doubled: int) -> int:
        """Add a clip's picture.

        Args:
            path: The clip.
            doubled: How many of its first frames, up to 3, repeat the clip before: they are
                stored, but share the time of one frame with that clip's last.

        Returns:
            How many frames it adds to what is shown.

        Raises:
            MediaError: The clip or the film can't be read or written, or there is no frame
                before the repeated ones.
        """
        if not 0 <= doubled <= (MOST_DOUBLED if self.frames else 0):
            raise MediaError(
                f"{doubled} doubled frames of {path} can't be hidden behind {self.frames} frames.",
                next_step="Encode the film.",
            )
        with open_media(path) as container:
            source = picture_stream(container, path)
            if self._track is None:
                self._track = self._add_tracks(source, read_stored(path, self.fps).delay)
            count = 0
            for packet, rank in ranked_packets(container, source, self.fps):
                packet.stream = self._track
                packet.time_base = Fraction(1, self._ticks.rate)
                packet.pts = self._ticks.shown(rank, doubled, self.frames)
                packet.dts = self._decoded(count, doubled)
                packet.duration = self._ticks.slot
                self._mux([packet])
                count += 1
        self._waiting = [
            self._decoded(at, doubled) for at in range(count, count + len(self._waiting))
        ]
        self._stored += count
        self.frames += count - doubled
        return count - doubled

    def _begin(self) -> None:
        """The first clip brings the tracks: the picture's is made like its own."""

    def _end_picture(self) -> None:
        """Nothing is held back: packets go out as they come."""

    def _check(self, stamps: Sequence[int]) -> None:
        slot = self._ticks.slot
        on_grid = [stamp // slot for stamp in stamps if stamp % slot == 0]
        if len(stamps) != self._stored or on_grid != list(range(self.frames)):
            raise MediaError(
                f"{self.path} holds {len(stamps)} frames, {len(set(on_grid))} of them on the film's"
                f" grid, where {self._stored} and {self.frames} were copied.",
                next_step="Encode the film; and please report this with the clips.",
            )

    def _decoded(self, at: int, doubled: int) -> int:
        """Say when a packet of the clip at hand is decoded: as late as its film allows.

        The times at which frames are shown, taken in order, served `delay` packets later: they
        rise, and no frame is shown before it is decoded.
        """
        delay = len(self._waiting)
        if at < delay:
            return self._waiting[at]
        return self._ticks.shown(at - delay, doubled, self.frames)

    def _add_tracks(self, source: VideoStream, delay: int) -> VideoStream:
        self._waiting = [(at - delay) * self._ticks.slot for at in range(delay)]
        track = self._container.add_stream_from_template(source)
        context = track.codec_context
        context.time_base = track.time_base = Fraction(1, self._ticks.rate)
        # In the file's own colour box too, for clips whose pictures don't say.
        context.colorspace = colour.BT709
        context.color_range = ColorRange.MPEG
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        self._add_sound()
        return track
