"""One film made with the library alone: the program that the crash tests kill.

It does what the flows do for one shot (survey, buy, wait, fetch, stitch), without Prefect, so
that hundreds of deaths fit into a test run.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from tests.asking import request_of
from tests.crash.points import DeadlyStore, DeadlyTransport, Points

from prefect_videogen.buying import Buyer, wait_for
from prefect_videogen.errors import VideoGenError
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.filming import FilmPart, make_film
from prefect_videogen.records import open_store
from prefect_videogen.storyboard import FilmOptions, Shot, Storyboard
from prefect_videogen.studio import OpenStudio
from prefect_videogen.survey import Board, survey
from prefect_videogen.vendors import Account
from prefect_videogen.waiting import Time

LONG = 0.1


def hurrying(longest: float = LONG) -> Time:
    """A clock that jumps over every sleep longer than a tenth of a second, or as told."""
    ahead = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal ahead
        if seconds > longest:
            ahead += seconds
            seconds = 0.0
        await asyncio.sleep(seconds)

    return Time(
        now=lambda: time.time() + ahead,
        monotonic=lambda: time.monotonic() + ahead,
        sleep=sleep,
        chance=lambda: 0.5,
    )


async def make(order: dict[str, Any]) -> dict[str, Any]:
    """Make the film of an order, or die on the way as it says.

    Args:
        order: `vendor` settings, `store` and `options`, the `shot`, `kill_at`, `on_unknown`.

    Returns:
        The film's digest and the clip's job, or the error's name, and the places reached.
    """
    points = Points(order.get("kill_at"), Path(order["said"]))
    store = open_store(order["store"], options=order["options"], public_url=order["served_at"])
    common: dict[str, Any] = {
        "api_key": SecretStr(order["api_key"]),
        "base_url": order["base_url"],
        "sandbox": True,
        "speed": order["speed"],
    }
    studio = OpenStudio(
        name="crash",
        accounts={
            "apixo": Account(vendor="apixo", **common),
            "evolink": Account(vendor="evolink", files_url=order["base_url"], **common),
        },
        store=DeadlyStore(store, points),
        time=hurrying(),
        transport=DeadlyTransport(points, httpx.AsyncHTTPTransport),
        run=order["run"],
    )
    try:
        async with studio:
            film, job_id, how = await _film(studio, order)
    except VideoGenError as error:
        return {"error": type(error).__name__, "text": str(error), "points": points.names}
    return {"film": film, "job_id": job_id, "how": how, "points": points.names}


async def _film(studio: OpenStudio, order: dict[str, Any]) -> tuple[str, str, str]:
    board = Board(Storyboard(title=order["run"], shots=[Shot(**order["shot"])]))
    surveyed = await survey(studio, board, variables={}, scheduled=datetime.now(UTC), keep=True)
    request = request_of(surveyed)
    job = await Buyer(studio, request, on_unknown=order["on_unknown"]).buy()
    fetched = await fetch_clip(studio, await wait_for(studio, job))
    film = await make_film(
        studio,
        title="crash",
        slug="crash",
        parts=[FilmPart.of(fetched, why="start")],
        options=FilmOptions(),
    )
    return film.digest, job.job_id, job.how
