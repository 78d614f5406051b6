"""Every flow's run form in Prefect's own UI: filled in, submitted, and the run makes its film."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.browser.forms import Form, Submitted, picture_of
from tests.browser.house import House, open_shown, prefect_server, program, studio_of, until

from prefect_videogen.apart import run_apart
from prefect_videogen.emulator import Emulator

pytestmark = pytest.mark.timeout(600)

END: dict[str, Any] = {
    "studio": "demo",
    "plan_only": False,
    "wait": "auto",
    "budget": 0,
    "budget_name": "",
    "max_new_clips": 0,
    "on_unknown": "stop",
    "on_expired": "stop",
}
"""What every generate-* form ends with, if only the studio is typed."""

FILM: dict[str, Any] = {
    "transition": "cut",
    "crossfade_seconds": 0.5,
    "sound": "clips",
    "on_missing": "fail",
    "fit": "pad",
    "encode": "auto",
}
"""What a storyboard's form says of the film, if nothing is changed."""

EMPTY: dict[str, Any] = {"options": {}, "extra_input": {}, "variables": {}, "film": FILM}
"""What it sends of a storyboard, if nothing is typed."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, stills: dict[str, str]) -> Iterator[House]:
    home, media = tmp_path_factory.mktemp("prefect"), tmp_path_factory.mktemp("media")
    (media / "inbox").mkdir()
    for path in stills.values():
        shutil.copy(path, media / "inbox")
    with (
        Emulator(media_dir=media, speed=10_000, pixel_scale=0.25, fps=8) as emulator,
        prefect_server(home) as api,
    ):
        made = House(api, emulator, media)
        environment = {
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(home),
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            "VIDEOGEN_MODELS": "",
        }
        serving = ("-m", "prefect_videogen.deployments.serve")
        with program(home / "serve.log", environment, *serving):
            studio = studio_of(emulator, media)
            run_apart(lambda: studio.asave("demo"))
            until(lambda: made.deployment("collect-results"), "the deployments")
            yield made


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the screenshots: `VIDEOGEN_SCREENSHOTS`, or a temporary one."""
    given = os.environ.get("VIDEOGEN_SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def page(house: House, browser_page: Any) -> Page:
    page: Page = browser_page.page
    page.set_viewport_size({"width": 1280, "height": 900})
    return page


@pytest.fixture
def opened(house: House, page: Page, gallery: Path) -> Callable[[str], Form]:
    """Open a flow's run form; type the studio, as everybody has to."""

    def open_form(flow: str) -> Form:
        deployment = house.deployment(flow)
        assert deployment
        page.goto(f"{house.ui}/deployments/deployment/{deployment['id']}/run")
        form = Form(page)
        form.named("studio").wait_for()
        picture_of(page, gallery / f"form-{flow}.png")
        form.fill("studio", "demo")
        return form

    return open_form


def check_run(house: House, submitted: Submitted, parameters: dict[str, Any]) -> None:
    """The request held exactly what was typed, and the run of it was completed."""
    assert submitted.parameters == parameters
    run = house.ended(submitted.run)
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert run["parameters"] == parameters


def test_clip_form_makes_a_clip_of_a_picture(house, opened):
    form = opened("generate-clip")
    form.fill("prompt", "The sea comes in, “slowly”")
    form.choose("model", "kling-2-1")
    form.fill("first_frame", "sea.png")
    form.fill("seconds", "10")
    form.choose("tier", "pro")
    form.write_json("options", {"cfg_scale": 0.4})
    bought = len(house.emulator.charges)

    submitted = form.submit()

    check_run(
        house,
        submitted,
        {
            "prompt": "The sea comes in, “slowly”",
            "model": "kling-2-1",
            "first_frame": "sea.png",
            "last_frame": "",
            "seconds": 10,
            "resolution": "",
            "aspect_ratio": "",
            "tier": "pro",
            "negative_prompt": "",
            "seed": -1,
            "options": {"cfg_scale": 0.4},
            "take": "1",
            **END,
        },
    )
    assert len(house.emulator.charges) == bought + 1


def test_chain_form_makes_a_film_of_a_picture_and_prompts(house, opened):
    form = opened("generate-chain")
    form.list_texts("prompts", ["The sky clears", "A gull crosses it"])
    form.choose("model", "vidu-q3")
    form.fill("first_frame", "sky.png")
    form.fill("seconds", "3")
    form.choose("resolution", "540p")
    form.fill("title", "Gull")
    bought = len(house.emulator.charges)

    submitted = form.submit()

    check_run(
        house,
        submitted,
        {
            "prompts": ["The sky clears", "A gull crosses it"],
            "model": "vidu-q3",
            "first_frame": "sky.png",
            "seconds": 3,
            "resolution": "540p",
            "aspect_ratio": "",
            "title": "Gull",
            **END,
        },
    )
    assert house.film("gull").stat().st_size
    assert len(house.emulator.charges) == bought + 2


def test_keyframes_form_makes_a_film_from_picture_to_picture(house, opened):
    form = opened("generate-keyframes")
    form.list_texts("pictures", ["sky.png", "sea.png", "sand.png"])
    form.list_texts("prompts", ["The camera sinks"])
    form.choose("model", "vidu-q3")
    form.fill("seconds", "2")
    form.fill("title", "Down")
    bought = len(house.emulator.charges)

    submitted = form.submit()

    check_run(
        house,
        submitted,
        {
            "pictures": ["sky.png", "sea.png", "sand.png"],
            "prompts": ["The camera sinks"],
            "model": "vidu-q3",
            "seconds": 2,
            "resolution": "",
            "aspect_ratio": "",
            "tier": "",
            "title": "Down",
            **END,
        },
    )
    assert house.film("down").stat().st_size
    assert len(house.emulator.charges) == bought + 2


def board_parameters(**given: Any) -> dict[str, Any]:
    """What generate-storyboard's form sends, if only this is typed."""
    unset = {
        "storyboard_file": "",
        "storyboard": EMPTY,
        "variables": {},
        "review": "none",
        "review_after": 0,
        "if_unreviewed": "reject",
        "deliver_to": "",
    }
    return {**unset, **END, **given}


def test_storyboard_filled_in_as_a_form_becomes_a_film(house, opened, page, gallery):
    form = opened("generate-storyboard")
    board = form.part("storyboard")
    board.fill("title", "Two kites")
    board.choose("model", "vidu-q3")
    board.fill("seconds", "2")
    board.fill("look", "painted in oil")
    shots = board.add("shots", 2)
    shots.fill("prompt", "A {colour} kite rises", 0)
    shots.fill("prompt", "Another joins it", 1)
    shots.fill("first_frame", "snow.png", 0)
    shots.fill("first_frame", "previous", 1)
    shots.fill("id", "second", 1)
    shots.choose("transition", "crossfade", 1)
    shots.write_json("options", {"movement": "small"})
    film = board.part("film")
    film.choose("sound", "none")
    film.list_texts("variants", ["1:1"])
    board.write_json("variables", {"colour": "red"})
    picture_of(page, gallery / "filled-in-storyboard.png")
    bought = len(house.emulator.charges)

    submitted = form.submit()

    first = {"prompt": "A {colour} kite rises", "first_frame": "snow.png"}
    second = {"prompt": "Another joins it", "first_frame": "previous", "id": "second"}
    storyboard = {
        "title": "Two kites",
        "model": "vidu-q3",
        "seconds": 2,
        "look": "painted in oil",
        "shots": [
            {**first, "take": "1", "options": {"movement": "small"}},
            {**second, "take": "1", "transition": "crossfade", "options": {}},
        ],
        "film": {**FILM, "sound": "none", "variants": ["1:1"]},
        "options": {},
        "extra_input": {},
        "variables": {"colour": "red"},
    }
    check_run(house, submitted, board_parameters(storyboard=storyboard))
    assert house.film("two-kites").stat().st_size
    assert len(house.emulator.charges) == bought + 2
    page.goto(f"{house.ui}/runs/flow-run/{submitted.run}")
    page.get_by_text("Completed").first.wait_for()
    picture_of(page, gallery / "run-storyboard.png")
    tables = [entry for entry in house.artifacts(submitted.run) if entry["type"] == "markdown"]
    assert tables
    for entry in tables:
        page.goto(f"{house.ui}/artifacts/artifact/{entry['id']}")
        page.get_by_text("second").first.wait_for()
        picture_of(page, gallery / f"artifact-{entry['key']}.png")


def test_storyboard_given_as_a_file_becomes_a_film(house, opened, tmp_path):
    file = tmp_path / "hill.yaml"
    file.write_text('{title: "The hill", model: wan-2-5, shots: [{prompt: "A hill in {weather}"}]}')
    form = opened("generate-storyboard")
    form.fill("storyboard_file", str(file))
    form.write_json("variables", {"weather": "rain"}, -1)
    bought = len(house.emulator.charges)

    submitted = form.submit()

    check_run(
        house, submitted, board_parameters(storyboard_file=str(file), variables={"weather": "rain"})
    )
    assert house.film("the-hill").stat().st_size
    assert len(house.emulator.charges) == bought + 1


def test_batch_form_makes_a_film_of_every_file(house, opened, tmp_path):
    for name in ("lake", "moor"):
        board = {"title": name, "model": "wan-2-5", "shots": [{"prompt": f"Fog on the {name}"}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(board))
    form = opened("generate-batch")
    form.list_texts("storyboard_files", [str(tmp_path / "lake.json"), str(tmp_path / "moor.json")])
    form.fill("batch", "fog")
    form.fill("concurrent", "2")

    submitted = form.submit()

    check_run(
        house,
        submitted,
        {
            "storyboard_files": [str(tmp_path / "lake.json"), str(tmp_path / "moor.json")],
            "deployment": "generate-storyboard/videogen",
            "variables": {},
            "concurrent": 2,
            "batch": "fog",
            **END,
        },
    )
    assert house.film("lake").stat().st_size
    assert house.film("moor").stat().st_size


def test_collect_form_collects_and_buys_nothing(house, opened):
    form = opened("collect-results")
    form.fill("older_than", "5")
    bought = len(house.emulator.charges)

    submitted = form.submit()

    check_run(house, submitted, {"studio": "demo", "older_than": 5})
    assert len(house.emulator.charges) == bought


def test_form_without_what_is_required_says_so_and_starts_nothing(house, opened, page, gallery):
    form = opened("generate-clip")
    runs = house.count_runs()

    with page.expect_response(lambda answer: answer.url.endswith("/create_flow_run")) as caught:
        page.get_by_role("button", name="Submit").click()

    assert caught.value.status == 409
    for name in ("prompt", "model"):
        form.part(name).within.get_by_text(f"'{name}' is a required property").wait_for()
    picture_of(page, gallery / "form-refused.png")
    assert house.count_runs() == runs


def test_what_no_model_can_do_is_refused_with_words_on_the_run_page(house, opened, page, gallery):
    form = opened("generate-storyboard")
    board = form.part("storyboard")
    board.choose("model", "wan-2-5")
    shots = board.add("shots", 2)
    shots.fill("prompt", "A kite", 0)
    shots.fill("seconds", "7", 0)
    shots.fill("id", "silent", 1)
    requests = len(house.emulator.requests)

    run = house.ended(form.submit().run)

    assert run["state_type"] == "FAILED"
    assert len(house.emulator.requests) == requests
    # A run's log arrives after its end, in one piece.
    open_shown(page, f"{house.ui}/runs/flow-run/{run['id']}?tab=Logs", "StoryboardError")
    log = page.get_by_text("StoryboardError").last
    picture_of(page, gallery / "run-refused.png")
    text = log.inner_text()
    assert "shot 01: seconds = 7" in text
    assert "shot silent: prompt" in text
