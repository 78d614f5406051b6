"""A reader who does what a page says: writes its files and types its commands into a shell.

A comment above a block names it: `<!-- morning.yaml -->` is a file, `<!-- plan -->` commands, and
`<!-- server: runs on -->` commands for a terminal of their own.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx

PATIENCE = 180.0
"""Seconds until a reader gives up waiting for a program to start."""

DOCS = Path(__file__).parents[2] / "docs"
_SHELL = ("/bin/bash", "-eu", "-c")
_BLOCK = re.compile(r"<!-- ([\w.-]+)(: runs on)? -->\n```(\w+)\n(.*?)```", re.DOTALL)


class Block(NamedTuple):
    """One block of a page.

    Attributes:
        name: Its name; that of a file, or of what its commands do.
        runs_on: Whether its commands end by Ctrl-C only.
        language: Language of the block.
        text: What is between the fences.
    """

    name: str
    runs_on: bool
    language: str
    text: str


def blocks_of(page: str) -> dict[str, Block]:
    """The named blocks of a page, in its order; every block has a name."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = [Block(name, bool(on), lang, body) for name, on, lang, body in _BLOCK.findall(text)]
    assert len(found) == text.count("\n```\n"), f"a block of {page} has no name"
    assert len({block.name for block in found}) == len(found)
    return {block.name: block for block in found}


@dataclass
class Reader:
    """A person with a folder, a shell, and other addresses than the page's.

    Attributes:
        folder: The current folder.
        instead: What to write in place of what the page says, such as ports that are free.
        told: Environment variables to begin with, beside those of the machine.
    """

    folder: Path
    instead: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)

    def reads(self, block: Block) -> str:
        """Write a file, or run commands to their end; gives what they print."""
        text = self._in_place(block.text)
        if block.language != "bash":
            (self.folder / block.name).write_text(text, encoding="utf-8")
            return ""
        done = subprocess.run(
            [*_SHELL, f"{self._known()}\n{text}\nexport -p > .variables"],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, f"{block.name}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    @contextlib.contextmanager
    def leaves_running(self, block: Block) -> Iterator[Path]:
        """Run commands in another terminal meanwhile; gives the file of what they print."""
        log = self.folder / f"{block.name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_SHELL, self._in_place(block.text)],
                cwd=self.folder,
                env={**self._environment(), "PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield log
        finally:
            for how in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, how)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(20)

    def _in_place(self, text: str) -> str:
        for said, meant in self.instead.items():
            text = text.replace(said, meant)
        return text

    def _known(self) -> str:
        """What earlier commands have exported."""
        return ". ./.variables" if (self.folder / ".variables").exists() else ""

    def _environment(self) -> dict[str, str]:
        machine = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("VIDEOGEN_", "PREFECT_"))
        }
        return {
            **machine,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "BROWSER": "echo %s",  # "opens" an address by printing it
            "PREFECT_HOME": str(self.folder / ".prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            **self.told,
        }


def until(found: Callable[[], bool], what: str) -> None:
    """Wait until something is there."""
    give_up = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < give_up, f"waited too long for {what}"
        time.sleep(0.2)


def answers(url: str) -> bool:
    """Whether an address answers well."""
    try:
        return httpx.get(url, timeout=60).status_code == 200
    except httpx.TransportError:
        return False
