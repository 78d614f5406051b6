"""Suspended films on a process work pool, alone and in a batch: no process while jobs run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, PREFECT_HOME
from prefect.utilities.callables import parameter_schema
from tests.emulated.test_batch import board, runs_of
from tests.runs import PATIENCE, processes_of, until
from tests.seaweed import free_port

from prefect_videogen import Batch, collect_results, generate_batch, generate_storyboard
from prefect_videogen.collecting import Collected
from prefect_videogen.emulator import Emulator
from prefect_videogen.emulator.timeline import ManualClock
from prefect_videogen.filming import Film
from prefect_videogen.sleeping import Sleep

PROGRAM = "from prefect_videogen.cli import main; main()"
POOL = "sleeping"
SPEED = 20.0
MINUTES = 10 * 60 / SPEED

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="lists processes in /proc"),
]


@dataclass
class Theatre:
    """An emulator whose jobs end when the test says so, a worker, and a deployment.

    Attributes:
        emulator: Both vendors.
        clock: Their clock.
        media: The media store.
        deployment: Id of the deployment of generate-storyboard.
        name: The deployment's name.
        seen: The processes that runs were seen in.
    """

    emulator: Emulator
    clock: ManualClock
    media: Path
    deployment: Any = None
    name: str = ""
    seen: dict[str, set[int]] = field(default_factory=dict)

    async def start(self, title: str, **parameters: Any) -> FlowRun:
        """Start a film of six shots, the last of which starts where the first one ends."""
        shots = [{"id": f"s{number}", "prompt": f"{title}, shot {number}"} for number in range(5)]
        shots.append({"id": "chained", "prompt": f"{title}, on and on", "first_frame": "shot:s0"})
        board = {"title": title, "model": "wan-2-5", "seconds": 5, "shots": shots}
        async with get_client() as client:
            return await client.create_flow_run_from_deployment(
                self.deployment,
                parameters={"storyboard": board, "studio": "env", "wait": "suspend", **parameters},
            )

    async def asleep(self, run: FlowRun, number: int) -> Sleep:
        """Wait until a run sleeps for the n-th time, and no process of it is left."""
        note = self.media / f"runs/{run.id}/sleeping{f'-{number}' if number > 1 else ''}.json"

        async def is_gone() -> bool:
            self.seen.setdefault(str(run.id), set()).update(processes_of(run.id))
            return (
                note.exists() and await self.state(run) == "Suspended" and not processes_of(run.id)
            )

        await until(is_gone)
        return Sleep.model_validate_json(note.read_bytes())

    async def answer(self, run: FlowRun, **answer: Any) -> None:
        """Answer a review."""
        async with get_client() as client:
            result = await client.resume_flow_run(run.id, run_input=answer)
        assert result.status.value == "ACCEPT"

    async def state(self, run: FlowRun) -> str:
        async with get_client() as client:
            return (await client.read_flow_run(run.id)).state_name or ""

    async def has_woken(self, run: FlowRun) -> bool:
        return await self.state(run) != "Suspended"

    async def collected(self) -> Collected | None:
        """Collect; gives what was found once a run was resumed."""
        found = await collect_results(studio="env", older_than=30)
        return found if found.resumed else None

    async def result(self, run: FlowRun) -> Any:
        """Wait until a run is over; gives what it returned."""

        async def ended() -> State | None:
            async with get_client() as client:
                state = (await client.read_flow_run(run.id)).state
            return state if state and state.is_final() else None

        return await (await until(ended)).aresult()

    async def film(self, run: FlowRun) -> Film:
        """Wait until a run is over; gives its film."""
        return Film.model_validate(await self.result(run))


@contextlib.contextmanager
def program(log: Path, *arguments: str) -> Iterator[subprocess.Popen]:
    """A process of its own session, with this test's Prefect server; ended with all it started."""
    prefect = {
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_HOME": str(PREFECT_HOME.value()),
        "PREFECT_WORKER_QUERY_SECONDS": "0.5",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **prefect},
            cwd=log.parent,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def theatre(tmp_path, prefect_server, monkeypatch):
    """Everything but the receiver."""
    media = tmp_path / "media"
    clock = ManualClock(start=time.time())
    monkeypatch.delenv("VIDEOGEN_MODELS", raising=False)
    settings: dict[str, Any] = {"speed": SPEED, "pixel_scale": 0.125, "fps": 8, "clock": clock}
    with Emulator(media_dir=media, **settings) as emulator:
        given = {
            **emulator.environment(),
            "VIDEOGEN_MEDIA_URL": media.as_uri(),
            "VIDEOGEN_CALLBACK_URL": f"http://127.0.0.1:{free_port()}/hooks",
            "VIDEOGEN_CALLBACK_SECRET": "the secret that signs the paths",
            "VIDEOGEN_PRICES": json.dumps([{"model": "wan-2-5", "amount": "1.10", "per": "clip"}]),
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        made = Theatre(emulator, clock, media)
        with program(
            tmp_path / "worker.log", "-m", "prefect", "worker", "start", "-p", POOL, "-t", "process"
        ):
            yield made


@pytest.fixture
async def deployed(theatre):
    """The theatre with generate-storyboard deployed as `prefect.yaml` does."""
    async with get_client() as client:
        with contextlib.suppress(Exception):
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    theatre.name = f"sleeping-{uuid4().hex[:6]}"
    theatre.deployment = await deploy(generate_storyboard, theatre.name)
    return theatre


async def deploy(flow: Any, name: str) -> UUID:
    """Deploy a flow to the work pool; gives the deployment's id."""
    async with get_client() as client:
        return await client.create_deployment(
            flow_id=await client.create_flow(flow),
            name=name,
            entrypoint=f"prefect_videogen.flows.{flow.fn.__name__}",
            work_pool_name=POOL,
            pull_steps=[],
            parameter_openapi_schema=parameter_schema(flow).model_dump(),
        )


@contextlib.contextmanager
def receiving(folder: Path) -> Iterator[None]:
    port = os.environ["VIDEOGEN_CALLBACK_URL"].removesuffix("/hooks").rpartition(":")[2]
    log = folder / "receiver.log"
    with program(log, "-c", PROGRAM, "callbacks", "--port", port) as process:
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < give_up
                time.sleep(0.1)
        yield


async def test_suspended_film_holds_no_process_until_its_callbacks_or_collecting(
    deployed, tmp_path
):
    """One test, as every round of a run takes a process: two films, the second one uncalled."""
    theatre = deployed
    with receiving(tmp_path):
        run = await theatre.start("called-back", max_new_clips=6, budget=6.6)
        sleep = await theatre.asleep(run, 1)
        assert theatre.seen[str(run.id)]  # the listing does find the processes of a run
        assert (len(sleep.jobs), sleep.bought, len(theatre.emulator.jobs)) == (5, 5, 5)
        theatre.clock.advance(MINUTES)
        sleep = await theatre.asleep(run, 2)
        assert (len(sleep.jobs), sleep.bought, len(theatre.emulator.jobs)) == (1, 6, 6)
        theatre.clock.advance(MINUTES)
        await until(lambda: theatre.has_woken(run))

    other = await theatre.start("collected")
    await theatre.asleep(other, 1)
    film = await theatre.film(run)
    assert (film.bought, len(film.clips), film.missing) == (6, 6, ())
    assert film.money is not None
    # Money was set aside once for all rounds, and the cap held over them.
    (entry,) = (theatre.media / "budgets/called-back").glob("*.json")
    assert json.loads(entry.read_text())["amount"] == "6.60"
    money = json.loads((theatre.media / f"runs/{run.id}/money.json").read_text())
    assert money["estimate"][0]["amount"] == "6.60"
    assert len(money["clips"]) == 6
    collected = await collect_results(studio="env", older_than=30)
    assert (collected.resumed, collected.asleep) == ((), (str(other.id),))
    for number in (2, 3):
        theatre.clock.advance(MINUTES)
        collected = await until(theatre.collected)
        assert (collected.resumed, collected.asleep) == ((str(other.id),), ())
        if number == 2:
            await theatre.asleep(other, 2)
    film = await theatre.film(other)
    assert (film.bought, len(film.clips), film.missing) == (6, 6, ())
    assert len(theatre.emulator.jobs) == 12
    assert not [path for path in (theatre.media / "sleepers").rglob("*") if path.is_file()]


async def test_film_that_is_reviewed_sleeps_for_its_vendors_and_for_its_reviewers(deployed):
    """Both reasons to sleep in one run: its jobs, a redo that buys another, and the approval."""
    theatre = deployed
    run = await theatre.start("reviewed", review="film", budget=7.7)
    for number in (1, 2):
        sleep = await theatre.asleep(run, number)
        assert sleep.jobs
        assert sleep.review is None
        theatre.clock.advance(MINUTES)
        await until(theatre.collected)

    sleep = await theatre.asleep(run, 3)
    assert sleep.review
    assert (sleep.review.kind, len(theatre.emulator.jobs)) == ("film", 6)
    assert not await theatre.collected()  # a person is asked, no job has to end
    change = {"shot": "s3", "prompt": "reviewed, another one"}
    await theatre.answer(run, decision="redo", changes=[change])
    sleep = await theatre.asleep(run, 4)
    assert (len(sleep.jobs), sleep.review, len(theatre.emulator.jobs)) == (1, None, 7)
    theatre.clock.advance(MINUTES)
    await until(theatre.collected)

    sleep = await theatre.asleep(run, 5)
    assert sleep.review
    await theatre.answer(run, decision="approve")
    film = await theatre.film(run)
    assert (film.bought, len(film.clips), film.missing) == (7, 6, ())
    assert len(theatre.emulator.charges) == 7
    assert not [path for path in (theatre.media / "sleepers").rglob("*") if path.is_file()]


async def test_suspended_runs_of_a_batch_hold_their_places_and_no_process(deployed, tmp_path):
    """Two at once of three: the first two are called back, the third one is collected."""
    theatre = deployed
    boards = tmp_path / "boards"
    boards.mkdir()
    for title in ("dawn", "noon", "dusk"):
        board(boards, title)
    name = f"sleepers-{uuid4().hex[:6]}"
    order = {
        "storyboard_files": [str(boards)],
        "deployment": f"{generate_storyboard.name}/{theatre.name}",
        "concurrent": 2,
        "batch": name,
        "studio": "env",
        "wait": "suspend",
    }
    deployment = await deploy(generate_batch, theatre.name)

    async def started(number: int) -> list[FlowRun]:
        runs = sorted(await runs_of(name), key=lambda run: str(run.created))
        return runs if len(runs) == number else []

    with receiving(tmp_path):
        async with get_client() as client:
            batch = await client.create_flow_run_from_deployment(deployment, parameters=order)
        first, second = await until(lambda: started(2))
        # Both at once: who is looked for after the other may have gone to sleep unseen.
        await asyncio.gather(*(theatre.asleep(run, 1) for run in (first, second)))
        assert all(theatre.seen[str(run.id)] for run in (first, second))
        assert processes_of(batch.id)
        assert await started(2)  # whoever sleeps keeps its place
        assert len(theatre.emulator.jobs) == 2
        theatre.clock.advance(MINUTES)
        for run in (first, second):
            await theatre.film(run)

    third = (await until(lambda: started(3)))[-1]
    await theatre.asleep(third, 1)
    theatre.clock.advance(MINUTES)
    collected = await until(theatre.collected)
    assert collected.resumed == (str(third.id),)
    made = Batch.model_validate(await theatre.result(batch))
    assert [entry.made for entry in made.entries] == [True] * 3
    assert [entry.reason for entry in made.entries] == [""] * 3
    assert {entry.run for entry in made.entries} == {str(run.id) for run in (first, second, third)}
    assert sum(entry.bought for entry in made.entries) == len(theatre.emulator.charges) == 3
