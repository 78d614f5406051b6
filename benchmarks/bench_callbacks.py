"""Callbacks arriving faster than any production: what one core answers, and what gets lost.

A receiver on one core, its records on disk, takes 200 deliveries a second for 30 s, each for a job
of its own that it has to ask for at a vendor (a stub on the other core) and write down. Prints the
answers, their times, the records that came of them, the processor time, which a busy machine does
not change much, and what 10,000 repeats cost on top.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from prefect_videogen.blocks import CallbackEndpoint
from prefect_videogen.callbacks import Clerk, Inbox, build_app
from prefect_videogen.records import Claimed, LocalStore, Submitted
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import Account

MODEL = "wan-2-5"
CONNECTIONS = 20
REPEATS = 10_000
DRAINED_WITHIN = 120.0
SPEED = 10.0
"""Of the vendor's limits only: a real account may ask 10,000 times a minute, less than this."""

BODY = b'{"code": 200, "message": "success", "data": {"state": "success"}}'


def main() -> None:
    """Run a part, or all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=["receiver", "vendor"])
    parser.add_argument("--rate", type=int, default=200, help="deliveries a second")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--media", type=Path)
    parser.add_argument("--vendor", default="")
    asked = parser.parse_args()
    if asked.part == "vendor":
        vendor()
    elif asked.part == "receiver":
        asyncio.run(receive(asked.media, asked.vendor))
    else:
        asyncio.run(measure(asked.rate, asked.seconds))


# -- the two processes beside ---------------------------------------------------------------------


def vendor() -> None:
    """Answer every status query with success, and count them."""
    on_core(1)
    asked = 0

    async def status(request: Request) -> JSONResponse:
        nonlocal asked
        asked += 1
        job = request.query_params["taskId"]
        data = {
            "taskId": job,
            "state": "success",
            "resultJson": '{"resultUrls": ["https://clips.example.net/clip.mp4"]}',
        }
        return JSONResponse({"code": 200, "message": "success", "data": data})

    async def count(_: Request) -> PlainTextResponse:
        return PlainTextResponse(str(asked))

    routes = [Route("/count", count), Route("/api/v1/statusTask/{model}", status)]
    serve_on_any_port(Starlette(routes=routes))


async def receive(media: Path, vendor_url: str) -> None:
    """Be the receiver, on one core."""
    on_core(0)
    async with studio_at(media, vendor_url) as studio:
        clerk = Clerk(studio, lambda _: None)
        async with Inbox(clerk.work, studio.time) as inbox:
            await server_on_any_port(build_app(endpoint_at(""), inbox))


def on_core(number: int) -> None:
    """Stay on one core, where the machine has two."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[min(number, len(cores) - 1)]})


def serve_on_any_port(app: Starlette) -> None:
    """Serve until killed; prints the port."""
    asyncio.run(server_on_any_port(app))


async def server_on_any_port(app: Starlette) -> None:
    """As `serve_on_any_port`, in a loop that runs already."""
    settings = {"log_level": "warning", "access_log": False, "lifespan": "off"}
    config = uvicorn.Config(app, port=0, **settings)  # type: ignore[arg-type]
    listener = config.bind_socket()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    await uvicorn.Server(config).serve(sockets=[listener])


def studio_at(media: Path, vendor_url: str) -> OpenStudio:
    """A studio with one account."""
    account = Account(
        vendor="apixo", api_key=SecretStr("key"), base_url=vendor_url, sandbox=True, speed=SPEED
    )
    return OpenStudio(name="bench", accounts={"apixo": account}, store=LocalStore(media))


def endpoint_at(url: str) -> CallbackEndpoint:
    """The endpoint whose tokens count."""
    return CallbackEndpoint(url=url, secret=SecretStr("benchmark"))


# -- measuring ------------------------------------------------------------------------------------


async def measure(rate: int, seconds: int) -> None:
    """Start both, deliver, and print what came of it."""
    on_core(1)
    count = rate * seconds
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder)
        vendors = start("vendor")
        vendor_url = f"http://127.0.0.1:{port_of(vendors)}"
        receiver = start("receiver", "--media", str(media), "--vendor", vendor_url)
        try:
            receiver_url = f"http://127.0.0.1:{port_of(receiver)}"
            print(f"{count} jobs are written down ...", flush=True)
            keys = await submitted_jobs(studio_at(media, vendor_url), count)
            requests = [request_for(receiver_url, key) for key in keys]
            before_cpu = cpu_seconds(receiver)
            await deliver_and_print(receiver_url, requests, rate, media)
            spent_cpu = cpu_seconds(receiver) - before_cpu
            print(
                f"the receiver's processor time: {spent_cpu:.1f} s, "
                f"{spent_cpu / count * 1000:.1f} ms a delivery"
            )
            before = await counted(vendor_url)
            began = time.monotonic()
            repeated = await deliver(receiver_url, requests[:1] * REPEATS, rate=0)
            spent = time.monotonic() - began
            assert all(status == 200 for status, _ in repeated)
            extra = await counted(vendor_url) - before
            print(f"{REPEATS} repeats: {spent:.1f} s, {extra} status queries")
            assert (before, extra) == (count, 0), "a status query each, and none for repeats"
        finally:
            for process in (receiver, vendors):
                process.send_signal(signal.SIGTERM)
                process.wait()


async def deliver_and_print(url: str, requests: list[bytes], rate: int, media: Path) -> None:
    """Deliver at a rate, wait until all is written down, print."""
    began = time.monotonic()
    answers = await deliver(url, requests, rate=rate)
    sent = time.monotonic() - began
    good = [took for status, took in answers if status == 200]
    with suppress(TimeoutError):
        await until(lambda: ready_records(media) == len(requests), DRAINED_WITHIN)
    drained = time.monotonic() - began
    ready = ready_records(media)
    print(f"delivered: {len(requests)} in {sent:.1f} s, {len(requests) / sent:.0f} a second")
    print(f"answered with 200: {len(good)}")
    print(
        f"answer times: median {median(good) * 1000:.1f} ms, "
        f"99th percentile {quantiles(good, n=100)[98] * 1000:.1f} ms, "
        f"longest {max(good) * 1000:.0f} ms"
    )
    print(f"recorded: {ready}, the last {drained - sent:.1f} s after the last delivery")
    print(f"lost: {len(requests) - ready}")
    assert len(good) == ready == len(requests), "a delivery was lost"


def start(part: str, *more: str) -> subprocess.Popen[bytes]:
    """Start a part as a process of its own."""
    return subprocess.Popen([sys.executable, __file__, part, *more], stdout=subprocess.PIPE)


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Processor time that a process has used so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def port_of(process: subprocess.Popen[bytes]) -> int:
    """The port that a part prints when it listens."""
    assert process.stdout is not None
    return int(process.stdout.readline())


async def submitted_jobs(studio: OpenStudio, count: int) -> list[str]:
    """Write down jobs that were bought just now."""
    keys = [sha256(str(number).encode()).hexdigest() for number in range(count)]
    writing = asyncio.Semaphore(16)

    async def write(key: str) -> None:
        now = time.time()
        claimed = Claimed(
            at=now,
            owner="bench",
            shot="bench",
            vendor="apixo@sandbox",
            model=MODEL,
            base_url="http://127.0.0.1",
            body='{"input": {}}',
            idempotency_key=key,
            window=120,
        )
        async with writing:
            assert await studio.records.claim(key, 1, claimed)
            await studio.records.submitted(key, 1, Submitted(at=now, job_id=f"task_{key[:12]}"))

    await asyncio.gather(*(write(key) for key in keys))
    return keys


def ready_records(media: Path) -> int:
    """How many jobs are written down as ready."""
    return sum(1 for _ in media.glob("clips/*/1/3-ready.json"))


def request_for(url: str, key: str) -> bytes:
    """The bytes of one delivery."""
    path = urlsplit(endpoint_at(url).job_url(key, 1, sandbox=True)).path
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
    return head.encode() + BODY


async def deliver(url: str, requests: Sequence[bytes], *, rate: int) -> list[tuple[int, float]]:
    """Deliver over some connections, each at its moment if there is a rate.

    Returns:
        Status and time of each answer; the time counts from the moment it was due.
    """
    parts = urlsplit(url)
    waiting = iter(enumerate(requests))
    answers: list[tuple[int, float]] = []
    begin = time.monotonic()

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for number, request in waiting:
            due = begin + number / rate if rate else time.monotonic()
            await asyncio.sleep(max(due - time.monotonic(), 0))
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            answers.append((int(head.split(b" ", 2)[1]), time.monotonic() - due))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return answers


async def counted(vendor_url: str) -> int:
    """How many status queries the vendor has answered."""
    parts = urlsplit(vendor_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"GET /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return int(answer.rpartition(b"\r\n")[2])


async def until(what: Callable[[], bool], seconds: float) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.5)


if __name__ == "__main__":
    main()
