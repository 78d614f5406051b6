"""generate-storyboard: a film of a storyboard, from a file or filled in as a form."""

# No `from __future__ import annotations` here: what `serve()` offers runs in a child process of
# Prefect's, which then can't find what annotations written as text stand for.

from typing import cast

from prefect import flow
from prefect.states import Completed, Failed

from prefect_videogen.buying import OnExpired, OnUnknown
from prefect_videogen.errors import Fault, Rejected, StoryboardError
from prefect_videogen.filming import Film
from prefect_videogen.flows.forms import NOT_FILLED_IN, FormBoard
from prefect_videogen.flows.hooks import tell_open_jobs
from prefect_videogen.flows.making import make
from prefect_videogen.flows.options import RunOptions
from prefect_videogen.flows.twins import sync_twin
from prefect_videogen.flows.waiting_mode import Wait
from prefect_videogen.plan import Plan
from prefect_videogen.reviewing import IfUnreviewed, Review
from prefect_videogen.storyboard import Storyboard
from prefect_videogen.survey import Board, load_board


@flow(
    name="generate-storyboard",
    persist_result=True,
    result_serializer="json",
    on_cancellation=[tell_open_jobs],
    on_crashed=[tell_open_jobs],
)
async def generate_storyboard(
    storyboard_file: str = "",
    storyboard: FormBoard = NOT_FILLED_IN,
    variables: dict[str, str] = {},  # noqa: B006 - the form needs a plain default, never changed
    review: Review = "none",
    review_after: int = 0,
    if_unreviewed: IfUnreviewed = "reject",
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
        storyboard_file: Path, s3:// or https:// address of a storyboard, YAML or JSON. This, or
            fill in the storyboard below.
        storyboard: The storyboard, if no file is given. A picture is the name of a file in the
            media store's inbox, a full path, an s3:// or https:// address, previous, or next.
        variables: JSON with values that win over the storyboard's own, for example
            {"city": "Oslo"}.
        review: Whether a person approves in between. shots: before clips are joined or chained;
            film: before the run ends; none. The run is suspended until then, so it has to be a
            deployment's.
        review_after: Minutes after which a review that nobody has answered is answered by
            if_unreviewed. 0: it waits for a person. The flow collect-results does it, so switch its
            schedule on.
        if_unreviewed: What such a review counts as: approve or reject.
        deliver_to: Path or s3:// address that the film is copied to. Empty: it stays in the media
            store only.
        studio: Name of the Videogen Studio block: where and with whom to make it. env needs no
            block, it is made from the environment of the process that runs the flow.
        plan_only: Only plan: publish what would be bought and what it costs, and buy nothing.
        wait: How to wait for the vendors. auto: by callbacks if the studio has an endpoint, and by
            polling if not. suspend: as auto, but without a process while vendors work; for runs
            of a deployment.
        budget: Most money to spend, in the currency of the studio's prices. 0: no limit.
        budget_name: Runs with the same budget name share one budget. Empty: the film's own.
        max_new_clips: Most clips to buy. 0: no limit.
        on_unknown: What to do if it is not known whether an earlier purchase was accepted: stop, or
            buy again (resubmit).
        on_expired: What to do if a clip was bought and its result has expired: stop, or buy it
            again (rebuy).

    Returns:
        The film; the plan if only that was asked for.

    Raises:
        StoryboardError: With all faults, before anything is spent.
        BudgetExceeded: If more would have to be bought or spent than allowed; nothing is bought.
        FilmIncomplete: If shots are missing; carries the result.
        Rejected: If a review ends the run; what was bought is kept.
        StudioError: If the studio is missing or wrong.
    """
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
        review=review,
        review_after=review_after,
        if_unreviewed=if_unreviewed,
    )
    try:
        result = await make(await _board(storyboard_file, storyboard), options)
    except Rejected as rejection:
        return cast("Film", Failed(name="Rejected", message=str(rejection), data=rejection))
    if isinstance(result, Film) and result.missing:
        names = ", ".join(entry.shot for entry in result.missing)
        # Prefect gives callers the data of a state that a flow returns.
        return cast("Film", Completed(name="Partial", message=f"Without {names}", data=result))
    return result


async def _board(file: str, storyboard: Storyboard) -> Board:
    filled_in = bool(storyboard.model_dump(exclude_defaults=True))
    if file and not filled_in:
        return await load_board(file)
    if storyboard.shots and not file:
        return Board(storyboard)
    problem = "is given twice" if file else "is missing"
    remedy = "give either storyboard_file or a storyboard with shots"
    raise StoryboardError([Fault("", "storyboard", file, problem, remedy)])


generate_storyboard_sync = sync_twin(generate_storyboard)
"""`generate_storyboard` for callers that are sync."""
