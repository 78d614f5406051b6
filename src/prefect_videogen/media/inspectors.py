"""Looking clips over in processes of their own, where many arrive at once.

Decoding in threads of a busy process waits for its interpreter at every frame, and keeps everything
else waiting in turn. A child process has an interpreter to itself. It also has no keys: what a
vendor sent is decoded where nothing can be taken, and a clip that crashes the decoder costs a clip.

`python -m prefect_videogen.media.inspectors` is such a child: a line of JSON with a path in, a
line with what was found out, until there are no more lines.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, Any, cast

from prefect_videogen.errors import MediaError
from prefect_videogen.media.arrival import Arrival, look_over
from prefect_videogen.media.probe import Probe
from prefect_videogen.media.tails import TailFacts

_NEEDED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "TMPDIR")
"""What a child gets of the environment."""

NICENESS = 5
"""By how much a child gives way: what is ready can wait, a job that has ended is to be noticed."""


_READY = b"ready\n"

logger = logging.getLogger(__name__)


class Inspectors:
    """Child processes that look clips over; started when first needed, used again, then ended."""

    def __init__(self) -> None:
        self._idle: list[_Inspector] = []
        self._ended = self._impossible = False
        self.started = False
        """Whether a process has been started: it is there, so it may as well be used."""
        self._lock = Lock()

    def look_over(self, path: Path) -> Arrival:
        """Look a clip over in a child process; to be called in a thread, by several at once.

        Where no child can be started, it is done here, and a log line says so once.

        Args:
            path: A video file.

        Raises:
            MediaError: As `arrival.look_over`, or if the clip ended the process that decodes it.
        """
        inspector = self._taken()
        if inspector is None:
            return look_over(path)
        try:
            arrival = inspector.ask(path)
        except MediaError as error:
            if isinstance(error.__cause__, _DiedError):
                inspector.end()
            else:
                self._put(inspector)
            raise
        except BaseException:
            inspector.end()
            raise
        self._put(inspector)
        return arrival

    def end(self) -> None:
        """End all processes: those that are idle now, the others when they have answered."""
        with self._lock:
            self._ended = True
            idle, self._idle = self._idle, []
        for inspector in idle:
            inspector.end()

    def _taken(self) -> _Inspector | None:
        """One that is idle, or a new one; None if none can be started here."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._impossible:
                return None
        try:
            inspector = _Inspector()
        except OSError as error:
            logger.warning("Clips are decoded in this process, no other can be started: %s", error)
            self._impossible = True
            return None
        self.started = True
        return inspector

    def _put(self, inspector: _Inspector) -> None:
        with self._lock:
            if not self._ended:
                self._idle.append(inspector)
                return
        inspector.end()


class _DiedError(Exception):
    """A child ended without an answer."""


class _Inspector:
    """One child process."""

    def __init__(self) -> None:
        # Without -P a file of the working folder could take the place of a library.
        command = [sys.executable, "-P", "-m", "prefect_videogen.media.inspectors"]
        self._process = subprocess.Popen(  # noqa: S603 - nothing of it comes from outside
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _NEEDED if name in os.environ},
        )
        # An interpreter that finds its packages in other ways may not find them in a child.
        if self._answer() != _READY:
            self.end()
            message = f"{sys.executable} does not find this package in a process of its own"
            raise OSError(message)

    def ask(self, path: Path) -> Arrival:
        question = cast("IO[bytes]", self._process.stdin)
        line = b""
        with suppress(BrokenPipeError):
            question.write(json.dumps(str(path)).encode() + b"\n")
            question.flush()
            line = self._answer()
        if not line.endswith(b"\n"):
            code = self._process.wait()
            message = f"{path} ended the process that decodes it (exit code {code})."
            raise MediaError(
                message, next_step="The file is damaged, or memory ran out; fetch it again."
            ) from _DiedError()
        return _arrival_of(json.loads(line))

    def _answer(self) -> bytes:
        return cast("IO[bytes]", self._process.stdout).readline()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def _arrival_of(answer: dict[str, Any]) -> Arrival:
    if "error" in answer:
        raise MediaError(answer["error"], next_step=answer["next_step"])
    return Arrival(
        Probe.model_validate(answer["probe"]),
        base64.b64decode(answer["last_frame"]),
        TailFacts(**answer["tail"]),
    )


def _answer_to(path: Path) -> dict[str, Any]:
    try:
        arrival = look_over(path)
    except MediaError as error:
        return {"error": error.message, "next_step": error.next_step}
    return {
        "probe": arrival.probe.model_dump(mode="json"),
        "last_frame": base64.b64encode(arrival.last_frame).decode(),
        "tail": vars(arrival.tail),
    }


def main() -> None:
    """Be a child process, which gives way to whoever asks after jobs."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    answers.write(_READY)
    answers.flush()
    for line in sys.stdin.buffer:
        answers.write(json.dumps(_answer_to(Path(json.loads(line)))).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
