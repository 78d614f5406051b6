from __future__ import annotations

import threading
from contextlib import closing

import pytest

from prefect_videogen.media.ahead import ahead


def test_items_come_in_order_from_another_thread():
    def numbers():
        for number in range(50):
            yield number, threading.current_thread()

    taken = list(ahead(numbers(), 4))

    assert [number for number, _ in taken] == list(range(50))
    assert {thread is threading.current_thread() for _, thread in taken} == {False}


def test_no_more_are_made_than_may_wait():
    made = 0

    def numbers():
        nonlocal made
        while True:
            made += 1
            yield made

    with closing(ahead(numbers(), 3)) as taken:
        assert [next(taken) for _ in range(5)] == [1, 2, 3, 4, 5]

    assert made <= 5 + 3


def test_error_is_raised_after_the_items_before_it():
    def numbers():
        yield 1
        raise ValueError("broken")

    taken = ahead(numbers(), 4)

    assert next(taken) == 1
    with pytest.raises(ValueError, match="broken"):
        next(taken)


def test_closing_early_closes_the_source_and_leaves_no_thread():
    closed = threading.Event()

    def numbers():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    taken = ahead(numbers(), 2)
    next(taken)
    taken.close()

    assert closed.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
