"""generate-chain: one start picture and a list of prompts, each shot starting where one ends."""

# No `from __future__ import annotations` here: what `serve()` offers runs in a child process of
# Prefect's, which then can't find what annotations written as text stand for.

from prefect import flow

from prefect_videogen.buying import OnExpired, OnUnknown
from prefect_videogen.filming import Film
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
    name="generate-chain",
    persist_result=True,
    result_serializer="json",
    on_cancellation=[tell_open_jobs],
    on_crashed=[tell_open_jobs],
)
async def generate_chain(
    prompts: list[str],
    model: ModelName,
    first_frame: str = "",
    seconds: float = 0,
    resolution: Resolution = "",
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
        prompts: One prompt for each shot, in order.
        model: Model that makes the clips; the command prefect-videogen models tells what each can
            do.
        first_frame: Picture that the film starts on: the name of a file in the media store's inbox,
            a full path, or an s3:// or https:// address. Empty: the first shot is made from its
            prompt alone.
        seconds: Length of each shot in seconds. 0: the model's default.
        resolution: Lines of the picture. Empty: the model's default.
        aspect_ratio: Width:height, for example 16:9 or 9:16; pictures are cropped to it. Empty: the
            model's default.
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
