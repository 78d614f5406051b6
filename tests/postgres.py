"""A real PostgreSQL for tests and benchmarks, as Debian packages it: started here, gone after.

It listens on a free port of 127.0.0.1 only, keeps its data in a temporary folder of its own and
does not care about power cuts. As root it runs as the user `postgres`, since it refuses root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.seaweed import free_port

DEBIAN = Path("/usr/lib/postgresql")
PROGRAMS = ("initdb", "postgres", "pg_isready", "psql")
SUPERUSER = "postgres"
"""The database's own, and the system's where root starts it."""

STARTS_WITHIN = 60.0
STOPS_WITHIN = 30.0
PORTS_TRIED = 3
CONNECTIONS = 200

SETTINGS = (
    f"max_connections={CONNECTIONS}",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "logging_collector=off",
)


class PostgresMissingError(RuntimeError):
    """The programs of PostgreSQL, or a user that may run them, are not there."""


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL.

    Attributes:
        url: What Prefect's server is told, as PREFECT_SERVER_DATABASE_CONNECTION_URL (or under
            the older name, PREFECT_API_DATABASE_CONNECTION_URL).
        port: Its port on 127.0.0.1.
        process: Id of its first process; all others are children of it.
    """

    url: str
    port: int
    process: int

    def ask(self, sql: str) -> str:
        """Run a query; gives the first column of its first row as text."""
        command = [_program("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", SUPERUSER]
        command += ["-X", "-A", "-t", "-c", sql, "postgres"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.split("\n", 1)[0].split("|", 1)[0]

    def size(self) -> int:
        """Bytes of the database."""
        return int(self.ask("select pg_database_size('postgres')"))


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a PostgreSQL with an empty database, and stop it in the end.

    Raises:
        PostgresMissingError: If it is not installed (Debian: `apt-get install postgresql`).
    """
    for name in PROGRAMS:
        _program(name)
    given = _rights()
    folder = Path(tempfile.mkdtemp(prefix="videogen-postgres-"))
    try:
        if given:
            shutil.chown(folder, SUPERUSER, given["group"])
        _create(folder, given)
        server, port = _start(folder, given)
        try:
            url = f"postgresql+asyncpg://{SUPERUSER}@127.0.0.1:{port}/postgres"
            yield Postgres(url, port, server.pid)
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    """Path of a program: the newest that Debian has, or else the one in PATH."""
    found = [path for path in DEBIAN.glob(f"*/bin/{name}") if path.parts[-3].isdecimal()]
    if found:
        return str(max(found, key=lambda path: int(path.parts[-3])))
    if path := shutil.which(name):
        return path
    message = f"{name} of PostgreSQL is neither under {DEBIAN} nor in PATH"
    raise PostgresMissingError(f"{message}. On Debian: apt-get install postgresql")


def _rights() -> dict[str, Any]:
    """What a process is started with so that it isn't root."""
    if os.getuid():
        return {}
    try:
        user = pwd.getpwnam(SUPERUSER)
    except KeyError:
        message = f"PostgreSQL refuses to run as root, and there is no user {SUPERUSER}"
        raise PostgresMissingError(message) from None
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _create(folder: Path, given: dict[str, Any]) -> None:
    command = [_program("initdb"), "-D", str(folder / "data"), "-U", SUPERUSER, "-A", "trust"]
    command += ["-E", "UTF8", "--locale=C", "--no-sync"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120, **given
    )
    if done.returncode:
        message = f"initdb failed: {done.stderr or done.stdout}"
        raise RuntimeError(message)


def _start(folder: Path, given: dict[str, Any]) -> tuple[subprocess.Popen[bytes], int]:
    """Start on a free port; on another one if somebody else was quicker."""
    log = folder / "log"
    for _ in range(PORTS_TRIED):
        port = free_port()
        command = [_program("postgres"), "-D", str(folder / "data"), "-p", str(port)]
        for setting in SETTINGS:
            command += ["-c", setting]
        with log.open("ab") as output:
            server = subprocess.Popen(
                command, cwd=folder, stdout=output, stderr=output, start_new_session=True, **given
            )
        if _answers(server, port):
            return server, port
        _stop(server)
    message = f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}"
    raise RuntimeError(message)


def _answers(server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it takes connections; false if it has ended or takes too long."""
    ready = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", SUPERUSER]
    give_up = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < give_up and server.poll() is None:
        if subprocess.run(ready, check=False).returncode == 0:
            return server.poll() is None
        time.sleep(0.1)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End it and its children at once; nothing of it is kept."""
    if server.poll() is None:
        server.send_signal(signal.SIGQUIT)
    try:
        server.wait(STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
