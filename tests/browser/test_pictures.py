"""The documentation's pictures, taken of a film that is made here; `make pictures` keeps them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image
from playwright.sync_api import Page, ViewportSize
from tests.browser.forms import Form
from tests.browser.house import House, open_shown, prefect_server, studio_of, until

from prefect_videogen import Film
from prefect_videogen.apart import run_apart
from prefect_videogen.deployments.serve import deployments
from prefect_videogen.emulator import Emulator
from prefect_videogen.samples import sample

SLUG = "from-the-pad-to-the-deep-field"
WIDEST, LARGEST = 1100, 200_000
"""Pixels and bytes of a picture in the documentation."""

NARROW = ViewportSize(width=1000, height=720)
DESK = ViewportSize(width=1280, height=860)


class Filmed(NamedTuple):
    """A film, where it can be looked at, and what Prefect knows of it."""

    house: House
    film: Film
    form: str
    run: str


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filmed]:
    home, media = tmp_path_factory.mktemp("prefect"), tmp_path_factory.mktemp("media")
    with (
        Emulator(media_dir=media, speed=600, pixel_scale=0.5) as emulator,
        prefect_server(home) as api,
    ):
        studio = studio_of(emulator, media)
        run_apart(lambda: studio.asave("demo"))
        form = run_apart(_deploy)
        film = _film(api, home)
        yield Filmed(House(api, emulator, media), film, form, _run_of(film))


def _film(api: str, home: Path) -> Film:
    """The sample film, made by a process of its own: this one's events may go to another server."""
    board = str(sample("deep-field.yaml"))
    call = f"generate_storyboard_sync(storyboard_file={board!r}, studio='demo')"
    code = f"from prefect_videogen import generate_storyboard_sync\nprint({call}.model_dump_json())"
    environment = {**os.environ, "PREFECT_API_URL": api, "PREFECT_HOME": str(home)}
    made = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    )
    return Film.model_validate_json(made.stdout.splitlines()[-1])


async def _deploy() -> str:
    """Save the deployment whose form is shown; gives its id."""
    for deployment in await deployments():
        if (deployment.flow_name, deployment.name) == ("generate-storyboard", "videogen"):
            return str(await deployment.aapply())
    raise LookupError


def _run_of(film: Film) -> str:
    """The run that left its id beside the clips."""
    runs = Path(film.media.removeprefix("file://")) / "runs"
    (run,) = runs.iterdir()
    return run.name


@pytest.fixture(scope="session")
def keep(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Make a picture small, and keep it where `make pictures` wants it."""
    given = os.environ.get("VIDEOGEN_PICTURES")
    folder = Path(given) if given else tmp_path_factory.mktemp("pictures")

    def keep_one(path: Path) -> None:
        with Image.open(path) as found:
            picture = found.convert("RGB")
        picture.thumbnail((WIDEST, 4 * WIDEST), Image.Resampling.LANCZOS)
        shades = [shade for shade, count in enumerate(picture.convert("L").histogram()) if count]
        assert shades[-1] - shades[0] > 100, f"{path.name} shows nothing"
        small = picture.quantize(256, dither=Image.Dither.NONE)
        small.save(folder / path.name, optimize=True)
        assert (folder / path.name).stat().st_size < LARGEST, path.name

    return keep_one


@pytest.fixture
def page(browser_page) -> Page:
    found: Page = browser_page.page
    found.set_viewport_size(DESK)
    return found


def test_run_form_is_pictured_filled_in(filmed, page, keep, tmp_path):
    page.goto(f"{filmed.house.ui}/deployments/deployment/{filmed.form}/run")
    form = Form(page)
    form.named("studio").wait_for()
    board = form.part("storyboard")
    board.fill("title", "From the pad to the deep field")
    board.choose("model", "vidu-q3")
    board.choose("resolution", "720p")
    board.fill("seconds", "5")
    shots = board.add("shots", 1)
    shots.fill("prompt", "A rocket lifts off, the camera tilts up with it")
    shots.fill("first_frame", "rocket.jpg")
    form.named("title").scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "form.png")
    keep(tmp_path / "form.png")


def test_run_and_its_shots_are_pictured(filmed, page, keep, tmp_path):
    house = filmed.house
    # The server writes task runs down after the run itself has ended, and the page asks once.
    until(
        lambda: [name for name in house.completed_tasks(filmed.run) if "stitch" in name] or None,
        "the task run that stitches",
    )
    open_shown(page, f"{house.ui}/runs/flow-run/{filmed.run}?tab=TaskRuns", "stitch")
    page.screenshot(path=tmp_path / "run.png")
    keep(tmp_path / "run.png")
    (table,) = [each for each in house.artifacts(filmed.run) if each["key"] == f"film-{SLUG}"]
    open_shown(page, f"{house.ui}/artifacts/artifact/{table['id']}", "breakfast")
    page.screenshot(path=tmp_path / "shots.png")
    keep(tmp_path / "shots.png")


def test_page_and_seam_sheet_are_pictured(filmed, browser_page, keep, tmp_path):
    folder = filmed.house.film(SLUG).parent
    page: Page = browser_page.page
    page.set_viewport_size(NARROW)
    browser_page.open(folder / "index.html")
    _until_shown(page)
    # Chromium's controls go on turning their wheel for a while; new ones have none.
    page.evaluate("document.getElementById('film').controls = false")
    page.evaluate("document.getElementById('film').controls = true")
    page.screenshot(path=tmp_path / "page.png")
    keep(tmp_path / "page.png")
    keep(folder / "seams.png")


def _until_shown(page: Page) -> None:
    """Wait for film and pictures; Playwright's own waiting is shut out by the page's policy."""
    shown = "document.getElementById('film').readyState === 4 && "
    shown += "[...document.images].every(image => image.complete || "
    shown += "image.getBoundingClientRect().top > innerHeight)"  # loaded when scrolled to
    give_up = time.monotonic() + 60
    while not page.evaluate(shown):
        assert time.monotonic() < give_up
