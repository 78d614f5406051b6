"""Shots of own footage and title cards: what may stand on them, and every fault.

Pure. A value on the shot itself that a purchase would need is a fault; an inherited one is
ignored. What the footage is has been read by the plan's caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prefect_videogen.errors import Fault
from prefect_videogen.plan.model import FootageFacts, PlannedFootage, Unreadable, handing_of
from prefect_videogen.storyboard import HandOver, Shot, Storyboard

Footage = Mapping[str, FootageFacts | Unreadable]

_FOR_PURCHASES = tuple(
    name
    for name in Shot.model_fields
    if name
    not in {"id", "video", "seconds", "trim", "hand_over", "transition", "crossfade_seconds"}
)


def footage_references(board: Storyboard) -> tuple[str, ...]:
    """The footage that has to be read before planning, each once, in order."""
    return tuple(dict.fromkeys(shot.video for shot in board.shots if shot.video))


def hand_over_of(board: Storyboard, shot: Shot) -> HandOver:
    """Which frame a shot is asked to hand over."""
    return shot.hand_over or board.hand_over or "last"


def plan_footage(
    board: Storyboard, shot: Shot, footage: Footage
) -> tuple[PlannedFootage | None, list[Fault]]:
    """Plan a shot of own footage.

    Args:
        board: The storyboard.
        shot: A shot with `video`.
        footage: What is known of every footage, by its reference.

    Returns:
        The shot, or None if its footage can't be read; and everything that is wrong with it.
    """
    faults = list(_unfit(shot))
    facts = footage.get(shot.video) or Unreadable("is not read", "check the path or address")
    if isinstance(facts, Unreadable):
        faults.append(Fault(shot.id, "video", shot.video, facts.problem, facts.remedy))
        return None, faults
    seconds = facts.seconds if facts.kind == "video" else shot.seconds or board.seconds
    faults += _video_faults(shot, facts) if facts.kind == "video" else _card_faults(shot, seconds)
    planned = PlannedFootage(
        id=shot.id,
        ref=shot.video,
        kind=facts.kind,
        sha256=facts.sha256,
        seconds=seconds,
        trim=tuple(shot.trim),
        handing=handing_of(hand_over_of(board, shot), shot.trim),
    )
    return planned, faults


def _unfit(shot: Shot) -> Iterator[Fault]:
    for name in _FOR_PURCHASES:
        value = getattr(shot, name)
        if value != Shot.model_fields[name].get_default(call_default_factory=True):
            shown = "" if isinstance(value, dict | list) else str(value)
            problem = "does not fit own footage, for which nothing is bought"
            yield Fault(shot.id, name, shown, problem, f"leave out `{name}` or `video`")


def _video_faults(shot: Shot, facts: FootageFacts) -> Iterator[Fault]:
    long = f"the video is {facts.seconds:g} s long"
    if shot.seconds:
        problem, remedy = f"does not fit a video; {long}", "write `trim: [from, to]`"
        yield Fault(shot.id, "seconds", f"{shot.seconds:g}", problem, remedy)
    half = 0.5 / facts.fps if facts.fps else 0
    begin, end = shot.trim or (0, 0)
    value = shown_trim(shot.trim)
    if begin and begin > facts.seconds - half:
        yield Fault(shot.id, "trim", value, f"begins too late, {long}", "begin it earlier")
    elif end > facts.seconds + half:
        remedy = f"end it at {facts.seconds:g}, or write 0 for the video's end"
        yield Fault(shot.id, "trim", value, f"ends too late, {long}", remedy)


def _card_faults(shot: Shot, seconds: float) -> Iterator[Fault]:
    if not seconds:
        problem = "is a picture, and nothing says how long it is shown"
        yield Fault(shot.id, "video", shot.video, problem, "set `seconds`")
    if shot.trim:
        problem = "does not fit a picture"
        yield Fault(shot.id, "trim", shown_trim(shot.trim), problem, "set `seconds` instead")
    if shot.hand_over == "steady":
        problem = "does not fit a picture, which is handed over as it is"
        yield Fault(shot.id, "hand_over", "steady", problem, "leave it out")


def shown_trim(trim: list[float]) -> str:
    """A trim as a storyboard writes it."""
    return f"[{', '.join(f'{value:g}' for value in trim)}]"
