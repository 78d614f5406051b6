"""The page about the film: its storyboard is made, and what it says of settings is so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prefect_videogen.emulator import Emulator
from prefect_videogen.media import CRF, PRESET, SOUND_RATE, VideoWriter
from prefect_videogen.media.encode import ENCODER_THREADS, GOP_SECONDS, SOUND_BIT_RATE
from prefect_videogen.media.mixing import MOST_GAIN, SILENT, TRUE_PEAK_CEILING
from prefect_videogen.media.sound import FADE_SAMPLES

PAGE = (Path(__file__).parents[2] / "docs/film.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, stills):
    """The page's storyboard with the pictures, footage and music that it names."""
    (board,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "board.yaml").write_text(board, encoding="utf-8")
    shutil.copy(stills["sea"], tmp_path / "sea.jpg")
    tone = np.sin(np.arange(3 * SOUND_RATE) * 0.02).astype(np.float32) / 5
    for name in ("own.mp4", "theme.mp4"):
        with VideoWriter(tmp_path / name, 160, 90, 8, sound=True) as writer:
            for number in range(24):
                writer.write_rgb(np.full((90, 160, 3), 10 * number, np.uint8))
            writer.write_sound(np.stack([tone, tone]))
    return tmp_path


def test_its_board_becomes_a_film_with_all_the_files_it_names(folder):
    command = Path(sys.executable).with_name("prefect-videogen")
    media = folder / "media"
    media.mkdir()
    with Emulator(speed=600, media_dir=media, pixel_scale=0.125, fps=8) as emulator:
        done = subprocess.run(
            [command, "render", "board.yaml", "--json"],
            cwd=folder,
            env={
                "PATH": str(command.parent),
                "HOME": str(folder),
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                "VIDEOGEN_MEDIA_URL": media.as_uri(),
                **emulator.environment(),
            },
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert len(emulator.charges) == 3
    (manifest,) = media.glob("films/*/*/manifest.json")
    kinds = [shot["kind"] for shot in json.loads(manifest.read_text())["shots"]]
    assert kinds == ["card", "footage", "clip", "clip"]
    named = set(re.findall(r"^\| `([^`]+)`", PAGE, re.MULTILINE))
    there = {path.name for path in manifest.parent.iterdir()}
    assert there == {*named, "film-9x16.mp4", "film-1x1.mp4"}


def test_settings_it_names_are_those_of_the_program():
    text = " ".join(PAGE.split())
    threads = {4: "four"}[ENCODER_THREADS]
    assert f"x264, CRF {CRF}, preset {PRESET}, a keyframe every" in text
    assert f"{ {2: 'two'}[GOP_SECONDS] } seconds, {threads} threads" in text
    assert f"{SOUND_RATE // 1000} kHz stereo, AAC at {SOUND_BIT_RATE // 1000} kbit/s" in text
    assert f"{FADE_SAMPLES * 1000 // SOUND_RATE} ms fades" in text
    assert f"at most {MOST_GAIN:.0f} dB up, and a ceiling of {TRUE_PEAK_CEILING:.0f} dBTP" in text
    assert f"quieter than {SILENT:.0f} LUFS" in text
