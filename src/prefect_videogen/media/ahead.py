"""Work done ahead in a thread, so that the two ends of a pipeline need not wait for each other.

Promises the same items in the same order, few of them waiting, errors raised where the items are
taken, and no thread left behind. Worth it where the work releases the interpreter's lock, as
decoding does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from enum import Enum
from typing import TypeVar

Item = TypeVar("Item")


class _Mark(Enum):
    END = "end"


def ahead(items: Generator[Item], count: int) -> Generator[Item]:
    """Run a generator in a thread of its own.

    Args:
        items: What is run; it is closed with this one.
        count: How many items may wait to be taken, at least 1.

    Yields:
        Its items, in order. What it raises is raised here, after the items before it.
    """
    with closing(items):
        pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        try:
            waiting: deque[Future[Item | _Mark]] = deque()
            for _ in range(count):
                waiting.append(pool.submit(next, items, _Mark.END))
            while not isinstance(item := waiting.popleft().result(), _Mark):
                waiting.append(pool.submit(next, items, _Mark.END))
                yield item
        finally:
            pool.shutdown(cancel_futures=True)
