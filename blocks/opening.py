"""Opening a studio by its name, once for a whole run.

The studio `env` is made from the environment in the process that runs the flow, and never saved.
Tasks called inside a flow go on with what the flow has open.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from prefect_videogen.blocks.environment import studio_from_environment
from prefect_videogen.blocks.studio import Studio
from prefect_videogen.errors import StudioError
from prefect_videogen.studio import OpenStudio

ENVIRONMENT = "env"
"""Name of the studio that is made from the environment."""


async def load_studio(name: str) -> Studio:
    """Load a studio by its name; `env` is made from the environment.

    Raises:
        StudioError: If there is none of that name; names the commands that make one.
    """
    if name == ENVIRONMENT:
        return studio_from_environment(os.environ)
    try:
        loaded = await Studio.aload(name)
    except ValueError as error:
        message = f"there is no studio named {name!r}"
        step = (
            "`prefect-videogen setup` saves one from the environment, `prefect-videogen demo` "
            "makes the studio `demo`; the studio `env` needs no saving."
        )
        raise StudioError(message, next_step=step) from error
    if not isinstance(loaded, Studio):
        message = f"the block {name!r} is not a Studio"
        raise StudioError(message)
    return loaded


@dataclass(frozen=True)
class _Current:
    name: str
    loop: asyncio.AbstractEventLoop
    studio: OpenStudio


_current: ContextVar[_Current | None] = ContextVar("videogen_studio", default=None)


@asynccontextmanager
async def opened(name: str, *, run: str = "") -> AsyncIterator[OpenStudio]:
    """Open a studio, or go on with the one that the surrounding flow has open.

    Args:
        name: The studio's name.
        run: Id of the flow run that uses it.

    Raises:
        StudioError: If there is none of that name, or a setting is wrong.
    """
    loop = asyncio.get_running_loop()
    current = _current.get()
    if (
        current
        and current.name == name
        and current.loop is loop
        and run in {"", current.studio.run}
    ):
        yield current.studio
        return
    block = await load_studio(name)
    async with block.open(name=name, run=run) as studio:
        token = _current.set(_Current(name, loop, studio))
        try:
            yield studio
        finally:
            _current.reset(token)
