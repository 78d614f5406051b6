"""One film made by the real flow: the program that is killed at random times."""

from __future__ import annotations

import os
from typing import Any

from prefect_videogen.errors import FilmIncomplete
from prefect_videogen.filming import Film
from prefect_videogen.flows import generate_storyboard
from prefect_videogen.storyboard import Storyboard


async def flow(order: dict[str, Any]) -> dict[str, Any]:
    """Run generate-storyboard on the studio of the environment.

    Args:
        order: `environment`, the `board`, `on_unknown`.

    Returns:
        The film's digest, how many clips were bought, and what is missing and why.
    """
    os.environ.update(order["environment"])
    try:
        film = await generate_storyboard(
            storyboard=Storyboard(**order["board"]),
            studio="env",
            on_unknown=order.get("on_unknown", "stop"),
        )
    except FilmIncomplete as error:
        film = error.result
    assert isinstance(film, Film)
    return {
        "film": film.digest,
        "bought": film.bought,
        "missing": {entry.shot: entry.error for entry in film.missing},
        "clips": {clip.shot: clip.job_id for clip in film.clips},
    }
