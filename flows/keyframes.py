"""generate-keyframes: a list of pictures, one clip from each to the next, all at once."""

# No `from __future__ import annotations` here: what `serve()` offers runs in a child process of
# Prefect's, which then can't find what annotations written as text stand for.

from prefect import flow

from prefect_videogen.buying import OnExpired, OnUnknown
from prefect_videogen.errors import Fault, StoryboardError
from prefect_videogen.filming import Film
from prefect_videogen.flows.clip import Tier
from prefect_videogen.flows.hooks import tell_open_jobs
from prefect_videogen.flows.making import RunOptions, make
from prefect_videogen.flows.twins import sync_twin
from prefect_videogen.flows.waiting_mode import Wait
from prefect_videogen.plan import Plan
from prefect_videogen.storyboard import Shot, Storyboard
from prefect_videogen.survey import Board


@flow(
    name="generate-keyframes",
    persist_result=True,
    result_serializer="json",
    on_cancellation=[tell_open_jobs],
    on_crashed=[tell_open_jobs],
)
async def generate_keyframes(
    pictures: list[str] = [],  # noqa: B006 - the form needs a plain default, never changed
    prompts: list[str] = [],  # noqa: B006 - the form needs a plain default, never changed
    model: str = "",
    seconds: float = 0,
    resolution: str = "",
    aspect_ratio: str = "",
    tier: Tier = "",
    title: str = "keyframes",
    studio: str = "default",
    plan_only: bool = False,
    wait: Wait = "auto",
    budget: float = 0.0,
    budget_name: str = "",
    max_new_clips: int = 0,
    on_unknown: OnUnknown = "stop",
    on_expired: OnExpired = "stop",
) -> Film | Plan:
    """Make a film that goes from picture to picture; all its clips are made at the same time.

    Args:
        pictures: The pictures in order, at least two.
        prompts: One prompt for each step from a picture to the next, or one for all of them.
        model: Model that takes a first and a last frame: `vidu-q3`, or `kling-2-1` with tier pro.
        seconds: Length of each clip in seconds; 0 is the model's default.
        resolution: For example `720p`; empty is the model's default.
        aspect_ratio: Shape that the pictures are cropped to; empty keeps them.
        tier: Quality tier, where the model has tiers; empty is its default tier.
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
    steps = max(len(pictures) - 1, 0)
    _check_counts(steps, len(prompts))
    texts = prompts * steps if len(prompts) == 1 else prompts
    shots = [
        Shot(prompt=texts[number], first_frame=pictures[number], last_frame=pictures[number + 1])
        for number in range(steps)
    ]
    board = Storyboard(
        title=title,
        model=model,
        seconds=seconds,
        resolution=resolution,
        aspect_ratio=aspect_ratio,
        tier=tier,
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


def _check_counts(steps: int, prompts: int) -> None:
    if not steps:
        fault = Fault("", "pictures", "", "are fewer than two", "give at least two pictures")
        raise StoryboardError([fault])
    if prompts not in {1, steps}:
        problem = f"are {prompts}, for {steps} steps between the pictures"
        remedy = "give one for each step, or one for all"
        raise StoryboardError([Fault("", "prompts", "", problem, remedy)])


generate_keyframes_sync = sync_twin(generate_keyframes)
"""`generate_keyframes` for callers that are sync."""
