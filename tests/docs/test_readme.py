"""Everything the README says is run: its flows, its commands, its storyboard and its table."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from prefect_videogen.capabilities import BUILT_IN
from prefect_videogen.capabilities.describe import table_of_models
from prefect_videogen.emulator import Emulator
from prefect_videogen.samples import SAMPLES
from prefect_videogen.survey import load_board

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    return [line.removeprefix("$ ").split("  #")[0].strip() for line in lines if line[:2] == "$ "]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A user's folder with the emulator as vendors, and Prefect's home of its own."""
    folder = tmp_path_factory.mktemp("project")
    media = folder / "media"
    media.mkdir()
    with Emulator(speed=600, media_dir=media, pixel_scale=0.125, fps=8) as emulator:
        environment = {
            **os.environ,
            **emulator.environment(),
            "VIDEOGEN_MEDIA_URL": media.as_uri(),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": "",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        yield folder, environment, emulator


def run(command: list[str], project) -> str:
    folder, environment, _ = project
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_table_of_models_is_the_generated_one():
    found = re.search(r"<!-- models: .*? -->\n(.*?)\n<!-- end of models -->", README, re.DOTALL)
    assert found
    assert found.group(1) == table_of_models(BUILT_IN)


async def test_its_storyboard_has_no_mistake(tmp_path):
    (text,) = blocks("yaml")
    file = tmp_path / "storyboard.yaml"
    file.write_text(text, encoding="utf-8")
    board = await load_board(str(file))
    assert not board.faults
    assert [shot.id for shot in board.storyboard.shots] == ["launch", "orbit", "deep-field"]
    for reference in re.findall(r"stills/\S+", text):
        assert (SAMPLES / reference).is_file()


def test_the_two_make_targets_are_what_the_readme_says():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "prefect-videogen demo" in makefile
    assert re.search(r"^test:.*\n.*pytest", makefile, re.MULTILINE)


def test_every_command_it_shows_is_one_that_these_tests_run():
    shown = {command for command in commands() if not command.startswith(("pip ", "export "))}
    assert shown == {
        "prefect-videogen new storyboard.yaml",
        "prefect-videogen plan storyboard.yaml",
        "prefect-videogen render storyboard.yaml -o film.mp4",
        "prefect-videogen setup",
        "python -m prefect_videogen.deployments.serve",
    }


def test_its_commands_and_flows_make_films(project):
    """One test, in the reader's order: each step stands on the one before."""
    folder, _, emulator = project
    run(["prefect-videogen", "new", "storyboard.yaml"], project)
    planned = run(["prefect-videogen", "plan", "storyboard.yaml"], project)
    assert "3 of 3 clips to buy" in planned
    assert not emulator.charges
    run(["prefect-videogen", "render", "storyboard.yaml", "-o", "film.mp4"], project)
    assert (folder / "film.mp4").stat().st_size > 0
    assert len(emulator.charges) == 3

    program = "\n".join(blocks("python"))
    calls = (
        "\nif __name__ == '__main__':\n"
        "    import asyncio\n"
        "    print(asyncio.run(trailer()))\n"
        "    print(postcard())\n"
    )
    (folder / "own.py").write_text(program + calls, encoding="utf-8")
    printed = run([sys.executable, "own.py"], project)
    assert "frames" in printed
    assert printed.strip().splitlines()[-1].endswith("clip.mp4")
    assert len(emulator.charges) == 5  # the film was there; two clips are new
    longest = max(len(block.strip().splitlines()) for block in blocks("python"))
    assert longest <= 15

    registered = run(["prefect-videogen", "setup"], project)
    assert "saved the studio default" in registered


def test_serving_starts(project):
    folder, environment, _ = project
    with subprocess.Popen(
        [sys.executable, "-m", "prefect_videogen.deployments.serve"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        # Its temporary Prefect server is in its group, and must not outlive the test either.
        deadline = threading.Timer(200, os.killpg, (process.pid, signal.SIGKILL))
        deadline.start()
        assert process.stdout
        seen = ""
        for line in process.stdout:
            seen += line
            if "generate-storyboard/videogen" in line:
                break
        deadline.cancel()
        os.killpg(process.pid, signal.SIGKILL)
    assert "generate-storyboard/videogen" in seen
