"""Slots for many clips, taken before their tasks begin.

A thousand tasks that begin keep a Prefect server so busy that it takes seconds to answer for a
slot; before them, it answers for all within a few.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from prefect_videogen.plan import PlannedClip
from prefect_videogen.studio import OpenStudio
from prefect_videogen.waiting import limit_of

MANY = 100
"""Clips to buy at once beyond which it is worth it."""

WITHIN = 10.0
"""Seconds for it; who has no slot by then takes one when it is bought, as ever."""


async def take_slots_beforehand(studio: OpenStudio, clips: Iterable[PlannedClip]) -> None:
    """Take slots of large limits for clips that are bought at once, if they are many.

    Args:
        studio: The open studio; it holds the slots until the clips' jobs have ended.
        clips: What is going to be bought; those that wait for another shot are passed over.

    Raises:
        StudioError: If a limit can't be used at all.
    """
    wanted = [(clip.key, studio.model(clip)) for clip in clips if clip.key]
    large = []
    for key, model in wanted:
        limit = limit_of(studio.account(model.vendor), model)
        if limit and not limit.exact:
            large.append((key, model))
    if len(large) <= MANY:
        return
    taking = [asyncio.create_task(studio.take_slot(key, model)) for key, model in large]
    try:
        done, _ = await asyncio.wait(taking, timeout=WITHIN)
        for task in done:
            task.result()
    finally:
        for task in taking:
            task.cancel()
        await asyncio.gather(*taking, return_exceptions=True)
