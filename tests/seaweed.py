"""A real S3 server for tests: SeaweedFS, started once per worker, a folder for each asker."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from s3fs import S3FileSystem

KEY, SECRET, BUCKET = "test-access-key", "test-secret-key", "videogen"
STARTS_WITHIN = 120.0


@dataclass(frozen=True)
class S3Server:
    """A running server.

    Attributes:
        endpoint: Its address.
        options: What s3fs needs to reach it.
        reader: The same for somebody who may read but not write.
    """

    endpoint: str
    options: dict[str, Any]
    reader: dict[str, Any]

    def folder(self) -> str:
        """A new, empty place in the bucket: its s3:// address."""
        return f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server for the session."""
    with running_server(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@contextmanager
def running_server(folder: Path) -> Iterator[S3Server]:
    """Start a server with its data in a folder, and wait until it answers."""
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    reader = {
        "name": "reader",
        "credentials": [{"accessKey": "reader-key", "secretKey": SECRET}],
        "actions": ["Read", "List"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity, reader]}))
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    command = [
        str(Path(sys.executable).with_name("weed")),
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        f"-master.port={ports['master']}",
        f"-volume.port={ports['volume']}",
        f"-filer.port={ports['filer']}",
        "-volume.max=20",
        "-master.volumeSizeLimitMB=1024",
        "-master.telemetry=false",
        "-s3.port.iceberg=0",  # both of fixed ports, which two servers would fight for
        "-s3.port.lance=0",
        "-s3",
        f"-s3.port={ports['s3']}",
        f"-s3.config={folder / 's3.json'}",
    ]
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            options = {"key": KEY, "secret": SECRET, "endpoint_url": endpoint}
            wait_until_up(endpoint, server, options)
            yield S3Server(endpoint, options, {**options, "key": "reader-key"})
        finally:
            server.kill()
            server.wait()


def wait_until_up(endpoint: str, server: subprocess.Popen[bytes], options: dict[str, Any]) -> None:
    """Wait until a bucket can be made and written to."""
    give_up = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < give_up:
        assert server.poll() is None, "the S3 server ended"
        try:
            urllib.request.urlopen(endpoint, timeout=2).close()  # noqa: S310 - our own server
        except urllib.error.HTTPError:
            pass  # it answers, which is enough
        except OSError:
            time.sleep(0.2)
            continue
        try:
            S3FileSystem(skip_instance_cache=True, **options).pipe_file(f"{BUCKET}/probe", b"x")
        except FileNotFoundError:
            S3FileSystem(skip_instance_cache=True, **options).mkdir(BUCKET)
        except OSError:
            time.sleep(0.2)
        else:
            return
    message = f"the S3 server did not start within {STARTS_WITHIN:.0f} s"
    raise TimeoutError(message)


def free_port() -> int:
    """A port that is free, and whose gRPC twin (10000 above) is too.

    Both lie below those that the system gives to whoever does not ask for one: from there, a
    connection of another test could have it before the server that it is meant for.
    """
    while True:
        port = random.randrange(10_000, 22_000)
        with socket.socket() as probe, socket.socket() as twin:
            try:
                probe.bind(("127.0.0.1", port))
                twin.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port
