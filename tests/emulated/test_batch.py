"""generate-batch: faults of all boards first, a run for each, once under a name, one report."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from itertools import accumulate
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from httpx import AsyncHTTPTransport, Request, Response
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_HOME,
    temporary_settings,
)
from prefect.states import Cancelling, Completed
from tests.runs import until

from prefect_videogen import Batch, generate_batch
from prefect_videogen.batching import idempotency_key, storyboards_in
from prefect_videogen.cli import main
from prefect_videogen.errors import BatchIncomplete, StoryboardError, StudioError
from prefect_videogen.flows.batch import _check_deployment, _end_of, tell_open_runs

SERVE = """
    import sys
    from prefect_videogen import generate_storyboard
    if __name__ == "__main__":
        generate_storyboard.serve(name=sys.argv[1])
"""


def board(folder: Path, name: str, **fields) -> Path:
    shot = {"id": "kite", "prompt": f"A kite over {name}", **fields}
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"title": name, "model": "wan-2-5", "shots": [shot]}))
    return path


async def deployed(name: str) -> None:
    """Wait until a deployment is there."""

    async def found():
        async with get_client() as client:
            with contextlib.suppress(Exception):
                return await client.read_deployment_by_name(name)

    await until(found)


async def runs_of(batch: str) -> list[FlowRun]:
    """What the Prefect server knows of a batch's runs."""
    tags = {"tags": {"all_": [f"videogen-batch:{batch}"]}}
    async with get_client() as client:
        return await client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(tags))


def most_at_once(runs: list[FlowRun]) -> int:
    """The most runs that had been made and had not ended, at any moment."""
    changes = [(run.created, 1) for run in runs] + [(run.end_time, -1) for run in runs]
    return max(accumulate(step for _, step in sorted(changes)))


@pytest.fixture
def served(stage, tmp_path):
    """The flow generate-storyboard, served by a process of its own: its deployment."""
    script = tmp_path / "served.py"
    script.write_text(textwrap.dedent(SERVE), encoding="utf-8")
    environment = {
        **os.environ,
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_HOME": str(PREFECT_HOME.value()),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    name = f"batched-{uuid4().hex[:6]}"
    process = subprocess.Popen(
        [sys.executable, str(script), name],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    try:
        yield f"generate-storyboard/{name}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.timeout(600)
async def test_batch_makes_each_film_once_and_goes_on_when_one_fails(
    stage, served, tmp_path, artifact, monkeypatch, capsys
):
    """One test, as serving takes its time: a batch with a failure, and the same batch again."""
    boards = tmp_path / "boards"
    boards.mkdir()
    for name in ("hill", "lake", "moor"):
        board(boards, name)
    board(stage.media, "town", model="ltx-2-19b")
    refused = f"{stage.emulator.media_url}/town.json?X-Amz-Signature=hidden"
    stage.emulator.faults.add("key-refused-403", model="ltx-2-19b", times=None)
    order = {
        "storyboard_files": [str(boards), refused],
        "deployment": served,
        "concurrent": 2,
        "batch": f"autumn-{uuid4().hex[:6]}",
        "studio": "env",
    }

    await deployed(served)
    with pytest.raises(BatchIncomplete) as first:
        await generate_batch(**order)
    batch = first.value.result
    assert [Path(entry.storyboard).stem for entry in batch.entries] == [
        "hill",
        "lake",
        "moor",
        "town",
    ]
    (failed,) = batch.failed
    assert first.value.next_step.startswith("The others are made.")
    assert "flow-run retry" in first.value.next_step
    assert failed.state == "Failed"
    assert "FilmIncomplete" in failed.reason
    assert failed.storyboard == refused.partition("?")[0]
    made = [entry for entry in batch.entries if entry.made]
    assert [entry.reason for entry in made] == [""] * 3
    assert all(stage.path(entry.path).is_file() and entry.frames for entry in made)
    assert [entry.bought for entry in made] == [1, 1, 1]
    assert len(stage.charges) == 3
    runs = await runs_of(order["batch"])
    assert len(runs) == 4
    assert most_at_once(runs) == 2
    assert all(run.parent_task_run_id is None for run in runs)  # else they could not suspend
    text = await artifact("generate-batch")
    assert "3 of 4 made" in text
    assert made[0].path in text
    assert "hidden" not in f"{text} {first.value}"

    name, boards_given = order["batch"], order["storyboard_files"]
    command = ["batch", *boards_given, "--deployment", served, "--name", name, "--json"]
    monkeypatch.setattr(sys, "argv", ["prefect-videogen", *command, "--studio", "env"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(main)
    assert ended.value.code == 1
    shown = capsys.readouterr()
    assert Batch.model_validate_json(shown.out) == batch
    assert "incomplete: 1 of 4 films were not made" in shown.err
    assert len(await runs_of(order["batch"])) == 4
    assert len(stage.charges) == 3


async def test_faults_of_all_boards_come_at_once_and_nothing_starts(stage, tmp_path):
    deployment = "generate-storyboard/known"
    async with get_client() as client:
        flow_id = await client.create_flow_from_name("generate-storyboard")
        await client.create_deployment(flow_id=flow_id, name="known")
    good = board(tmp_path, "good")
    long = board(tmp_path, "long", seconds=7)
    lost = board(tmp_path, "lost", first_frame="nowhere.png")
    name = f"faulty-{uuid4().hex[:6]}"
    with pytest.raises(StoryboardError) as caught:
        await generate_batch(
            storyboard_files=[str(good), str(long), str(lost)],
            deployment=deployment,
            batch=name,
            studio="env",
        )
    assert {fault.source for fault in caught.value.faults} == {str(long), str(lost)}
    assert str(long) in str(caught.value)
    assert await runs_of(name) == []
    assert stage.asked == []


async def test_batch_without_its_deployment_says_what_to_start(stage, tmp_path):
    path = board(tmp_path, "good")
    with pytest.raises(StudioError, match=r"generate-storyboard/nowhere .*\n?.*serve"):
        await generate_batch([str(path)], deployment="generate-storyboard/nowhere", studio="env")
    with pytest.raises(StudioError, match="concurrent = 0"):
        await generate_batch([str(path)], concurrent=0, studio="env")


async def test_missing_deployment_names_the_server_without_its_password(prefect_server):
    url = str(PREFECT_API_URL.value())
    guarded = url.replace("http://", "http://user:hidden@")
    with (
        temporary_settings({PREFECT_API_URL: guarded}),
        pytest.raises(StudioError, match=urlsplit(url).netloc) as caught,
    ):
        await _check_deployment("generate-storyboard/nowhere")
    assert "hidden" not in str(caught.value)


def test_command_without_the_deployment_ends_with_two(stage, tmp_path, monkeypatch, capsys):
    path = board(tmp_path, "good")
    command = ["batch", str(path), "--deployment", "generate-storyboard/nowhere"]
    monkeypatch.setattr(sys, "argv", ["prefect-videogen", *command, "--studio", "env"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "deployments.serve" in capsys.readouterr().err


async def test_cancelled_batch_names_the_runs_that_go_on(stage, monkeypatch):
    lines = []

    class Logger:
        def warning(self, text, *values):
            lines.append(text % values)

    monkeypatch.setattr("prefect_videogen.flows.batch.flow_run_logger", lambda *_: Logger())
    name = f"left-{uuid4().hex[:6]}"
    async with get_client() as client:
        flow_id = await client.create_flow_from_name("generate-storyboard")
        deployment = await client.create_deployment(flow_id=flow_id, name="left")
        run = await client.create_flow_run_from_deployment(
            deployment, tags=[f"videogen-batch:{name}"]
        )
    batch_run = FlowRun(id=UUID(int=1), flow_id=uuid4(), parameters={"batch": name})
    await tell_open_runs(generate_batch, batch_run, Cancelling())
    (line,) = lines
    assert str(run.id) in line


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_server_that_is_busy_for_a_while_is_asked_again(prefect_server, monkeypatch, status):
    """Also behind a proxy, which answers for a server that is away; the run goes on meanwhile."""
    monkeypatch.setattr("prefect_videogen.flows.batch.LOOK_EVERY", 0.0)
    real = AsyncHTTPTransport.handle_async_request
    refused: list[Request] = []

    async def handle(self: AsyncHTTPTransport, request: Request) -> Response:
        if "/flow_runs/" in request.url.path and len(refused) < 3:
            refused.append(request)
            return Response(status, headers={"Retry-After": "0"}, request=request)
        return await real(self, request)

    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        async with get_client() as client:
            run = await client.create_flow_run(generate_batch, state=Completed())
            monkeypatch.setattr(AsyncHTTPTransport, "handle_async_request", handle)
            assert (await _end_of(client, run.id)).id == run.id
    assert len(refused) == 3


async def test_run_that_the_server_does_not_know_is_not_asked_for_again(prefect_server):
    async with get_client() as client:
        with pytest.raises(ObjectNotFound):
            await _end_of(client, uuid4())


def test_folders_and_patterns_stand_for_their_boards_each_once(tmp_path):
    for name in ("b-de.yaml", "a-de.yml", "c-en.json", "notes.txt"):
        (tmp_path / name).touch()
    names = ["a-de.yml", "b-de.yaml", "c-en.json"]
    assert storyboards_in([str(tmp_path), f"{tmp_path}/c-en.json"]) == [
        str(tmp_path / name) for name in names
    ]
    assert [Path(path).name for path in storyboards_in([f"{tmp_path}/*-de*"])] == names[:2]
    assert storyboards_in(["s3://boards/*.yaml"]) == ["s3://boards/*.yaml"]


@pytest.mark.parametrize("references", [[], ["{empty}"], ["{empty}/*.yaml"]])
def test_references_that_stand_for_nothing_are_refused(tmp_path, references):
    with pytest.raises(StoryboardError, match="storyboard_files"):
        storyboards_in([reference.format(empty=tmp_path) for reference in references])


def test_key_knows_what_is_made_and_not_within_which_limits():
    what = {"storyboard_file": "a", "variables": {}, "studio": "env", "plan_only": False}
    key = idempotency_key("june", "d", {**what, "budget": 1})
    assert key == idempotency_key("june", "d", {**what, "budget": 2})
    others = [
        idempotency_key("july", "d", what),
        idempotency_key("june", "e", what),
        *(idempotency_key("june", "d", {**what, name: "else"}) for name in what),
    ]
    assert len({key, *others}) == 7
