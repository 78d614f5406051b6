"""Reviews: what a person is asked before a film goes on, and what the answer changes."""

from prefect_videogen.reviewing.applying import changed_board
from prefect_videogen.reviewing.approvals import Approvals
from prefect_videogen.reviewing.model import (
    Answer,
    Change,
    Decision,
    IfUnreviewed,
    Kind,
    Question,
    Review,
    Shown,
)
from prefect_videogen.reviewing.records import Answers, answers_of, keep_answer, refuse_answer
from prefect_videogen.reviewing.sheet import review_sheet
from prefect_videogen.reviewing.strips import strips_of

__all__ = [
    "Answer",
    "Answers",
    "Approvals",
    "Change",
    "Decision",
    "IfUnreviewed",
    "Kind",
    "Question",
    "Review",
    "Shown",
    "answers_of",
    "changed_board",
    "keep_answer",
    "refuse_answer",
    "review_sheet",
    "strips_of",
]
