"""Asking people: what a run wants approved, the form for it, and the answers it goes on with.

A run that asks is suspended; when it is resumed, its flow starts anew, finds the answers and
applies them to the storyboard before it plans. So exactly what an answer changes is bought again.
What may be asked and what an answer means is the library's `reviewing`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from prefect.artifacts import acreate_markdown_artifact
from prefect.input import RunInput, aread_flow_run_input, keyset_from_base_key
from pydantic import BaseModel, Field, create_model

from prefect_videogen.errors import Rejected, VideoGenError
from prefect_videogen.fetching import Clip
from prefect_videogen.filming import Film, Missing
from prefect_videogen.flows.options import RunOptions, scheduled_start
from prefect_videogen.flows.sleeping import Rest
from prefect_videogen.forecasting import Forecast
from prefect_videogen.plan import Plan, PlannedClip, slugify
from prefect_videogen.reviewing import (
    Answer,
    Answers,
    Decision,
    Question,
    Shown,
    answers_of,
    changed_board,
    keep_answer,
    refuse_answer,
    review_sheet,
    strips_of,
)
from prefect_videogen.sleeping import Sleep, pause_key
from prefect_videogen.spending import Spending, budgets_of
from prefect_videogen.storyboard import Storyboard
from prefect_videogen.studio import OpenStudio
from prefect_videogen.survey import Board

logger = logging.getLogger(__name__)


class ShotChange(BaseModel):
    """A shot to make again, or to use another take of."""

    shot: str = Field(title="Shot", description="The shot to change.")
    prompt: str = Field(
        "",
        title="New prompt",
        description="Empty: the prompt stays as it is. If the shot has takes, a new prompt buys "
        "all of them.",
    )
    take: int = Field(
        0,
        ge=0,
        title="Take",
        description="The take to use; one that is not there is bought. If the shot has takes, it "
        "must be one of them. 0: the next take if the prompt stays, and the same if it is new.",
    )


class ReviewForm(RunInput):
    """What a reviewer fills in."""

    decision: Decision = Field(
        title="Decision",
        description="approve: make the changes below, if any, and go on. redo: make them and ask "
        "again. reject: end the run; what was bought is kept.",
    )
    changes: list[ShotChange] = Field(
        default_factory=list,
        title="Changes",
        description="Shots to make again. Each is bought once more, with all that is chained to "
        "it; nothing else is.",
    )
    note: str = Field("", title="Note", description="Kept with the decision.")


def form_for(question: Question) -> type[ReviewForm]:
    """The form for a question: its shots to choose from.

    Args:
        question: What is asked.
    """
    names = tuple(shot.shot for shot in question.shots)
    about = ShotChange.model_fields["shot"]
    # A choice of one is a free text box in Prefect's form, so that has to be the default.
    default = names[0] if len(names) == 1 else ...
    shot: Any = Field(default, title=about.title, description=about.description)
    choice: Any = Literal[names]
    change = create_model("ShotChange", __base__=ShotChange, shot=(choice, shot))
    changes = ReviewForm.model_fields["changes"]
    listed: Any = Field(default_factory=list, title=changes.title, description=changes.description)
    return create_model("ReviewForm", __base__=ReviewForm, changes=(list[change], listed))


@dataclass(frozen=True)
class Held:
    """A shot that is not bought before the one it starts on is approved."""

    shot: str
    by: str


Result = Clip | Missing | Held


class Reviewing:
    """What a run asks people, and what they have answered.

    Args:
        studio: The open studio.
        options: The run's parameters.
        answers: The answers that were given.
        before: The sleep that the run has woken from.
    """

    def __init__(
        self,
        studio: OpenStudio,
        options: RunOptions,
        answers: Answers | None = None,
        before: Sleep | None = None,
    ) -> None:
        self.studio = studio
        self.options = options
        self.answers = answers or Answers()
        self._before = before
        self._board = Storyboard()

    @classmethod
    async def begin(
        cls, studio: OpenStudio, options: RunOptions, before: Sleep | None
    ) -> Reviewing:
        """Read what was answered, and write down what was answered last.

        Args:
            studio: The open studio.
            options: The run's parameters.
            before: The sleep that the run has woken from.

        Raises:
            RecordError: If the media store does not answer as it must.
        """
        if not options.is_reviewed:
            return cls(studio, options)
        answers = await answers_of(studio.store, studio.run)
        if before and before.review and not answers.has(before.number):
            answer = await _given(studio, before.number, before.review)
            if answer:
                logger.info("The review is answered: %s %s", answer.decision, answer.note)
                await keep_answer(studio.store, studio.run, answer)
                answers = await answers_of(studio.store, studio.run)
        return cls(studio, options, answers, before)

    async def end_if_rejected(self) -> None:
        """End a run that a person has rejected, whatever has become of its storyboard since.

        What it had set aside and not spent is given back.

        Raises:
            Rejected: If it was rejected.
        """
        answer = self.answers.rejection
        if answer is None:
            return
        note = f": {answer.note}" if answer.note else ""
        message = f"the review of the {answer.question.kind} ended in reject{note}"
        step = "What was bought is kept. Change the storyboard and run it again."
        rejection = Rejected(message, next_step=step)
        try:
            await self._give_back(slugify(answer.question.title))
        except VideoGenError as error:
            raise rejection from error
        raise rejection

    async def _give_back(self, slug: str) -> None:
        options = self.options
        budgets = budgets_of(
            self.studio,
            amount=options.budget,
            name=options.budget_name,
            slug=slug,
            scheduled=scheduled_start(),
        )
        spending = Spending(self.studio, budgets, Forecast(), self._before)
        await spending.begin()
        await spending.end([])

    def board(self, board: Board) -> Board:
        """The storyboard with all changes that were asked for.

        Args:
            board: The storyboard as the run was given it.

        Raises:
            StoryboardError: If an answer names what is not there.
        """
        if not self.options.is_reviewed:
            return board
        self._board = changed_board(board.storyboard, self.answers.given)
        return replace(board, storyboard=self._board)

    async def refuse(self, error: VideoGenError) -> None:
        """Leave the newest answer out, if it is what can't be carried out; it is asked again.

        Args:
            error: What is wrong with the storyboard, or too dear.

        Raises:
            VideoGenError: That error, if no answer is to blame.
        """
        newest = self.answers.given[-1] if self.answers.given else None
        number = self._before.number if self._before else 0
        if newest is None or newest.number != number:
            raise error
        if newest.decision == "approve" and not newest.changes:
            raise error
        logger.warning("The answer can't be carried out, it is asked again: %s", error)
        store, run = self.studio.store, self.studio.run
        await refuse_answer(store, run, newest, str(error), self.studio.time.now())
        self.answers = await answers_of(store, run)

    def holds(self, clip: Clip) -> bool:
        """Whether nothing may be chained to a clip yet."""
        if self.options.review != "shots" or not self.options.is_reviewed:
            return False
        return not self.answers.approvals.clip(clip.shot, clip.key)

    async def of_shots(self, plan: Plan, results: Mapping[str, Result], rest: Rest) -> None:
        """Ask, if clips are there that nobody has approved.

        Args:
            plan: The run's plan.
            results: What became of its clips, by their ids.
            rest: Suspends the run.

        Raises:
            Pause: If it was asked; Prefect ends the process then.
            StudioError: If Prefect does not suspend the run.
        """
        if self.options.review != "shots" or not self.options.is_reviewed:
            return
        shots = self._shown(plan, results)
        if any(shot.key and not shot.approved for shot in shots):
            await self._ask(Question(kind="shots", shots=shots), plan, rest)

    async def of_film(
        self, plan: Plan, results: Mapping[str, Result], film: Film, rest: Rest
    ) -> None:
        """Ask, if a film is there that nobody has approved.

        Args:
            plan: The run's plan.
            results: What became of its clips, by their ids.
            film: The film.
            rest: Suspends the run.

        Raises:
            Pause: If it was asked; Prefect ends the process then.
            StudioError: If Prefect does not suspend the run.
        """
        if self.options.review != "film" or not self.options.is_reviewed:
            return
        if film.path and not self.answers.approvals.film(film.path):
            question = Question(
                kind="film",
                shots=self._shown(plan, results),
                film=film.path,
                page=film.page,
                seconds=film.seconds,
            )
            await self._ask(question, plan, rest)

    def _shown(self, plan: Plan, results: Mapping[str, Result]) -> tuple[Shown, ...]:
        prompts = {shot.id: shot.prompt for shot in self._board.shots}
        takes = Counter(clip.shot for clip in plan.clips)
        shown = []
        for clip in plan.clips:
            if clip.in_film:
                about = Shown(
                    shot=clip.shot,
                    prompt=prompts.get(clip.shot, ""),
                    take=clip.take,
                    model=clip.model,
                    seconds=clip.seconds,
                    price=clip.price,
                    count=takes[clip.shot],
                )
                shown.append(about.model_copy(update=self._there(clip, plan, results)))
        return tuple(shown)

    def _there(
        self, clip: PlannedClip, plan: Plan, results: Mapping[str, Result]
    ) -> dict[str, Any]:
        """What is there of a shot."""
        found = results[clip.id]
        if isinstance(found, Missing):
            return {"instead": f"missing: {found.reason}"}
        if isinstance(found, Held):
            return {"instead": f"waits for {found.by}"}
        others = {c.take: results[c.id] for c in plan.clips if c.shot == clip.shot and c != clip}
        takes = {take: other for take, other in others.items() if isinstance(other, Clip)}
        return {
            "key": found.key,
            "path": found.path,
            "last_frame": found.last_frame,
            "takes": {take: other.path for take, other in takes.items()},
            "frames": {take: other.last_frame for take, other in takes.items()},
            "approved": self.answers.approvals.clip(clip.shot, found.key),
        }

    async def _ask(self, question: Question, plan: Plan, rest: Rest) -> None:
        number = self._before.number if self._before else 0
        question = question.model_copy(
            update={
                "title": plan.title or plan.slug,
                "after": self.options.review_after * 60.0,
                "then": self.options.if_unreviewed,
                "refused": self.answers.refused.get(number, ""),
            }
        )
        store = self.studio.store
        strips = await strips_of(store, question.shots)
        sheet = review_sheet(question, self.studio.link, store.url, strips)
        await _publish(plan.slug, sheet)
        logger.info("Suspending for a review of the %s; Resume shows the form", question.kind)
        await rest.until_answered(question, form_for(question).with_initial_data(sheet))


async def _given(studio: OpenStudio, number: int, question: Question) -> Answer | None:
    """What a person filled in when the run was resumed; None if it was resumed without."""
    keyset = keyset_from_base_key(f"suspended-{pause_key(number)}")
    given = await aread_flow_run_input(keyset["response"], flow_run_id=UUID(studio.run))
    if given is None:
        logger.warning("The run was resumed without an answer, so it asks again")
        return None
    fields = {**given, "at": studio.time.now(), "number": number, "question": question}
    return Answer.model_validate(fields)


async def _publish(slug: str, sheet: str) -> None:
    try:
        await acreate_markdown_artifact(
            markdown=sheet, key=f"review-{slug}", description="What waits for approval"
        )
    except Exception as error:  # noqa: BLE001 - the form shows the same
        logger.warning("The review's artifact could not be published: %s", error)
