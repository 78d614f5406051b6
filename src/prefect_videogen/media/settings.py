"""What a film is to be like: size, rate, encoding and sound, and settings that suit its clips.

Promises settings that are the same for the same clips, whatever their order. Leaves making the
film to `stitch` and whether a setting can be met to the encoder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict

from prefect_videogen.media.canvas import Fit, even
from prefect_videogen.media.encode import CRF, PRESET, Preset
from prefect_videogen.media.probe import Probe
from prefect_videogen.media.timing import COMMON_RATES

FilmSound = Literal["clips", "none"]
Encode = Literal["auto", "always"]

# What a film of nothing but cards is like.
CARDS_SIZE, CARDS_RATE = (1280, 720), Fraction(24)


class FilmSettings(BaseModel):
    """What the film is to be like.

    Attributes:
        width: Width in pixels, even.
        height: Height in pixels, even.
        fps: Frames a second, constant.
        fit: How clips of another shape are fitted: `crop` cuts them, `pad` adds black bars.
        sound: `clips` keeps the clips' own; with `none` only the music is heard, if there is
            any. A film in which nothing can be heard has no sound track.
        preset: x264's preset.
        crf: x264's quality, 0 to 51, lower is better.
        encode: `auto` copies the picture where the clips allow it; `always` encodes it.
        music: Digest of the music's bytes, so that other music is another film; empty is none.
            The file itself is given to `stitch`.
        loudness: Integrated loudness in LUFS that the sound is brought to; None leaves it.
    """

    model_config = ConfigDict(frozen=True)

    width: int
    height: int
    fps: Fraction
    fit: Fit = "crop"
    sound: FilmSound = "clips"
    preset: Preset = PRESET
    crf: int = CRF
    encode: Encode = "auto"
    music: str = ""
    loudness: float | None = None


def choose_settings(
    probes: Sequence[Probe],
    *,
    fit: Fit = "crop",
    size: tuple[int, int] | None = None,
    fps: Fraction | int | None = None,
    sound: FilmSound = "clips",
    preset: Preset = PRESET,
    crf: int = CRF,
    encode: Encode = "auto",
    music: str = "",
    loudness: float | None = None,
) -> FilmSettings:
    """Choose the settings under which the fewest seconds of film need converting.

    Args:
        probes: What the clips are; none for a film of nothing but cards.
        fit: See `FilmSettings`.
        size: Width and height in pixels; None takes the most common, weighted by seconds.
        fps: Frames a second; None takes the most common, weighted by seconds.
        sound: See `FilmSettings`.
        preset: See `FilmSettings`.
        crf: See `FilmSettings`.
        encode: See `FilmSettings`.
        music: See `FilmSettings`.
        loudness: See `FilmSettings`.

    Returns:
        The settings; ties go to the larger picture and the higher rate, odd sizes are rounded.
    """
    sizes: defaultdict[tuple[int, int], float] = defaultdict(float)
    rates: defaultdict[Fraction, float] = defaultdict(float)
    if not probes:
        sizes[CARDS_SIZE] = rates[CARDS_RATE] = 0
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
        encode=encode,
        music=music,
        loudness=loudness,
    )


def _usual(probe: Probe) -> Fraction:
    # The mean of a variable rate is an odd number that no player expects of a film.
    if probe.constant_rate:
        return probe.rate
    return min(COMMON_RATES, key=lambda rate: abs(rate - probe.rate))
