"""200 storyboards over 4 worker processes on PostgreSQL, beside a bare script.

generate-batch starts a flow run for each storyboard on a process work pool, as in production; each
is three wan-2-5 clips, one of which begins on the last frame of another, and a stitched film. The
bare script makes the same requests for as many storyboards at once in one process, and no film.
PostgreSQL, Prefect server, emulator, workers and both sides share one machine, and each flow run
is a process that has to start first: at a high speed that is what the ratio shows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.utilities.callables import parameter_schema

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bare import Bare, asked, open_client, save_last_frame
from benchmarks.beside import peak_memory, prefect_server, run_part, say, vendors, wait_until
from tests.postgres import Postgres, running_postgres

from prefect_videogen import generate_batch, generate_storyboard
from prefect_videogen.batching import Batch
from prefect_videogen.blocks import load_studio
from prefect_videogen.blocks.limits import create_limits
from prefect_videogen.capabilities import MODELS
from prefect_videogen.errors import BatchIncomplete
from prefect_videogen.waiting import limits_of

MODEL = "wan-2-5"
SHOTS = 3
POOL, DEPLOYMENT = "bench", "bench"
LOOK_FOR_WORK_EVERY = "2"
SHOWN = 5

T = TypeVar("T")


def prompts(number: int) -> list[str]:
    """What a storyboard's shots show."""
    return [f"Kite {number} over the {place}" for place in ("sea", "hills", "hills, further on")]


def write_boards(folder: Path, count: int) -> None:
    """Write the storyboards; the last shot of each begins where the one before it ends."""
    folder.mkdir()
    common = {"model": MODEL, "resolution": "720p", "seconds": 5}
    for number in range(count):
        shots = [{"prompt": prompt} for prompt in prompts(number)]
        shots[-1]["first_frame"] = "previous"
        board = {"title": f"Kites {number}", **common, "shots": shots}
        (folder / f"{number:04}.json").write_text(json.dumps(board))


# -- the two sides, each a process of its own -----------------------------------------------------


async def be_bare(count: int, at_once: int, speed: float, folder: Path) -> None:
    """Be the bare script; says when the last clip was stored."""
    url, key = os.environ["VIDEOGEN_APIXO_BASE_URL"], os.environ["VIDEOGEN_APIXO_API_KEY"]
    places = asyncio.Semaphore(at_once)
    async with open_client(url, key) as client:
        bare = Bare(client, speed)
        await asyncio.gather(*(bare_board(bare, places, n, folder) for n in range(count)))
    say({"ended": time.time(), "memory": peak_memory()})


async def bare_board(bare: Bare, places: asyncio.Semaphore, number: int, folder: Path) -> None:
    """Make the clips of one storyboard."""
    async with places:
        alone, before, chained = prompts(number)

        async def chain() -> None:
            clip = folder / f"{number}-1.mp4"
            picture = clip.with_suffix(".png")
            await bare.clip(asked(before), clip)
            await asyncio.to_thread(save_last_frame, clip, picture)
            served = f"{os.environ['VIDEOGEN_MEDIA_PUBLIC_URL']}/{picture.name}"
            await bare.clip(asked(chained, served), folder / f"{number}-2.mp4")

        await asyncio.gather(bare.clip(asked(alone), folder / f"{number}-0.mp4"), chain())


async def be_batch(at_once: int, folder: Path) -> None:
    """Be whoever starts the batch; says what came of it."""
    began = time.time()
    try:
        batch = await generate_batch(
            storyboard_files=[str(folder)],
            deployment=f"{generate_storyboard.name}/{DEPLOYMENT}",
            concurrent=at_once,
            batch="bench",
            studio="env",
            wait="poll",
        )
    except BatchIncomplete as error:
        batch = error.result
    assert isinstance(batch, Batch)
    entries = batch.entries
    say(
        {
            "began": began,
            "ended": time.time(),
            "films": sum(entry.made and bool(entry.path) for entry in entries),
            "states": Counter(entry.state for entry in entries),
            "reasons": [entry.reason for entry in entries if entry.reason],
            "memory": peak_memory(),
        }
    )


async def be_setup() -> None:
    """Create the work pool, the deployment and the limits, as `setup` and `prefect deploy` do."""
    studio = (await load_studio("env")).open()
    await create_limits(limits_of(studio.accounts.values(), {MODEL: MODELS[MODEL]}))
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        await client.create_deployment(
            flow_id=await client.create_flow(generate_storyboard),
            name=DEPLOYMENT,
            entrypoint="prefect_videogen.flows.generate_storyboard",
            work_pool_name=POOL,
            pull_steps=[],
            parameter_openapi_schema=parameter_schema(generate_storyboard).model_dump(),
        )
    say({})


# -- what is around them --------------------------------------------------------------------------


@contextmanager
def workers(count: int, limit: int, environment: dict[str, str], folder: Path) -> Iterator[None]:
    """Run worker processes, each with as many flow runs at once as its limit says."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    command += ["--type", "process", "--limit", str(limit)]
    with ExitStack() as stack:
        for number in range(count):
            log = stack.enter_context((folder / f"worker-{number}.log").open("wb"))
            named = [*command, "--name", f"worker-{number}"]
            process = subprocess.Popen(
                named, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        api = environment["PREFECT_API_URL"]
        wait_until(lambda: len(asked_of(api, f"work_pools/{POOL}/workers/filter", {})) == count)
        yield


def asked_of(api: str, path: str, body: dict[str, Any]) -> Any:
    """What the Prefect server answers."""
    return httpx.post(f"{api}/{path}", json=body, timeout=60).raise_for_status().json()


@contextmanager
def counting(cpu: dict[str, float], name: str, part: AbstractContextManager[T]) -> Iterator[T]:
    """Run a part, and note how many seconds of CPU its processes have taken once it has ended."""
    before = 0.0
    with part as given:
        try:
            yield given
        finally:
            before = children_cpu()
    cpu[name] = children_cpu() - before


def children_cpu() -> float:
    """Seconds of CPU that ended child processes of this one have taken, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# -- measuring ------------------------------------------------------------------------------------


def measure_bare(count: int, at_once: int, speed: float, folder: Path) -> float:
    """The bare script's wall time in seconds."""
    folder.mkdir()
    with vendors(speed, folder) as there:
        environment = {**os.environ, **there.environment}
        numbers = ("--storyboards", str(count), "--at-once", str(at_once), "--speed", str(speed))
        said = run_part(__file__, "bare", environment, *numbers, "--folder", str(folder))
        seen = there.seen()
    assert len(seen["finished"]) == count * SHOTS, "the bare script did not make all clips"
    wall = float(said["ended"] - seen["first"])
    print(
        f"bare script: {wall:.1f} s to the last of {count * SHOTS} clips, "
        f"{seen['refused']} times 429, {said['memory']:.0f} MB",
        flush=True,
    )
    return wall


def measure_batch(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The batch's figures."""
    media, boards = folder / "media", folder / "boards"
    media.mkdir(parents=True)
    write_boards(boards, options.storyboards)
    at_once = options.workers * options.limit
    cpu: dict[str, float] = {}
    with ExitStack() as stack:
        postgres = stack.enter_context(counting(cpu, "PostgreSQL", running_postgres()))
        database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.url}
        server = prefect_server(folder / "server", database)
        api = stack.enter_context(counting(cpu, "Prefect server", server))
        there = stack.enter_context(counting(cpu, "emulator", vendors(options.speed, media)))
        environment = {
            **os.environ,
            **there.environment,
            "VIDEOGEN_MEDIA_URL": media.as_uri(),
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_WORKER_QUERY_SECONDS": LOOK_FOR_WORK_EVERY,
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
        }
        run_part(__file__, "setup", environment)
        pool = workers(options.workers, options.limit, environment, folder)
        stack.enter_context(counting(cpu, "workers and flow runs", pool))
        order = ("--at-once", str(at_once), "--folder", str(boards))
        said = run_part(__file__, "batch", environment, *order)
        found = {**said, **figures(there.seen(), media), **recorded(api, postgres)}
    return {**found, "cpu": cpu}


def figures(seen: dict[str, Any], media: Path) -> dict[str, Any]:
    """What the records and the vendor have of it."""
    stored = [json.loads(path.read_text())["at"] for path in media.glob("clips/*/*/4-stored.json")]
    return {
        "stored": len(stored),
        "keys": len(list(media.glob("clips/*/request.json"))),
        "jobs": len(seen["seconds"]),
        "wall": max(stored, default=0.0) - seen["first"],
        "refused": seen["refused"],
        "requests": (seen["kinds"]["submit"] + seen["kinds"]["status"]) / len(seen["seconds"]),
        "kept": len(list(media.glob("films/*/*/film.mp4"))),
    }


def recorded(api: str, postgres: Postgres) -> dict[str, Any]:
    """What the Prefect server has of it."""
    name = {"flows": {"name": {"any_": [generate_storyboard.name]}}}
    ended = {**name, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    return {
        "runs": asked_of(api, "flow_runs/count", name),
        "completed": asked_of(api, "flow_runs/count", ended),
        "size": postgres.size() / 1e6,
    }


def judge(found: dict[str, Any], count: int, bare: float) -> list[str]:
    """Print the figures; gives those that are wrong."""
    clips, runs_took = count * SHOTS, found["ended"] - found["began"]
    rows: list[tuple[str, Any, Any]] = [
        ("films made", found["films"], count),
        ("films in the media store", found["kept"], count),
        ("flow runs", found["runs"], count),
        ("flow runs Completed", found["completed"], count),
        ("distinct clips", found["keys"], clips),
        ("clips charged", found["jobs"], clips),
        ("clips stored", found["stored"], clips),
        ("times 429", found["refused"], 0),
        ("s from first request to last clip", found["wall"], None),
        ("of the bare script's wall", found["wall"] / bare, None),
        ("s from the batch's start to its end", runs_took, None),
        ("flow runs a minute", 60 * count / runs_took, None),
        ("requests a clip", found["requests"], None),
        ("the batch's own memory, MB", found["memory"], None),
        ("database MB", found["size"], None),
        *((f"CPU s: {name}", seconds, None) for name, seconds in found["cpu"].items()),
    ]
    wrong = []
    for name, value, expected in rows:
        shown = f"{value:.2f}" if isinstance(value, float) else str(value)
        more = "" if expected is None else f"   expected {expected}"
        print(f"  {name:<36} {shown:>10}{more}")
        if expected is not None and value != expected:
            wrong.append(name)
    for reason in found["reasons"][:SHOWN]:
        print(f"  {reason}")
    return wrong


def compare(options: argparse.Namespace) -> None:
    """Measure both sides, one after the other."""
    at_once = options.workers * options.limit
    print(
        f"{options.storyboards} storyboards of {SHOTS} {MODEL} clips, {at_once} at once, at "
        f"{options.speed:g} times the speed; load before: {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bare = measure_bare(options.storyboards, at_once, options.speed, folder / "bare")
        found = measure_batch(options, folder / "batch")
    print(f"generate-batch over {options.workers} workers of {options.limit} runs each:")
    if wrong := judge(found, options.storyboards, bare):
        sys.exit(f"Not as expected: {', '.join(wrong)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storyboards", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--limit", type=int, default=4, help="flow runs at once for each worker")
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--part", choices=["bare", "setup", "batch"], help=argparse.SUPPRESS)
    parser.add_argument("--at-once", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "bare":
        asyncio.run(be_bare(options.storyboards, options.at_once, options.speed, options.folder))
    elif options.part == "setup":
        asyncio.run(be_setup())
    elif options.part == "batch":
        asyncio.run(be_batch(options.at_once, options.folder))
    else:
        compare(options)


if __name__ == "__main__":
    main()
