"""The command line, in this process and as the program it is installed as."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from prefect_videogen.cli import main
from prefect_videogen.emulator import Emulator

PROGRAM = Path(sys.executable).with_name("prefect-videogen")
QUIET = (
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL",
    "PREFECT_SERVER_LOGGING_LEVEL",
    "PREFECT_SERVER_ANALYTICS_ENABLED",
)


class Ran(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


def draw(path: Path, size: tuple[int, int] = (640, 360)) -> Path:
    across = np.tile(np.linspace(0, 255, size[0]), (size[1], 1))
    Image.fromarray(np.stack([across, across[::-1], across * 0.5], axis=-1).astype(np.uint8)).save(
        path
    )
    return path


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with no setting of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("VIDEOGEN_")]:
        monkeypatch.delenv(name)
    for name in QUIET:  # the commands set them; this takes them back
        monkeypatch.setenv(name, os.environ.get(name, "ERROR" if "LEVEL" in name else "false"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "still.png")
    return tmp_path


@pytest.fixture
def cli(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Run a command in this process."""

    def run(*args: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["prefect-videogen", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return Ran(int(ended.value.code or 0), shown.out, shown.err)

    return run


@pytest.fixture(scope="module")
def program() -> Callable[..., Ran]:
    """Run the installed program, with nothing in its environment but what it is given."""

    def run(*args: str | Path, cwd: Path, **environment: str) -> Ran:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        done = subprocess.run(
            [PROGRAM, *map(str, args)],
            cwd=cwd,
            env={**kept, "COLUMNS": "200", "PREFECT_HOME": str(cwd / "prefect"), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A quick emulator that serves a media folder."""
    media = tmp_path_factory.mktemp("media")
    with Emulator(speed=600, pixel_scale=0.125, media_dir=media) as running:
        yield running


@pytest.fixture(scope="module")
def settings(emulator: Emulator) -> dict[str, str]:
    """The environment that points the studio `env` at the emulator."""
    media = emulator._settings.media_dir
    assert media is not None
    return {**emulator.environment(), "VIDEOGEN_MEDIA_URL": media.as_uri()}
