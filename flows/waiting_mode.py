"""How a run waits for its jobs: the parameter `wait`, held against what the studio has."""

from __future__ import annotations

import logging
from typing import Literal

from prefect_videogen.blocks.callbacks import check_addresses
from prefect_videogen.errors import StudioError
from prefect_videogen.flows.sleeping import can_suspend
from prefect_videogen.studio import OpenStudio

logger = logging.getLogger(__name__)

Wait = Literal["auto", "poll", "callback", "suspend"]


def choose_wait(studio: OpenStudio, wait: Wait) -> bool:
    """Have an open studio wait as the run asks; before anything is bought.

    Args:
        studio: The studio that the run has open.
        wait: `auto` is callbacks where the studio has an endpoint, and polling elsewhere;
            `suspend` is the same where Prefect does not suspend the run.

    Returns:
        Whether the run suspends while it has nothing to do but wait.

    Raises:
        StudioError: If callbacks are asked for and can't be had, or the endpoint can't be used.
    """
    if wait == "poll":
        studio.callbacks = studio.wakes = None
        return False
    if wait == "callback" and studio.callbacks is None:
        message = f"wait = callback, but the studio {studio.name} has no callback endpoint"
        step = (
            "Give it a CallbackEndpoint block, or set VIDEOGEN_CALLBACK_URL and "
            "VIDEOGEN_CALLBACK_SECRET and run `prefect-videogen setup`; or use wait = poll."
        )
        raise StudioError(message, next_step=step)
    check_addresses(studio)
    suspends = wait == "suspend" and can_suspend()
    if wait == "suspend" and not suspends:
        how = "callbacks" if studio.callbacks else "polling"
        text = "Only a deployment's run of its own can suspend; this one waits awake, by %s"
        logger.warning(text, how)
    return suspends
