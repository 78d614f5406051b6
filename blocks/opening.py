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

from pydantic import ValidationError

from prefect_videogen.blocks.environment import studio_from_environment
from prefect_videogen.blocks.studio import Studio
from prefect_videogen.errors import StudioError
from prefect_videogen.studio import OpenStudio

ENVIRONMENT = "env"
"""Name of the studio that is made from the environment."""


async def load_studio(name: str) -> Studio:
    """Load a studio by its name; `env` is made from the environment.

    Raises:
        StudioError: If there is none of that name, with the commands that make one; or a field of
            it is missing or wrong.
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
    except RuntimeError as error:
        if isinstance(error.__cause__, ValidationError):
            raise _unfinished(name, error.__cause__) from None
        raise
    if not isinstance(loaded, Studio):
        message = f"the block {name!r} is not a Studio"
        raise StudioError(message)
    return loaded


def _unfinished(name: str, error: ValidationError) -> StudioError:
    """What is wrong with a block as Prefect's UI saved it, which checks nothing; no value of it."""
    found = error.errors(include_input=False, include_context=False, include_url=False)
    wrong = "; ".join(f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in found)
    message = f"the studio {name!r} is not as it has to be: {wrong}"
    return StudioError(message, next_step="Correct the block in Prefect's UI.")


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
