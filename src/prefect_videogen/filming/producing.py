"""Producing a film and all that is left with it, from files on this disk.

Synchronous work of seconds to minutes; callers in an event loop run it in a thread. Nothing here
reads or writes the media store.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect_videogen.filming.describing import Made, describe
from prefect_videogen.filming.manifest import Manifest, VariantEntry
from prefect_videogen.filming.model import FilmPart
from prefect_videogen.filming.page import page
from prefect_videogen.filming.segments import Segments, segments_of
from prefect_videogen.filming.thumbs import thumbnails
from prefect_videogen.filming.timeline import timeline
from prefect_videogen.media import FilmSettings, stitch
from prefect_videogen.media.canvas import even
from prefect_videogen.media.matching import ColourDrift, drift_between
from prefect_videogen.media.seam_sheet import SeamRow, seam_sheet
from prefect_videogen.media.seams import seam_frames


@dataclass(frozen=True)
class Materials:
    """Everything that a film is made of, but for the files themselves.

    Attributes:
        title: The film's title.
        slug: Name of its folder.
        digest: Digest of ingredients and settings.
        made_at: Now, in seconds since 1970.
        parts: Its parts in order.
        settings: What it is to be like.
        variants: Further shapes, such as `9:16`.
        match_colour: How far chained clips take on their first clip's colours, 0 to 1.
        asked: What was asked of the vendors, by key.
        missing: Ids of the shots that are not in it.
    """

    title: str
    slug: str
    digest: str
    made_at: float
    parts: tuple[FilmPart, ...]
    settings: FilmSettings
    variants: tuple[str, ...] = ()
    match_colour: float = 0
    asked: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Product:
    """A film with what belongs to it.

    Attributes:
        films: The film and its variants, by their names in the film's folder.
        papers: Everything else but the manifest, by name.
        manifest: How it was made.
    """

    films: Mapping[str, Path]
    papers: Mapping[str, bytes]
    manifest: Manifest


class StoppedError(Exception):
    """Producing a film was given up because another thread said so."""


@dataclass(frozen=True)
class _Making:
    folder: Path
    music: Path | None
    go_on: Callable[[float], None]


def produce(
    materials: Materials,
    files: Mapping[str, Path],
    folder: Path,
    *,
    music: Path | None = None,
    stop: threading.Event | None = None,
) -> Product:
    """Make a film, its variants, and the papers.

    Args:
        materials: What it is made of.
        files: Local files of what lies in the media store, by path there.
        folder: Where to work and leave the films; has room for them.
        music: The music's file.
        stop: Set by another thread to give up; looked at while films are stitched.

    Returns:
        All of it.

    Raises:
        MediaError: If the parts can't be joined.
        StoppedError: If it was told to give up.
    """

    def go_on(_: float) -> None:
        if stop is not None and stop.is_set():
            raise StoppedError

    segments = segments_of(materials.parts, files, materials.settings, materials.match_colour)
    film = folder / "film.mp4"
    result = stitch(
        segments.parts, film, settings=materials.settings, music=music, on_progress=go_on
    )
    variants = [
        _variant(materials, segments, shape, _Making(folder, music, go_on))
        for shape in materials.variants
    ]
    cuts = [join.start_frame for join in result.joins[1:]]
    seams = seam_frames(film, cuts) if cuts else []
    drifts = _drifts(materials.parts, segments)
    made = Made(
        result=result,
        sha256=_digest(film),
        seams=tuple(seams),
        drifts=drifts,
        doubled=segments.doubled,
        variants=tuple(variants),
        begins=segments.begins,
    )
    manifest = describe(materials, made)
    return Product(
        films={"film.mp4": film, **{variant.path: folder / variant.path for variant in variants}},
        papers=_papers(manifest, film, _sheet(materials, made)),
        manifest=manifest,
    )


def _variant(materials: Materials, segments: Segments, shape: str, making: _Making) -> VariantEntry:
    width, height = shaped(materials.settings.width, materials.settings.height, shape)
    settings = materials.settings.model_copy(
        update={"width": width, "height": height, "fit": "crop"}
    )
    name = f"film-{shape.replace(':', 'x')}.mp4"
    place = making.folder / name
    stitch(segments.parts, place, settings=settings, music=making.music, on_progress=making.go_on)
    return VariantEntry(shape=shape, path=name, sha256=_digest(place), width=width, height=height)


def shaped(width: int, height: int, shape: str) -> tuple[int, int]:
    """The size of a film in another shape: its shorter side stays.

    Args:
        width: Width of the film in pixels.
        height: Height of the film in pixels.
        shape: Width to height, such as `9:16`.

    Returns:
        Even width and height in pixels.
    """
    across, down = (int(side) for side in shape.split(":"))
    short = min(width, height)
    if across >= down:
        return even(short * across / down), even(short)
    return even(short), even(short * down / across)


def _drifts(parts: Sequence[FilmPart], segments: Segments) -> dict[str, ColourDrift]:
    """How far every chained part has come from its chain's first."""
    return {
        part.shot: drift_between(segments.colours[part.anchor], segments.colours[part.shot])
        for part in parts
        if part.anchor in segments.colours and part.shot in segments.colours
    }


def _sheet(materials: Materials, made: Made) -> bytes | None:
    """The seam sheet; None for a film of one part."""
    rows = [
        SeamRow(
            before=before.shot,
            after=part.shot,
            why=part.why,
            transition=join.transition,
            doubled=made.doubled[part.shot].count if part.shot in made.doubled else 0,
            frames=frames,
            anchor=part.anchor if part.shot in made.drifts else "",
            drift=made.drifts.get(part.shot),
        )
        for before, part, join, frames in zip(
            materials.parts, materials.parts[1:], made.result.joins[1:], made.seams, strict=False
        )
    ]
    return seam_sheet(rows, materials.title or materials.slug) if rows else None


def _papers(manifest: Manifest, film: Path, sheet: bytes | None) -> dict[str, bytes]:
    pictures = thumbnails(film, manifest.shots)
    papers = {
        "index.html": page(manifest, frames=pictures, seams=sheet).encode(),
        "film.otio": timeline(manifest).encode(),
    }
    if manifest.shots:
        papers["first.jpg"] = pictures[f"{manifest.shots[0].id}/first"]
    if sheet:
        papers["seams.png"] = sheet
    return papers


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
