"""The installation that docs/production.md describes, started by the very blocks that stand there.

Each piece has a home folder of its own and no environment but what the page exports for it, so
that the pieces share nothing but the Prefect server and S3.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from s3fs import S3FileSystem
from tests.postgres import running_postgres
from tests.seaweed import BUCKET, S3Server, free_port, running_server

from prefect_videogen.emulator import Emulator

PAGE = (Path(__file__).parents[2] / "docs/production.md").read_text(encoding="utf-8")
PATIENCE = 300.0

API_KEY = "sk-topology-5d1f0c7e9b3a"
CALLBACK_SECRET = "callback-secret-81e6d2c4a7f0"
AUTH = "admin:auth-string-c2b97f31e0d8"

HASTE = {
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
"""What the page does not say: only how often is looked, so that nobody waits."""

VENDORS = {"VIDEOGEN_EVOLINK_FILES_URL", "VIDEOGEN_SPEED"}

T = TypeVar("T")


def block(name: str) -> str:
    """A block of the page, by the comment above it."""
    found = re.findall(rf"<!-- {re.escape(name)} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 1, f"{len(found)} blocks are named {name}"
    return str(found[0])


def exported(name: str) -> list[str]:
    """The variables that a block exports."""
    return re.findall(r"^export (\w+)=", block(name), re.MULTILINE)


def until(ask: Callable[[], T], *, patience: float = PATIENCE) -> T:
    """Ask until the answer is something."""
    give_up = time.monotonic() + patience
    while not (answer := ask()):
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.2)
    return answer


@dataclass
class Installation:
    """All of it, running.

    Attributes:
        root: Folder with a home for each piece, and logs.
        s3: The S3 server.
        emulator: Both vendors.
        values: What stands for the page's example values.
        port: The Prefect server's.
        receiver_port: The receiver's.
        stack: What ends with it.
        client: For questions to the Prefect API.
    """

    root: Path
    s3: S3Server
    emulator: Emulator
    values: dict[str, str]
    port: int
    receiver_port: int
    stack: ExitStack
    client: httpx.Client
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def home(self, piece: str) -> Path:
        folder = self.root / piece
        folder.mkdir(exist_ok=True)
        return folder

    def environment(self, piece: str, *names: str) -> dict[str, str]:
        """What a piece is started with: the exports of the named blocks and little else."""
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        given = {name: self.values[name] for block_ in names for name in exported(block_)}
        return {**kept, **HASTE, "PATH": path, "HOME": str(self.home(piece)), **given}

    def command(self, name: str) -> str:
        """A block's commands, with this installation's ports."""
        text = block(name).replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - it is taken out
        return text.replace("4200", str(self.port)).replace("4300", str(self.receiver_port))

    def start(self, piece: str, commands: str, *names: str, **more: str) -> None:
        """Start what goes on running; ended with everything it started."""
        log = self.log(piece)
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["/bin/bash", "-euc", commands],
                env={**self.environment(piece, *names), **more},
                cwd=self.home(piece),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.processes[piece] = process
        self.stack.callback(self.kill, piece)

    def kill(self, piece: str) -> None:
        process = self.processes[piece]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def run(self, commands: str, *, studio: bool = False) -> str:
        """Run commands in the shell from which the page sets up; gives what they print."""
        names = ("client.env", "studio.env") if studio else ("client.env",)
        more = self.vendors() if studio else {}
        done = subprocess.run(
            ["/bin/bash", "-euc", commands],
            env={**more, **self.environment("shell", *names)},
            cwd=self.home("shell"),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def vendors(self) -> dict[str, str]:
        """Where the vendors are; the page means the real ones."""
        told = self.emulator.environment()
        return {name: told[name] for name in told if "_BASE_" in name or name in VENDORS}

    def log(self, piece: str) -> Path:
        return self.root / f"{piece}.log"

    def write(self, name: str, text: str | None = None) -> Path:
        """Put a file into the shell's folder; by default the page's block of that name."""
        path = self.home("shell") / name
        path.write_text(block(name) if text is None else text, encoding="utf-8")
        return path

    def put(self, name: str, text: str) -> str:
        """Put a file into the bucket: its address."""
        path = f"{BUCKET}/{name}"
        self.files.pipe_file(path, text.encode())
        return f"s3://{path}"

    @property
    def files(self) -> S3FileSystem:
        return S3FileSystem(use_listings_cache=False, skip_instance_cache=True, **self.s3.options)

    def films(self) -> dict[str, bytes]:
        """Every film in the bucket, by the name of its folder."""
        files = self.files
        found = files.glob(f"{BUCKET}/media/films/*/*/film.mp4")
        return {path.split("/")[3]: files.cat_file(path) for path in found}

    def ask(self, path: str, body: Any = None, *, auth: str = AUTH) -> httpx.Response:
        """Ask the Prefect API; a body makes it a POST."""
        name, _, password = auth.partition(":")
        return self.client.request(
            "GET" if body is None else "POST",
            f"{self.url}/api{path}",
            json=body,
            auth=(name, password) if auth else None,
        )

    def runs_of(self, deployment: str) -> list[dict[str, Any]]:
        """Runs of a deployment, given as flow/deployment."""
        flow, _, name = deployment.partition("/")
        wanted = {"flows": {"name": {"any_": [flow]}}, "deployments": {"name": {"any_": [name]}}}
        found: list[dict[str, Any]] = self.ask("/flow_runs/filter", wanted).json()
        return found

    def ended(self, deployment: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many runs of a deployment have ended well."""

        def look() -> list[dict[str, Any]]:
            runs = [run for run in self.runs_of(deployment) if run["start_time"]]
            bad = [run for run in runs if run["state_type"] in {"FAILED", "CRASHED", "CANCELLED"}]
            assert not bad, bad[0]["state"]
            done = [run for run in runs if run["state_type"] == "COMPLETED"]
            return done if len(done) >= count else []

        return until(look)


@contextmanager
def installed(root: Path) -> Iterator[Installation]:
    """Start everything that the page tells of, in its order."""
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres())
        (root / "seaweed").mkdir()
        s3 = stack.enter_context(running_server(root / "seaweed"))
        emulator = stack.enter_context(
            Emulator(
                media_dir=root / "emulator", api_key=API_KEY, speed=600, pixel_scale=0.125, fps=8
            )
        )
        port, receiver_port = free_port(), free_port()
        server = f"http://127.0.0.1:{port}/api"
        values = {
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.url,
            "PREFECT_SERVER_API_AUTH_STRING": AUTH,
            "PREFECT_UI_API_URL": server,
            "PREFECT_API_URL": server,
            "PREFECT_API_AUTH_STRING": AUTH,
            "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": "remote-file-system/videogen-results",
            "AWS_ENDPOINT_URL": s3.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": s3.options["key"],
            "AWS_SECRET_ACCESS_KEY": s3.options["secret"],
            "VIDEOGEN_APIXO_API_KEY": API_KEY,
            "VIDEOGEN_EVOLINK_API_KEY": API_KEY,
            "VIDEOGEN_MEDIA_URL": f"s3://{BUCKET}/media",
            "VIDEOGEN_MEDIA_OPTIONS": json.dumps(s3.options),
            "VIDEOGEN_CALLBACK_URL": f"http://127.0.0.1:{receiver_port}/videogen",
            "VIDEOGEN_CALLBACK_SECRET": CALLBACK_SECRET,
        }
        client = stack.enter_context(httpx.Client(timeout=30, trust_env=False))
        made = Installation(root, s3, emulator, values, port, receiver_port, stack, client)
        made.start("server", made.command("server"), "server.env")
        until(lambda: _answers(f"{server}/health", made.processes["server"], made.log("server")))
        made.write("results.py")
        made.run(made.command("setup"), studio=True)
        for piece in ("worker-1", "worker-2"):
            made.start(piece, made.command("worker"), "client.env")
        made.start("receiver", made.command("receiver"), "client.env")
        health = f"http://127.0.0.1:{receiver_port}/health"
        until(lambda: _answers(health, made.processes["receiver"], made.log("receiver")))
        yield made


def _answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code in {200, 401}
    except httpx.TransportError:
        return False
