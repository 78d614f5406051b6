"""What an answer's changes make of a storyboard. Pure; whether it can be made, the plan says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from prefect_videogen.errors import Fault, StoryboardError
from prefect_videogen.reviewing.model import Answer, Change
from prefect_videogen.storyboard import Shot, Storyboard

MOST_TAKES = 20
SOURCE = "the review's answer"


def changed_board(board: Storyboard, answers: Sequence[Answer]) -> Storyboard:
    """Apply the changes of answers to a storyboard.

    Args:
        board: The storyboard, before its variables are filled in.
        answers: The answers in the order in which they were given.

    Returns:
        The storyboard with all shots named and those that are changed replaced.

    Raises:
        StoryboardError: If an answer names what is not there.
    """
    board = board.with_ids()
    for answer in answers:
        if answer.decision == "reject":
            continue
        faults = list(_faults(board, answer))
        if faults:
            raise StoryboardError(faults, source=SOURCE)
        wanted = {change.shot: change for change in answer.changes}
        shots = [
            _changed(board, shot, wanted[shot.id]) if shot.id in wanted else shot
            for shot in board.shots
        ]
        board = board.model_copy(update={"shots": shots})
    return board


def next_take(take: str) -> str:
    """Name the take that follows one: 2 after 1, `night+2` after `night`."""
    if take.isdecimal():
        return str(int(take) + 1)
    word, plus, number = take.rpartition("+")
    return f"{word}+{int(number) + 1}" if plus and number.isdecimal() else f"{take}+2"


def _faults(board: Storyboard, answer: Answer) -> Iterator[Fault]:
    if answer.decision == "redo" and not answer.changes:
        yield Fault("", "changes", "", "is empty", "name a shot to make again, or approve")
    shots = {shot.id: shot for shot in board.shots}
    bought = ", ".join(name for name, shot in shots.items() if not shot.video)
    for name, count in Counter(change.shot for change in answer.changes).items():
        if name not in shots:
            yield Fault("", "changes.shot", name, "is no shot of the film", f"use one of {bought}")
        elif shots[name].video:
            problem = "is own footage, nothing is bought for it"
            yield Fault("", "changes.shot", name, problem, f"use one of {bought}")
        elif count > 1:
            yield Fault("", "changes.shot", name, f"stands there {count} times", "name it once")
        elif (shots[name].takes or board.takes) >= MOST_TAKES and _wants_one_more(
            shots[name], next(change for change in answer.changes if change.shot == name)
        ):
            problem = f"has {MOST_TAKES} takes already"
            yield Fault("", "changes.shot", name, problem, "pick one of them, or change the prompt")


def _wants_one_more(shot: Shot, change: Change) -> bool:
    return not change.take and _new_prompt(shot, change) is None


def _new_prompt(shot: Shot, change: Change) -> str | None:
    prompt = change.prompt.strip()
    return prompt if prompt not in {"", shot.prompt.strip()} else None


def _changed(board: Storyboard, shot: Shot, change: Change) -> Shot:
    count = shot.takes or board.takes
    more: dict[str, object] = {}
    prompt = _new_prompt(shot, change)
    if prompt is not None:
        more["prompt"] = prompt
    if count and change.take:
        more["pick"] = change.take
    elif change.take:
        more["take"] = str(change.take)
    elif prompt is None and count:
        more |= {"takes": count + 1, "pick": count + 1}
    elif prompt is None:
        more["take"] = next_take(shot.take)
    return shot.model_copy(update=more)
