"""30 vidu-q3 clips over 10 slots and 60 requests a minute, from 3 processes at once.

Three rounds at the emulator, which counts running jobs and requests a minute itself: a bare
asyncio + httpx script with ten slots in one process; three processes with the installation's
limits; the same with one of the three killed on the way and its work taken up by another. Minutes
are the vendor's: the emulator is some times faster, and so is everything but Prefect's leases.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prefect.settings import PREFECT_API_URL, temporary_settings

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.beside import prefect_server, wait_until
from tests.asking import request_of
from tests.conftest import SCHEDULED

from prefect_videogen.blocks import load_studio
from prefect_videogen.blocks.limits import create_limits
from prefect_videogen.buying import Buyer, wait_for
from prefect_videogen.capabilities import MODELS
from prefect_videogen.emulator import Emulator, Job
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.storyboard import Shot, Storyboard
from prefect_videogen.studio import OpenStudio
from prefect_videogen.survey import Board, survey
from prefect_videogen.waiting import limits_of

MODEL = "vidu-q3"
SLOTS, REQUESTS = 10, 60
CLIPS, PROCESSES = 30, 3
ALLOWED = 1.15
FIRST, INTERVAL = 60.0, 12.5


def bound(jobs: list[Job]) -> float:
    """Seconds that the jobs take if every slot is used again the moment it is free."""
    slots = [0.0] * SLOTS
    for job in jobs:
        heapq.heapreplace(slots, slots[0] + job.seconds)
    return max(slots)


# -- the bare script ------------------------------------------------------------------------------


async def bare(emulator: Emulator, speed: float, folder: Path) -> None:
    """Make the clips as somebody does who has one process and nothing to lose."""
    slots = asyncio.Semaphore(SLOTS)
    headers = {"authorization": f"Bearer {emulator.api_key}"}
    async with httpx.AsyncClient(base_url=emulator.url, headers=headers, timeout=60) as client:
        await asyncio.gather(
            *(bare_clip(client, slots, speed, folder / f"{n}.mp4") for n in range(CLIPS))
        )


async def bare_clip(
    client: httpx.AsyncClient, slots: asyncio.Semaphore, speed: float, path: Path
) -> None:
    """Submit, poll, download."""
    asked = {"mode": "text-to-video", "prompt": "a kite", "duration": 1, "resolution": "540p"}
    async with slots:
        body = {"request_type": "async", "input": asked}
        answer = await client.post(f"/api/v1/generateTask/{MODEL}", json=body)
        job = answer.raise_for_status().json()["data"]["taskId"]
        delay = FIRST / speed
        while True:
            await asyncio.sleep(delay)
            delay = INTERVAL / speed
            answer = await client.get(f"/api/v1/statusTask/{MODEL}", params={"taskId": job})
            data = answer.raise_for_status().json()["data"]
            if data["state"] == "success":
                break
    url = json.loads(data["resultJson"])["resultUrls"][0]
    media = (await client.get(url)).raise_for_status().content
    await asyncio.to_thread(path.write_bytes, media)


# -- one of the processes -------------------------------------------------------------------------


async def work(prompt: str, first: int, last: int) -> None:
    """In a child: buy, wait for and fetch some clips at once; print the moment it is done."""
    async with (await load_studio("env")).open() as studio:
        await asyncio.gather(*(clip(studio, prompt, take) for take in range(first, last)))
        sys.stdout.write(f"{time.time()}\n")


async def clip(studio: OpenStudio, prompt: str, take: int) -> None:
    """Make one clip."""
    shot = Shot(
        id="kite", prompt=prompt, model=MODEL, seconds=1, resolution="540p", take=str(take + 1)
    )
    board = Board(Storyboard(shots=[shot]))
    surveyed = await survey(studio, board, variables={}, scheduled=SCHEDULED, keep=True)
    job = await Buyer(studio, request_of(surveyed)).buy()
    await fetch_clip(studio, await wait_for(studio, job))


def start(environment: dict[str, str], prompt: str, number: int) -> subprocess.Popen[str]:
    """Start one of the processes."""
    share = CLIPS // PROCESSES
    order = [prompt, str(number * share), str((number + 1) * share)]
    command = [sys.executable, __file__, "--child", *order]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def run_processes(
    emulator: Emulator, environment: dict[str, str], prompt: str, *, kill: bool
) -> float:
    """Run the three, killing one on the way if so wished; gives the moment the last was done."""
    running = [start(environment, prompt, number) for number in range(PROCESSES)]
    if kill:
        # Half of all are bought by then, and every process has jobs running.
        wait_until(lambda: len(emulator.charges) >= CLIPS // 2)
        running[0].kill()
        running[0].communicate()
        running[0] = start(environment, prompt, 0)
    outputs = [process.communicate()[0] for process in running]
    assert all(process.returncode == 0 for process in running), "a process failed"
    return max(float(output) for output in outputs)


# -- what is around them --------------------------------------------------------------------------


@contextmanager
def vendors(speed: float, media: Path) -> Iterator[Emulator]:
    """Run an emulator that makes small clips; the same jobs take the same time in every round."""
    with Emulator(speed=speed, pixel_scale=0.125, fps=8, media_dir=media, seed=1) as emulator:
        yield emulator


async def set_up() -> None:
    """Create the limits, as `prefect-videogen setup` does."""
    studio = (await load_studio("env")).open()
    await create_limits(limits_of(studio.accounts.values(), {MODEL: MODELS[MODEL]}))


def row(name: str, emulator: Emulator, ended: float) -> dict[str, Any]:
    """Sum a round up, print it, and check what must hold in every round."""
    jobs = emulator.jobs
    wall, least = ended - jobs[0].created, bound(jobs)
    refused = Counter(seen.status for seen in emulator.requests)[429]
    running, requests = emulator.peak_running(MODEL), emulator.requests_per_minute(MODEL)
    print(
        f"{name:<34} {len(emulator.charges):>5} {running:>8} {requests:>11} {refused:>4} "
        f"{wall:>7.1f} {least:>7.1f} {wall / least:>6.2f}"
    )
    assert len(emulator.charges) == CLIPS, "a clip was bought twice, or not at all"
    return {"running": running, "requests": requests, "refused": refused, "ratio": wall / least}


def measure(name: str, speed: float, folder: Path, *, kill: bool) -> dict[str, Any]:
    """One round of three processes at a fresh emulator and media store."""
    media = folder / ("killed" if kill else "whole")
    media.mkdir()
    with vendors(speed, media) as emulator:
        environment = {
            **os.environ,
            **emulator.environment(),
            "VIDEOGEN_MEDIA_URL": media.as_uri(),
            "PREFECT_LOGGING_LEVEL": "ERROR",
        }
        os.environ.update(emulator.environment())
        os.environ["VIDEOGEN_MEDIA_URL"] = media.as_uri()
        asyncio.run(set_up())
        figures = row(name, emulator, run_processes(emulator, environment, name, kill=kill))
        assert len(list(media.glob("clips/*/clip.mp4"))) == CLIPS, "a clip is missing"
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", type=float, default=4.0)
    parser.add_argument("--child", nargs=3, default=None)
    arguments = parser.parse_args()
    if arguments.child:
        prompt, first, last = arguments.child
        asyncio.run(work(prompt, int(first), int(last)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with (
            prefect_server(folder / "prefect") as url,
            # This process has read its settings already; the children read the environment.
            temporary_settings({PREFECT_API_URL: url}),
        ):
            os.environ["PREFECT_API_URL"] = url
            print(
                f"{CLIPS} clips of {MODEL}, {SLOTS} slots, at {arguments.speed:g} times the speed"
            )
            print(
                f"{'':<34} {'clips':>5} {'running':>8} {'requests/min':>11} {'429':>4} "
                f"{'wall s':>7} {'bound s':>7} {'ratio':>6}"
            )
            with vendors(arguments.speed, folder) as emulator:
                asyncio.run(bare(emulator, arguments.speed, folder))
                plain = row("bare script, one process", emulator, time.time())
            whole = measure("three processes", arguments.speed, folder, kill=False)
            killed = measure("three, one of them killed", arguments.speed, folder, kill=True)
    print(f"three processes / bare script: {whole['ratio'] / plain['ratio']:.2f}")
    for figures in (whole, killed):
        assert figures["running"] <= SLOTS
        assert figures["requests"] <= REQUESTS
        assert figures["refused"] == 0
    assert whole["ratio"] <= ALLOWED


if __name__ == "__main__":
    main()
