"""From stored clips to a stored film with everything about it, made once for the same ingredients.

A film's digest is that of its clips' bytes and its settings: the same film is found, not made
again. The manifest is written last, so a film without one does not exist.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prefect_videogen.errors import RecordError
from prefect_videogen.filming.manifest import FilmEntry, Manifest
from prefect_videogen.filming.model import Film, FilmPart
from prefect_videogen.filming.producing import Materials, Product, produce
from prefect_videogen.footage import Music, file_digest
from prefect_videogen.keys import canonical_json, digest
from prefect_videogen.media import FilmSettings, Probe, choose_settings
from prefect_videogen.media.timing import COMMON_RATES
from prefect_videogen.progress import tell
from prefect_videogen.storyboard import FilmOptions
from prefect_videogen.studio import OpenStudio

logger = logging.getLogger(__name__)

FILM_SCHEMA = 3
"""Counts in a film's digest; raise it when the same clips would give other pixels."""

_MEANT = 0.005
"""Frames a second by which a rate that is written with two or three digits may be off."""


async def make_film(
    studio: OpenStudio,
    *,
    title: str,
    slug: str,
    parts: Sequence[FilmPart],
    options: FilmOptions,
    music: Music | None = None,
    asked: Mapping[str, Any] | None = None,
    missing: Sequence[str] = (),
) -> Film:
    """Stitch clips into a film and store it with its manifest, or find it stored.

    Args:
        studio: The open studio.
        title: The film's title.
        slug: Name of its folder.
        parts: Its shots in order, at least one.
        options: How it is made.
        music: The music under it, kept in the media store.
        asked: What was asked of the vendors, by key, for the manifest.
        missing: Ids of the shots that are not in it, for the manifest.

    Returns:
        The film, without why shots are missing.

    Raises:
        MediaError: If the clips can't be joined.
        RecordError: If the media store does not answer as it must.
    """
    settings = _settings(parts, options, music.sha256 if music else "")
    found = _digest(title, parts, settings, options, missing)
    folder = f"films/{slug}/{found}"
    manifest = await _stored_manifest(studio, folder)
    if manifest is None:
        tell("", "stitching")
        materials = Materials(
            title=title,
            slug=slug,
            digest=found,
            made_at=studio.time.now(),
            parts=tuple(parts),
            settings=settings,
            variants=tuple(options.variants),
            match_colour=options.match_colour,
            asked=asked or {},
            missing=tuple(missing),
        )
        manifest = await _make(studio, folder, materials, music.path if music else "")
    tell("", "done")
    return _film(studio, folder, manifest, parts)


def _settings(parts: Sequence[FilmPart], options: FilmOptions, music: str) -> FilmSettings:
    width, _, height = options.size.partition("x")
    return choose_settings(
        [_shown(part.probe, part.trim) for part in parts if part.probe],
        fit=options.fit,
        size=(int(width), int(height)) if options.size else None,
        fps=_rate(options.fps) if options.fps else None,
        sound=options.sound,
        encode=options.encode,
        music=music,
        loudness=options.loudness or None,
    )


def _shown(probe: Probe, trim: Sequence[float]) -> Probe:
    """What a file is, as long as it is shown: what is trimmed off decides nothing."""
    begin, end = trim or (0.0, 0.0)
    seconds = min(end or probe.seconds, probe.seconds) - begin
    return probe.model_copy(update={"seconds": max(seconds, 0.0)})


def _rate(fps: float) -> Fraction:
    """The rate that is meant: 29.97 is 30000/1001."""
    for rate in COMMON_RATES:
        if abs(float(rate) - fps) < _MEANT:
            return rate
    return Fraction(fps).limit_denominator(1001)


def _digest(
    title: str,
    parts: Sequence[FilmPart],
    settings: FilmSettings,
    options: FilmOptions,
    missing: Sequence[str],
) -> str:
    # What only the papers tell counts too: they lie in the same folder.
    ingredients = {
        "schema": FILM_SCHEMA,
        "title": title,
        "missing": list(missing),
        "parts": [part.ingredients() for part in parts],
        "settings": settings.model_dump(mode="json"),
        "variants": options.variants,
        "match_colour": options.match_colour,
    }
    return digest(canonical_json(ingredients))


async def _stored_manifest(studio: OpenStudio, folder: str) -> Manifest | None:
    data = await studio.store.read(f"{folder}/manifest.json")
    if data is None:
        return None
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError:
        message = f"{folder}/manifest.json is not usable"
        raise RecordError(message, next_step="Remove the folder; the film is made again.") from None
    logger.info("The film is stored already: %s", folder)
    return manifest


async def _make(studio: OpenStudio, folder: str, materials: Materials, music: str) -> Manifest:
    wanted = {path for part in materials.parts for path in (part.path, part.last_frame) if path}
    local = {path: await studio.store.fetch(path) for path in sorted({*wanted, music} - {""})}
    with tempfile.TemporaryDirectory(prefix="videogen-") as temporary:
        product = await _produced(materials, local, Path(temporary), local.get(music))
        manifest = await _store(studio, folder, product)
    for warning in manifest.warnings():
        logger.warning("%s", warning)
    return manifest


async def _produced(
    materials: Materials, files: Mapping[str, Path], folder: Path, music: Path | None
) -> Product:
    """Produce a film in a thread, which a cancelled run stops and waits for."""
    stop = threading.Event()
    making = asyncio.create_task(
        asyncio.to_thread(produce, materials, files, folder, music=music, stop=stop)
    )
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.gather(making, return_exceptions=True)
        raise


async def _store(studio: OpenStudio, folder: str, product: Product) -> Manifest:
    """Put everything into the film's folder, the manifest last."""
    manifest = product.manifest
    film = manifest.film
    for name, path in product.films.items():
        if not await studio.store.put_file(f"{folder}/{name}", path):
            # Left by a run that died before the manifest; its bytes are what counts.
            stored = await studio.store.fetch(f"{folder}/{name}")
            film = _with_digest(film, name, await asyncio.to_thread(file_digest, stored))
    manifest = manifest.model_copy(update={"film": film})
    for name, data in product.papers.items():
        await studio.store.create(f"{folder}/{name}", data)
    text = manifest.model_dump_json(indent=2, by_alias=True, exclude_defaults=False)
    await studio.store.create(f"{folder}/manifest.json", text.encode())
    return manifest


def _with_digest(film: FilmEntry, name: str, sha256: str) -> FilmEntry:
    if name == film.path:
        return film.model_copy(update={"sha256": sha256})
    variants = [
        entry.model_copy(update={"sha256": sha256}) if entry.path == name else entry
        for entry in film.variants
    ]
    return film.model_copy(update={"variants": tuple(variants)})


def _film(studio: OpenStudio, folder: str, manifest: Manifest, parts: Sequence[FilmPart]) -> Film:
    made = manifest.film
    clips = tuple(part.clip for part in parts if part.clip)
    return Film(
        title=manifest.title,
        slug=manifest.slug,
        path=f"{folder}/{made.path}",
        manifest=f"{folder}/manifest.json",
        page=f"{folder}/index.html",
        variants={entry.shape: f"{folder}/{entry.path}" for entry in made.variants},
        media=studio.store.url,
        digest=manifest.digest,
        clips=clips,
        bought=sum(clip.how == "bought" for clip in clips),
        sandbox=manifest.sandbox,
        warnings=manifest.warnings(),
        sha256=made.sha256,
        frames=made.frames,
        seconds=made.seconds,
        width=made.width,
        height=made.height,
        fps=made.fps,
        copied=made.picture == "copied",
    )
