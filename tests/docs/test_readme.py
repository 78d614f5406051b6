"""Everything the README says is run: its flows, its commands and its storyboard."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from tests.docs.reader import answers, until
from tests.seaweed import free_port

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
        "prefect server start",
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
        "    print(asyncio.run(two_steps()))\n"
        "    print(postcard())\n"
    )
    (folder / "own.py").write_text(program + calls, encoding="utf-8")
    printed = run([sys.executable, "own.py"], project)
    assert "frames" in printed
    assert printed.strip().splitlines()[-1].endswith("clip.mp4")
    assert len(emulator.charges) == 6  # the film was there; three clips are new
    longest = max(len(block.strip().splitlines()) for block in blocks("python"))
    assert longest <= 15

    registered = run(["prefect-videogen", "setup"], project)
    assert "saved the studio default" in registered


def test_server_starts_and_flows_are_served_from_it(project):
    folder, environment, _ = project
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    told = {**environment, "PREFECT_API_URL": api}
    server = ["prefect", "server", "start", "--port", str(port)]
    serving = [sys.executable, "-m", "prefect_videogen.deployments.serve"]
    with contextlib.ExitStack() as running:
        running.enter_context(saying("/docs", server, folder, told))
        until(lambda: answers(f"{api}/health"), "the server")  # it says so before it listens
        running.enter_context(saying("collect-results", serving, folder, told))
        found = httpx.get(f"{api}/deployments/name/generate-storyboard/videogen", timeout=60)
        assert found.status_code == 200


@contextlib.contextmanager
def saying(text: str, command: list[str], folder: Path, environment: dict[str, str]):
    """Run a command that goes on, from when it has printed a text."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        # What it starts is in its group, and must not outlive the test either.
        deadline = threading.Timer(200, os.killpg, (process.pid, signal.SIGKILL))
        deadline.start()
        try:
            assert process.stdout
            seen = ""
            for line in process.stdout:
                seen += line
                if text in line:
                    break
            assert text in seen, seen
            yield
        finally:
            deadline.cancel()
            os.killpg(process.pid, signal.SIGKILL)
