"""One film out of many clips, in a single pass of decoding, fitting and encoding.

Promises exact counts: the film has the frames its clips have, less the doubled ones, and
sound that is in place to the sample. Memory holds frames, never a clip or the film.
Leaves which frames are doubled, and what joins mean, to the caller.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from av.video.frame import VideoFrame
from pydantic import BaseModel, ConfigDict

from prefect_videogen.errors import MediaError
from prefect_videogen.media.canvas import Canvas, Fit, even
from prefect_videogen.media.containers import decoded_frames, open_media, picture_stream
from prefect_videogen.media.encode import (
    CRF,
    PRESET,
    SOUND_RATE,
    Preset,
    Sound,
    VideoWriter,
)
from prefect_videogen.media.probe import Probe, inspect
from prefect_videogen.media.sound import clip_sound, silence
from prefect_videogen.media.timing import COMMON_RATES, Timing, sample_at, schedule

FilmSound = Literal["clips", "none"]


@dataclass(frozen=True)
class Segment:
    """One clip's part in a film.

    Attributes:
        path: The clip.
        drop_first: Frames left out at its start: 1 where it repeats the clip before.
        label: What to call it in errors and in the result, such as the shot's id.
    """

    path: Path
    drop_first: int = 0
    label: str = ""


class FilmSettings(BaseModel):
    """What the film is to be like.

    Attributes:
        width: Width in pixels, even.
        height: Height in pixels, even.
        fps: Frames a second, constant.
        fit: How clips of another shape are fitted: `crop` cuts them, `pad` adds black bars.
        sound: `clips` keeps the clips' own; `none` is silence. Either way there is a track
            exactly if some clip has one.
        preset: x264's preset.
        crf: x264's quality, 0 to 51, lower is better.
    """

    model_config = ConfigDict(frozen=True)

    width: int
    height: int
    fps: Fraction
    fit: Fit = "crop"
    sound: FilmSound = "clips"
    preset: Preset = PRESET
    crf: int = CRF


class Join(BaseModel):
    """What became of one segment.

    Attributes:
        label: The segment's label.
        source_frames: Frames in its clip.
        dropped: Clip frames left out at its start.
        frames: Film frames it fills.
        start_frame: The film frame it begins on, from 0.
        notes: What had to be converted, in plain words; empty if nothing had.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    source_frames: int
    dropped: int
    frames: int
    start_frame: int
    notes: tuple[str, ...] = ()


class StitchResult(BaseModel):
    """A finished film.

    Attributes:
        path: Where it is.
        width: Width in pixels.
        height: Height in pixels.
        fps: Frames a second as a fraction, `24/1`.
        frames: Number of frames.
        seconds: Length in seconds.
        has_sound: Whether it has a sound track, silent or not.
        joins: One entry per segment, in order.
    """

    model_config = ConfigDict(frozen=True)

    path: Path
    width: int
    height: int
    fps: str
    frames: int
    seconds: float
    has_sound: bool
    joins: tuple[Join, ...]


@dataclass(frozen=True)
class _Part:
    """A segment with everything known about it before a frame is decoded."""

    segment: Segment
    probe: Probe
    timing: Timing
    shows: list[int]
    pixel_aspect: Fraction | None
    start_frame: int

    @property
    def frames(self) -> int:
        return sum(self.shows)


def choose_settings(
    probes: Sequence[Probe],
    *,
    fit: Fit = "crop",
    size: tuple[int, int] | None = None,
    fps: Fraction | int | None = None,
    sound: FilmSound = "clips",
    preset: Preset = PRESET,
    crf: int = CRF,
) -> FilmSettings:
    """Choose the settings under which the fewest seconds of film need converting.

    Args:
        probes: What the clips are, at least one.
        fit: See `FilmSettings`.
        size: Width and height in pixels; None takes the most common, weighted by seconds.
        fps: Frames a second; None takes the most common, weighted by seconds.
        sound: See `FilmSettings`.
        preset: See `FilmSettings`.
        crf: See `FilmSettings`.

    Returns:
        The settings; ties go to the larger picture and the higher rate, odd sizes are rounded.

    Raises:
        MediaError: There is no clip.
    """
    if not probes:
        raise MediaError("A film needs at least one clip.", next_step="Give some clips.")
    sizes: defaultdict[tuple[int, int], float] = defaultdict(float)
    rates: defaultdict[Fraction, float] = defaultdict(float)
    for probe in probes:
        sizes[even(probe.width), even(probe.height)] += probe.seconds
        rates[_usual(probe)] += probe.seconds
    width, height = size or max(sizes, key=lambda s: (round(sizes[s], 3), s[0] * s[1], s))
    return FilmSettings(
        width=even(width),
        height=even(height),
        fps=Fraction(fps) if fps else max(rates, key=lambda r: (round(rates[r], 3), r)),
        fit=fit,
        sound=sound,
        preset=preset,
        crf=crf,
    )


def _usual(probe: Probe) -> Fraction:
    # The mean of a variable rate is an odd number that no player expects of a film.
    if probe.constant_rate:
        return probe.rate
    return min(COMMON_RATES, key=lambda rate: abs(rate - probe.rate))


def stitch(
    segments: Sequence[Segment],
    out: Path,
    *,
    settings: FilmSettings,
    on_progress: Callable[[float], None] | None = None,
) -> StitchResult:
    """Join clips into one film; at 1080p, allow two shared cores as long as the film lasts.

    Args:
        segments: The clips in order, at least one.
        out: Where the film goes; written under another name and moved there when complete.
        settings: What it is to be like; `choose_settings` finds some.
        on_progress: Called with the share done, 0 to 1, about every percent.

    Returns:
        The film and where each segment lies in it.

    Raises:
        MediaError: A clip can't be read, a segment is left without frames, the settings are
            impossible, or a count does not come out as planned. No film is left then.
    """
    if not segments:
        raise MediaError("A film needs at least one clip.", next_step="Give some segments.")
    parts = _plan(segments, settings.fps)
    total = sum(part.frames for part in parts)
    sounding = any(part.probe.has_audio for part in parts)
    canvas = Canvas(settings.width, settings.height, settings.fit)
    report = _Progress(total, on_progress)
    with VideoWriter(
        out,
        settings.width,
        settings.height,
        settings.fps,
        sound=sounding,
        preset=settings.preset,
        crf=settings.crf,
    ) as writer:
        for part in parts:
            sound = _part_sound(part, settings) if sounding else iter(())
            _write(part, canvas, sound, writer, report)
        _check(writer, total, settings.fps, sounding=sounding)
    return _result(out, settings, parts, sounding=sounding)


def _plan(segments: Sequence[Segment], fps: Fraction) -> list[_Part]:
    parts: list[_Part] = []
    start = 0
    for segment in segments:
        found, timing = inspect(segment.path)
        if not 0 <= segment.drop_first < found.frame_count:
            raise MediaError(
                f"{_name(segment)} has {found.frame_count} frames, so {segment.drop_first} can't"
                " be dropped from its start.",
                next_step="Drop fewer frames, or leave the clip out.",
            )
        shows = schedule(timing, fps, segment.drop_first)
        with open_media(segment.path) as container:
            aspect = picture_stream(container, segment.path).sample_aspect_ratio
        parts.append(_Part(segment, found, timing, shows, aspect, start))
        start += parts[-1].frames
    return parts


def _part_sound(part: _Part, settings: FilmSettings) -> Iterator[Sound]:
    begin = sample_at(part.start_frame, settings.fps, SOUND_RATE)
    samples = sample_at(part.start_frame + part.frames, settings.fps, SOUND_RATE) - begin
    if settings.sound == "none" or not part.probe.has_audio:
        return silence(samples)
    return clip_sound(part.segment.path, part.timing.starts[part.segment.drop_first], samples)


def _write(
    part: _Part,
    canvas: Canvas,
    sound: Iterator[Sound],
    writer: VideoWriter,
    report: _Progress,
) -> None:
    for frame, shows in _shown(part):
        placed = canvas.place(frame, part.pixel_aspect) if shows else frame
        for _ in range(shows):
            writer.write_frame(placed)
            # Sound goes out alongside, or the muxer would have to hold a whole clip back.
            while writer.samples < sample_at(writer.frames, writer.fps, SOUND_RATE):
                block = next(sound, None)
                if block is None:
                    break
                writer.write_sound(block)
        report(writer.frames)
    for block in sound:
        writer.write_sound(block)


def _shown(part: _Part) -> Iterator[tuple[VideoFrame, int]]:
    decoded = 0
    with closing(decoded_frames(part.segment.path)) as frames:
        for frame in frames:
            if decoded < len(part.shows):
                yield frame, part.shows[decoded]
            decoded += 1
    if decoded != len(part.shows):
        raise MediaError(
            f"{_name(part.segment)} has {len(part.shows)} frames by its packets, but {decoded}"
            " could be decoded.",
            next_step="The clip is damaged; fetch it again.",
        )


def _check(writer: VideoWriter, total: int, fps: Fraction, *, sounding: bool) -> None:
    samples = sample_at(total, fps, SOUND_RATE) if sounding else 0
    if (writer.frames, writer.samples) != (total, samples):
        raise MediaError(
            f"The film came to {writer.frames} frames and {writer.samples} samples of sound where"
            f" {total} and {samples} were planned.",
            next_step="This is a fault of prefect-videogen; please report it with the clips.",
        )


class _Progress:
    """Passes on the share done, when it has grown by a percent."""

    def __init__(self, total: int, on_progress: Callable[[float], None] | None) -> None:
        self._total = total
        self._on_progress = on_progress
        self._percent = -1

    def __call__(self, frames: int) -> None:
        percent = frames * 100 // self._total
        if self._on_progress is not None and percent > self._percent:
            self._percent = percent
            self._on_progress(frames / self._total)


def _result(
    out: Path, settings: FilmSettings, parts: Sequence[_Part], *, sounding: bool
) -> StitchResult:
    frames = sum(part.frames for part in parts)
    return StitchResult(
        path=out,
        width=settings.width,
        height=settings.height,
        fps=f"{settings.fps.numerator}/{settings.fps.denominator}",
        frames=frames,
        seconds=round(float(frames / settings.fps), 6),
        has_sound=sounding,
        joins=tuple(
            Join(
                label=part.segment.label,
                source_frames=part.probe.frame_count,
                dropped=part.segment.drop_first,
                frames=part.frames,
                start_frame=part.start_frame,
                notes=tuple(_notes(part, settings)),
            )
            for part in parts
        ),
    )


def _notes(part: _Part, settings: FilmSettings) -> Iterator[str]:
    found = part.probe
    if not found.constant_rate:
        yield f"variable frame rate resampled to {settings.fps} frames a second"
    elif found.rate != settings.fps:
        yield f"{found.fps} frames a second resampled to {settings.fps}"
    if (found.width, found.height) != (settings.width, settings.height):
        size = f"{settings.width}x{settings.height}"
        yield f"{found.width}x{found.height} fitted to {size} ({settings.fit})"
    if not found.color_space:
        yield "no colour tags: the matrix was chosen by height"
    if found.color_trc in {"smpte2084", "arib-std-b67"}:
        yield "high dynamic range shown without tone mapping"


def _name(segment: Segment) -> str:
    return f"{segment.label} ({segment.path})" if segment.label else str(segment.path)
