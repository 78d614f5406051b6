"""Answers in the media store: created once, so that a run that dies goes on with them.

`runs/<run>/review-N.json` is the answer to what the run asked in its n-th sleep, and
`review-N-refused.json` beside it says why that answer could not be carried out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from prefect_videogen.errors import RecordError
from prefect_videogen.records import Record, Store
from prefect_videogen.reviewing.approvals import Approvals
from prefect_videogen.reviewing.model import Answer

_NAME = re.compile(r"review-([0-9]+)(-refused)?\.json")


class Refused(Record):
    """Why an answer could not be carried out."""

    reason: str


@dataclass(frozen=True)
class Answers:
    """A run's answers.

    Attributes:
        given: Those that are carried out, in the order in which they were given.
        refused: Number to the reason why an answer was not carried out.
    """

    given: Sequence[Answer] = ()
    refused: dict[int, str] = field(default_factory=dict)

    @property
    def rejection(self) -> Answer | None:
        """The answer that ends the run."""
        return next((answer for answer in self.given if answer.decision == "reject"), None)

    @property
    def approvals(self) -> Approvals:
        """What they approve."""
        return Approvals(self.given)

    def has(self, number: int) -> bool:
        """Whether the question of the n-th sleep was answered."""
        return number in self.refused or any(answer.number == number for answer in self.given)


async def answers_of(store: Store, run: str) -> Answers:
    """Read a run's answers.

    Raises:
        RecordError: If one can't be read or makes no sense.
    """
    found = [(path, _NAME.fullmatch(_last(path))) for path in await store.list(f"runs/{run}")]
    named = sorted((int(name[1]), bool(name[2]), path) for path, name in found if name)
    texts = await asyncio.gather(*(store.read(path) for _, _, path in named))
    given: list[Answer] = []
    refused: dict[int, str] = {}
    for (number, is_refusal, path), text in zip(named, texts, strict=True):
        try:
            if is_refusal:
                refused[number] = Refused.model_validate_json(text or b"").reason
            else:
                given.append(Answer.model_validate_json(text or b""))
        except ValidationError:
            message = f"{path} is not a usable record"
            step = "Look at it by hand; a new run finds all clips and asks again."
            raise RecordError(message, next_step=step) from None
    return Answers([answer for answer in given if answer.number not in refused], refused)


async def keep_answer(store: Store, run: str, answer: Answer) -> None:
    """Write an answer down; who comes second changes nothing.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    path = f"runs/{run}/review-{answer.number}.json"
    await store.create(path, answer.model_dump_json(indent=2).encode())


async def refuse_answer(store: Store, run: str, answer: Answer, reason: str, now: float) -> None:
    """Write down that an answer can't be carried out.

    Args:
        store: The media store.
        run: Id of the run.
        answer: The answer.
        reason: What is in the way.
        now: The time, in seconds since 1970.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    record = Refused(at=now, reason=reason)
    path = f"runs/{run}/review-{answer.number}-refused.json"
    await store.create(path, record.model_dump_json(indent=2).encode())


def _last(path: str) -> str:
    return path.rpartition("/")[2]
