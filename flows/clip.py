"""generate-clip: one clip, without a film around it."""

# No `from __future__ import annotations` here: what `serve()` offers runs in a child process of
# Prefect's, which then can't find what annotations written as text stand for.

from typing import Any, Literal

from prefect import flow

from prefect_videogen.buying import OnExpired, OnUnknown
from prefect_videogen.errors import Fault, StoryboardError
from prefect_videogen.fetching import Clip
from prefect_videogen.flows.hooks import tell_open_jobs
from prefect_videogen.flows.making import RunOptions, make_clip
from prefect_videogen.flows.twins import sync_twin
from prefect_videogen.flows.waiting_mode import Wait
from prefect_videogen.plan import Plan
from prefect_videogen.storyboard import Shot, Storyboard
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
    prompt: str = "",
    model: str = "",
    first_frame: str = "",
    last_frame: str = "",
    seconds: float = 0,
    resolution: str = "",
    aspect_ratio: str = "",
    tier: Tier = "",
    seed: int = -1,
    negative_prompt: str = "",
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
        model: Model that makes the clip, for example `vidu-q3`.
        first_frame: Picture the clip starts on: a path, s3:// or https:// address.
        last_frame: Picture the clip ends on, where the model takes one.
        seconds: Length in seconds; 0 is the model's default.
        resolution: For example `720p`; empty is the model's default.
        aspect_ratio: For example `16:9`; empty is the model's default.
        tier: Quality tier, where the model has tiers; empty is its default tier.
        seed: Number that makes results repeat; -1 is random.
        negative_prompt: What should not be in the picture.
        options: The vendor's own input fields, and `mode`.
        take: Which deliberate version this is; another one is bought anew.
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
        The clip, stored; the plan if only that was asked for.

    Raises:
        StoryboardError: With all faults, before anything is spent.
        BudgetExceeded: If more would have to be bought or spent than allowed; nothing is bought.
        VendorError: What the vendor said.
        StudioError: If the studio is missing or wrong.
    """
    shot = Shot(
        id="clip",
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
    for name in ("first_frame", "last_frame"):
        value = getattr(shot, name)
        if value in {"previous", "next"} or value.startswith("shot:"):
            fault = Fault("clip", name, value, "there is no other shot", "name a picture")
            raise StoryboardError([fault])
    # At the top, so that it shapes the pictures of image modes, which have no such field.
    board = Storyboard(title="clip", aspect_ratio=aspect_ratio, shots=[shot])
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
