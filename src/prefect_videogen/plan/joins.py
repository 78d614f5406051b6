"""How the film's shots follow one another: what they share, transitions, and trims.

Pure. How many frames really are doubled, and what a clip's tail looks like, shows only when the
clips are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from prefect_videogen.errors import Fault
from prefect_videogen.plan.footage import shown_trim
from prefect_videogen.plan.model import (
    PictureUse,
    Plan,
    PlannedClip,
    PlannedFootage,
    PlannedJoin,
    Role,
)
from prefect_videogen.storyboard import Shot, Storyboard

FilmShot = PlannedClip | PlannedFootage


def film_shots(
    board: Storyboard, clips: Sequence[PlannedClip], footage: Sequence[PlannedFootage]
) -> list[FilmShot]:
    """The shots that are seen, in film order."""
    seen: dict[str, FilmShot] = {clip.shot: clip for clip in clips if clip.in_film}
    seen |= {shot.id: shot for shot in footage}
    return [seen[shot.id] for shot in board.shots if shot.id in seen]


def in_film_order(plan: Plan) -> list[FilmShot]:
    """All clips and footage of a plan as the film shows them, each shot's takes together."""
    places = {join.shot: place for place, join in enumerate(plan.joins)}
    return sorted((*plan.clips, *plan.footage), key=lambda shot: places.get(shot.shot, len(places)))


def plan_joins(
    board: Storyboard, shots: Sequence[FilmShot], digests: Mapping[str, str]
) -> tuple[PlannedJoin, ...]:
    """Say how each shot of the film follows the one before it.

    Args:
        board: The storyboard.
        shots: The film's shots in order.
        digests: Digests of stills, by reference.
    """
    asked = {shot.id: shot for shot in board.shots}
    joins = [PlannedJoin(shot=shot.shot, why="start") for shot in shots[:1]]
    for before, shot in pairwise(shots):
        join = _shared(before, shot, digests)
        mine = asked[shot.shot]
        transition = mine.transition or board.film.transition
        seconds = mine.crossfade_seconds or board.film.crossfade_seconds
        update = {
            "transition": transition,
            "transition_seconds": 0 if transition == "cut" else seconds,
        }
        joins.append(join.model_copy(update=update))
    return tuple(joins)


def _shared(before: FilmShot, shot: FilmShot, digests: Mapping[str, str]) -> PlannedJoin:
    begins, ends = _begins(shot), _ends(before)
    first = _picture(shot, "first")
    if first and first.kind == "clip" and first.ref == before.id:
        # A chained shot that is trimmed at its beginning does not show the frame again.
        return PlannedJoin(shot=shot.shot, doubled=0 if begins else 1, why="chained")
    last = _picture(before, "last")
    if first and last and not begins and not ends and _same(first, last, digests):
        return PlannedJoin(shot=shot.shot, doubled=1, why="shared still")
    return PlannedJoin(shot=shot.shot)


def _begins(shot: FilmShot) -> float:
    """The second it is shown from."""
    return shot.trim[0] if shot.trim else 0


def _ends(shot: FilmShot) -> bool:
    """Whether its end is cut off."""
    return bool(shot.trim) and 0 < shot.trim[1] < shot.seconds


def _picture(shot: FilmShot, role: Role) -> PictureUse | None:
    """The picture a shot starts or ends on; a card is one all the time."""
    if isinstance(shot, PlannedClip):
        return next((use for use in shot.pictures if use.role == role), None)
    return PictureUse(role=role, kind="still", ref=shot.ref) if shot.kind == "card" else None


def _same(one: PictureUse, other: PictureUse, digests: Mapping[str, str]) -> bool:
    if one.kind != other.kind:
        return False
    if one.kind == "still":
        mine, theirs = digests.get(one.ref), digests.get(other.ref)
        return mine is not None and one.identity(mine) == other.identity(theirs or "")
    return one.ref == other.ref


def join_faults(
    board: Storyboard, shots: Sequence[FilmShot], joins: Sequence[PlannedJoin]
) -> Iterator[Fault]:
    """Find transitions and trims that can't be, and sound that is asked for and refused.

    Args:
        board: The storyboard.
        shots: The film's shots in order.
        joins: How they follow one another.
    """
    asked = {shot.id: shot for shot in board.shots}
    for shot in shots:
        if isinstance(shot, PlannedClip) and not board.draft:
            yield from _trim_faults(shot, asked[shot.shot])
    ids = [shot.id for shot in board.shots]  # a shot that can't be planned is not among `shots`
    neighbours = set(pairwise(ids))
    for join in joins:
        if join.why != "start" or join.shot == ids[0]:
            yield from _own_transition_faults(asked[join.shot], join)
    if not board.draft:  # its clips are shorter; what does not fit is shortened as well
        for (before, shot), join in zip(pairwise(shots), joins[1:], strict=True):
            if (before.shot, shot.shot) in neighbours:
                yield from _length_faults(before, shot, join)
    film = board.film
    if film.loudness and film.sound == "none" and not film.music:
        problem = "is asked for, and the film has neither the clips' sound nor music"
        remedy = "leave it out, set `music`, or write `sound: clips`"
        yield Fault("", "film.loudness", f"{film.loudness:g}", problem, remedy)


def _trim_faults(clip: PlannedClip, shot: Shot) -> Iterator[Fault]:
    if clip.seconds and _begins(clip) >= clip.seconds:
        problem = f"begins too late, the clip is {clip.seconds:g} s long"
        yield Fault(clip.shot, "trim", shown_trim(shot.trim), problem, "begin it earlier")


def _own_transition_faults(shot: Shot, join: PlannedJoin) -> Iterator[Fault]:
    seconds = f"{shot.crossfade_seconds:g}"
    if join.why == "start":
        problem, remedy = "no shot stands before it", "leave it out, or move the shot"
        if shot.transition:
            yield Fault(shot.id, "transition", shot.transition, problem, remedy)
        if shot.crossfade_seconds:
            yield Fault(shot.id, "crossfade_seconds", seconds, problem, remedy)
    elif shot.crossfade_seconds and join.transition == "cut":
        remedy = "leave it out, or write `transition: crossfade`"
        yield Fault(shot.id, "crossfade_seconds", seconds, "is the length of a cut", remedy)


def _length_faults(before: FilmShot, shot: FilmShot, join: PlannedJoin) -> Iterator[Fault]:
    """Both shots give a crossfade all its length, and a dip half of it."""
    if join.transition == "cut":
        return
    share = 0.5 if join.transition == "crossfade" else 1.0
    lengths = [(other.shot, shown_seconds(other)) for other in (before, shot)]
    name, least = min(lengths, key=lambda entry: entry[1] or float("inf"))
    if least and join.transition_seconds > least * share:
        part = "half of " if share < 1 else ""
        problem = f"is longer than {part}shot {name}, which is shown for {least:g} s"
        remedy = f"use at most {least * share:g}, or a cut"
        value = f"{join.transition_seconds:g}"
        yield Fault(shot.shot, "crossfade_seconds", value, problem, remedy)


def shown_seconds(shot: FilmShot) -> float:
    """How long a shot is shown, as far as is known before it is made; 0 if it is not."""
    begin, end = shot.trim or (0, 0)
    if not shot.seconds:
        return 0
    return round(max(min(end or shot.seconds, shot.seconds) - begin, 0), 6)


def told_length(shot: FilmShot) -> str:
    """How long a shot is shown, and of a trimmed one how long it is, for a table."""
    shown, whole = f"{shown_seconds(shot):g}", f"{shot.seconds:g}"
    return f"{whole} s" if shown in {"0", whole} else f"{shown} of {whole} s"


def join_notes(
    board: Storyboard, shots: Sequence[FilmShot], joins: Sequence[PlannedJoin]
) -> Iterator[str]:
    """Say what is worth knowing of trims, transitions and colours.

    Args:
        board: The storyboard.
        shots: The film's shots in order.
        joins: How they follow one another.
    """
    for shot in shots:
        if isinstance(shot, PlannedClip) and shot.seconds and shot.trim[1:] > (shot.seconds,):
            end = shot.trim[1]
            yield (
                f"shot {shot.shot}: the trim ends at {end:g} s, the clip at {shot.seconds:g} s; "
                "it is shown to its end"
            )
    for join in joins:
        if join.why == "chained" and join.transition != "cut":
            name = "crossfade" if join.transition == "crossfade" else "dip"
            does = "blends a frame with itself" if name == "crossfade" else "interrupts the motion"
            yield f"shot {join.shot}: a {name} at a chained join {does}"
    if board.film.match_colour and all(join.why != "chained" for join in joins):
        yield "film.match_colour changes nothing: no shot of the film is chained"
