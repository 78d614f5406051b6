"""A process that has everything imported and forks for every order: a death costs little time.

Reads one order a line from standard input, either of a single film or of several at once;
answers with one line when the children have ended. A child can be killed after some seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.crash.flowing import flow
from tests.crash.making import make

TICK = 0.01


def start(order: dict[str, Any]) -> int:
    """Fork a child that works an order and writes down what came of it; gives its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        program = flow if "board" in order else make
        result = asyncio.run(program(order))
        Path(order["result"]).write_text(json.dumps(result))
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def end(child: int, order: dict[str, Any]) -> int:
    """Wait for a child, and kill it when its time is over; gives its exit code."""
    give_up = time.monotonic() + order.get("kill_after", float("inf"))
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > give_up:
            os.kill(child, signal.SIGKILL)
            give_up = float("inf")
        time.sleep(TICK)


def main() -> None:
    """Work orders until standard input ends."""
    for line in sys.stdin:
        orders = json.loads(line)
        children = [(start(order), order) for order in orders]
        codes = [end(child, order) for child, order in children]
        sys.stdout.write(json.dumps(codes) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
