"""The film's sound made ready: music under the clips, and loudness brought to a target.

Promises exactly as many samples as the film needs, that nothing moves in time on the way, and
true peaks under the ceiling where a loudness was asked for. Memory holds blocks; what has to be
read twice lies in a file. Leaves the clips' own sound to `sound`, encoding to `encode`.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from math import log10
from pathlib import Path
from typing import cast
from uuid import uuid4

import numpy as np
from av.audio.frame import AudioFrame
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NothingMore
from av.filter import Graph
from av.filter.context import FilterContext
from pydantic import BaseModel, ConfigDict

from prefect_videogen.errors import MediaError
from prefect_videogen.media.encode import SOUND_RATE, Sound
from prefect_videogen.media.sound import BLOCK, Stretch, decoded_sound, film_sound, regular

TRUE_PEAK_CEILING = -1.0
SILENT = -70.0
# What is quieter than the target by more is hiss rather than sound, and would come up as such.
MOST_GAIN = 30.0
FADE_OUT_SECONDS = 2
SEAM_SAMPLES = SOUND_RATE // 4
_SHORTEST_MUSIC = SOUND_RATE

# Halves the music's amplitude: beside clips that sound, even between them, it is the background.
_BASE = "volume=0.5"
# The threshold, -46 dBFS, lies under speech and quiet places, and `mix` leaves a fifth of the
# music as it was: so it falls by 12 dB under speech and never by more than 14, however loud it is.
_DUCKING = (
    "threshold=0.005:ratio=20:attack=20:release=400:knee=4:mix=0.8:detection=rms:link=maximum"
)
_LIMITER = "level=0:latency=1:attack=5:release=80"
# Peaks between the samples show at four times the rate; the longer filter keeps the treble.
_FINE_RATE = f"{SOUND_RATE * 4}:filter_size=64"
_COARSE_RATE = f"{SOUND_RATE}:filter_size=64"
# Limiting costs loudness. More gain makes up for it, but only so much, or all would be limited.
_ROUNDS = 3
_MAKE_UP = 3.0
_CLOSE_ENOUGH = 0.1
_LEAST_PEAK = 1e-6
_BLOCK_BYTES = 2 * BLOCK * np.dtype(np.float32).itemsize


class SoundResult(BaseModel):
    """How loud a film came out.

    Attributes:
        loudness: Integrated loudness by EBU R128 in LUFS; None if it was not measured or there
            is too little to measure: under -70 LUFS or shorter than 0.4 seconds.
        loudness_before: The same before it was brought to its target.
        true_peak: Highest true peak in dBTP; None if it was not measured.
    """

    model_config = ConfigDict(frozen=True)

    loudness: float | None = None
    loudness_before: float | None = None
    true_peak: float | None = None


@dataclass(frozen=True)
class _Level:
    """Loudness in LUFS and true peak in dBTP."""

    loudness: float
    true_peak: float


def finish_sound(
    blocks: Iterator[Sound],
    total: int,
    *,
    music: Path | None,
    loudness: float | None,
    clips_sound: bool,
    folder: Path,
) -> tuple[Generator[Sound], SoundResult]:
    """Add music to a film's sound and bring it to a loudness.

    Without clips' sound music plays at its own level, with it 6 dB lower, and about 12 dB lower
    still while clips sound. Music longer than the film fades out over the film's last 2 seconds,
    or its last quarter if that is less; shorter music is repeated and then fades out
    likewise, but where it ends within the fade's length of the film's end it just ends.

    Loudness is reached with one gain over the whole film, at most 30 dB upwards. Only where
    peaks would pass -1 dBTP, they are limited; the result says what was reached.

    Args:
        blocks: The clips' sound at 48 kHz, as `film_sound` gives it.
        total: The film's length in samples.
        music: A file with sound, or None.
        loudness: The target in LUFS; None leaves the sound as it is.
        clips_sound: Whether the clips' sound is to be heard; if not, `blocks` is not read.
        folder: A folder for work files. A loudness takes one file of 384 kB a second there, so
            1.4 GB an hour; it goes when the sound was read to its end or closed midway.

    Returns:
        Arrays of (2, n) that add up to exactly `total`, and how loud they are.

    Raises:
        MediaError: The music can't be read or is shorter than a second, a clip is damaged, or
            the folder can't be written.
    """
    sound = _mixed(blocks, total, music, clips_sound=clips_sound)
    if loudness is None:
        return sound, SoundResult()
    spool = _Spool(folder / f"sound-{uuid4().hex}.f32")
    try:
        before = _measured(spool.filled(sound))
        if before.loudness <= SILENT:
            return spool.emptied(spool.blocks()), SoundResult()
        finished, after = _levelled(spool, total, before.loudness, loudness)
    except BaseException:
        spool.remove()
        raise
    return spool.emptied(finished), SoundResult(
        loudness=round(after.loudness, 2),
        loudness_before=round(before.loudness, 2),
        true_peak=round(after.true_peak, 2),
    )


def check_music(path: Path) -> None:
    """Read music as far as any film may need it: to its end.

    Args:
        path: A file with sound, decoded once; half a second for three minutes of MP3.

    Raises:
        MediaError: It can't be read to its end or is shorter than a second.
    """
    _extent(path, sys.maxsize)


def _mixed(
    clips: Iterator[Sound], total: int, music: Path | None, *, clips_sound: bool
) -> Generator[Sound]:
    if music is None:
        return regular(clips if clips_sound else (), total)
    playing = regular(_music(music, total), total)
    return regular(_ducked(playing, regular(clips, total)), total) if clips_sound else playing


def _music(path: Path, total: int) -> Generator[Sound]:
    """Give music for a film, from the file's first sample on; what is missing is silence."""
    start, samples = _extent(path, total)
    fade = min(FADE_OUT_SECONDS * SOUND_RATE, total // 4)
    if samples < total - fade:
        stretches = _repeated(path, start, samples, total)
    else:
        stretches = [Stretch(path, start, 0, min(samples, total))]
    playing = film_sound(stretches, total)
    return playing if total - fade <= samples <= total else _faded_out(playing, total, fade)


def _extent(path: Path, most: int) -> tuple[Fraction, int]:
    """Find where a file's sound starts on its clock and how long it is, up to past `most`."""
    first, samples = 0, 0
    with closing(decoded_sound(path)) as decoded:
        for position, block in decoded:
            first = first if samples else position
            samples = position + block.shape[1] - first
            if samples > most:
                break
    if samples < min(most, _SHORTEST_MUSIC):
        raise MediaError(
            f"{path} has {samples / SOUND_RATE:.2f} seconds of sound, too little for music.",
            next_step="Give a file with at least a second of sound.",
        )
    return Fraction(first, SOUND_RATE), samples


def _repeated(path: Path, start: Fraction, samples: int, total: int) -> list[Stretch]:
    return [
        Stretch(path, start, begin, samples, SEAM_SAMPLES if begin else 0, SEAM_SAMPLES)
        for begin in range(0, total, samples - SEAM_SAMPLES)
    ]


def _faded_out(blocks: Iterable[Sound], total: int, fade: int) -> Generator[Sound]:
    left = total
    for block in blocks:
        distance = left - 0.5 - np.arange(block.shape[1])
        left -= block.shape[1]
        yield block * np.minimum(distance / fade, 1).astype(np.float32)


def _ducked(music: Iterable[Sound], clips: Iterable[Sound]) -> Iterator[Sound]:
    """Lay music under clips; sums past full scale are limited to it, all else is as it was."""
    graph = Graph()
    quiet, both = graph.add("volume", _BASE), graph.add("asplit")
    compressor = graph.add("sidechaincompress", _DUCKING)
    mix = graph.add("amix", "inputs=2:normalize=0")
    sources = _source(graph), _source(graph)
    graph.link_nodes(sources[0], quiet, compressor, mix)
    graph.link_nodes(sources[1], both)
    both.link_to(compressor, 0, 1)
    both.link_to(mix, 1, 1)
    sink = _sink(graph, mix, ("alimiter", f"{_LIMITER}:limit=1"))
    return map(_samples, _filtered(graph, sources, sink, zip(music, clips, strict=True)))


def _measured(blocks: Iterable[Sound]) -> _Level:
    """Measure regular blocks by EBU R128; in less than 0.4 seconds it finds `SILENT`."""
    graph = Graph()
    source = _source(graph)
    sink = _sink(graph, source, ("ebur128", "metadata=1:peak=true:framelog=quiet"))
    # The filter answers every tenth of a second, which is a block; the last one may be shorter.
    whole = ((np.pad(block, ((0, 0), (0, BLOCK - block.shape[1]))),) for block in blocks)
    answer: dict[str, str] = {}
    for frame in _filtered(graph, (source,), sink, whole):
        answer = frame.metadata or answer
    peaks = [float(peak) for key, peak in answer.items() if "true_peaks_ch" in key]
    return _Level(
        loudness=float(answer.get("lavfi.r128.I", SILENT)),
        true_peak=20 * log10(max([_LEAST_PEAK, *peaks])),
    )


def _levelled(
    spool: _Spool, total: int, before: float, target: float
) -> tuple[Iterator[Sound], _Level]:
    gain = min(target - before, MOST_GAIN)
    aim = before + gain
    reached = _measured(_scaled(spool.blocks(), gain))
    if reached.true_peak <= TRUE_PEAK_CEILING:
        return _scaled(spool.blocks(), gain), reached
    used, most = gain, gain + _MAKE_UP
    for _ in range(_ROUNDS):
        used, reached = gain, _measured(_limited(_scaled(spool.blocks(), gain), total))
        gain = min(gain + aim - reached.loudness, most)
        if gain - used <= _CLOSE_ENOUGH:
            break
    # The way back to 48 kHz may raise a limited peak a little.
    over = max(reached.true_peak - TRUE_PEAK_CEILING, 0)
    limited = _limited(_scaled(spool.blocks(), used), total)
    return _scaled(limited, -over), _Level(reached.loudness - over, reached.true_peak - over)


def _scaled(blocks: Iterable[Sound], gain: float) -> Iterator[Sound]:
    factor = np.float32(10 ** (gain / 20))
    for block in blocks:
        yield block * factor


def _limited(blocks: Iterable[Sound], total: int) -> Iterator[Sound]:
    graph = Graph()
    source = _source(graph)
    limit = 10 ** (TRUE_PEAK_CEILING / 20)
    sink = _sink(
        graph,
        source,
        ("aresample", _FINE_RATE),
        ("alimiter", f"{_LIMITER}:limit={limit}"),
        ("aresample", _COARSE_RATE),
    )
    frames = _filtered(graph, (source,), sink, ((block,) for block in blocks))
    return regular(map(_samples, frames), total)


def _source(graph: Graph) -> FilterContext:
    return graph.add_abuffer(sample_rate=SOUND_RATE, format="fltp", layout="stereo")


def _sink(graph: Graph, last: FilterContext, *filters: tuple[str, str]) -> FilterContext:
    made = [graph.add(name, settings) for name, settings in filters]
    made += [graph.add("aformat", "sample_fmts=fltp:channel_layouts=stereo")]
    made += [graph.add("abuffersink")]
    graph.link_nodes(last, *made)
    return made[-1]


def _filtered(
    graph: Graph,
    sources: tuple[FilterContext, ...],
    sink: FilterContext,
    blocks: Iterable[tuple[Sound, ...]],
) -> Iterator[AudioFrame]:
    """Send one block after another to each source and give what comes out, to the last frame.

    It holds the graph meanwhile: the filters refer to it weakly, and crash without it.
    """
    graph.configure()
    at = 0
    for group in blocks:
        for source, block in zip(sources, group, strict=True):
            source.push(_frame(block, at))
        at += group[0].shape[1]
        yield from _ready(sink)
    for source in sources:
        source.push(None)
    yield from _ready(sink)


def _ready(sink: FilterContext) -> Iterator[AudioFrame]:
    while True:
        try:
            frame = sink.pull()
        except (NothingYet, NothingMore):
            return
        yield cast("AudioFrame", frame)


def _frame(block: Sound, at: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, at, Fraction(1, SOUND_RATE)
    return frame


def _samples(frame: AudioFrame) -> Sound:
    return cast("Sound", frame.to_ndarray())


class _Spool:
    """Sound in a file, for as long as it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def filled(self, blocks: Iterable[Sound]) -> Iterator[Sound]:
        """Pass on regular blocks and keep them."""
        try:
            with self._path.open("xb") as file:
                for block in blocks:
                    file.write(np.ascontiguousarray(block).tobytes())
                    yield block
        except OSError as error:
            raise MediaError(
                f"{self._path} can't be written: {error.strerror}.",
                next_step="Check that the folder is writable and the disk has room.",
            ) from error

    def blocks(self) -> Iterator[Sound]:
        """Read what was kept, from the start."""
        with self._path.open("rb") as file:
            while raw := file.read(_BLOCK_BYTES):
                yield np.frombuffer(raw, np.float32).reshape(2, -1)

    def emptied(self, blocks: Iterator[Sound]) -> Generator[Sound]:
        """Pass on what was made of it, then remove it."""
        try:
            yield from blocks
        finally:
            self.remove()

    def remove(self) -> None:
        """Remove the file, whether it was begun or not."""
        self._path.unlink(missing_ok=True)
