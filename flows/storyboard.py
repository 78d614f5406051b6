"""generate-storyboard: a film of a storyboard, from a file or filled in as a form."""

# No `from __future__ import annotations` here: what `serve()` offers runs in a child process of
# Prefect's, which then can't find what annotations written as text stand for.

from typing import Literal, cast

from prefect import flow
from prefect.states import Completed

from prefect_videogen.buying import OnExpired, OnUnknown
from prefect_videogen.errors import Fault, StoryboardError, StudioError
from prefect_videogen.filming import Film
from prefect_videogen.flows.hooks import tell_open_jobs
from prefect_videogen.flows.making import RunOptions, make
from prefect_videogen.flows.twins import sync_twin
from prefect_videogen.flows.waiting_mode import Wait
from prefect_videogen.plan import Plan
from prefect_videogen.storyboard import Storyboard
from prefect_videogen.survey import Board, load_board

Review = Literal["none", "shots", "film"]


@flow(
    name="generate-storyboard",
    persist_result=True,
    result_serializer="json",
    on_cancellation=[tell_open_jobs],
    on_crashed=[tell_open_jobs],
)
async def generate_storyboard(
    storyboard_file: str = "",
    storyboard: Storyboard = Storyboard(),  # noqa: B008 - the empty form, never changed
    variables: dict[str, str] = {},  # noqa: B006 - the form needs a plain default, never changed
    review: Review = "none",
    deliver_to: str = "",
    studio: str = "default",
    plan_only: bool = False,
    wait: Wait = "auto",
    budget: float = 0.0,
    budget_name: str = "",
    max_new_clips: int = 0,
    on_unknown: OnUnknown = "stop",
    on_expired: OnExpired = "stop",
) -> Film | Plan:
    """Make a film of a storyboard: buy every clip once, stitch them, and keep everything.

    Args:
        storyboard_file: Path, s3:// or https:// address of a storyboard; this or `storyboard`.
        storyboard: The storyboard itself; relative pictures lie in the media store's inbox.
        variables: Values that win over the storyboard's own.
        review: Whether a person approves in between; only `none` in this version.
        deliver_to: Path or s3:// address to copy the film to.
        studio: Name of the studio; `env` is made from the environment.
        plan_only: Publish the plan as an artifact and buy nothing.
        wait: How to wait for jobs: `poll`, `callback`, or `auto`: by callbacks where the studio
            has an endpoint; or `suspend`: like `auto` until only jobs are running, then without
            a process. For runs of a deployment.
        budget: Most money to spend, in the currency of the studio's prices; 0 is no limit.
        budget_name: Name the budget is kept under, with all runs of that name; by default the
            film's.
        max_new_clips: Most clips to buy; 0 is no limit.
        on_unknown: `stop`, or `resubmit` a purchase whose outcome is unknown.
        on_expired: `stop`, or `rebuy` a clip that was bought but has expired.

    Returns:
        The film; the plan if only that was asked for.

    Raises:
        StoryboardError: With all faults, before anything is spent.
        BudgetExceeded: If more would have to be bought or spent than allowed; nothing is bought.
        FilmIncomplete: If shots are missing; carries the result.
        StudioError: If the studio is missing or wrong.
    """
    if review != "none":
        message = f"review = {review} is not in this version"
        raise StudioError(message, next_step="Use review = none.")
    options = RunOptions(
        studio=studio,
        plan_only=plan_only,
        wait=wait,
        budget=budget,
        budget_name=budget_name,
        max_new_clips=max_new_clips,
        on_unknown=on_unknown,
        on_expired=on_expired,
        deliver_to=deliver_to,
        variables=variables,
    )
    result = await make(await _board(storyboard_file, storyboard), options)
    if isinstance(result, Film) and result.missing:
        names = ", ".join(entry.shot for entry in result.missing)
        # Prefect gives callers the data of a state that a flow returns.
        return cast("Film", Completed(name="Partial", message=f"Without {names}", data=result))
    return result


async def _board(file: str, storyboard: Storyboard) -> Board:
    filled_in = bool(storyboard.shots)
    if file and not filled_in:
        return await load_board(file)
    if filled_in and not file:
        return Board(storyboard)
    problem = "is given twice" if file else "is missing"
    remedy = "give either storyboard_file or a storyboard with shots"
    raise StoryboardError([Fault("", "storyboard", file, problem, remedy)])


generate_storyboard_sync = sync_twin(generate_storyboard)
"""`generate_storyboard` for callers that are sync."""
