"""Sound as exactly as many samples as the picture needs: one clip's, and a film's.

Promises 48 kHz stereo, silence where there is nothing, short fades against clicks, transitions
that add up, and that no clip's sound moves the next one's. Memory holds blocks, never a clip.
Leaves music and loudness to `mixing`, encoding to `encode`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from prefect_videogen.media.containers import open_sound
from prefect_videogen.media.encode import SOUND_RATE, Sound
from prefect_videogen.media.timing import nearest

Curve = Literal["equal power", "linear"]

# What a resampler is made for: sample format, channel layout and rate.
_Kind = tuple[str, str, int]

# 5 ms: long enough to hide the step at a cut, too short to be heard as a fade.
FADE_SAMPLES = SOUND_RATE * 5 // 1000

# Timestamps that are off by less belong to the same stretch of sound (coarse container clocks).
_GAP_SECONDS = Fraction(1, 20)

BLOCK = SOUND_RATE // 10


@dataclass(frozen=True)
class Stretch:
    """One clip's sound on the film's clock.

    Attributes:
        path: The clip; None, or a file without a sound track, is silence.
        clip_start: Where in the clip it begins, in seconds of the file's clock.
        begin: The film sample it begins at, from 0.
        samples: Its length in samples at 48 kHz, transitions included.
        fade_in: Length in samples of the transition at its start; 0 is a cut.
        fade_out: Length in samples of the transition at its end; 0 is a cut.
        curve: How the transitions rise and fall. `equal power` keeps the loudness of two
            different sounds; `linear` keeps the level where both sides are the same sound.
    """

    path: Path | None
    clip_start: Fraction
    begin: int
    samples: int
    fade_in: int = 0
    fade_out: int = 0
    curve: Curve = "equal power"

    @property
    def end(self) -> int:
        """The film sample after its last one."""
        return self.begin + self.samples


def film_sound(stretches: Sequence[Stretch], total: int) -> Generator[Sound]:
    """Give a film's sound: its stretches laid on the film's clock and added up.

    A decoder is open from its stretch's first sample to its last, so at most two are where only
    neighbours overlap; all are closed when the consumer stops early.

    Args:
        stretches: In the order they begin; what lies between them is silence.
        total: The film's length in samples at 48 kHz.

    Yields:
        Arrays of (2, n) that add up to exactly `total`. Where overlapping sounds come to more
        than full scale they are cut off there, to -1 and 1.

    Raises:
        MediaError: A file is no sound file or damaged.
    """
    edges = {0, total, *(edge for s in stretches for edge in (s.begin, s.end))}
    waiting = deque(stretches)
    playing: list[_Player] = []
    try:
        for here, there in pairwise(sorted(edge for edge in edges if 0 <= edge <= total)):
            while waiting and waiting[0].begin <= here:
                playing.append(_Player(waiting.popleft()))
            for at in range(here, there, BLOCK):
                block = np.zeros((2, min(BLOCK, there - at)), np.float32)
                for player in playing:
                    block += player.take(block.shape[1])
                yield np.clip(block, -1, 1)
            for player in playing:
                if player.stretch.end <= there:
                    player.close()
            playing = [player for player in playing if player.stretch.end > there]
    finally:
        for player in playing:
            player.close()


class _Player:
    """Plays one stretch from its beginning, with the transitions at its ends."""

    def __init__(self, stretch: Stretch) -> None:
        self.stretch = stretch
        self._at = 0
        self._blocks: Generator[Sound] = (
            silence(stretch.samples)
            if stretch.path is None
            else clip_sound(stretch.path, stretch.clip_start, stretch.samples)
        )
        self._rest: Sound = np.zeros((2, 0), np.float32)

    def take(self, samples: int) -> Sound:
        """Give the next samples; there are enough, since the film asks for none past the end."""
        parts, missing = [self._rest], samples - self._rest.shape[1]
        while missing > 0:
            parts.append(next(self._blocks))
            missing -= parts[-1].shape[1]
        ready = np.concatenate(parts, axis=1)
        self._rest = ready[:, samples:]
        self._at += samples
        return self._shaped(ready[:, :samples], self._at - samples)

    def _shaped(self, block: Sound, at: int) -> Sound:
        # Measured at the middle of each sample, so both sides of a transition mirror each other.
        place = np.arange(at, at + block.shape[1]) + 0.5
        for length, distance in (
            (self.stretch.fade_in, place),
            (self.stretch.fade_out, self.stretch.samples - place),
        ):
            if length and distance.min() < length:
                gain = np.minimum(distance / length, 1)
                if self.stretch.curve == "equal power":
                    gain = np.sin(gain * np.pi / 2)
                block = block * gain.astype(np.float32)
        return block

    def close(self) -> None:
        self._blocks.close()


def regular(blocks: Iterable[Sound], total: int) -> Generator[Sound]:
    """Regroup sound into blocks of one size.

    Args:
        blocks: Arrays of (2, n), n as it comes; closed at the end if it can be.
        total: Number of samples wanted: more are left, missing ones are silence.

    Yields:
        Arrays of (2, `BLOCK`), the last one shorter, that add up to exactly `total`.
    """
    rest: Sound = np.zeros((2, 0), np.float32)
    left = total
    try:
        for block in blocks:
            rest = np.concatenate((rest, block), axis=1)
            while left and rest.shape[1] >= (size := min(BLOCK, left)):
                yield rest[:, :size]
                rest, left = rest[:, size:], left - size
            if not left:
                return
    finally:
        # Not left to the collector: others may still hold it, and with it an open file.
        if isinstance(blocks, Generator):
            blocks.close()
    padded = np.pad(rest, ((0, 0), (0, left - rest.shape[1])))
    for at in range(0, left, BLOCK):
        yield padded[:, at : at + BLOCK]


def silence(samples: int) -> Generator[Sound]:
    """Give silence in blocks.

    Args:
        samples: Number of samples.

    Yields:
        Arrays of (2, n) that add up to `samples`.
    """
    while samples > 0:
        block = min(samples, BLOCK)
        yield np.zeros((2, block), np.float32)
        samples -= block


def clip_sound(path: Path, start: Fraction, samples: int) -> Generator[Sound]:
    """Give a clip's sound for a stretch of its picture.

    Args:
        path: A media file; without a sound track it gives silence.
        start: Where the stretch begins, in seconds of the file's clock.
        samples: Its length in samples at 48 kHz.

    Yields:
        Arrays of (2, n) that add up to exactly `samples`: later sound is cut off, missing
        sound is silence, and what is heard is faded over 5 ms at its beginning and end.

    Raises:
        MediaError: The file is no sound file or damaged.
    """
    at = 0
    with closing(decoded_sound(path, start)) as decoded:
        for position, block in _faded(_within(decoded, samples)):
            yield from silence(position - at)
            yield block
            at = position + block.shape[1]
    yield from silence(samples - at)


def decoded_sound(path: Path, start: Fraction = Fraction(0)) -> Generator[tuple[int, Sound]]:
    """Decode a file's first sound track as 48 kHz stereo.

    Args:
        path: A media file.
        start: What counts as position 0, in seconds of the file's clock.

    Yields:
        Positions in samples and arrays of (2, n), in order; gaps between them are silence. A
        track may change its rate and channels on the way, as one that was put together does.

    Raises:
        MediaError: The file is no sound file or damaged.
    """
    with open_sound(path) as container:
        if not container.streams.audio:
            return
        resampler: AudioResampler | None = None
        kind: _Kind | None = None
        at, expected = 0, Fraction(0)
        for frame in container.decode(container.streams.audio[0]):
            begin = _begin(frame, expected)
            gap = resampler is None or abs(begin - expected) > _GAP_SECONDS
            # One made for other frames passes them on at the wrong speed, or with their channels.
            if gap or _kind(frame) != kind:
                for block in _blocks(resampler, None):
                    yield at, block
                    at += block.shape[1]
                if gap:
                    begun = nearest((begin - start) * SOUND_RATE)
                    # Only ever forwards: where a track's clock jumps back, it is played on.
                    at = begun if resampler is None else max(at, begun)
                    expected = begin
                resampler, kind = _resampler(frame), _kind(frame)
            expected += Fraction(frame.samples, frame.sample_rate)
            for block in _blocks(resampler, frame):
                yield at, block
                at += block.shape[1]
        for block in _blocks(resampler, None):
            yield at, block
            at += block.shape[1]


def _begin(frame: AudioFrame, expected: Fraction) -> Fraction:
    if frame.pts is None or frame.time_base is None:
        return expected
    return frame.pts * frame.time_base


def _kind(frame: AudioFrame) -> _Kind:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _resampler(frame: AudioFrame) -> AudioResampler:
    # Mono stays mono here: the library's own upmix makes it quieter by 3 dB.
    layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
    return AudioResampler(format="fltp", layout=layout, rate=SOUND_RATE)


def _blocks(resampler: AudioResampler | None, frame: AudioFrame | None) -> Iterator[Sound]:
    if resampler is None:
        return
    for resampled in resampler.resample(frame):
        block = cast("Sound", resampled.to_ndarray())
        yield np.repeat(block, 2, axis=0) if len(block) == 1 else block


def _within(blocks: Iterable[tuple[int, Sound]], samples: int) -> Iterator[tuple[int, Sound]]:
    for position, block in blocks:
        if position >= samples:
            return
        kept = block[:, max(-position, 0) : samples - position]
        if kept.shape[1]:
            yield max(position, 0), kept


def _faded(blocks: Iterable[tuple[int, Sound]]) -> Iterator[tuple[int, Sound]]:
    """Fade the first and last samples; the end is only known one block late, so hold some."""
    ramp = np.linspace(0, 1, FADE_SAMPLES, endpoint=False, dtype=np.float32)
    held: list[tuple[int, Sound]] = []
    waiting = 0
    heard = 0
    for position, block in blocks:
        risen = block.copy()
        rise = ramp[heard : heard + risen.shape[1]]
        risen[:, : len(rise)] *= rise
        heard += risen.shape[1]
        held.append((position, risen))
        waiting += risen.shape[1]
        while waiting - held[0][1].shape[1] >= FADE_SAMPLES:
            waiting -= held[0][1].shape[1]
            yield held.pop(0)
    left = waiting
    for position, block in held:
        # Counts down to the last sample; what is further away than the fade keeps its level.
        distance = np.arange(left - 1, left - 1 - block.shape[1], -1)
        left -= block.shape[1]
        yield position, block * np.minimum(distance / FADE_SAMPLES, 1).astype(np.float32)
