"""The page about waiting and limits: its commands work, and its figures are the program's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import get_args

import httpx
import pytest
from pydantic import SecretStr
from tests.seaweed import free_port

from prefect_videogen.blocks import limits
from prefect_videogen.blocks.environment import studio_from_environment
from prefect_videogen.blocks.wakes import JOB_FINISHED
from prefect_videogen.capabilities import MODELS
from prefect_videogen.emulator import Emulator
from prefect_videogen.flows.sleeping import SHORTEST_SLEEP
from prefect_videogen.flows.waiting_mode import Wait
from prefect_videogen.records.clips import open_path
from prefect_videogen.vendors import APIXO_URL, Account
from prefect_videogen.waiting import limit_of
from prefect_videogen.waiting.experience import SHARE
from prefect_videogen.waiting.rules import BUDGET, DEADLINE, QUEUE_DEADLINE
from prefect_videogen.waiting.slots import BLOCK, SMALL

PAGE = (Path(__file__).parents[2] / "docs/waiting.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())
SHELL = [
    line.strip().split("  #")[0].rstrip()
    for line in PAGE.splitlines()
    if line.startswith("    ") and line.strip()
]
EXPORTED = dict(
    line.removeprefix("export ").split("=", 1) for line in SHELL if line.startswith("export ")
)
FORGED = "/videogen/apixo/" + "0" * 64 + "/1/" + "f" * 32


@pytest.fixture
def environment(tmp_path):
    """A user's: the page's variables, the emulator as vendors, and Prefect's home of its own."""
    media = tmp_path / "media"
    media.mkdir()
    with Emulator(speed=600, media_dir=media, pixel_scale=0.125, fps=8) as emulator:
        others = {name: value for name, value in os.environ.items() if name[:9] != "VIDEOGEN_"}
        yield {
            **others,
            **emulator.environment(),
            **EXPORTED,
            "VIDEOGEN_MEDIA_URL": media.as_uri(),
            "PREFECT_HOME": str(tmp_path / "prefect"),
            "PREFECT_API_URL": "",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }


def command_of(line: str, port: int = 0) -> list[str]:
    """A command of the page, in this environment and on a port that is free."""
    program, *arguments = line.split()
    if port:
        arguments[-1] = str(port)
    return [str(Path(sys.executable).with_name(program)), *arguments]


def test_its_commands_save_the_endpoint_and_start_a_receiver(environment, tmp_path):
    """One test, in the reader's order: the receiver reads what `setup` has saved."""
    setup, receive = (line for line in SHELL if line.startswith("prefect-videogen "))
    assert receive.endswith(" --port 4300")
    done = subprocess.run(
        command_of(setup),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    port = free_port()
    saved = {name: value for name, value in environment.items() if name[:9] != "VIDEOGEN_"}
    with subprocess.Popen(
        command_of(receive, port),
        cwd=tmp_path,
        env={**saved, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        deadline = threading.Timer(200, process.kill)
        deadline.start()
        try:
            assert process.stdout
            seen = ""
            while "are received at" not in seen:
                line = process.stdout.readline()
                assert line, seen
                seen += line
            assert f"callbacks for {EXPORTED['VIDEOGEN_CALLBACK_URL']} " in seen
            forged = httpx.post(f"http://127.0.0.1:{port}{FORGED}", json={}, timeout=60)
            assert forged.status_code == 404
        finally:
            deadline.cancel()
            process.terminate()


def test_variables_it_names_make_the_endpoint():
    assert set(re.findall(r"VIDEOGEN_\w+", PAGE)) == set(EXPORTED)
    studio = studio_from_environment({"VIDEOGEN_APIXO_API_KEY": "key", **EXPORTED})
    assert studio.callbacks
    assert studio.callbacks.url == EXPORTED["VIDEOGEN_CALLBACK_URL"]
    assert studio.callbacks.secret.get_secret_value() == EXPORTED["VIDEOGEN_CALLBACK_SECRET"]


def test_names_it_gives_are_those_of_the_program(caplog):
    account = Account(vendor="apixo", api_key=SecretStr("k"), base_url=APIXO_URL, sandbox=False)
    limit = limit_of(account, MODELS["vidu-q3"])
    assert limit
    assert f"`{limit.name.replace(account.fingerprint, '<account>')}`" in TEXT
    limits._tell_long_wait(limit, 1)
    told = caplog.messages[-1]
    assert f"names {told[told.index('`prefect') :].replace(limit.name, 'NAME')}." in TEXT
    assert f"under `{open_path('apixo', 'vidu-q3', 'k', 1).partition('/')[0]}/`" in TEXT
    assert f"Prefect event, `{JOB_FINISHED}`" in TEXT
    for wait in get_args(Wait):
        assert re.search(rf"`(wait: )?{wait}`", TEXT), wait


def test_figures_it_gives_are_those_of_the_program():
    assert f"with their lease, after {limits.LEASE:.0f} seconds" in TEXT
    assert f"more than {SMALL} jobs, slots are taken in blocks of {BLOCK} or more" in TEXT
    assert f"Of the documented requests {BUDGET:.0%} are used".replace("%", " %") in TEXT
    assert f"where the quickest { {4: 'quarter'}[round(1 / SHARE)] } of past jobs" in TEXT
    spans = {1800: "half an hour", 3600: "an hour", 86400: "a day"}
    queued, run = spans[int(QUEUE_DEADLINE)], spans[int(DEADLINE)]
    assert f"may be queued for {queued} and run for {run} before" in TEXT
    assert f"nobody resumed within {spans[SHORTEST_SLEEP]}" in TEXT
