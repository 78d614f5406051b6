"""What Chromium shows of a film whose picture was copied: the planned frames, none twice."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.media.conftest import Picture, numbered, write_clip

from prefect_videogen.media.copying import CopyWriter

FPS = 24
FRAMES = 24
SIZE = (160, 90)

# The film is a data URL: a canvas that has drawn a file from disk can't be read back.
PAGE = """<!doctype html><title>film</title>
<video muted src="data:video/mp4;base64,%s"></video><canvas></canvas>
<script>
const video = document.querySelector("video"), canvas = document.querySelector("canvas");
const paper = canvas.getContext("2d", {willReadFrequently: true});

function number() {
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  paper.drawImage(video, 0, 0);
  let found = 0;
  for (let bit = 0; bit < 10; bit++) {
    const x = Math.floor((2 * bit + 1) * canvas.width / 20);
    if (paper.getImageData(x, Math.floor(canvas.height / 4), 1, 1).data[0] > 128) found |= 1 << bit;
  }
  return found;
}

function presented() {
  return new Promise(done => video.requestVideoFrameCallback((_, frame) => done(frame.mediaTime)));
}

async function at(seconds) {
  const frame = presented();
  video.currentTime = seconds;
  return [await frame, number()];
}

async function play() {
  await at(0);
  const seen = [];
  const note = (_, frame) => {
    seen.push([frame.mediaTime, number()]);
    video.requestVideoFrameCallback(note);
  };
  video.requestVideoFrameCallback(note);
  const ended = new Promise(done => video.onended = done);
  await video.play();
  await ended;
  return seen;
}
</script>"""


@dataclass
class Numbered:
    """Paints frames numbered from `start`."""

    start: int

    def __call__(self, index: int, width: int, height: int) -> Picture:
        return numbered(self.start + index, width, height)


def film_page(folder: Path, doubled: int) -> Path:
    """Write a page with a film of three clips, numbered from 0, 100 and 200."""
    with CopyWriter(folder / "film.mp4", FPS) as writer:
        for start in (0, 100, 200):
            clip = folder / f"{start}.mp4"
            write_clip(clip, FRAMES, size=SIZE, paint=Numbered(start))
            writer.copy(clip, doubled if start else 0)
    page = folder / "film.html"
    page.write_text(PAGE % base64.b64encode((folder / "film.mp4").read_bytes()).decode())
    return page


def planned(doubled: int) -> list[int]:
    return [
        *range(FRAMES),
        *range(100 + doubled, 100 + FRAMES),
        *range(200 + doubled, 200 + FRAMES),
    ]


@pytest.mark.parametrize("doubled", [1, 2, 3])
def test_every_slot_of_the_film_shows_its_planned_frame(browser_page, tmp_path, doubled):
    browser_page.open(film_page(tmp_path, doubled))
    page = browser_page.page
    page.wait_for_function("video.readyState >= 2")
    plan = planned(doubled)

    middles = [(slot + 0.5) / FPS for slot in range(len(plan))]
    seen = [page.evaluate("at", middle) for middle in middles]

    assert [number for _, number in seen] == plan
    assert [round(at * FPS, 2) for at, _ in seen] == [float(slot) for slot in range(len(plan))]
    assert page.evaluate("video.duration") == pytest.approx(len(plan) / FPS, abs=1e-4)
    assert browser_page.errors == []


@pytest.mark.parametrize("doubled", [1, 3])
def test_played_film_never_shows_a_doubled_frame(browser_page, tmp_path, doubled):
    browser_page.open(film_page(tmp_path, doubled))
    page = browser_page.page
    page.wait_for_function("video.readyState >= 3")

    seen = page.evaluate("play()")

    # A busy machine may skip frames, and a canvas may show the next one already; what counts is
    # that each was planned and stands at its own time.
    plan = planned(doubled)
    numbers = [number for _, number in seen]
    assert set(numbers) <= set(plan)
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 5
    assert all(abs(at * FPS - round(at * FPS)) < 0.01 for at, _ in seen)
    assert browser_page.errors == []
