"""Redoing a shot: why each clip has to be bought, and what a change makes stale.

Pure. What earlier films of the same name were made of is read by the plan's caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prefect_videogen.plan.model import Because, PlannedClip, distinct
from prefect_videogen.plan.prices import totals_of

Earlier = Mapping[str, frozenset[str]]
"""Id of every shot of earlier films to the keys of the clips that were in them."""


def with_reasons(clips: Sequence[PlannedClip], earlier: Earlier) -> list[PlannedClip]:
    """Say of every clip why it has to be bought.

    Args:
        clips: The plan's clips with keys and states.
        earlier: What earlier films of this name were made of.
    """
    return [clip.model_copy(update={"because": _because(clip, earlier)}) for clip in clips]


def _because(clip: PlannedClip, earlier: Earlier) -> Because:
    if not clip.to_buy:
        return ""
    before = earlier.get(clip.shot)
    if before is None or not clip.in_film:
        return "new"
    if clip.key is None:
        return "stale"
    return "new" if clip.key in before else "changed"


def stale_notes(clips: Sequence[PlannedClip]) -> Iterator[str]:
    """Say of every clip to be bought what it makes stale, and what that costs together.

    Args:
        clips: The plan's clips with their reasons.
    """
    for clip in clips:
        if not clip.to_buy or clip.key is None:
            continue
        stale = _hanging_on(clip, clips)
        if stale:
            names = _listed([other.shot for other in stale])
            yield f"{_change(clip)} makes {names} stale: {_cost([clip, *stale])}"


def _hanging_on(clip: PlannedClip, clips: Sequence[PlannedClip]) -> list[PlannedClip]:
    """The stale clips that start on a clip, or on one that does."""
    reached = {clip.id}
    while more := {
        other.id for other in clips if other.id not in reached and reached & set(other.depends_on)
    }:
        reached |= more
    return [other for other in clips if other.id in reached and other.because == "stale"]


def _change(clip: PlannedClip) -> str:
    if clip.because == "new":
        return f"the new shot {clip.shot}"
    return (
        f"the change of shot {clip.shot}"
        if clip.take == "1"
        else f"take {clip.take} of shot {clip.shot}"
    )


def _listed(names: Sequence[str]) -> str:
    *others, last = dict.fromkeys(names)
    return f"{', '.join(others)} and {last}" if others else last


def _cost(clips: Sequence[PlannedClip]) -> str:
    bought = distinct(clips)
    unpriced = sum(clip.price is None for clip in bought)
    sums = [str(money) for money in totals_of(bought)]
    if unpriced:
        sums.append("unpriced" if unpriced == len(bought) else f"{unpriced} unpriced")
    return f"{len(bought)} clips, {', '.join(sums)}"
