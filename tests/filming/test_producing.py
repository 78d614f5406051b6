"""What comes of a film's parts: pictures, manifest and timeline, from real clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
from tests.media.conftest import write_clip

from prefect_videogen.filming.facts import sound_words
from prefect_videogen.filming.model import FilmPart
from prefect_videogen.filming.producing import Materials, Product, produce
from prefect_videogen.filming.timeline import timeline
from prefect_videogen.media import VideoWriter, choose_settings, probe
from prefect_videogen.media.frames_at import frames_at

SIZE = (160, 90)
FPS = 24
SECOND = 24
PATTERN = np.random.default_rng(0).integers(60, 160, (45, 80, 3)).repeat(2, 0).repeat(2, 1)


@pytest.fixture
def write(tmp_path):
    """Write a clip of a second that moves on from a step, brighter by some levels."""

    def write(name: str, step: int = 0, brighter: int = 0) -> Path:
        path = tmp_path / name
        with VideoWriter(path, *SIZE, FPS) as writer:
            for number in range(SECOND):
                shown = np.roll(PATTERN, 2 * (step + number), axis=1) + brighter
                writer.write_rgb(shown.astype(np.uint8))
        return path

    return write


def part(shot: str, path: Path, **more: object) -> FilmPart:
    fields = {"kind": "footage", "path": path.name, "sha256": path.name, "probe": probe(path)}
    return FilmPart.model_validate({"shot": shot, **fields, **more})


def materials_of(*parts: FilmPart, match_colour: float = 0, music: str = "") -> Materials:
    return Materials(
        title="A film",
        slug="a-film",
        digest="d",
        made_at=0,
        parts=parts,
        settings=choose_settings([each.probe for each in parts if each.probe], music=music),
        match_colour=match_colour,
    )


def made_of(materials: Materials, folder: Path, music: Path | None = None) -> Product:
    files = {each.path: folder / each.path for each in materials.parts if each.path}
    return produce(materials, files, folder, music=music)


def test_held_frame_has_the_colours_that_its_clip_has_in_the_film(tmp_path, write):
    materials = materials_of(
        part("one", write("one.mp4")),
        part("two", write("two.mp4", SECOND - 1, 30), why="chained", doubled=True, anchor="one"),
        FilmPart(shot="lost", kind="hold", seconds=1),
        match_colour=1,
    )

    made = made_of(materials, tmp_path)

    one, two, lost = made.manifest.shots
    assert two.join.notes == ("colours corrected",)
    shown = frames_at(
        made.films["film.mp4"], [one.frames - 1, lost.start_frame - 1, lost.start_frame]
    )
    first, last, held = (picture.astype(float) for picture in shown.values())
    assert abs(last.mean() - first.mean()) < 5
    assert np.abs(held.mean(axis=(0, 1)) - last.mean(axis=(0, 1))).max() < 0.5
    assert np.abs(held - last).mean() < 3


def test_footage_of_variable_rate_lies_in_the_timeline_where_it_is_shown(tmp_path):
    # Two seconds at 10 frames a second, two at 30: 20 a second on average.
    times = [*range(0, 2000, 100), *(2000 + n * 100 // 3 for n in range(60))]
    path = tmp_path / "own.mp4"
    write_clip(path, len(times), size=SIZE, pts=times)
    materials = materials_of(part("own", path, trim=(2.0, 4.0)))

    manifest = made_of(materials, tmp_path).manifest

    (shot,) = manifest.shots
    assert (shot.source_start, shot.source_seconds) == (20, 2)
    loaded = otio.adapters.read_from_string(timeline(manifest), "otio_json")
    (clip,) = loaded.find_clips()
    assert clip.source_range.start_time.to_seconds() == pytest.approx(2)
    assert clip.source_range.end_time_exclusive().to_seconds() == pytest.approx(4, abs=0.05)


def test_trim_that_keeps_one_frame_leaves_none_of_it_out(tmp_path, write):
    materials = materials_of(
        part("one", write("one.mp4")),
        part("two", write("two.mp4", SECOND - 1), why="chained", doubled=True, trim=(0.0, 0.04)),
    )

    two = made_of(materials, tmp_path).manifest.shots[1]

    assert (two.join.doubled, two.source_start, two.source_frames) == (0, 0, 1)
    assert two.join.compared


def test_film_of_silent_clips_under_music_tells_of_the_music_alone(tmp_path, write):
    music = tmp_path / "music.mp4"
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(96_000) / 48_000)
    write_clip(music, 1, size=(32, 32), sound=np.stack([tone, tone]).astype(np.float32))
    materials = materials_of(part("one", write("one.mp4")), music="ab" * 32)

    made = made_of(materials, tmp_path, music)

    assert sound_words(made.manifest) == "music"
    loaded = otio.adapters.read_from_string(made.papers["film.otio"].decode(), "otio_json")
    assert [track.kind for track in loaded.tracks] == ["Video"]
