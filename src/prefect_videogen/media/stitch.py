"""One film out of clips and cards: laid out, decoded, fitted and encoded in a single pass.

Promises exact counts: the film has the frames its parts have, less what crossfades share, and
sound that is in place to the sample. Memory holds frames, never a clip or the film. The picture
is copied instead of encoded where `copying` proves that it can be. Leaves which frames are kept,
and what joins mean, to the caller.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from prefect_videogen.errors import MediaError
from prefect_videogen.media.ahead import ahead
from prefect_videogen.media.canvas import Canvas
from prefect_videogen.media.copying import CopyWriter, why_not_copied
from prefect_videogen.media.encode import SOUND_RATE, FilmFile, Sound, VideoWriter
from prefect_videogen.media.layout import Card, Place, Segment, Transition, lay_out
from prefect_videogen.media.mixing import SoundResult, finish_sound
from prefect_videogen.media.reels import ClipReel, Reel, film_frames, load
from prefect_videogen.media.settings import FilmSettings
from prefect_videogen.media.sound import Stretch, film_sound
from prefect_videogen.media.timing import sample_at

# Enough to bridge the time in which a clip is opened. A frame of 1080p is 3 MB, a block of sound
# a tenth of a second or 38 kB.
FRAMES_AHEAD = 8
BLOCKS_AHEAD = 10

# Clips looked into at a time: opening one leaves a second core idle.
_LOADERS = 2


class Join(BaseModel):
    """What became of one part of the film.

    Attributes:
        label: The part's label.
        source_frames: Frames in its clip; 0 for a card.
        start: Index of the first clip frame that was kept.
        kept: How many clip frames were kept.
        frames: Film frames it is seen in, transitions included.
        start_frame: The first film frame in which any of it is seen, from 0.
        transition: How the part before gives way to it.
        transition_frames: Film frames that takes.
        notes: What had to be converted or shortened, in plain words; empty if nothing had.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    source_frames: int
    start: int
    kept: int
    frames: int
    start_frame: int
    transition: Transition = "cut"
    transition_frames: int = 0
    notes: tuple[str, ...] = ()


class StitchResult(BaseModel):
    """A finished film.

    Attributes:
        path: Where it is.
        width: Width in pixels.
        height: Height in pixels.
        fps: Frames a second as a fraction, `24/1`.
        frames: Number of frames shown.
        seconds: Length in seconds.
        has_sound: Whether it has a sound track.
        picture: Whether the clips' picture was copied, bit by bit, or encoded once.
        why_encoded: Why it was not copied; empty if it was.
        sound: Levels of the sound; None if it was neither measured nor mixed with music.
        joins: One entry per part, in order.
    """

    model_config = ConfigDict(frozen=True)

    path: Path
    width: int
    height: int
    fps: str
    frames: int
    seconds: float
    has_sound: bool
    picture: Literal["copied", "encoded"]
    why_encoded: str
    sound: SoundResult | None
    joins: tuple[Join, ...]


@dataclass(frozen=True)
class _Plan:
    """A film with everything known about it before a frame is decoded."""

    settings: FilmSettings
    reels: tuple[Reel, ...]
    places: tuple[Place, ...]
    music: Path | None

    @property
    def frames(self) -> int:
        return self.places[-1].end_frame

    @property
    def clips_sound(self) -> bool:
        return self.settings.sound == "clips" and any(
            isinstance(reel, ClipReel) and reel.probe.has_audio for reel in self.reels
        )

    @property
    def sounding(self) -> bool:
        return self.clips_sound or self.music is not None

    @property
    def samples(self) -> int:
        return self.sample(self.frames) if self.sounding else 0

    def sample(self, frame: int) -> int:
        return sample_at(frame, self.settings.fps, SOUND_RATE)


def stitch(
    segments: Sequence[Segment | Card],
    out: Path,
    *,
    settings: FilmSettings,
    music: Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> StitchResult:
    """Join clips and cards into one film.

    Args:
        segments: The parts in order, at least one.
        out: Where the film goes; written under another name and moved there when complete.
        settings: What it is to be like; `choose_settings` finds some.
        music: The file that `settings.music` is the digest of.
        on_progress: Called with the share done, 0 to 1, about every percent.

    Returns:
        The film and where each part lies in it.

    Raises:
        MediaError: A clip can't be read, nothing of one is kept, the settings are impossible, or
            a count does not come out as planned. No film is left then.
    """
    if not segments:
        raise MediaError("A film needs at least one clip.", next_step="Give some segments.")
    if settings.music and music is None:
        raise MediaError(
            f"The film is to have the music {settings.music}, but its file was not given.",
            next_step="Give the file as `music`.",
        )
    plan = _plan(segments, settings, music)
    report = _Progress(plan.frames, on_progress)
    why = _why_encoded(plan, segments)
    with _sound(plan, out.parent) as (blocks, levels):
        if why:
            _encode(plan, out, blocks, report)
        else:
            _copy(plan, out, blocks, report)
    return _result(plan, out, why, levels)


def _plan(segments: Sequence[Segment | Card], settings: FilmSettings, music: Path | None) -> _Plan:
    with ThreadPoolExecutor(_LOADERS, thread_name_prefix="load") as pool:
        reels = tuple(pool.map(load, segments, repeat(settings.fps)))
    places = lay_out(segments, [reel.frames for reel in reels], settings.fps)
    return _Plan(settings, reels, places, music)


def _why_encoded(plan: _Plan, segments: Sequence[Segment | Card]) -> str:
    if plan.settings.encode == "always":
        return "the settings ask for it"
    clips = [reel for reel in plan.reels if isinstance(reel, ClipReel)]
    probes = {reel.segment.path: reel.probe for reel in clips}
    return why_not_copied(segments, plan.settings, probes)


@contextmanager
def _sound(plan: _Plan, folder: Path) -> Iterator[tuple[Iterator[Sound], SoundResult | None]]:
    """Give the film's sound in blocks, and its levels if they were measured."""
    if not plan.sounding:
        yield iter(()), None
        return
    stretches = _stretches(plan) if plan.clips_sound else []
    loudness = plan.settings.loudness
    with ExitStack() as stack:
        blocks = stack.enter_context(
            closing(ahead(film_sound(stretches, plan.samples), BLOCKS_AHEAD))
        )
        levels = None
        if plan.music is not None or loudness is not None:
            finished, levels = finish_sound(
                blocks,
                plan.samples,
                music=plan.music,
                loudness=loudness,
                clips_sound=plan.clips_sound,
                folder=Path(stack.enter_context(_spool(folder))),
            )
            blocks = stack.enter_context(closing(finished))
        yield blocks, levels


def _spool(folder: Path) -> tempfile.TemporaryDirectory[str]:
    # Beside the film, where there is room for it: spooled sound can be large.
    try:
        return tempfile.TemporaryDirectory(prefix=".sound-", dir=folder)
    except OSError as error:
        raise MediaError(
            f"{folder} can't be written to: {error.strerror}.",
            next_step="Check that the folder exists, is writable and has room.",
        ) from error


def _stretches(plan: _Plan) -> list[Stretch]:
    followed = [*plan.places[1:], None]
    return [
        _stretch(plan, reel, place, following)
        for reel, place, following in zip(plan.reels, plan.places, followed, strict=True)
    ]


def _stretch(plan: _Plan, reel: Reel, place: Place, following: Place | None) -> Stretch:
    begin, end = plan.sample(place.start_frame), plan.sample(place.end_frame)
    sounding = isinstance(reel, ClipReel) and reel.probe.has_audio
    # Both sides of a crossfade need the same curve; a dip has but one side at a time.
    crossed = "crossfade" in {place.transition, following and following.transition}
    return Stretch(
        path=reel.segment.path if isinstance(reel, ClipReel) and sounding else None,
        clip_start=reel.begin if isinstance(reel, ClipReel) else Fraction(0),
        begin=begin,
        samples=end - begin,
        fade_in=plan.sample(place.start_frame + place.head) - begin,
        fade_out=end - plan.sample(place.end_frame - place.tail),
        curve="equal power" if crossed else "linear",
    )


def _encode(plan: _Plan, out: Path, sound: Iterator[Sound], report: _Progress) -> None:
    settings = plan.settings
    canvas = Canvas(settings.width, settings.height, settings.fit)
    with VideoWriter(
        out,
        settings.width,
        settings.height,
        settings.fps,
        sound=plan.sounding,
        preset=settings.preset,
        crf=settings.crf,
    ) as writer:
        played = film_frames(plan.reels, plan.places, canvas)
        with closing(ahead(played, FRAMES_AHEAD)) as frames:
            for frame in frames:
                writer.write_frame(frame)
                _write_sound(plan, sound, writer)
                report(writer.frames)
        _check(plan, writer)


def _copy(plan: _Plan, out: Path, sound: Iterator[Sound], report: _Progress) -> None:
    with CopyWriter(out, plan.settings.fps, sound=plan.sounding) as writer:
        for reel in plan.reels:
            if isinstance(reel, ClipReel):
                writer.copy(reel.segment.path, reel.segment.start)
            _write_sound(plan, sound, writer)
            report(writer.frames)
        _check(plan, writer)


def _write_sound(plan: _Plan, sound: Iterator[Sound], writer: FilmFile) -> None:
    # Sound goes out alongside, or the muxer would have to hold the picture back.
    while plan.sounding and writer.samples < plan.sample(writer.frames):
        block = next(sound, None)
        if block is None:
            return
        writer.write_sound(block)


def _check(plan: _Plan, writer: FilmFile) -> None:
    if (writer.frames, writer.samples) != (plan.frames, plan.samples):
        raise MediaError(
            f"The film came to {writer.frames} frames and {writer.samples} samples of sound where"
            f" {plan.frames} and {plan.samples} were planned.",
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


def _result(plan: _Plan, out: Path, why: str, levels: SoundResult | None) -> StitchResult:
    settings = plan.settings
    return StitchResult(
        path=out,
        width=settings.width,
        height=settings.height,
        fps=f"{settings.fps.numerator}/{settings.fps.denominator}",
        frames=plan.frames,
        seconds=round(float(plan.frames / settings.fps), 6),
        has_sound=plan.sounding,
        picture="encoded" if why else "copied",
        why_encoded=why,
        sound=levels,
        joins=tuple(
            _join(reel, place, settings)
            for reel, place in zip(plan.reels, plan.places, strict=True)
        ),
    )


def _join(reel: Reel, place: Place, settings: FilmSettings) -> Join:
    notes = [place.note] if place.note else []
    if isinstance(reel, ClipReel):
        clip = reel.segment
        label, counted = clip.label, (reel.probe.frame_count, clip.start, reel.stop - clip.start)
        notes += _notes(reel, settings)
    else:
        label, counted = reel.card.label, (0, 0, 0)
    return Join(
        label=label,
        source_frames=counted[0],
        start=counted[1],
        kept=counted[2],
        frames=place.frames,
        start_frame=place.start_frame,
        transition=place.transition,
        transition_frames=place.transition_frames,
        notes=tuple(notes),
    )


def _notes(reel: ClipReel, settings: FilmSettings) -> Iterator[str]:
    found = reel.probe
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
    if reel.segment.levels is not None:
        yield "colours corrected"
