"""What runs beside a benchmark, each in a process of its own: the vendor and a Prefect server.

`python benchmarks/beside.py SPEED MEDIA` is the vendor: it prints its environment as JSON, and
then, for every line it is given, what it has seen.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx

from prefect_videogen.emulator import Emulator

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.seaweed import free_port

PATIENCE = 120.0
LOOK_AT_CHILDREN_EVERY = 0.5


def vendor(speed: float, media: Path) -> None:
    """Be the vendor until there are no more lines."""
    with Emulator(speed=speed, pixel_scale=0.125, fps=8, media_dir=media, seed=1) as emulator:
        say({**emulator.environment(), "MEDIA_SERVED_AT": emulator.media_url})
        for _ in sys.stdin:
            requests = emulator.requests
            say(
                {
                    "first": min((job.created for job in emulator.jobs), default=0.0),
                    "seconds": {job.id: job.seconds for job in emulator.jobs},
                    "finished": {job.id: job.finished for job in emulator.jobs},
                    "kinds": Counter(seen.kind for seen in requests),
                    "refused": sum(seen.status == 429 for seen in requests),
                }
            )


def say(what: Any) -> None:
    """Print a line of JSON for whoever started this."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Vendor:
    """The vendor, as seen from the benchmark."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.environment: dict[str, str] = self._line()
        self.served_at = self.environment.pop("MEDIA_SERVED_AT")

    def seen(self) -> dict[str, Any]:
        """What it has seen so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


@contextmanager
def vendors(speed: float, media: Path) -> Iterator[Vendor]:
    """Run a vendor; the same jobs take the same time at every one."""
    command = [sys.executable, __file__, str(speed), str(media)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Vendor(process)
        finally:
            process.terminate()


@contextmanager
def prefect_server(home: Path, more: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run a Prefect server of its own, with more settings; gives the address of its API."""
    url = f"http://127.0.0.1:{(port := free_port())}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        **(more or {}),
    }
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as server:
        try:
            wait_until(lambda: answers(f"{url}/health"))
            yield url
        finally:
            server.terminate()


def answers(url: str) -> bool:
    """Whether a server answers with success."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    """Look until something is the case; give up in the end."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.1)


def run_part(script: str, part: str, environment: dict[str, str], *more: str) -> dict[str, Any]:
    """Run a part of a benchmark as a process of its own; gives what it says last."""
    done = subprocess.run(
        [sys.executable, script, "--part", part, *more],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak_memory(process: str = "self") -> float:
    """The most memory that a process has had, in MB; 0 of one that has ended."""
    try:
        found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


@contextmanager
def watching_children() -> Iterator[dict[str, float]]:
    """Watch the children of this process; gives the most memory that each has had, in MB.

    The kernel's own figure for ended children counts what they shared with this process when they
    were started; so does a look at one that is only just being started.
    """
    peaks: dict[str, float] = {}
    over = Event()
    ours = Path("/proc/self/cmdline").read_bytes()

    def watch() -> None:
        while not over.wait(LOOK_AT_CHILDREN_EVERY):
            for task in Path("/proc/self/task").iterdir():
                with suppress(OSError):
                    for child in (task / "children").read_text().split():
                        if Path(f"/proc/{child}/cmdline").read_bytes() == ours:
                            continue
                        peaks[child] = max(peaks.get(child, 0.0), peak_memory(child))

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        over.set()
        watcher.join()


if __name__ == "__main__":
    vendor(float(sys.argv[1]), Path(sys.argv[2]))
