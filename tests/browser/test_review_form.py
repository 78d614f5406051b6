"""A film that waits suspended, without a process, is reviewed in Prefect's own UI."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect
from prefect.settings import PREFECT_API_URL
from tests.browser.forms import Form, answer_to
from tests.browser.house import prefect_server, program
from tests.review.conftest import environment
from tests.review.theatre import POOL, Theatre
from tests.runs import processes_of

from prefect_videogen.apart import run_apart
from prefect_videogen.emulator import Emulator

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="lists processes in /proc"),
]


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """A server with its UI, a worker, an emulator, and the studio `env`."""
    folder, home = tmp_path_factory.mktemp("theatre"), tmp_path_factory.mktemp("prefect")
    media = folder / "media"
    with (
        pytest.MonkeyPatch.context() as patch,
        Emulator(media_dir=media, speed=10_000.0, pixel_scale=0.125, fps=8) as emulator,
        prefect_server(home) as api,
    ):
        for name in ("VIDEOGEN_MODELS", "VIDEOGEN_CALLBACK_URL"):
            patch.delenv(name, raising=False)
        for name, value in environment(emulator, media).items():
            patch.setenv(name, value)
        told = {
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(home),
            "PREFECT_WORKER_QUERY_SECONDS": "0.5",
        }
        worker = ("-m", "prefect", "worker", "start", "-p", POOL, "-t", "process")
        with program(folder / "worker.log", told, *worker):
            yield Theatre(emulator, media, folder / "worker.log")


def keep(page: Any, name: str, folder: Path) -> None:
    """Take a screenshot, for people."""
    shots = Path(os.environ.get("VIDEOGEN_SCREENSHOTS") or folder)
    shots.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=shots / f"{name}.png")


def open_form(page: Any, run: Any) -> Locator:
    """Open a suspended run's page and its form."""
    api = str(PREFECT_API_URL.value())
    page.goto(f"{api.removesuffix('/api')}/v2/runs/flow-run/{run.id}")
    page.get_by_text("Suspended").first.wait_for()
    page.get_by_role("button", name="Open menu").first.click()
    page.get_by_role("menuitem", name="Resume").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Add item").wait_for()
    return dialog


def resume(dialog: Locator) -> dict[str, Any]:
    """Click Resume; gives what the browser sent."""
    answer = answer_to(dialog.get_by_role("button", name="Resume", exact=True), "/resume")
    assert answer.json().get("status") == "ACCEPT", answer.text()
    return json.loads(answer.request.post_data or "{}")["run_input"]


def test_film_is_approved_in_the_browser_with_one_shot_redone(theatre, browser_page, tmp_path):
    page = browser_page.page
    shots = [
        {"id": "sea", "prompt": "A grey sea under a wide sky"},
        {"id": "boat", "prompt": "A boat comes in", "first_frame": "previous"},
        {"id": "harbour", "prompt": "Nets dry in the harbour"},
        {"id": "lamp", "prompt": "A lamp is lit"},
    ]
    run = run_apart(lambda: theatre.start("Evening", shots, review="film"))
    run_apart(lambda: theatre.asks(run, 1))
    assert not processes_of(run.id)
    assert len(theatre.bought()) == 4

    dialog = open_form(page, run)
    keep(page, "review", tmp_path)
    pictures = dialog.locator("img[src^='data:image/jpeg']")
    expect(pictures).to_have_count(4)
    assert all(pictures.evaluate_all("all => all.map(each => each.naturalWidth > 100)"))
    form = Form(page, dialog)
    form.choose("Decision", "redo")
    changes = form.add("Changes")
    changes.choose("Shot", "sea")
    changes.fill("New prompt", "A calm sea in the last light")
    keep(page, "review-form", tmp_path)
    sent = resume(dialog)
    assert sent["decision"] == "redo"
    assert [(c["shot"], c["prompt"]) for c in sent["changes"]] == [
        ("sea", "A calm sea in the last light")
    ]

    run_apart(lambda: theatre.asks(run, 2))
    # The shot, and the one that starts on its last frame.
    assert sorted(theatre.bought(4)) == ["A boat comes in", "A calm sea in the last light"]
    dialog = open_form(page, run)
    dialog.get_by_text("A calm sea in the last light").wait_for()
    Form(page, dialog).choose("Decision", "approve")
    keep(page, "review-approved", tmp_path)
    assert resume(dialog)["decision"] == "approve"
    film = run_apart(lambda: theatre.film(run))
    assert (film.bought, len(film.clips), film.missing) == (6, 4, ())
    assert len(theatre.bought()) == 6
