"""generate-clip: one clip, without a film around it."""

# No `from __future__ import annotations` here: what `serve()` offers runs in a child process of
# Prefect's, which then can't find what annotations written as text stand for.

from typing import Any, Literal

from prefect import flow

from prefect_videogen.buying import OnExpired, OnUnknown
from prefect_videogen.fetching import Clip
from prefect_videogen.flows.forms import ModelName, Resolution
from prefect_videogen.flows.hooks import tell_open_jobs
from prefect_videogen.flows.making import make_clip
from prefect_videogen.flows.options import RunOptions
from prefect_videogen.flows.twins import sync_twin
from prefect_videogen.flows.waiting_mode import Wait
from prefect_videogen.plan import Plan
from prefect_videogen.storyboard import SINGLE, Shot, one_clip
from prefect_videogen.survey import Board

Tier = Literal["", "standard", "pro", "master", "turbo"]


@flow(
    name="generate-clip",
    persist_result=True,
    result_serializer="json",
    on_cancellation=[tell_open_jobs],
    on_crashed=[tell_open_jobs],
)
async def generate_clip(
    prompt: str,
    model: ModelName,
    first_frame: str = "",
    last_frame: str = "",
    seconds: float = 0,
    resolution: Resolution = "",
    aspect_ratio: str = "",
    tier: Tier = "",
    negative_prompt: str = "",
    seed: int = -1,
    options: dict[str, Any] = {},  # noqa: B006 - the form needs a plain default, never changed
    take: str = "1",
    studio: str = "default",
    plan_only: bool = False,
    wait: Wait = "auto",
    budget: float = 0.0,
    budget_name: str = "",
    max_new_clips: int = 0,
    on_unknown: OnUnknown = "stop",
    on_expired: OnExpired = "stop",
) -> Clip | Plan:
    """Make one clip: buy it once, and find it again when the same is asked for.

    Args:
        prompt: What is seen and how the camera moves.
        model: Model that makes the clip; the command prefect-videogen models tells what each can
            do.
        first_frame: Picture that the clip starts on: the name of a file in the media store's inbox,
            a full path, or an s3:// or https:// address. Empty: made from the prompt alone.
        last_frame: Picture that the clip ends on, if the model takes one.
        seconds: Length in seconds. 0: the model's default.
        resolution: Lines of the picture. Empty: the model's default.
        aspect_ratio: Width:height, for example 16:9 or 9:16; pictures are cropped to it. Empty: the
            model's default.
        tier: Quality, if the model has tiers. Empty: its default.
        negative_prompt: What should not be in the picture.
        seed: Number that makes a result repeat. -1: a random one.
        options: JSON with the vendor's own input fields, for example {"movement": "large"}.
        take: Number or name of a deliberate version; another one is bought anew.
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
        The clip, stored; the plan if only that was asked for.

    Raises:
        StoryboardError: With all faults, before anything is spent.
        BudgetExceeded: If more would have to be bought or spent than allowed; nothing is bought.
        VendorError: What the vendor said.
        StudioError: If the studio is missing or wrong.
    """
    shot = Shot(
        id=SINGLE,
        prompt=prompt,
        model=model,
        first_frame=first_frame,
        last_frame=last_frame,
        seconds=seconds,
        resolution=resolution,
        tier=tier,
        seed=seed,
        negative_prompt=negative_prompt,
        options=options,
        take=take,
    )
    board = one_clip(shot, aspect_ratio=aspect_ratio)
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
    return await make_clip(Board(board), run)


generate_clip_sync = sync_twin(generate_clip)
"""`generate_clip` for callers that are sync."""
