"""A clip's sound as exactly as many samples as its picture needs.

Promises 48 kHz stereo, silence where there is nothing, short fades at both ends against
clicks, and that no clip's sound moves the next one's. Leaves encoding to `encode`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from prefect_videogen.media.containers import open_media
from prefect_videogen.media.encode import SOUND_RATE, Sound
from prefect_videogen.media.timing import nearest

# 5 ms: long enough to hide the step at a cut, too short to be heard as a fade.
FADE_SAMPLES = SOUND_RATE * 5 // 1000

# Timestamps that are off by less belong to the same stretch of sound (coarse container clocks).
_GAP_SECONDS = Fraction(1, 20)

_SILENCE_BLOCK = SOUND_RATE // 10


def silence(samples: int) -> Iterator[Sound]:
    """Give silence in blocks.

    Args:
        samples: Number of samples.

    Yields:
        Arrays of (2, n) that add up to `samples`.
    """
    while samples > 0:
        block = min(samples, _SILENCE_BLOCK)
        yield np.zeros((2, block), np.float32)
        samples -= block


def clip_sound(path: Path, start: Fraction, samples: int) -> Iterator[Sound]:
    """Give a clip's sound for a stretch of its picture.

    Args:
        path: A media file; without a sound track it gives silence.
        start: Where the stretch begins, in seconds of the file's clock.
        samples: Its length in samples at 48 kHz.

    Yields:
        Arrays of (2, n) that add up to exactly `samples`: later sound is cut off, missing
        sound is silence, and what is heard is faded over 5 ms at its beginning and end.

    Raises:
        MediaError: The file is damaged.
    """
    at = 0
    for position, block in _faded(_within(_stretches(path, start), samples)):
        yield from silence(position - at)
        yield block
        at = position + block.shape[1]
    yield from silence(samples - at)


def _stretches(path: Path, start: Fraction) -> Iterator[tuple[int, Sound]]:
    """Decode blocks of stereo with their position from `start`; gaps between them are real."""
    with open_media(path) as container:
        if not container.streams.audio:
            return
        resampler: AudioResampler | None = None
        at, expected = 0, Fraction(0)
        for frame in container.decode(container.streams.audio[0]):
            begin = _begin(frame, expected)
            if resampler is None or abs(begin - expected) > _GAP_SECONDS:
                for block in _blocks(resampler, None):
                    yield at, block
                    at += block.shape[1]
                begun = nearest((begin - start) * SOUND_RATE)
                # Only ever forwards: where a track's clock jumps back, it is played on.
                at = begun if resampler is None else max(at, begun)
                resampler, expected = _resampler(frame), begin
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
