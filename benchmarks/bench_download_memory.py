"""Peak memory of fetching one very large clip into S3, beside the clip's size.

A 2 GB clip (a real MP4 with a large free box) comes over HTTP and goes to a real S3 server; the
process that fetches it is a child, so that its peak is its own.
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
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.seaweed import running_server

from prefect_videogen.buying import Job
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.media import VideoWriter
from prefect_videogen.records import Claimed, Ready, Submitted, open_store
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import Account

KEY = "0" * 64
ALLOWED_MB = 300


def make_clip(path: Path, size: int) -> None:
    """Write a playable clip and pad it with a free box to its size, sparsely."""
    with VideoWriter(path, 320, 180, 24) as writer:
        for number in range(24):
            writer.write_rgb(np.full((180, 320, 3), number * 8, dtype=np.uint8))
    padding = size - path.stat().st_size
    with path.open("ab") as file:
        file.write((1).to_bytes(4, "big") + b"free" + padding.to_bytes(8, "big"))
        file.truncate(size)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()


async def fetch(order: dict[str, object]) -> None:
    """In the child: fetch the clip that a job has ready."""
    base = str(order["base"])
    options = dict(order["options"])  # type: ignore[call-overload]  # JSON of our own
    studio = OpenStudio(
        name="bench",
        accounts={
            "apixo": Account(
                vendor="apixo", api_key=SecretStr("k" * 16), base_url=base, sandbox=True
            )
        },
        store=open_store(str(order["store"]), options=options),
    )
    async with studio:
        records, now = studio.records, time.time()
        claimed = Claimed(
            at=now,
            owner="bench",
            shot="large",
            vendor="apixo@sandbox",
            model="wan-2-5",
            base_url=base,
            body="{}",
            idempotency_key="bench-bench-bench",
            window=120,
        )
        await records.claim(KEY, 1, claimed)
        await records.submitted(KEY, 1, Submitted(at=now, job_id="task_1"))
        await records.ready(KEY, 1, Ready(at=now, result_urls=(f"{base}/clip.mp4",)))
        job = Job(
            shot="large",
            key=KEY,
            attempt=1,
            vendor="apixo@sandbox",
            model="wan-2-5",
            mode="text-to-video",
            job_id="task_1",
            state="ready",
            how="resumed",
            submitted_at=now,
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        began = time.monotonic()
        clip = await fetch_clip(studio, job)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {
        "size": clip.size,
        "before": before,
        "peak": peak,
        "seconds": time.monotonic() - began,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--child", default="")
    arguments = parser.parse_args()
    if arguments.child:
        asyncio.run(fetch(json.loads(arguments.child)))
        return
    with tempfile.TemporaryDirectory() as temporary, served(Path(temporary)) as base:
        make_clip(Path(temporary) / "clip.mp4", int(arguments.gigabytes * 1024**3))
        data = Path(temporary) / "seaweed"
        data.mkdir()
        with running_server(data) as server:
            order = {"base": base, "store": server.folder(), "options": server.options}
            done = subprocess.run(
                [sys.executable, __file__, "--child", json.dumps(order)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
            )
    figures = json.loads(done.stdout)
    size = figures["size"] / 1024**2
    print(f"clip: {size:.0f} MB, fetched into S3 in {figures['seconds']:.0f} s")
    print(f"peak memory: {figures['peak']:.0f} MB ({figures['before']:.0f} MB before)")
    print(f"peak / size: {figures['peak'] / size:.3f}; allowed: {ALLOWED_MB} MB")
    assert figures["peak"] < ALLOWED_MB


if __name__ == "__main__":
    main()
