"""docs/production.md, started as it says: films from every way of starting a run, and no secret.

PostgreSQL, a Prefect server with authentication, S3, both vendors, two workers, the receiver.
"""

from __future__ import annotations

import http.server
import io
import json
import os
import re
import signal
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import av
import pytest
from playwright.sync_api import Browser
from tests.browser.forms import Form
from tests.emulated.test_secrets import spellings
from tests.runs import processes_of
from tests.seaweed import BUCKET
from tests.topology.production import (
    API_KEY,
    AUTH,
    CALLBACK_SECRET,
    PAGE,
    Installation,
    block,
    exported,
    until,
)
from tests.topology.serving import served

pytestmark = pytest.mark.timeout(900)


def board(title: str) -> str:
    shots = [
        {"prompt": f"{title}, a tent in the rain"},
        {"prompt": "It clears up", "first_frame": "previous"},
    ]
    return json.dumps({"title": title, "model": "wan-2-5", "shots": shots})


def schedule(town: Installation) -> None:
    """Deploy the page's nightly film, with nights of a minute: however long deploying takes."""
    town.put("boards/nightly.yaml", board("Night of {scheduled:%Y}"))
    every_night = '- cron: "0 3 * * *"\n        timezone: Europe/Oslo'
    text = block("nightly.yaml")
    assert every_night in text
    town.write("nightly.yaml", text.replace(every_night, "- interval: 60"))
    town.run(town.command("nightly"))


def end_the_schedule(town: Installation) -> None:
    """Pause the nightly film, and wait until no run of it is under way."""
    path = f"/deployments/{deployment_id(town, 'generate-storyboard/nightly')}/pause_deployment"
    assert town.ask(path, {}).status_code == 200
    under_way = {"PENDING", "RUNNING", "SCHEDULED"}
    name = "generate-storyboard/nightly"
    until(lambda: not [run for run in town.runs_of(name) if run["state_type"] in under_way])


def fill_in(town: Installation, chromium: Browser) -> str:
    """Start a film in Prefect's UI, as somebody who knows the password; gives the run's id."""
    file = town.put("boards/form.yaml", board("Filled in"))
    deployment = town.ask("/deployments/name/generate-storyboard/videogen").json()["id"]
    context = chromium.new_context(viewport={"width": 1280, "height": 1600})
    page = context.new_page()
    page.goto(f"{town.url}/v2/deployments/deployment/{deployment}/run")
    page.get_by_placeholder("admin:pass").fill(AUTH)
    page.get_by_role("button", name="Login").click()
    form = Form(page)
    form.fill("storyboard_file", file)
    sent = form.submit()
    context.close()
    assert sent.parameters["storyboard_file"] == file
    return sent.run


@dataclass
class Played:
    """What was printed by the flows that called ours, by how they are written."""

    paths: dict[str, list[str]]


@pytest.fixture(scope="module")
def played(town: Installation, chromium: Browser) -> Played:
    """Every way of starting a run, all at once."""
    town.write("callers.py")
    schedule(town)
    with ThreadPoolExecutor() as pool:
        calls = {
            kind: pool.submit(town.run, f"python callers.py {kind}") for kind in ("async", "sync")
        }
        fill_in(town, chromium)
        paths = {kind: call.result().split()[-2:] for kind, call in calls.items()}
    town.ended("generate-storyboard/nightly")
    end_the_schedule(town)
    town.ended("generate-storyboard/videogen", 3)
    return Played(paths)


def test_each_way_of_starting_a_run_makes_a_film(town, played):
    films = town.films()
    year = f"{datetime.now(UTC):%Y}"
    assert set(films) == {
        f"night-of-{year}",
        "filled-in",
        "async-deployed",
        "async-subflow",
        "sync-deployed",
        "sync-subflow",
    }
    for name, data in films.items():
        with av.open(io.BytesIO(data), "r") as film:
            frames = len(list(film.decode(video=0)))
        assert frames > 60, name  # two clips of five seconds, at 8 frames a second
    for kind, (deployed, subflow) in played.paths.items():
        assert deployed.startswith(f"films/{kind}-deployed/")
        assert subflow.startswith(f"films/{kind}-subflow/")
    nights = town.ended("generate-storyboard/nightly")
    assert all(night["auto_scheduled"] for night in nights)
    # Four of the films are of the same two clips, which all asked for at about the same time.
    assert len(town.emulator.charges) == 6
    assert town.emulator.deliveries  # vendors called the receiver
    assert {delivery.status for delivery in town.emulator.deliveries} == {200}


def test_machines_share_nothing_but_prefect_and_the_bucket(town, played):
    workers = town.ask("/work_pools/videogen/workers/filter", {}).json()
    assert [worker["status"] for worker in workers] == ["ONLINE", "ONLINE"]
    for piece in ("worker-1", "worker-2", "receiver", "shell"):
        assert not list(town.home(piece).rglob("*.mp4"))


def test_no_secret_is_in_anything_that_the_api_serves(town, played):
    kinds = served(town)
    texts = "".join(kinds.values())
    # What is searched really holds what these runs did.
    for path in ("flow_runs", "task_runs", "logs", "artifacts", "events", "block_documents"):
        assert len(kinds[f"POST /{path}/filter"]) > 100, path
    assert "/flow_run_states/" in "".join(kinds)
    assert "accepted it as job" in texts
    assert "async-deployed" in texts
    secrets = (API_KEY, CALLBACK_SECRET, AUTH, str(town.s3.options["secret"]))
    for secret in secrets:
        words = [word.decode() for word in spellings(secret)]
        holders = [path for path, text in kinds.items() if any(word in text for word in words)]
        assert holders == [], secret


def test_no_secret_is_in_results_records_or_logs(town, played):
    secrets = (API_KEY, CALLBACK_SECRET, AUTH, str(town.s3.options["secret"]))
    words = [word for secret in secrets for word in spellings(secret)]
    files = town.files
    objects = files.cat(files.find(BUCKET))
    assert [path for path in objects if path.startswith(f"{BUCKET}/results/")]
    assert [path for path in objects if path.startswith(f"{BUCKET}/media/clips/")]
    assert not [path for path, data in objects.items() if any(word in data for word in words)]
    logs = [path for path in town.root.glob("*.log") if path.stat().st_size]
    assert len(logs) >= 4
    assert not [path for path in logs if any(word in path.read_bytes() for word in words)]


def test_blocks_give_keys_to_those_who_have_the_auth_string_only(town):
    wanted = {"include_secrets": True}
    answer = town.ask("/block_documents/filter", wanted)
    assert API_KEY in answer.text
    assert CALLBACK_SECRET in answer.text
    assert town.ask("/block_documents/filter", wanted, auth="").status_code == 401
    assert town.ask("/block_documents/filter", wanted, auth="admin:wrong").status_code == 401


def test_shipped_schedules_are_off(town):
    for name in ("collect-results/videogen", "generate-storyboard/videogen"):
        found = town.ask(f"/deployments/name/{name}").json()
        assert found["schedules"]
        assert not any(schedule["active"] for schedule in found["schedules"])


def test_every_variable_on_the_page_is_one_that_is_read(town):
    names = {name for kind in ("server.env", "client.env", "studio.env") for name in exported(kind)}
    assert names == set(town.values)
    shown = set(re.findall(r"<!-- (\S+) -->", PAGE))
    assert shown == {
        *("server.env", "server", "client.env", "results.py", "studio.env", "setup", "worker"),
        *("receiver", "nightly.yaml", "nightly", "callers.py", "automations"),
    }


# -- automations ----------------------------------------------------------------------------------

PUBLISH = """
    from prefect import flow


    @flow
    def publish_film(film: str, frames: int) -> str:
        return f"{film} has {frames + 0} frames"


    @flow
    def hang() -> None:
        import time

        time.sleep(3600)
"""

PUBLISH_YAML = """
pull:
  - prefect.deployments.steps.set_working_directory:
      directory: {folder}
deployments:
  - {{name: videogen, entrypoint: "publish.py:publish_film", work_pool: {{name: videogen}}}}
  - {{name: videogen, entrypoint: "publish.py:hang", work_pool: {{name: doomed}}}}
"""

PREPARE = """
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect_videogen import Studio

CustomWebhookNotificationBlock(
    name="money", url="{url}", json_data={{"title": "{{{{subject}}}}", "text": "{{{{body}}}}"}}
).save("money")
studio = Studio.load("default")
studio.low_balance = 1_000_000_000
studio.save("default", overwrite=True)
"""


SILENT = """
import asyncio

from prefect_videogen.deployments.automations import crash_zombies, ensure

asyncio.run(ensure(crash_zombies(10)))  # the command takes no silence that a heartbeat may outlast
"""


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A place that notifications are sent to: its address, and what has come."""
    messages: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", messages
        server.shutdown()


@pytest.fixture(scope="module")
def automated(town, told):
    """The page's automations, with what they need."""
    url, messages = told
    town.write("publish.py", textwrap.dedent(PUBLISH))
    town.write("publish.yaml", PUBLISH_YAML.format(folder=town.home("shell")))
    town.write("prepare.py", PREPARE.format(url=url))
    town.run("python prepare.py; prefect work-pool create doomed --type process")
    town.run("prefect deploy --all --prefect-file publish.yaml")
    first = town.run(town.command("automations"))
    again = town.run(town.command("automations"))
    assert first.count("created") == 2
    assert again.count("updated") == 3
    return messages


def test_finished_film_runs_another_deployment_and_low_balance_is_told(town, automated):
    """One film sets both off."""
    run = town.ask(
        f"/deployments/{deployment_id(town, 'generate-storyboard/demo')}/create_flow_run",
        {"parameters": {"studio": "default"}},
    )
    assert run.status_code == 201, run.text
    (published,) = town.ended("publish-film/videogen")
    assert re.fullmatch(r"films/the-lighthouse/\w+/film.mp4", published["parameters"]["film"])
    assert published["parameters"]["frames"] > 100
    assert isinstance(published["parameters"]["frames"], int)

    def both() -> bool:
        return len(automated) >= 1

    until(both)
    assert automated[0]["title"] == "Low balance at apixo@sandbox"
    assert "below the 1000000000" in automated[0]["text"]
    assert "studio default" in automated[0]["text"]


def deployment_id(town: Installation, name: str) -> str:
    return str(town.ask(f"/deployments/name/{name}").json()["id"])


def test_run_without_process_and_worker_becomes_crashed(town, automated):
    town.write("silent.py", SILENT)
    town.run("python silent.py")
    command = town.command("worker").replace("--pool videogen", "--pool doomed")
    town.start("doomed", command, "client.env")
    path = f"/deployments/{deployment_id(town, 'hang/videogen')}/create_flow_run"
    run = town.ask(path, {}).json()["id"]

    def state() -> dict[str, Any]:
        return dict(town.ask(f"/flow_runs/{run}").json()["state"])

    until(lambda: state()["type"] == "RUNNING")
    heartbeat = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "any_resource": {"id": []}}
    heartbeat["any_resource"] = {"id": [f"prefect.flow-run.{run}"]}
    until(lambda: town.ask("/events/filter", {"filter": heartbeat}).json()["events"])
    town.kill("doomed")
    for process in processes_of(UUID(run)):  # the flow has a session of its own, and outlives it
        os.kill(process, signal.SIGKILL)
    until(lambda: state()["type"] == "CRASHED")
    assert "No heartbeat for 10 s" in state()["message"]
    names = [entry["name"] for entry in town.ask("/automations/filter", {}).json()]
    assert len(names) == len(set(names)) == 3
