"""The film as an OpenTimelineIO timeline, for going on with it in an editor.

Promises the film's cut on the clips' own files: one entry a shot, lengths that add up to the
film's frames, and media beside it by relative paths. What has no file of its own (a held frame,
a card) is taken from the film. Leaves music, loudness and fitted pictures to the editor.

Import it where it is needed: the library beneath loads native code that no other command wants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from typing import Any
from urllib.parse import quote

import opentimelineio as otio

from prefect_videogen.filming.manifest import Manifest, ShotEntry

STORE = "../../.."
"""The media store, seen from a film's folder."""


def timeline(manifest: Manifest) -> str:
    """Write a film's timeline.

    A transition lies over the cut between two entries, half before and half after it, as OTIO
    has it; a dip to black is a custom one, as OTIO only names the dissolve.

    Args:
        manifest: How the film was made.

    Returns:
        JSON for a file beside the film.
    """
    film = otio.schema.Timeline(name=manifest.title, metadata=_named(_film_facts(manifest)))
    pieces = tuple(_pieces(manifest))
    film.tracks.append(_track(manifest, pieces, sound=False))
    if manifest.film.sound is not None and manifest.film.sound.clips:
        film.tracks.append(_track(manifest, pieces, sound=True))
    return str(film.to_json_string(indent=2))


@dataclass(frozen=True)
class _Piece:
    """A shot between two cuts.

    Attributes:
        shot: The shot.
        skipped: Film frames of it before its cut, in the transition.
        frames: Film frames between its cuts.
        lead: Frames of the transition before its cut.
        tail: Frames of the transition after its cut.
    """

    shot: ShotEntry
    skipped: int
    frames: int
    lead: int
    tail: int


def _pieces(manifest: Manifest) -> Iterator[_Piece]:
    shots = manifest.shots
    for shot, following in zip_longest(shots, shots[1:]):
        cut = _cut(shot)
        end = _cut(following) if following else manifest.film.frames
        lead = 0 if shot is shots[0] else shot.join.transition_frames // 2
        tail = 0 if shot is shots[0] else shot.join.transition_frames - lead
        yield _Piece(shot, cut - shot.start_frame, end - cut, lead, tail)


def _cut(shot: ShotEntry) -> int:
    """Find the film frame at which a shot takes over: in the middle of a crossfade."""
    overlap = shot.join.transition_frames if shot.join.transition == "crossfade" else 0
    return shot.start_frame + overlap // 2


def _track(manifest: Manifest, pieces: tuple[_Piece, ...], *, sound: bool) -> otio.schema.Track:
    kind = otio.schema.TrackKind.Audio if sound else otio.schema.TrackKind.Video
    track = otio.schema.Track(name="Sound" if sound else "Picture", kind=kind)
    for piece in pieces:
        entry = _entry(manifest, piece, sound=sound)
        before = track[-1] if len(track) else None
        silent = isinstance(entry, otio.schema.Gap) or isinstance(before, otio.schema.Gap)
        if piece.lead + piece.tail and not silent:
            track.append(_transition(manifest, piece))
        track.append(entry)
    return track


def _entry(manifest: Manifest, piece: _Piece, *, sound: bool) -> otio.schema.Clip | otio.schema.Gap:
    rate = float(Fraction(manifest.film.fps))
    length = otio.opentime.RationalTime(piece.frames, rate)
    probe = piece.shot.probe
    if sound and (probe is None or not probe.has_audio):
        return otio.schema.Gap(duration=length)
    start = otio.opentime.RationalTime(float(_start(manifest, piece)), rate)
    return otio.schema.Clip(
        name=piece.shot.id,
        media_reference=_media(manifest, piece.shot),
        source_range=otio.opentime.TimeRange(start, length),
        markers=[] if sound else list(_markers(piece, start)),
        metadata=_named(_shot_facts(piece.shot)),
    )


def _start(manifest: Manifest, piece: _Piece) -> Fraction:
    """Find where a shot begins in its file, in frames of the film's rate."""
    shot = piece.shot
    if shot.probe is None:
        return Fraction(shot.start_frame + piece.skipped)
    begin = shot.source_start / shot.probe.rate
    if shot.source_seconds is not None:
        begin = Fraction(shot.source_seconds)
    return begin * Fraction(manifest.film.fps) + piece.skipped


def _media(manifest: Manifest, shot: ShotEntry) -> Any:
    if shot.probe is None:
        address, frames, rate = manifest.film.path, manifest.film.frames, manifest.film.fps
    else:
        address, frames, rate = f"{STORE}/{shot.path}", shot.probe.frame_count, shot.probe.fps
    fps = float(Fraction(rate))
    return otio.schema.ExternalReference(
        target_url=quote(address),
        available_range=otio.opentime.TimeRange(
            otio.opentime.RationalTime(0, fps), otio.opentime.RationalTime(frames, fps)
        ),
    )


def _transition(manifest: Manifest, piece: _Piece) -> otio.schema.Transition:
    rate = float(Fraction(manifest.film.fps))
    kinds = otio.schema.TransitionTypes
    dissolve = piece.shot.join.transition == "crossfade"
    return otio.schema.Transition(
        name="Crossfade" if dissolve else "Dip to black",
        transition_type=kinds.SMPTE_Dissolve if dissolve else kinds.Custom,
        in_offset=otio.opentime.RationalTime(piece.lead, rate),
        out_offset=otio.opentime.RationalTime(piece.tail, rate),
        metadata=_named({"transition": piece.shot.join.transition}),
    )


def _markers(piece: _Piece, start: Any) -> Iterator[otio.schema.Marker]:
    join = piece.shot.join
    where = otio.opentime.TimeRange(start, otio.opentime.RationalTime(1, start.rate))
    colours = otio.schema.MarkerColor
    if join.doubled:
        plural = "frame" if join.doubled == 1 else "frames"
        text = f"{join.doubled} doubled {plural} left out"
        yield otio.schema.Marker(text, where, colours.GREEN, _named({"doubled": join.doubled}))
    flag = join.flag
    if flag:
        numbers = {
            "flag": flag,
            "shown": join.shown,
            "step": join.step,
            "following": join.following,
        }
        text = "The picture jumps" if flag == "jump" else "A frame repeats"
        yield otio.schema.Marker(text, where, colours.RED, _named(numbers))


def _film_facts(manifest: Manifest) -> dict[str, Any]:
    facts = manifest.model_dump(
        mode="json", include={"program", "slug", "digest", "sandbox", "missing"}
    )
    return facts | {"film": {"sha256": manifest.film.sha256, "frames": manifest.film.frames}}


def _shot_facts(shot: ShotEntry) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": shot.kind, "sha256": shot.sha256, "why": shot.join.why}
    if shot.bought is None:
        return facts
    kept = {"key", "vendor", "model", "mode", "take", "job_id"}
    return facts | {"prompt": shot.prompt} | shot.bought.model_dump(mode="json", include=kept)


def _named(facts: dict[str, Any]) -> dict[str, Any]:
    """Put facts under our name; OTIO keeps what it does not know."""
    plain = {
        name: value.model_dump() if hasattr(value, "model_dump") else value
        for name, value in facts.items()
    }
    return {"prefect_videogen": plain}
