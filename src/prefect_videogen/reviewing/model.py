"""What a review consists of: the question, with all that is shown, and the answer to it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from prefect_videogen.plan import Money
from prefect_videogen.records import Record

Review = Literal["none", "shots", "film"]
"""When a person approves: never, before clips are joined or chained, or before the run ends."""

Kind = Literal["shots", "film"]
Decision = Literal["approve", "redo", "reject"]
IfUnreviewed = Literal["approve", "reject"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Shown(_Frozen):
    """A shot in a review.

    Attributes:
        shot: Id of the shot.
        prompt: Its prompt.
        take: Which deliberate version it is.
        model: Model id.
        seconds: Length asked for.
        price: Estimated price of buying it once more; None is unpriced.
        count: How many takes of it are made; a new prompt buys them all.
        key: Key of its clip; empty if there is none.
        path: Where the clip lies in the media store.
        last_frame: Where its last frame lies, as PNG.
        takes: The other takes that are there: number to path.
        frames: Number of each of them to where its last frame lies, as PNG.
        instead: Why there is no clip, or that it waits for another shot; empty if there is one.
        approved: Whether it needs no look any more.
    """

    shot: str
    prompt: str = ""
    take: str = "1"
    model: str = ""
    seconds: float = 0
    price: Money | None = None
    count: int = 1
    key: str = ""
    path: str = ""
    last_frame: str = ""
    takes: dict[str, str] = Field(default_factory=dict)
    frames: dict[str, str] = Field(default_factory=dict)
    instead: str = ""
    approved: bool = False


class Question(_Frozen):
    """What a run asks before it goes on.

    Attributes:
        kind: Whether shots or the finished film are to be approved.
        title: The film's title.
        shots: The shots, in the storyboard's order.
        film: Where the film lies in the media store, if it is made.
        page: Where its page lies.
        seconds: Length of the film.
        after: Seconds after which nobody's answer is one too; 0 waits for a person.
        then: What that answer is.
        refused: Why the answer before this could not be carried out.
    """

    kind: Kind
    title: str = ""
    shots: tuple[Shown, ...] = ()
    film: str = ""
    page: str = ""
    seconds: float = 0
    after: float = 0
    then: IfUnreviewed = "reject"
    refused: str = ""


class Change(_Frozen):
    """What becomes of one shot.

    Attributes:
        shot: Id of the shot.
        prompt: Its new prompt; empty keeps it.
        take: The take to use, bought if it is not there; 0 keeps it where the prompt is new, and
            is the next one elsewhere.
    """

    shot: str
    prompt: str = ""
    take: int = Field(0, ge=0)


class Answer(Record):
    """A review's answer, with what was asked.

    Attributes:
        number: Number of the sleep that the question was asked in.
        question: What was asked.
        decision: `approve` goes on, `redo` goes on and asks again, `reject` ends the run.
        changes: The shots that are made anew, or of which another take is used, before that.
        note: What the reviewer has to say.
    """

    number: int
    question: Question
    decision: Decision
    changes: tuple[Change, ...] = ()
    note: str = ""
