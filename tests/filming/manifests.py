"""A small film of six shots as a run leaves it behind: media, manifest and all.

Made by hand and not by the flows, so that what reads a manifest is tested alone: a chain of
three with doubled frames and a jump, a crossfade, own footage behind a dip, a card for a
missing shot. Every frame carries its shot and number in a row of blocks at its foot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from prefect_videogen.filming.manifest import (
    Bought,
    Difference,
    Drift,
    FilmEntry,
    JoinEntry,
    Manifest,
    PictureEntry,
    ShotEntry,
    SoundEntry,
    Tail,
    VariantEntry,
)
from prefect_videogen.media import VideoWriter, probe
from prefect_videogen.plan import Money

Picture = npt.NDArray[np.uint8]
FPS = 24
FRAMES = 24
"""Film frames of every shot, transitions included."""
CROSSFADE = DIP = 12
STILLS = Path(__file__).parents[2] / "src/prefect_videogen/samples/stills"
SUBMITTED = 1_763_730_000.0
BITS = 9


@dataclass(frozen=True)
class Scene:
    """One shot of the sample: its picture, and which frames of its file are shown."""

    id: str
    still: str
    start: int = 0
    spare: int = 0
    transition: str = "cut"

    @property
    def stored(self) -> int:
        return self.start + FRAMES + self.spare


SCENES = (
    Scene("launch", "rocket"),
    Scene("orbit", "rocket", start=1),
    Scene("drift", "rocket", start=2),
    Scene("visor", "astronaut", transition="crossfade"),
    Scene("own", "coffee", start=12, spare=12, transition="dip"),
    Scene("lost", ""),
)
STARTS = (0, 24, 48, 60, 84, 108)
TOTAL = 132


@dataclass(frozen=True)
class Sample:
    """A media store with one film in it."""

    store: Path
    folder: Path
    manifest: Manifest

    @property
    def film(self) -> Path:
        return self.folder / "film.mp4"


def make_sample(store: Path, size: tuple[int, int] = (128, 72)) -> Sample:
    """Write clips, film and manifest.

    Args:
        store: The media store, an empty folder.
        size: Of the film and its clips in pixels.

    Returns:
        Where everything is.
    """
    folder = store / "films/from-the-pad" / digest_of("film")
    folder.mkdir(parents=True)
    painters = {scene.id: painter(number, scene, size) for number, scene in enumerate(SCENES)}
    entries = []
    for scene, start in zip(SCENES, STARTS, strict=True):
        path = _write_source(store, scene, painters[scene.id], size)
        entries.append(_entry(store, scene, start, path))
    _write_film(folder / "film.mp4", painters, size)
    return Sample(store, folder, _manifest(folder / "film.mp4", entries, size))


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def painter(number: int, scene: Scene, size: tuple[int, int]) -> Callable[[int], Picture]:
    """Make what paints the frames of a scene: its still, slowly panned."""
    width, height = size
    wide, high = width * 5 // 4, height * 5 // 4
    if scene.still:
        with Image.open(STILLS / f"{scene.still}.jpg") as still:
            whole = np.asarray(still.convert("RGB").resize((wide, high)))
    else:
        whole = np.full((high, wide, 3), 40, np.uint8)

    def paint(index: int) -> Picture:
        left = min(index + FRAMES * number * (number < 3), wide - width)
        picture = whole[height // 8 : height // 8 + height, left : left + width].copy()
        if scene.id == "drift":
            picture[..., 0] = np.minimum(picture[..., 0].astype(int) + 24, 255)
        _mark(picture, number << 6 | index)
        return picture

    return paint


def _mark(picture: Picture, code: int) -> None:
    height, width = picture.shape[:2]
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        picture[-height // 12 :, left:right] = 225 if code >> bit & 1 else 25


def mark_in(picture: Picture) -> tuple[int, int]:
    """Read scene number and file frame back."""
    height, width = picture.shape[:2]
    row = picture[height - height // 24 - 1]
    centres = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]
    code = sum(int(row[x].mean() > 125) << bit for bit, x in enumerate(centres))
    return code >> 6, code & 63


def _write_source(
    store: Path, scene: Scene, paint: Callable[[int], Picture], size: tuple[int, int]
) -> str:
    if not scene.still:
        return ""
    key = digest_of(scene.id)
    path = f"footage/{key}.mp4" if scene.id == "own" else f"clips/{key}/clip.mp4"
    (store / path).parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(store / path, *size, FPS, sound=scene.id != "drift") as writer:
        for index in range(scene.stored):
            writer.write_rgb(paint(index))
        if scene.id != "drift":
            writer.write_sound(np.zeros((2, scene.stored * 2000), np.float32))
    return path


def _write_film(
    path: Path, painters: dict[str, Callable[[int], Picture]], size: tuple[int, int]
) -> None:
    frames: list[npt.NDArray[np.float64]] = []
    for scene in SCENES:
        paint = painters[scene.id]
        shown = [paint(scene.start + index).astype(float) for index in range(FRAMES)]
        if scene.transition == "crossfade":
            for index in range(CROSSFADE):
                share = (index + 1) / (CROSSFADE + 1)
                shown[index] = shown[index] * share + frames.pop(-CROSSFADE + index) * (1 - share)
        if scene.transition == "dip":
            for index in range(DIP // 2):
                shown[index] *= index / (DIP // 2)
                frames[-1 - index] *= index / (DIP // 2)
        frames += shown
    time = np.arange(TOTAL * 2000) / 48_000
    tone = (0.05 * np.sin(2 * np.pi * 220 * time)).astype(np.float32)
    with VideoWriter(path, *size, FPS, sound=True) as writer:
        for frame in frames:
            writer.write_rgb(np.rint(frame).astype(np.uint8))
        writer.write_sound(np.stack([tone, tone]))


def _entry(store: Path, scene: Scene, start: int, path: str) -> ShotEntry:
    file = store / path if path else None
    return ShotEntry(
        id=scene.id,
        kind="footage" if scene.id == "own" else "clip" if path else "slate",
        prompt=PROMPTS.get(scene.id, ""),
        bought=BOUGHT.get(scene.id),
        path=path,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest() if file else "",
        size=file.stat().st_size if file else 0,
        probe=probe(file) if file else None,
        trim=(0.5, 1.5) if scene.id == "own" else (),
        start_frame=start,
        frames=FRAMES,
        source_start=scene.start,
        source_frames=FRAMES if path else 0,
        join=JOINS[scene.id],
        drift=DRIFTS.get(scene.id),
        tail=Tail(frozen=6) if scene.id == "drift" else None,
    )


def _manifest(film: Path, entries: list[ShotEntry], size: tuple[int, int]) -> Manifest:
    return Manifest(
        program="prefect-videogen 0.1.0",
        title="From the pad to the deep field",
        slug="from-the-pad",
        digest=film.parent.name,
        made_at=SUBMITTED + 600,
        sandbox=True,
        film=FilmEntry(
            sha256=hashlib.sha256(film.read_bytes()).hexdigest(),
            frames=TOTAL,
            seconds=float(Fraction(TOTAL, FPS)),
            width=size[0],
            height=size[1],
            fps=f"{FPS}/1",
            why_encoded="a crossfade before visor needs new pixels",
            settings={"crf": 17, "fit": "pad", "preset": "veryfast"},
            sound=SoundEntry(clips=True, loudness=-16.1, loudness_before=-23.4, true_peak=-1.2),
            variants=(
                VariantEntry(
                    shape="9:16", path="film-9x16.mp4", sha256="ab" * 32, width=72, height=128
                ),
            ),
        ),
        shots=tuple(entries),
        missing=("lost",),
    )


def _bought(scene: str, model: str = "vidu-q3", **others: object) -> Bought:
    facts: dict[str, object] = {
        "key": digest_of(scene),
        "attempt": 1,
        "vendor": "apixo@sandbox",
        "model": model,
        "mode": "image-to-video",
        "params": {"duration": 1, "resolution": "720p", "seed": 7},
        "job_id": f"task_{digest_of('job' + scene)[:16]}",
        "submitted_at": SUBMITTED,
        "ready_at": SUBMITTED + 93.4,
        "price": Money(amount=Decimal("0.35"), currency="USD"),
    }
    return Bought.model_validate(facts | others)


PROMPTS = {
    "launch": "A rocket lifts off, the camera tilts up with it",
    "orbit": "The smoke thins out, the sky turns black above a blue horizon",
    "drift": "The engine falls silent, stars come out one by one",
    "visor": "An astronaut looks up, her visor fills with galaxies",
}

BOUGHT = {
    "launch": _bought(
        "launch",
        pictures=(PictureEntry(role="first", ref="stills/rocket.jpg", sha256="1f" * 32),),
    ),
    "orbit": _bought("orbit", pictures=(PictureEntry(role="first", ref="launch"),)),
    "drift": _bought("drift", price=None, pictures=(PictureEntry(role="first", ref="orbit"),)),
    "visor": _bought(
        "visor",
        "wan2.5-image-to-video",
        vendor="evolink@sandbox",
        take="2",
        price=Money(amount=Decimal("0.70"), currency="USD"),
        charge={"billing_rule": "per_second", "credits_used": 40, "cost": {"usd": 0.59}},
    ),
}

_STILL_STEP = Difference(luma=1.1, red=0.1, green=0.1, blue=0.0, psnr=37.9)
JOINS = {
    "launch": JoinEntry(),
    "orbit": JoinEntry(
        why="chained",
        doubled=1,
        compared=(0.24, 0.67, 1.18, 1.7),
        shown=Difference(luma=1.2, red=0.1, green=0.2, blue=0.1, psnr=37.1),
        step=_STILL_STEP,
    ),
    "drift": JoinEntry(
        why="chained",
        doubled=2,
        compared=(0.9, 0.4, 1.1, 1.6),
        shown=Difference(luma=9.7, red=22.4, green=1.3, blue=0.4, psnr=24.6),
        step=_STILL_STEP,
    ),
    "visor": JoinEntry(why="cut", transition="crossfade", transition_frames=CROSSFADE),
    "own": JoinEntry(
        why="cut",
        transition="dip",
        transition_frames=DIP,
        notes=("scaled from 1920x1080", "30 to 24 frames a second"),
    ),
    "lost": JoinEntry(why="cut"),
}

DRIFTS = {
    "orbit": Drift(
        anchor="launch", links=1, luma=-0.8, red=0.3, green=-0.4, blue=-0.2, sharpness=0.97
    ),
    "drift": Drift(
        anchor="launch", links=2, luma=4.1, red=21.0, green=-0.9, blue=-0.6, sharpness=0.88
    ),
}
