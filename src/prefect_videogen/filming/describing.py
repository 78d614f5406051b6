"""Writing down how a film was made: from its materials and what came of them to the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from prefect_videogen.filming.manifest import (
    Bought,
    Difference,
    Drift,
    FilmEntry,
    JoinEntry,
    Manifest,
    PictureEntry,
    ShotEntry,
    SoundEntry,
    Tail,
    VariantEntry,
)
from prefect_videogen.filming.model import FilmPart
from prefect_videogen.media import Join, StitchResult
from prefect_videogen.media.doubled import Doubled
from prefect_videogen.media.matching import ColourDrift
from prefect_videogen.media.seams import FrameDifference, SeamFrames

if TYPE_CHECKING:
    from prefect_videogen.filming.producing import Materials


@dataclass(frozen=True)
class Made:
    """What came of the materials.

    Attributes:
        result: The film.
        sha256: Digest of its bytes.
        seams: What it shows around its joins, in order.
        drifts: How far chained parts have come, by shot.
        doubled: What was found at the joins that share a frame, by shot.
        variants: The same film in other shapes.
        begins: When the first frame shown of a file of variable rate starts, in seconds after
            the file's first frame, by shot.
    """

    result: StitchResult
    sha256: str
    seams: tuple[SeamFrames, ...]
    drifts: Mapping[str, ColourDrift]
    doubled: Mapping[str, Doubled]
    variants: tuple[VariantEntry, ...]
    begins: Mapping[str, Fraction] = field(default_factory=dict)


def describe(materials: Materials, made: Made) -> Manifest:
    """Write the manifest.

    Args:
        materials: What the film was made of.
        made: What came of it.

    Returns:
        The manifest.
    """
    seams = (None, *made.seams)
    return Manifest(
        program=_program(),
        title=materials.title,
        slug=materials.slug,
        digest=materials.digest,
        made_at=materials.made_at,
        sandbox=any(part.clip and "@" in part.clip.vendor for part in materials.parts),
        film=_film(materials, made),
        shots=tuple(
            _shot(part, join, seam, made, materials.asked)
            for part, join, seam in zip(materials.parts, made.result.joins, seams, strict=True)
        ),
        missing=materials.missing,
    )


def _program() -> str:
    try:
        return f"prefect-videogen {version('prefect-videogen')}"
    except PackageNotFoundError:
        return "prefect-videogen from source"


def _film(materials: Materials, made: Made) -> FilmEntry:
    result, settings = made.result, materials.settings
    options = settings.model_dump(mode="json") | {"match_colour": materials.match_colour}
    return FilmEntry(
        sha256=made.sha256,
        frames=result.frames,
        seconds=result.seconds,
        width=result.width,
        height=result.height,
        fps=result.fps,
        picture=result.picture,
        why_encoded=result.why_encoded,
        settings=options,
        sound=_sound(materials, result),
        variants=made.variants,
    )


def _sound(materials: Materials, result: StitchResult) -> SoundEntry | None:
    if not result.has_sound:
        return None
    settings = materials.settings
    heard = any(part.probe and part.probe.has_audio for part in materials.parts)
    levels = result.sound.model_dump() if result.sound else {}
    return SoundEntry(clips=settings.sound == "clips" and heard, music=settings.music, **levels)


def _shot(
    part: FilmPart,
    join: Join,
    seam: SeamFrames | None,
    made: Made,
    asked: Mapping[str, Mapping[str, Any]],
) -> ShotEntry:
    words = asked.get(part.clip.key, {}) if part.clip else {}
    drift = made.drifts.get(part.shot)
    tail = part.clip.tail if part.clip else None
    return ShotEntry(
        id=part.shot,
        kind=part.kind,
        prompt=str(words.get("params", {}).get("prompt", part.text)),
        bought=_bought(part, words),
        path=part.path,
        sha256=part.sha256,
        size=part.size,
        probe=part.probe,
        trim=part.trim,
        start_frame=join.start_frame,
        frames=join.frames,
        source_start=join.start,
        source_seconds=float(made.begins[part.shot]) if part.shot in made.begins else None,
        source_frames=join.kept,
        join=_join(part, join, seam, made.doubled.get(part.shot)),
        drift=Drift(anchor=part.anchor, links=part.links, **asdict(drift)) if drift else None,
        tail=Tail(black=tail.black, frozen=tail.frozen)
        if tail and (tail.black or tail.frozen)
        else None,
    )


def _bought(part: FilmPart, words: Mapping[str, Any]) -> Bought | None:
    clip = part.clip
    if clip is None:
        return None
    return Bought(
        key=clip.key,
        attempt=clip.attempt,
        vendor=clip.vendor,
        model=clip.model,
        mode=clip.mode,
        take=str(words.get("take", "1")),
        params=words.get("params", {}),
        routing=words.get("routing", ""),
        extra=words.get("extra", {}),
        pictures=tuple(PictureEntry.model_validate(entry) for entry in words.get("pictures", ())),
        job_id=clip.job_id,
        submitted_at=clip.submitted_at,
        ready_at=clip.ready_at,
        price=part.price,
        charge=clip.charge,
    )


def _join(
    part: FilmPart, join: Join, seam: SeamFrames | None, doubled: Doubled | None
) -> JoinEntry:
    return JoinEntry(
        why=part.why,
        transition=join.transition,
        transition_frames=join.transition_frames,
        doubled=doubled.count if doubled else 0,
        compared=doubled.compared if doubled else (),
        shown=_difference(seam.shown) if seam else None,
        step=_difference(seam.step) if seam else None,
        following=_difference(seam.following) if seam else None,
        notes=join.notes,
    )


def _difference(found: FrameDifference | None) -> Difference | None:
    return Difference.model_validate(asdict(found)) if found else None
