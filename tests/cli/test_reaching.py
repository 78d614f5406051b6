"""A Prefect server that does not answer: one sentence and exit code 2, never a traceback."""

from __future__ import annotations

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from tests.seaweed import free_port

from prefect_videogen.cli.reaching import server_fault

SERVER = "http://127.0.0.1:9/api"


@pytest.mark.parametrize("command", ["render", "setup"])
def test_a_server_that_is_not_there_is_named(command, program, work):
    host = f"127.0.0.1:{free_port()}"
    (work / "board.yaml").write_text("{title: x, model: wan-2-5, shots: [{prompt: Rain}]}")
    board = ["board.yaml"] if command == "render" else []
    settings = {"PREFECT_API_URL": f"http://{host}/api", "VIDEOGEN_APIXO_API_KEY": "k"}
    ran = program(command, *board, cwd=work, **settings)
    assert ran.code == 2
    assert ran.err.startswith(f"error: Prefect server: {host} does not answer (")
    assert ran.err.endswith(
        "). Start it with `prefect server start`, or correct PREFECT_API_URL.\n"
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.ConnectError("no", request=httpx.Request("GET", SERVER)), "does not answer"),
        (RuntimeError(f"Failed to reach API at {SERVER}/"), "does not answer"),
        (
            httpx.HTTPStatusError(
                "no", request=httpx.Request("GET", SERVER), response=httpx.Response(401)
            ),
            "HTTP 401. Set PREFECT_API_AUTH_STRING",
        ),
        (httpx.ConnectError("no", request=httpx.Request("GET", "http://127.0.0.1:8/x")), None),
        (httpx.ConnectError("no"), None),
        (RuntimeError("something else"), None),
    ],
)
def test_only_what_comes_from_the_server_is_its_fault(error, said):
    with temporary_settings({PREFECT_API_URL: SERVER}):
        fault = server_fault(error)
        wrapped = ValueError("wrapped")
        wrapped.__cause__ = error
        assert bool(server_fault(wrapped)) is bool(said)
    assert (said in str(fault)) if said else fault is None


def test_without_a_server_none_is_blamed():
    with temporary_settings({PREFECT_API_URL: None}):
        assert server_fault(httpx.ConnectError("no")) is None
