"""Stitching 100 clips beside the ffmpeg command line doing the same: wall time and peak memory.

Copied against the concat demuxer, encoded against a filter graph with the same x264 and AAC
settings; and 100 clips against two, for memory. Every run is a process of its own, start and
imports included; the rounds are interleaved and the middle one of each kind counts.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median

import numpy as np

from prefect_videogen.media import FilmSettings, Segment, VideoWriter, probe, stitch
from prefect_videogen.media.encode import (
    CRF,
    ENCODER_THREADS,
    GOP_SECONDS,
    PRESET,
    SOUND_BIT_RATE,
    SOUND_RATE,
)

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 24, 2
FEW = 2
ALLOWED_RATIO = 1.1
ALLOWED_MEMORY = 1.2


@dataclass(frozen=True)
class Run:
    """What one process took: seconds of wall time, seconds of both cores, peak memory in MB."""

    seconds: float
    busy: float
    peak: float


def make_clip(path: Path, seed: int) -> None:
    """Write a clip that moves, has edges and grain, and sounds."""
    chance = np.random.default_rng(seed)
    blocks = chance.integers(40, 215, (HEIGHT // 8, 2 * WIDTH // 8, 3)).astype(np.float32)
    world = blocks.repeat(8, axis=0).repeat(8, axis=1)
    for axis in (0, 1, 0, 1):
        world = (world + np.roll(world, 4, axis) + np.roll(world, -4, axis)) / np.float32(3)
    scene = np.clip(world + chance.integers(-6, 7, world.shape), 0, 255).astype(np.uint8)
    samples = SOUND_RATE // FPS
    with VideoWriter(path, WIDTH, HEIGHT, FPS, sound=True) as writer:
        for index in range(SECONDS * FPS):
            moved = np.roll(scene, (2 * index, -5 * index), (0, 1))[:, :WIDTH]
            writer.write_rgb(np.ascontiguousarray(moved))
            at = (np.arange(samples) + index * samples) / SOUND_RATE
            tone = (0.2 * np.sin(2 * np.pi * (220 + seed) * at)).astype(np.float32)
            writer.write_sound(np.stack([tone, tone]))


def stitched(clips: Sequence[Path], out: Path, encode: str) -> None:
    """In the child: stitch with the library."""
    settings = FilmSettings.model_validate(
        {"width": WIDTH, "height": HEIGHT, "fps": Fraction(FPS), "encode": encode}
    )
    made = stitch([Segment(clip, label=clip.stem) for clip in clips], out, settings=settings)
    expected = "copied" if encode == "auto" else "encoded"
    assert made.picture == expected, made.why_encoded


def ours(clips: Sequence[Path], out: Path, encode: str) -> list[str]:
    """The command that stitches with the library."""
    return [sys.executable, __file__, "--child", encode, str(out), *map(str, clips)]


def concat_demuxer(clips: Sequence[Path], out: Path) -> list[str]:
    """The command that copies with ffmpeg."""
    listing = out.with_suffix(".txt")
    listing.write_text("".join(f"file '{clip}'\n" for clip in clips))
    return [
        *("ffmpeg", "-y", "-v", "error", "-f", "concat", "-safe", "0", "-i", str(listing)),
        *("-c:v", "copy", "-c:a", "aac", "-b:a", str(SOUND_BIT_RATE)),
        *("-movflags", "+faststart", str(out)),
    ]


def filter_graph(clips: Sequence[Path], out: Path) -> list[str]:
    """The command that encodes with ffmpeg, settings as in `media.encode`."""
    inputs = [word for clip in clips for word in ("-i", str(clip))]
    return [
        *("ffmpeg", "-y", "-v", "error", *inputs),
        *("-filter_complex", f"concat=n={len(clips)}:v=1:a=1[v][a]", "-map", "[v]", "-map", "[a]"),
        *("-c:v", "libx264", "-crf", str(CRF), "-preset", PRESET, "-pix_fmt", "yuv420p"),
        *("-g", str(GOP_SECONDS * FPS), "-threads", str(ENCODER_THREADS)),
        *("-c:a", "aac", "-b:a", str(SOUND_BIT_RATE), "-movflags", "+faststart", str(out)),
    ]


def measured(command: Sequence[str]) -> Run:
    """Run a command to its end.

    Its peak is read while it runs: the one the kernel reports at the end begins with that of the
    process which started it.
    """
    began = time.monotonic()
    process = subprocess.Popen(command)
    peak = 0.0
    while True:
        peak = max(peak, peak_of(process.pid))
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        if done:
            break
        time.sleep(0.02)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command[:3]
    return Run(seconds, usage.ru_utime + usage.ru_stime, peak)


def peak_of(pid: int) -> float:
    """Read the most memory a running process has had, in MB; 0 if it has ended."""
    found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def middle(runs: Sequence[Run]) -> Run:
    """Take the middle of every figure."""
    return Run(*(median(getattr(run, figure) for run in runs) for figure in Run.__annotations__))


def compare(folder: Path, count: int, rounds: int) -> dict[str, Run]:
    """Measure every kind once a round."""
    clips = [folder / f"{number:03}.mp4" for number in range(count)]
    for number, clip in enumerate(clips):
        make_clip(clip, number)
    commands = {
        "copy, ours": ours(clips, folder / "copy.mp4", "auto"),
        "copy, ffmpeg concat demuxer": concat_demuxer(clips, folder / "copy-ffmpeg.mp4"),
        "encode, ours": ours(clips, folder / "encode.mp4", "always"),
        "encode, ffmpeg filter graph": filter_graph(clips, folder / "encode-ffmpeg.mp4"),
        f"copy, ours, {FEW} clips": ours(clips[:FEW], folder / "few.mp4", "auto"),
        f"encode, ours, {FEW} clips": ours(clips[:FEW], folder / "few.mp4", "always"),
    }
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(measured(command))
    planned = count * SECONDS * FPS
    for film in ("copy", "encode", "copy-ffmpeg", "encode-ffmpeg"):
        frames = probe(folder / f"{film}.mp4").frame_count
        # The filter graph adds frames where a clip's last block of sound outlasts its picture.
        assert frames == planned or film.endswith("ffmpeg"), (film, frames)
        print(f"{film}.mp4 has {frames} frames, planned were {planned}")
    return {name: middle(found) for name, found in runs.items()}


def report(found: dict[str, Run], count: int) -> bool:
    """Print the figures, and say whether they are within what is allowed."""
    print(f"{'':30} {'wall s':>8} {'cores s':>8} {'peak MB':>8}")
    for name, run in found.items():
        print(f"{name:30} {run.seconds:8.2f} {run.busy:8.2f} {run.peak:8.0f}")
    good = True
    for kind, theirs in (("copy", "ffmpeg concat demuxer"), ("encode", "ffmpeg filter graph")):
        run = found[f"{kind}, ours"]
        ratio = run.seconds / found[f"{kind}, {theirs}"].seconds
        memory = run.peak / found[f"{kind}, ours, {FEW} clips"].peak
        print(f"{kind}: {ratio:.2f} of the wall time of the {theirs} (allowed: {ALLOWED_RATIO})")
        print(f"{kind}: {count} clips in {memory:.2f} of the memory of {FEW} ({ALLOWED_MEMORY})")
        good = good and ratio <= ALLOWED_RATIO and memory <= ALLOWED_MEMORY
    return good


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs="+", default=[])
    arguments = parser.parse_args()
    if arguments.child:
        encode, out, *clips = arguments.child
        stitched([Path(clip) for clip in clips], Path(out), encode)
        return
    if shutil.which("ffmpeg") is None:
        sys.exit("There is no ffmpeg to compare with; get it: apt-get install ffmpeg")
    with tempfile.TemporaryDirectory() as folder:
        found = compare(Path(folder), arguments.clips, arguments.rounds)
    print(f"{arguments.clips} clips of {SECONDS} s, {WIDTH}x{HEIGHT}, {FPS} frames a second, sound")
    if not report(found, arguments.clips):
        sys.exit("Not within what is allowed.")


if __name__ == "__main__":
    main()
