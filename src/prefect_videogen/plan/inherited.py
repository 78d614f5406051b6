"""Faults of values that stand at the top: told once, where they stand, not at every shot.

Pure. What a shot sets itself stays the shot's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from prefect_videogen.errors import Fault
from prefect_videogen.plan.values import AT_THE_TOP, is_set
from prefect_videogen.storyboard import SHOT_DEFAULTS, Shot, Storyboard


def told_once(board: Storyboard, faults: Iterable[Fault], read: Sequence[Fault]) -> list[Fault]:
    """Make one fault of those that shots have alike by a value that they inherit.

    Args:
        board: The storyboard, whose shots all have ids.
        faults: The faults of a plan.
        read: Those of them that were found while reading; they stay as they are.

    Returns:
        The faults in their order. One that only one of several shots has keeps the shot's name.
    """
    groups: dict[Fault, list[Fault]] = {}
    for fault in faults:
        inherited = fault not in read and any(
            shot.id == fault.shot and _inherits(board, shot, fault.field) for shot in board.shots
        )
        groups.setdefault(replace(fault, shot="") if inherited else fault, []).append(fault)
    return [_one_of(board, whole, group) for whole, group in groups.items()]


def _one_of(board: Storyboard, whole: Fault, group: list[Fault]) -> Fault:
    bought = [shot for shot in board.shots if not shot.video]
    heirs = [shot for shot in bought if _inherits(board, shot, whole.field)]
    if whole.shot or len(group) < min(2, len(heirs)):
        return group[0]
    return replace(whole, problem=whole.problem.removesuffix(AT_THE_TOP))


def _inherits(board: Storyboard, shot: Shot, field: str) -> bool:
    """Whether a shot has the value of a field, such as `options.style`, from the top."""
    name, _, inner = field.partition(".")
    if name not in SHOT_DEFAULTS:
        return False
    own, top = getattr(shot, name), getattr(board, name)
    if inner:
        return inner in top and inner not in own
    return is_set(name, top) and not is_set(name, own)
