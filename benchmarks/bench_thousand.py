"""1,000 wan-2-5 clips at once in one flow run, beside a bare script that makes the same requests.

Documented speed: jobs take 50 to 70 s. Emulator, Prefect server, flow run and bare script are
processes of their own on one machine; the server runs beside both. Wall time counts from the first
accepted request to the last stored clip. With --callbacks, a receiver is one more process. Fifty
shots of twenty takes each, so that the film at the end, which does not count, is a short one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, cast

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bare import Bare, all_at_once, open_client
from benchmarks.beside import (
    Vendor,
    peak_memory,
    prefect_server,
    run_part,
    say,
    vendors,
    wait_until,
    watching_children,
)
from tests.seaweed import free_port

from prefect_videogen.blocks import load_studio
from prefect_videogen.blocks.limits import create_limits
from prefect_videogen.capabilities import MODELS
from prefect_videogen.filming import Film
from prefect_videogen.flows import generate_storyboard
from prefect_videogen.flows.waiting_mode import Wait
from prefect_videogen.waiting import limits_of

MODEL = "wan-2-5"
TAKES = 20
TASKS_BESIDE = 2
"""Task runs that are not of one clip: stitch and report."""

ALLOWED_RATIO, ALLOWED_MEMORY = 1.25, 600.0
ALLOWED_REQUESTS = {"poll": 6.0, "callback": 2.0}
ALLOWED_LAG = {"poll": 4.0, "callback": 1.0}
DRAINED_WITHIN = 300.0


def prompts(shots: int) -> list[str]:
    """One prompt for every shot."""
    return [f"Kite number {number} over the sea" for number in range(shots)]


# -- the two sides, each a process of its own -----------------------------------------------------


async def be_bare(shots: int, speed: float, folder: Path) -> None:
    """Be the bare script; says when the last clip was stored."""
    url, key = os.environ["VIDEOGEN_APIXO_BASE_URL"], os.environ["VIDEOGEN_APIXO_API_KEY"]
    async with open_client(url, key) as client:
        await all_at_once(Bare(client, speed), prompts(shots) * TAKES, folder)
    say({"ended": time.time(), "memory": peak_memory()})


async def be_flow(wait: Wait, board: Path) -> None:
    """Be the flow run."""
    studio = (await load_studio("env")).open()
    await create_limits(limits_of(studio.accounts.values(), {MODEL: MODELS[MODEL]}))
    with watching_children() as children:
        made = await generate_storyboard(storyboard_file=str(board), studio="env", wait=wait)
    film = cast("Film", made)
    own, decoding = peak_memory(), sum(children.values())
    say(
        {
            "clips": len(film.clips),
            "missing": len(film.missing),
            "own": own,
            "decoding": decoding,
            "memory": own + decoding,
        }
    )


def write_board(path: Path, shots: int) -> None:
    """Write the storyboard."""
    listed = [
        {"id": f"s{number}", "prompt": prompt} for number, prompt in enumerate(prompts(shots))
    ]
    common = {"model": MODEL, "resolution": "720p", "seconds": 5, "takes": TAKES}
    path.write_text(json.dumps({"title": "thousand", **common, "shots": listed}))


# -- measuring ------------------------------------------------------------------------------------


def measure_bare(shots: int, speed: float, folder: Path) -> float:
    """The bare script's wall time in seconds."""
    folder.mkdir()
    with vendors(speed, folder) as there:
        environment = {**os.environ, **there.environment}
        arguments = ("--folder", str(folder), "--shots", str(shots), "--speed", str(speed))
        said = run_part(__file__, "bare", environment, *arguments)
        seen = there.seen()
    wall = float(said["ended"] - seen["first"])
    looks = (seen["kinds"]["submit"] + seen["kinds"]["status"]) / len(seen["finished"])
    print(
        f"bare script: {wall:.1f} s, {looks:.2f} requests a clip, {seen['refused']} times 429, "
        f"{said['memory']:.0f} MB",
        flush=True,
    )
    return wall


def measure_flow(shots: int, speed: float, folder: Path, api: str, wait: str) -> dict[str, Any]:
    """The flow run's figures."""
    folder.mkdir()
    board = folder / "board.json"
    write_board(board, shots)
    media = folder / "media"
    media.mkdir()
    with vendors(speed, media) as there:
        environment = {
            **os.environ,
            **there.environment,
            "VIDEOGEN_MEDIA_URL": media.as_uri(),
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
        }
        with receiving(environment, wait) as environment:
            began = time.time()
            said = run_part(__file__, "flow", environment, "--folder", str(board), "--wait", wait)
            ended = time.time()
        return {
            **figures(there, media),
            **said,
            "process": ended - began,
            "tasks": drained_tasks(api, shots * TAKES * 3 + TASKS_BESIDE),
        }


@contextmanager
def receiving(environment: dict[str, str], wait: str) -> Iterator[dict[str, str]]:
    """Run a receiver of callbacks, if they are waited for."""
    if wait != "callback":
        yield environment
        return
    port = free_port()
    more = {
        "VIDEOGEN_CALLBACK_URL": f"http://127.0.0.1:{port}",
        "VIDEOGEN_CALLBACK_SECRET": "the secret of the benchmark",
    }
    environment = {**environment, **more}
    program = Path(sys.executable).with_name("prefect-videogen")
    command = [str(program), "callbacks", "--studio", "env", "--port", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as receiver:
        try:
            wait_until(lambda: listens(port))
            yield environment
        finally:
            receiver.terminate()


def listens(port: int) -> bool:
    """Whether anything answers at a port, whatever it says."""
    try:
        httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
    except httpx.HTTPError:
        return False
    return True


def figures(there: Vendor, media: Path) -> dict[str, Any]:
    """Wall time, lags and requests, of the records and of what the vendor has seen."""
    seen = there.seen()
    finished = seen["finished"]
    stored, lags = [], []
    for record in media.glob("clips/*/*/4-stored.json"):
        folder = record.parent
        stored.append(json.loads(record.read_text())["at"])
        job = json.loads((folder / "2-submitted.json").read_text())["job_id"]
        ready = json.loads((folder / "3-ready.json").read_text())["at"]
        lags.append(ready - finished[job])
    return {
        "stored": len(stored),
        "wall": max(stored) - seen["first"],
        "lag": median(lags),
        "late": quantiles(lags, n=20)[-1],
        "requests": (seen["kinds"]["submit"] + seen["kinds"]["status"]) / len(finished),
        "refused": seen["refused"],
    }


def drained_tasks(api: str, expected: int) -> int:
    """How many task runs the server's database holds as completed, once it has drained."""
    completed = {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    give_up = time.monotonic() + DRAINED_WITHIN
    while True:
        count = int(httpx.post(f"{api}/task_runs/count", json=completed, timeout=60).text)
        if count >= expected or time.monotonic() > give_up:
            return count
        time.sleep(2)


def judge(found: dict[str, Any], bare: float, clips: int, wait: str) -> list[str]:
    """Print the figures; gives those that are not within what is allowed."""
    expected = clips * 3 + TASKS_BESIDE
    rows = [
        ("clips stored", found["stored"], clips, found["stored"] == clips),
        ("wall s", found["wall"], None, True),
        (
            "of the bare script's wall",
            found["wall"] / bare,
            ALLOWED_RATIO,
            found["wall"] / bare <= ALLOWED_RATIO,
        ),
        (
            "task runs in the database",
            found["tasks"],
            expected,
            found["tasks"] == expected,
        ),
        ("peak memory MB of the run's process", found["own"], None, True),
        ("of the processes that decode, MB", found["decoding"], None, True),
        (
            "peak memory MB, all of these",
            found["memory"],
            ALLOWED_MEMORY,
            found["memory"] <= ALLOWED_MEMORY,
        ),
        (
            "requests a clip",
            found["requests"],
            ALLOWED_REQUESTS[wait],
            found["requests"] <= ALLOWED_REQUESTS[wait],
        ),
        (
            "median s from done to noticed",
            found["lag"],
            ALLOWED_LAG[wait],
            found["lag"] <= ALLOWED_LAG[wait],
        ),
        ("19 of 20 noticed within s", found["late"], None, True),
        ("times 429", found["refused"], 0, found["refused"] == 0),
        ("the process, start to end, s", found["process"], None, True),
    ]
    wrong = []
    for name, value, allowed, good in rows:
        shown = f"{value:.2f}" if isinstance(value, float) else str(value)
        print(
            f"  {name:<36} {shown:>10}" + (f"   allowed {allowed}" if allowed is not None else "")
        )
        if not good:
            wrong.append(name)
    return wrong


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shots", type=int, default=50, help=f"each has {TAKES} takes")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--callbacks", action="store_true", help="callbacks only")
    parser.add_argument("--polling", action="store_true", help="polling only")
    parser.add_argument("--part", choices=["bare", "flow"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--wait", default="poll", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part == "bare":
        asyncio.run(be_bare(asked.shots, asked.speed, asked.folder))
    elif asked.part == "flow":
        asyncio.run(be_flow(asked.wait, asked.folder))
    else:
        compare(asked.shots, asked.speed, ways(asked))


def ways(asked: argparse.Namespace) -> list[str]:
    """Which ways of waiting to measure: both, unless one is asked for."""
    if asked.callbacks == asked.polling:
        return ["poll", "callback"]
    return ["callback"] if asked.callbacks else ["poll"]


def compare(shots: int, speed: float, waits: list[str]) -> None:
    """Measure both sides, one after the other."""
    clips, wrong = shots * TAKES, []
    load = os.getloadavg()[0]
    print(f"{clips} clips of {MODEL} at {speed:g} times the speed; load before: {load:.1f}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for wait in waits:
            # A server each, so that the database of one round does not weigh on the next.
            with prefect_server(folder / f"server-{wait}") as api:
                bare = measure_bare(shots, speed, folder / f"bare-{wait}")
                found = measure_flow(shots, speed, folder / wait, api, wait)
            print(f"one flow run, wait = {wait}:")
            wrong += [f"{wait}: {name}" for name in judge(found, bare, clips, wait)]
    if wrong:
        sys.exit(f"Not within what is allowed: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
