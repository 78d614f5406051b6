"""From stored clips to a stored film with its manifest, made once for the same ingredients.

A film's digest is that of its clips' bytes and its settings: the same film is found, not made
again. The manifest is written last, so a film without one does not exist.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import fsspec
from pydantic import BaseModel, ConfigDict

from prefect_videogen.errors import Billed, FilmIncomplete, RecordError
from prefect_videogen.fetching import Clip
from prefect_videogen.keys import canonical_json, digest
from prefect_videogen.media import FilmSettings, Segment, StitchResult, choose_settings, stitch
from prefect_videogen.plan import Money, Plan, PlannedJoin
from prefect_videogen.progress import tell
from prefect_videogen.spending import RunMoney
from prefect_videogen.storyboard import FilmOptions
from prefect_videogen.studio import OpenStudio

logger = logging.getLogger(__name__)

FILM_SCHEMA = 1
"""Counts in a film's digest; raise it when the same clips would give other pixels."""


class Missing(BaseModel):
    """A shot that has no clip, and why.

    Attributes:
        shot: Id of the shot.
        error: Name of the error's class.
        reason: What happened.
        next_step: What to do about it.
        billed: Whether money was spent on it.
        job_id: The vendor's job id, if there is one.
    """

    model_config = ConfigDict(frozen=True)

    shot: str
    error: str
    reason: str
    next_step: str = ""
    billed: Billed = "no"
    job_id: str | None = None


class Film(BaseModel):
    """The result of a run: the film, its clips, and what is missing.

    Attributes:
        title: The film's title.
        slug: Name of its folder.
        path: Where the film lies in the media store; empty if none was made.
        manifest: Where its manifest lies; empty if none was made.
        media: Address of the media store.
        digest: Digest of ingredients and settings.
        sha256: Digest of the film's bytes.
        frames: Number of frames.
        seconds: Length in seconds.
        width: Width in pixels.
        height: Height in pixels.
        fps: Frames a second, as a fraction.
        clips: The clips, in film order, further takes last.
        missing: The shots without a clip.
        bought: How many clips this run bought.
        sandbox: Whether clips come from a sandbox.
        estimate: Estimated price of what was planned to be bought.
        money: What the run set aside and was charged; None if nothing had to be bought.
        delivered: Where it was copied to, if asked for.
    """

    model_config = ConfigDict(frozen=True)

    title: str
    slug: str
    path: str = ""
    manifest: str = ""
    media: str
    digest: str = ""
    sha256: str = ""
    frames: int = 0
    seconds: float = 0
    width: int = 0
    height: int = 0
    fps: str = ""
    clips: tuple[Clip, ...] = ()
    missing: tuple[Missing, ...] = ()
    bought: int = 0
    sandbox: bool = False
    estimate: tuple[Money, ...] = ()
    money: RunMoney | None = None
    delivered: str = ""

    @property
    def complete(self) -> bool:
        """Whether every shot is in it."""
        return bool(self.path) and not self.missing


class FilmPart(BaseModel):
    """A clip's place in a film: what is stitched, in order."""

    model_config = ConfigDict(frozen=True)

    clip: Clip
    doubled: int = 0
    why: Literal["start", "cut", "chained", "shared still"] = "cut"


def parts_of(joins: Sequence[PlannedJoin], clips: Mapping[str, Clip]) -> list[FilmPart]:
    """Put the clips in film order; a frame is doubled only if the clip before is there."""
    parts: list[FilmPart] = []
    before_is_there = False
    for join in joins:
        clip = clips.get(join.shot)
        if clip is not None:
            doubled = join.doubled if before_is_there else 0
            why = join.why if before_is_there else ("cut" if parts else "start")
            parts.append(FilmPart(clip=clip, doubled=doubled, why=why))
        before_is_there = clip is not None
    return parts


async def make_film(
    studio: OpenStudio,
    *,
    title: str,
    slug: str,
    parts: Sequence[FilmPart],
    options: FilmOptions,
    asked: Mapping[str, Any] | None = None,
) -> Film:
    """Stitch clips into a film and store it with its manifest, or find it stored.

    Args:
        studio: The open studio.
        title: The film's title.
        slug: Name of its folder.
        parts: Its clips in order, at least one.
        options: How it is made.
        asked: What was asked of the vendors, by key, for the manifest.

    Returns:
        The film, without what is missing.

    Raises:
        MediaError: If the clips can't be joined.
        RecordError: If the media store does not answer as it must.
    """
    settings = _settings(parts, options)
    found = _digest(parts, settings)
    folder = f"films/{slug}/{found}"
    manifest = await _stored_manifest(studio, folder)
    if manifest is None:
        tell("", "stitching")
        manifest = await _make(studio, folder, title, parts, settings, asked or {})
    made = manifest["film"]
    tell("", "done")
    return Film(
        title=title,
        slug=slug,
        path=f"{folder}/film.mp4",
        manifest=f"{folder}/manifest.json",
        media=studio.store.url,
        digest=found,
        clips=tuple(part.clip for part in parts),
        bought=sum(part.clip.how == "bought" for part in parts),
        sandbox=bool(manifest["sandbox"]),
        sha256=made["sha256"],
        frames=made["frames"],
        seconds=made["seconds"],
        width=made["width"],
        height=made["height"],
        fps=made["fps"],
    )


def _settings(parts: Sequence[FilmPart], options: FilmOptions) -> FilmSettings:
    width, _, height = options.size.partition("x")
    return choose_settings(
        [part.clip.probe for part in parts],
        fit=options.fit,
        size=(int(width), int(height)) if options.size else None,
        fps=Fraction(options.fps).limit_denominator(1001) if options.fps else None,
        sound=options.sound,
    )


def _digest(parts: Sequence[FilmPart], settings: FilmSettings) -> str:
    ingredients = {
        "schema": FILM_SCHEMA,
        "clips": [[part.clip.sha256, part.doubled] for part in parts],
        "settings": settings.model_dump(mode="json"),
    }
    return digest(canonical_json(ingredients))


async def _stored_manifest(studio: OpenStudio, folder: str) -> dict[str, Any] | None:
    data = await studio.store.read(f"{folder}/manifest.json")
    if data is None:
        return None
    try:
        manifest: dict[str, Any] = json.loads(data)
    except ValueError:
        message = f"{folder}/manifest.json is not usable"
        raise RecordError(message, next_step="Remove the folder; the film is made again.") from None
    logger.info("The film is stored already: %s", folder)
    return manifest


async def _make(  # noqa: PLR0917 - the ingredients of one film
    studio: OpenStudio,
    folder: str,
    title: str,
    parts: Sequence[FilmPart],
    settings: FilmSettings,
    asked: Mapping[str, Any],
) -> dict[str, Any]:
    segments = [
        Segment(await studio.store.fetch(part.clip.path), part.doubled, part.clip.shot)
        for part in parts
    ]
    with tempfile.TemporaryDirectory(prefix="videogen-") as temporary:
        out = Path(temporary) / "film.mp4"
        result = await asyncio.to_thread(stitch, segments, out, settings=settings)
        sha256 = digest(await asyncio.to_thread(out.read_bytes))
        if not await studio.store.put_file(f"{folder}/film.mp4", out):
            # Left by a run that died before the manifest; its bytes are what counts.
            stored = await studio.store.fetch(f"{folder}/film.mp4")
            sha256 = digest(await asyncio.to_thread(stored.read_bytes))
    manifest = _manifest(title, parts, result, sha256, asked)
    data = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
    await studio.store.create(f"{folder}/manifest.json", data)
    return manifest


def _manifest(
    title: str,
    parts: Sequence[FilmPart],
    result: StitchResult,
    sha256: str,
    asked: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "schema": FILM_SCHEMA,
        "title": title,
        "sandbox": any("@" in part.clip.vendor for part in parts),
        "film": {
            "path": "film.mp4",
            "sha256": sha256,
            "frames": result.frames,
            "seconds": result.seconds,
            "width": result.width,
            "height": result.height,
            "fps": result.fps,
            "has_sound": result.has_sound,
        },
        "shots": [
            {
                **part.clip.model_dump(mode="json", exclude={"how"}),
                "asked": asked.get(part.clip.key),
                "join": {
                    "why": part.why,
                    "doubled_frames_dropped": join.dropped,
                    "source_frames": join.source_frames,
                    "film_frames": join.frames,
                    "start_frame": join.start_frame,
                    "notes": list(join.notes),
                },
            }
            for part, join in zip(parts, result.joins, strict=True)
        ],
    }


async def deliver(studio: OpenStudio, film: Film, target: str) -> Film:
    """Copy a film out to a path or s3:// address; a folder gets `<slug>.mp4`.

    Raises:
        RecordError: If the film can't be read or the target not be written.
    """
    source = await studio.store.fetch(film.path)
    place = target if target.endswith(".mp4") else f"{target.rstrip('/')}/{film.slug}.mp4"
    try:
        await asyncio.to_thread(_copy, source, place)
    except OSError as error:
        message = f"the film could not be delivered to {place}: {error.strerror or error}"
        step = f"It lies in {film.media}/{film.path}."
        raise RecordError(message, billed="yes", next_step=step) from error
    return film.model_copy(update={"delivered": place})


def _copy(source: Path, place: str) -> None:
    if "://" not in place:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
        return
    filesystem, path = fsspec.core.url_to_fs(place)
    filesystem.put_file(str(source), path)


def finish(film: Film, plan: Plan, missing: Sequence[Missing]) -> Film:
    """Add to a result what the plan estimated and what is missing, or say that it is incomplete.

    Raises:
        FilmIncomplete: If shots are missing and the storyboard says `on_missing: fail`.
    """
    film = film.model_copy(update={"missing": tuple(missing), "estimate": plan.totals})
    in_film = {join.shot for join in plan.joins}
    gaps = [entry for entry in missing if entry.shot in in_film]
    if gaps and (plan.film.on_missing == "fail" or not film.path):
        names = ", ".join(entry.shot for entry in gaps)
        reasons = "; ".join(f"{entry.shot}: {entry.reason}" for entry in gaps)
        message = f"{len(gaps)} of {len(plan.joins)} shots are missing ({names}). {reasons}"
        step = "The other clips are kept; mend what is wrong and run it again."
        raise FilmIncomplete(message, result=film, next_step=step)
    return film
