"""Runs that are cancelled or killed: their jobs are named, left alone, and collected later."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, PREFECT_HOME
from prefect.states import Cancelling
from tests.runs import until

from prefect_videogen import Clip, collect_results, collect_results_sync, flows, generate_clip
from prefect_videogen.errors import StudioError, SubmissionUnknown
from prefect_videogen.flows.batch import tell_open_runs
from prefect_videogen.flows.hooks import tell_open_jobs

GENERATING = [flow for name, flow in vars(flows).items() if name in flows.__all__]
LOOKS_UNTIL_HEEDED = 20
SERVE = """
    import sys
    from prefect_videogen import generate_clip
    if __name__ == "__main__":
        generate_clip.serve(name=sys.argv[1])
"""


@pytest.fixture
def logged(monkeypatch):
    """What hooks log, instead of sending it to a run that does not exist."""
    lines: list[str] = []

    class Logger:
        def warning(self, text, *values):
            lines.append(text % values)

    monkeypatch.setattr("prefect_videogen.flows.hooks.flow_run_logger", lambda *_: Logger())
    return lines


def run_of(run: str, studio: str = "env") -> FlowRun:
    return FlowRun(id=UUID(run), flow_id=uuid4(), parameters={"studio": studio})


def newest_run(stage) -> str:
    return max((stage.media / "runs").iterdir(), key=lambda folder: folder.stat().st_mtime).name


def test_every_generating_flow_tells_of_open_jobs_when_cancelled_or_crashed():
    told = {
        flow.name: (flow.on_cancellation_hooks, flow.on_crashed_hooks)
        for flow in GENERATING
        if getattr(flow, "name", "").startswith("generate-")
    }
    batch = told.pop("generate-batch")  # its own runs tell of their jobs
    assert batch == ([tell_open_runs], [tell_open_runs])
    assert len(told) == 4
    assert all(hooks == ([tell_open_jobs], [tell_open_jobs]) for hooks in told.values())


async def test_hook_names_the_unknown_submission_of_its_run(stage, logged):
    stage.emulator.faults.add("drop-after-accept")
    with pytest.raises(SubmissionUnknown):
        await generate_clip(prompt="A kite nobody heard of", model="wan-2-5", studio="env")
    run = newest_run(stage)
    await tell_open_jobs(flow=generate_clip, flow_run=run_of(run), state=Cancelling())
    (line,) = logged
    assert "no recorded answer" in line
    assert "prefect-videogen settle" in line


async def test_hook_is_silent_about_a_run_whose_clips_are_stored(stage, logged):
    await generate_clip(prompt="A kite that is there", model="wan-2-5", studio="env")
    run = newest_run(stage)
    await tell_open_jobs(flow=generate_clip, flow_run=run_of(run), state=Cancelling())
    await tell_open_jobs(generate_clip, run_of(str(uuid4())), Cancelling())
    assert logged == []


async def test_hook_whose_studio_is_gone_does_not_raise(stage, logged):
    gone = run_of(str(uuid4()), studio="nowhere")
    await tell_open_jobs(flow=generate_clip, flow_run=gone, state=Cancelling())
    (line,) = logged
    assert "StudioError" in line
    assert "collect-results" in line


@pytest.fixture
def served(stage, tmp_path, prefect_server):
    """The flow generate-clip, served by a process of its own: its deployment and that process."""
    stage.emulator.faults.add("job-hangs", times=None)
    script = tmp_path / "served.py"
    script.write_text(textwrap.dedent(SERVE), encoding="utf-8")
    environment = {
        **os.environ,
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_HOME": str(PREFECT_HOME.value()),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    name = f"dying-{uuid4().hex[:6]}"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(script), name],
            env=environment,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield f"generate-clip/{name}", process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            sys.stderr.write((tmp_path / "log").read_text(encoding="utf-8"))  # shown if it fails


async def started(deployment: str, prompt: str, stage) -> FlowRun:
    """Start a run and wait until its job is bought, recorded and asked for.

    A signal any earlier may hit Prefect between two tasks, where it ends a run as Failed.
    """
    before, asked = len(stage.charges), stage.asked.count("status")

    async def deployed():
        async with get_client() as client:
            with contextlib.suppress(Exception):
                return await client.read_deployment_by_name(deployment)

    found = await until(deployed)
    parameters = {"prompt": prompt, "model": "wan-2-5", "studio": "env"}
    async with get_client() as client:
        run = await client.create_flow_run_from_deployment(found.id, parameters=parameters)

    async def bought():
        jobs = list((stage.media / "runs" / str(run.id)).glob("*"))
        records = [stage.media / "clips" / job.name[:64] / "1/2-submitted.json" for job in jobs]
        bought = len(stage.charges) > before and any(record.is_file() for record in records)
        return bought and stage.asked.count("status") > asked

    await until(bought)
    return run


async def ended(run: FlowRun, kind: str, asking=lambda: None) -> FlowRun:
    async def in_state():
        asking()
        async with get_client() as client:
            found = await client.read_flow_run(run.id)
        return found if found.state_name == kind else None

    return await until(in_state)


def terminating(stage, session: int):
    """Send SIGTERM to the engine, and again only if it goes on asking for its job.

    One that hits while asyncio runs a callback is lost there. One too many would end the process
    amid its hooks.
    """
    heeded_by = stage.asked.count("status")

    def ask() -> None:
        nonlocal heeded_by
        asked = stage.asked.count("status")
        if asked >= heeded_by:
            heeded_by = asked + LOOKS_UNTIL_HEEDED
            with contextlib.suppress(ProcessLookupError):
                os.kill(engine_of(session), signal.SIGTERM)

    return ask


async def said(run: FlowRun, words: str) -> str:
    lines: list[str] = []

    async def line():
        wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
        async with get_client() as client:
            lines[:] = [log.message for log in await client.read_logs(wanted)]
        return next((text for text in lines if words in text), None)

    return await until(line, instead=lambda: "\n".join([f"{run.name} said:", *lines]))


def engine_of(session: int) -> int:
    """The newest process that a server of flows, whose session it is, runs a flow in."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"spawn_main" in (folder / "cmdline").read_bytes():
                process = int(folder.name)
                if os.getsid(process) == session:
                    # Not the highest number: they start again from the bottom.
                    born = (folder / "stat").read_text().rpartition(")")[2].split()[19]
                    found.append((int(born), process))
    if not found:
        raise ProcessLookupError
    return max(found)[1]


@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes in /proc")
async def test_cancelled_terminated_and_killed_runs_say_what_is_billed_and_leave_the_job(
    stage, served
):
    """One test, as serving takes its time: three runs of one deployment, each ended its way."""
    deployment, session = served
    cancelled = await started(deployment, "A cancelled kite", stage)
    command = [sys.executable, "-m", "prefect", "flow-run", "cancel", str(cancelled.id)]
    api = {"PREFECT_API_URL": str(PREFECT_API_URL.value())}
    await asyncio.to_thread(
        subprocess.run, command, check=True, capture_output=True, env={**os.environ, **api}
    )
    await ended(cancelled, "Cancelled")

    terminated = await started(deployment, "A terminated kite", stage)
    await ended(terminated, "Crashed", asking=terminating(stage, session))

    killed = await started(deployment, "A killed kite", stage)
    os.kill(engine_of(session), signal.SIGKILL)
    await ended(killed, "Crashed")

    for run, charge in zip((cancelled, terminated, killed), stage.charges, strict=True):
        line = await said(run, charge.job_id + " at apixo@sandbox goes on and is still billed")
        assert "Shot clip" in line
        assert "run again or collect-results fetches it" in line
    # Nobody took the jobs away, at the vendor or in the records.
    assert stage.asked.count("submit") == 3
    assert len(list(stage.media.glob("open/apixo@sandbox/wan-2-5/*"))) >= 3


async def test_collect_results_fetches_and_leaves_a_table(stage, artifact):
    before = len((await collect_results(studio="env")).running)  # of the tests above
    clip = await generate_clip(prompt="A collected kite", model="wan-2-5", studio="env")
    assert isinstance(clip, Clip)
    (stage.path(clip.path).parent / "1/4-stored.json").unlink()  # as if killed just before

    collected = await collect_results(studio="env")
    assert [found.job_id for found in collected.fetched] == [clip.job_id]
    assert len(collected.running) == before
    table = await artifact("collect-results")
    assert clip.job_id in table
    assert "://" not in table
    assert len(stage.charges) == 1


def test_sync_twin_collects(stage):
    assert collect_results_sync(studio="env").fetched == ()


async def test_negative_age_is_refused(stage):
    with pytest.raises(StudioError, match="older_than"):
        await collect_results(studio="env", older_than=-1)
