"""generate-chain: one start picture and a list of prompts, each shot starting where one ends."""

# No `from __future__ import annotations` here: what `serve()` offers runs in a child process of
# Prefect's, which then can't find what annotations written as text stand for.

from prefect import flow

from prefect_videogen.buying import OnExpired, OnUnknown
from prefect_videogen.filming import Film
from prefect_videogen.flows.hooks import tell_open_jobs
from prefect_videogen.flows.making import RunOptions, make
from prefect_videogen.flows.twins import sync_twin
from prefect_videogen.flows.waiting_mode import Wait
from prefect_videogen.plan import Plan
from prefect_videogen.storyboard import Shot, Storyboard
from prefect_videogen.survey import Board


@flow(
    name="generate-chain",
    persist_result=True,
    result_serializer="json",
    on_cancellation=[tell_open_jobs],
    on_crashed=[tell_open_jobs],
)
async def generate_chain(
    first_frame: str = "",
    prompts: list[str] = [],  # noqa: B006 - the form needs a plain default, never changed
    model: str = "",
    seconds: float = 0,
    resolution: str = "",
    aspect_ratio: str = "",
    title: str = "chain",
    studio: str = "default",
    plan_only: bool = False,
    wait: Wait = "auto",
    budget: float = 0.0,
    budget_name: str = "",
    max_new_clips: int = 0,
    on_unknown: OnUnknown = "stop",
    on_expired: OnExpired = "stop",
) -> Film | Plan:
    """Make a film in one continuous take: every shot starts on the last frame of the one before.

    Args:
        first_frame: Picture the first shot starts on; empty lets a text model invent it.
        prompts: One prompt per shot, in order.
        model: Model that makes the clips, for example `vidu-q3`.
        seconds: Length of each shot in seconds; 0 is the model's default.
        resolution: For example `720p`; empty is the model's default.
        aspect_ratio: For example `16:9`; empty is the model's default.
        title: The film's title; names its folder.
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
    shots = [
        Shot(prompt=prompt, first_frame="previous" if number else first_frame)
        for number, prompt in enumerate(prompts)
    ]
    board = Storyboard(
        title=title,
        model=model,
        seconds=seconds,
        resolution=resolution,
        aspect_ratio=aspect_ratio,
        shots=shots,
    )
    run = RunOptions(
        studio=studio,
        plan_only=plan_only,
        wait=wait,
        budget=budget,
        budget_name=budget_name,
        max_new_clips=max_new_clips,
        on_unknown=on_unknown,
        on_expired=on_expired,
    )
    return await make(Board(board), run)


generate_chain_sync = sync_twin(generate_chain)
"""`generate_chain` for callers that are sync."""
