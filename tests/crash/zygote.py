"""A process that has everything imported and forks for every order: a death costs little time.

Reads one order a line from standard input; answers with one line when the child has ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.crash.making import make


def work(order: dict[str, object]) -> None:
    """In the child: make the film and write down what came of it."""
    result = asyncio.run(make(order))
    Path(str(order["result"])).write_text(json.dumps(result))


def main() -> None:
    """Fork a child for every order, and wait for its end."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(order)
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
