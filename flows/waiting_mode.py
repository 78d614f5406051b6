"""How a run waits for its jobs: the parameter `wait`, held against what the studio has."""

from __future__ import annotations

from typing import Literal

from prefect_videogen.blocks.callbacks import check_addresses
from prefect_videogen.errors import StudioError
from prefect_videogen.studio import OpenStudio

Wait = Literal["auto", "poll", "callback", "suspend"]


def choose_wait(studio: OpenStudio, wait: Wait) -> None:
    """Have an open studio wait as the run asks; before anything is bought.

    Args:
        studio: The studio that the run has open.
        wait: `auto` is callbacks where the studio has an endpoint, and polling elsewhere.

    Raises:
        StudioError: If callbacks are asked for and can't be had, or the endpoint can't be used.
    """
    if wait == "suspend":
        message = "wait = suspend is not in this version"
        raise StudioError(message, next_step="Use wait = auto, poll or callback.")
    if wait == "poll":
        studio.callbacks = studio.wakes = None
        return
    if wait == "callback" and studio.callbacks is None:
        message = f"wait = callback, but the studio {studio.name} has no callback endpoint"
        step = (
            "Give it a CallbackEndpoint block, or set VIDEOGEN_CALLBACK_URL and "
            "VIDEOGEN_CALLBACK_SECRET and run `prefect-videogen setup`; or use wait = poll."
        )
        raise StudioError(message, next_step=step)
    check_addresses(studio)
