"""From a film's parts to what is stitched: kept frames, doubled frames, cards and colours.

Looks into the clips; decides nothing that is not written down in the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from prefect_videogen.filming.model import FilmPart
from prefect_videogen.filming.slate import slate
from prefect_videogen.media import Card, FilmSettings, Segment
from prefect_videogen.media.canvas import even
from prefect_videogen.media.colour import RGB, Converter, Levels, from_rgb
from prefect_videogen.media.doubled import Doubled, doubled_frames
from prefect_videogen.media.frames import frame_rgb, last_frame
from prefect_videogen.media.keeping import constant_timing, kept_frames
from prefect_videogen.media.matching import ColourStatistics, levels_to_match, statistics_of
from prefect_videogen.media.planes import corrected
from prefect_videogen.media.probe import inspect
from prefect_videogen.media.stills import plain


@dataclass(frozen=True)
class Segments:
    """What is stitched, and what was found out on the way.

    Attributes:
        parts: One for each part of the film.
        doubled: What was found at the joins that share a frame, by shot.
        colours: Colours of the clips that chains are made of, by shot.
        begins: When the first frame shown starts, in seconds after the file's first frame, by
            shot; only where the rate is variable, so that the frame's index does not tell.
    """

    parts: tuple[Segment | Card, ...]
    doubled: Mapping[str, Doubled] = field(default_factory=dict)
    colours: Mapping[str, ColourStatistics] = field(default_factory=dict)
    begins: Mapping[str, Fraction] = field(default_factory=dict)


def segments_of(
    parts: Sequence[FilmPart],
    files: Mapping[str, Path],
    settings: FilmSettings,
    match_colour: float = 0,
) -> Segments:
    """Look into a film's parts and say what is stitched.

    Args:
        parts: The parts in order.
        files: Local files of what lies in the media store, by path there.
        settings: What the film is to be like.
        match_colour: How far chained clips take on their first clip's colours, 0 to 1.

    Returns:
        The segments, with the doubled frames left out.

    Raises:
        MediaError: If a file can't be read, or nothing of it is kept.
    """
    return _Cutting(parts, files, settings, match_colour).segments()


class _Cutting:
    def __init__(
        self,
        parts: Sequence[FilmPart],
        files: Mapping[str, Path],
        settings: FilmSettings,
        match_colour: float,
    ) -> None:
        self.parts = parts
        self.files = files
        self.settings = settings
        self.match_colour = match_colour
        self.doubled: dict[str, Doubled] = {}
        self.colours: dict[str, ColourStatistics] = {}
        self.begins: dict[str, Fraction] = {}

    def segments(self) -> Segments:
        chains = {part.anchor for part in self.parts if part.anchor}
        for part in self.parts:
            if part.probe and (part.anchor or part.shot in chains):
                self.colours[part.shot] = statistics_of(self.files[part.path])
        made: list[Segment | Card] = []
        for number, part in enumerate(self.parts):
            made.append(self._clip(part, number) if part.probe else self._card(part, number))
        return Segments(tuple(made), self.doubled, self.colours, self.begins)

    def _clip(self, part: FilmPart, number: int) -> Segment:
        path = self.files[part.path]
        start, stop = self._kept(part)
        if part.doubled and number:
            found = doubled_frames(self._last_shown(self.parts[number - 1], number - 1), path)
            start = min(found.count, (stop or found.count + 1) - 1)
            self.doubled[part.shot] = replace(found, count=start)
        if start and part.probe and not part.probe.constant_rate:
            starts = inspect(path)[1].starts
            self.begins[part.shot] = starts[start] - starts[0]
        return Segment(
            path=path,
            start=start,
            stop=stop,
            label=part.shot,
            transition=part.transition,
            transition_seconds=part.transition_seconds,
            levels=self._levels(part),
            trimmed=bool(part.trim and part.trim[0]),
        )

    def _levels(self, part: FilmPart) -> Levels | None:
        """The correction of a chained clip's colours; None for everything else."""
        mine, anchor = self.colours.get(part.shot), self.colours.get(part.anchor)
        if not (self.match_colour and mine and anchor):
            return None
        return levels_to_match(mine, anchor, self.match_colour)

    def _card(self, part: FilmPart, number: int) -> Card:
        return Card(
            picture=self._shown(part, number),
            seconds=part.seconds,
            label=part.shot,
            transition=part.transition,
            transition_seconds=part.transition_seconds,
        )

    def _kept(self, part: FilmPart) -> tuple[int, int | None]:
        """First frame shown, and the one after the last; None is the file's end."""
        if part.probe is None or not (part.trim or part.stop):
            return 0, None
        timing = constant_timing(part.probe) or inspect(self.files[part.path])[1]
        start, stop = kept_frames(timing, part.trim)
        stop = max(min(stop, part.stop or stop), start + 1)
        return start, None if stop >= part.probe.frame_count else stop

    def _shown(self, part: FilmPart, number: int) -> RGB:
        """A still as the film shows it: a held frame in the colours that its clip has there."""
        picture = self._still(part, number)
        source = self._held_from(number) if part.kind == "hold" else None
        levels = None if source is None else self._levels(self.parts[source])
        return picture if levels is None else _corrected(picture, levels)

    def _still(self, part: FilmPart, number: int) -> RGB:
        if part.kind == "slate":
            return slate(self.settings.width, self.settings.height, part.shot, part.text)
        if part.kind == "hold":
            return self._held(part, number)
        return _picture(self.files[part.path])

    def _held(self, part: FilmPart, number: int) -> RGB:
        """The last frame before a missing shot; at the film's start the first one after it."""
        source = self._held_from(number)
        if source is None:
            return slate(self.settings.width, self.settings.height, part.shot, "")
        held = self.parts[source]
        if source < number:
            return self._last_shown(held, source)
        if held.probe:
            return frame_rgb(self.files[held.path], self._kept(held)[0])
        return _picture(self.files[held.path])

    def _held_from(self, number: int) -> int | None:
        """The part whose frame stands for a missing shot; None if no part shows anything."""
        before = (n for n in range(number - 1, -1, -1) if self.parts[n].kind != "hold")
        after = (n for n in range(number + 1, len(self.parts)) if self.parts[n].path)
        return next(chain(before, after), None)

    def _last_shown(self, part: FilmPart, number: int) -> RGB:
        if part.probe is None:
            return self._still(part, number)
        stop = self._kept(part)[1]
        if stop is not None:
            return frame_rgb(self.files[part.path], stop - 1)
        if part.last_frame:
            return _picture(self.files[part.last_frame])
        return last_frame(self.files[part.path]).rgb


def _corrected(picture: RGB, levels: Levels) -> RGB:
    height, width = picture.shape[:2]
    converter = Converter()
    film = converter.to_film(from_rgb(picture), even(width), even(height))
    return converter.to_rgb(corrected(film, levels))


def _picture(path: Path) -> RGB:
    """A picture as it is meant to be seen; what is transparent is black."""
    with Image.open(path) as image:
        return np.asarray(plain(image))
