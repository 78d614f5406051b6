"""The emulator's whole failure menu against one film: what comes out, how long it takes.

`make faults` prints the table; the test beside it holds every row to its promise: the film or a
documented error, never a second purchase, never a hang.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx
from pydantic import SecretStr
from tests.asking import request_of
from tests.crash.making import hurrying

from prefect_videogen import downloading, fetching
from prefect_videogen.buying import Buyer, ClipRequest, buyer, wait_for
from prefect_videogen.emulator import MENU, Emulator
from prefect_videogen.errors import JobFailed, VideoGenError
from prefect_videogen.fetching import Clip, fetch_clip
from prefect_videogen.filming import FilmPart, make_film
from prefect_videogen.records import LocalStore
from prefect_videogen.storyboard import FilmOptions, Shot, Storyboard
from prefect_videogen.studio import OpenStudio
from prefect_videogen.survey import Board, survey
from prefect_videogen.vendors import Account, Timeouts
from prefect_videogen.waiting import Time, rules

SCHEDULED = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
Place = Literal["submit", "status", "download"]
PLACES: tuple[Place, ...] = ("submit", "status", "download")
MODELS = {"apixo": "wan-2-5", "evolink": "wan2.5-image-to-video"}
FILM = "film"
SLOW = frozenset({"no-answer", "trickle", "stall-after-headers"})
"""Each look that meets one waits for real until it times out; always would be a minute of that."""
DEADLINE = 60.0
"""Seconds of real time that no row may pass; the waits themselves are jumped over."""


@dataclass(frozen=True)
class Row:
    """One entry of the menu at one place, at one vendor.

    Attributes:
        vendor: The vendor.
        name: The entry.
        place: Where it strikes.
        times: How often; None is always.
    """

    vendor: str
    name: str
    place: Place
    times: int | None

    def __str__(self) -> str:
        often = "always" if self.times is None else "once"
        return f"{self.vendor}-{self.name}-{self.place}-{often}"


@dataclass(frozen=True)
class Outcome:
    """What came of a row.

    Attributes:
        result: `film`, or the error's name.
        text: The error's message.
        charged: Clips that the emulator charged for.
        jobs: Jobs that failed and were bought again on purpose.
        seconds: Real time it took.
    """

    result: str
    text: str
    charged: int
    jobs: int
    seconds: float


def rows() -> Iterator[Row]:
    """Every entry at every place and vendor that it is for, once and always."""
    for name, entry in MENU.items():
        for place in PLACES:
            for vendor in MODELS:
                if place in entry.at and vendor in entry.vendors:
                    yield Row(vendor, name, place, 1)
                    if not (name in SLOW and place == "status"):
                        yield Row(vendor, name, place, None)


async def outcome_of(row: Row, folder: Path, still: Path) -> Outcome:
    """Make a film while the entry strikes."""
    began = time.monotonic()
    media = folder / "media"
    with Emulator(speed=10_000, pixel_scale=0.125, fps=8, media_dir=media) as vendors:
        vendors.faults.add(row.name, times=row.times, at=row.place)
        studio = studio_of(vendors, media, hurrying(0.0))
        result, text = FILM, ""
        async with studio:
            try:
                await film(studio, row, still)
            except VideoGenError as error:
                result, text = type(error).__name__, str(error)
        charged, jobs = len(vendors.charges), len(vendors.jobs)
    return Outcome(result, text, charged, jobs, time.monotonic() - began)


def studio_of(vendors: Emulator, media: Path, clock: Time) -> OpenStudio:
    """A studio without Prefect for an emulator."""
    key, speed = SecretStr(vendors.api_key), 10_000.0
    return OpenStudio(
        name="faults",
        accounts={
            "apixo": Account(
                vendor="apixo", api_key=key, base_url=vendors.url, sandbox=True, speed=speed
            ),
            "evolink": Account(
                vendor="evolink", api_key=key, base_url=vendors.url, sandbox=True, speed=speed
            ),
        },
        store=LocalStore(media, served_at=vendors.media_url),
        time=clock,
        timeouts=Timeouts(read=1, submit_read=1, total=2),
    )


async def film(studio: OpenStudio, row: Row, still: Path) -> None:
    """What a flow does for one shot, bounded as a flow bounds it."""
    shot = Shot(id="kite", prompt=str(row), model=MODELS[row.vendor], first_frame=str(still))
    board = Board(Storyboard(title="faults", shots=[shot]))
    surveyed = await survey(studio, board, variables={}, scheduled=SCHEDULED, keep=True)
    request = request_of(surveyed)
    clip = await bought(studio, request)
    await make_film(
        studio,
        title="faults",
        slug="faults",
        parts=[FilmPart.of(clip, why="start")],
        options=FilmOptions(),
    )


async def bought(studio: OpenStudio, request: ClipRequest) -> Clip:
    """Submit, wait and fetch; a job that fails for a passing reason is bought again."""
    while True:
        job = await Buyer(studio, request).buy()  # raises after MOST_JOBS of them
        try:
            return await fetch_clip(studio, await wait_for(studio, job))
        except JobFailed as error:
            if not error.transient:
                raise


def quick(change: Callable[[object, str, object], None] = setattr) -> None:
    """Cut the real waits for bytes short and take fewer, longer steps of the jumping clock."""
    change(downloading, "TIMEOUT", httpx.Timeout(0.5))
    change(fetching, "SHORTEST_PATIENCE", 1.0)
    change(rules, "SHORTEST_INTERVAL", 0.5)
    change(buyer, "SHORTEST_BACKOFF", 2.0)


async def main() -> None:
    """Print the table."""
    quick()
    logging.disable(logging.CRITICAL)
    still = Path(__file__).parents[2] / "src/prefect_videogen/samples/stills/coffee.jpg"
    sys.stdout.write(f"{'entry':<44} {'outcome':<20} {'charged':>7} {'seconds':>8}\n")
    for row in rows():
        with tempfile.TemporaryDirectory() as folder:
            found = await outcome_of(row, Path(folder), still)
        line = f"{row!s:<44} {found.result:<20} {found.charged:>7} {found.seconds:>8.2f}\n"
        sys.stdout.write(line)
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
