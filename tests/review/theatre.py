"""An installation for films that are reviewed: a server, a worker, a deployment, an emulator."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, PREFECT_HOME
from prefect.utilities.callables import parameter_schema
from tests.runs import processes_of, until

from prefect_videogen import generate_storyboard
from prefect_videogen.emulator import Emulator
from prefect_videogen.filming import Film

POOL = "reviewing"


@dataclass
class Theatre:
    """Where films are made and reviewed.

    Attributes:
        emulator: Both vendors.
        media: The media store.
        log: What the worker and its runs wrote.
        deployment: Id of the deployment of generate-storyboard.
    """

    emulator: Emulator
    media: Path
    log: Path
    deployment: UUID | None = None

    async def start(self, title: str, shots: list[dict[str, Any]], **parameters: Any) -> FlowRun:
        """Start a film."""
        board = {"title": title, "model": "wan-2-5", "seconds": 5, "shots": shots}
        async with get_client() as client:
            if self.deployment is None:
                self.deployment = await deploy()
            return await client.create_flow_run_from_deployment(
                self.deployment, parameters={"storyboard": board, "studio": "env", **parameters}
            )

    async def read(self, run: FlowRun) -> FlowRun:
        async with get_client() as client:
            return await client.read_flow_run(run.id)

    async def asks(self, run: FlowRun, number: int) -> str:
        """Wait until a run asks for the n-th time, and no process of it is left; gives the text."""
        key = f"suspended-videogen-{number}-description"

        async def is_asking() -> bool:
            found = await self.read(run)
            state = found.state
            assert state
            assert not state.is_final(), (state.name, state.message, self.log.read_text())
            details = state.state_details
            return (
                state.name == "Suspended"
                and details.pause_key == f"videogen-{number}"
                and not processes_of(run.id)
            )

        await until(is_asking)
        async with get_client() as client:
            return (await client.read_flow_run_input(run.id, key)).strip('"')

    async def answer(self, run: FlowRun, **answer: Any) -> str:
        """Answer through the API; gives what the server thinks of it."""
        async with get_client() as client:
            result = await client.resume_flow_run(run.id, run_input=answer)
        return result.status.value

    async def state(self, run: FlowRun) -> State:
        """Wait until a run is over; gives its state."""

        async def ended() -> State | None:
            state = (await self.read(run)).state
            return state if state and state.is_final() else None

        return await until(ended)

    async def film(self, run: FlowRun) -> Film:
        """Wait until a run is over; gives its film."""
        return Film.model_validate(await (await self.state(run)).aresult())

    def bought(self, since: int = 0) -> list[str]:
        """The prompts that the vendors were charged for, in order."""
        return [str(charge.params["prompt"]) for charge in self.emulator.charges[since:]]


async def deploy() -> UUID:
    """Deploy generate-storyboard as `prefect.yaml` does."""
    async with get_client() as client:
        with contextlib.suppress(Exception):
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        return await client.create_deployment(
            flow_id=await client.create_flow(generate_storyboard),
            name=f"reviewed-{uuid4().hex[:6]}",
            entrypoint="prefect_videogen.flows.generate_storyboard",
            work_pool_name=POOL,
            pull_steps=[],
            parameter_openapi_schema=parameter_schema(generate_storyboard).model_dump(),
        )


@contextlib.contextmanager
def program(log: Path, *arguments: str) -> Iterator[None]:
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
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
