"""What counts as approved after some answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from prefect_videogen.reviewing.model import Answer


class Approvals:
    """What a person has approved: clips by their keys, films by their paths.

    A clip that is made anew has another key, so it is asked about again by itself. What was changed
    along with an approval is approved unseen.

    Args:
        answers: The answers in the order in which they were given.
    """

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._clips: set[str] = set()
        self._films: set[str] = set()
        self._shots_unseen: set[str] = set()
        self._film_unseen = False
        for answer in answers:
            if answer.decision != "reject":
                self._add(answer)

    def clip(self, shot: str, key: str) -> bool:
        """Whether a shot's clip may be joined and chained from."""
        return key in self._clips or shot in self._shots_unseen

    def film(self, path: str) -> bool:
        """Whether a film is done."""
        return path in self._films or self._film_unseen

    def _add(self, answer: Answer) -> None:
        question, changed = answer.question, {change.shot for change in answer.changes}
        seen = {shot.key for shot in question.shots if shot.key and shot.shot not in changed}
        self._clips |= seen
        if answer.decision == "approve":
            self._shots_unseen |= changed
            self._film_unseen = question.kind == "film" and bool(changed)
            if question.kind == "film" and not changed:
                self._films.add(question.film)
        else:
            self._shots_unseen -= changed
            self._film_unseen = False
