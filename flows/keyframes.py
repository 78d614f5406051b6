"""generate-keyframes: a list of pictures, one clip from each to the next, all at once."""

# No `from __future__ import annotations` here: what `serve()` offers runs in a child process of
# Prefect's, which then can't find what annotations written as text stand for.

from prefect import flow

from prefect_videogen.buying import OnExpired, OnUnknown
from prefect_videogen.errors import Fault, StoryboardError
from prefect_videogen.filming import Film
from prefect_videogen.flows.clip import Tier
from prefect_videogen.flows.forms import ModelName, Resolution
from prefect_videogen.flows.hooks import tell_open_jobs
from prefect_videogen.flows.making import make
from prefect_videogen.flows.options import RunOptions
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
    pictures: list[str],
    prompts: list[str],
    model: ModelName,
    seconds: float = 0,
    resolution: Resolution = "",
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
        pictures: The pictures in order, at least two: names of files in the media store's inbox,
            full paths, or s3:// or https:// addresses.
        prompts: One prompt for each step from a picture to the next, or one for all steps.
        model: Model that takes a first and a last frame: vidu-q3, or kling-2-1 with the tier pro.
        seconds: Length of each clip in seconds. 0: the model's default.
        resolution: Lines of the picture. Empty: the model's default.
        aspect_ratio: Width:height that the pictures are cropped to, for example 16:9. Empty: their
            own.
        tier: Quality, if the model has tiers. Empty: its default.
        title: Title of the film; names its folder.
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
