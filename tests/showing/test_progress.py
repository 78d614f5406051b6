"""Telling how far shots have come: to all who listen, and under the name of the take."""

from __future__ import annotations

from prefect_videogen.progress import Progress, listening, named, tell


def test_all_listeners_of_a_context_hear_and_nobody_afterwards():
    first: list[Progress] = []
    second: list[Progress] = []
    tell("kite", "waiting")
    with listening(first.append):
        tell("kite", "buying", "wan-2-5")
        with listening(second.append):
            tell("kite", "running", expected=(1, 2), about=3)
        tell("kite", "done")
    tell("kite", "failed")
    assert [change.state for change in first] == ["buying", "running", "done"]
    assert second == [Progress("kite", "running", "", (1, 2), 3)]


def test_a_take_is_told_under_its_own_name_and_the_film_under_none():
    heard: list[Progress] = []
    with listening(heard.append):
        with named("kite~2"):
            tell("kite", "buying")
            tell("", "stitching")
        tell("kite", "done")
    assert [change.shot for change in heard] == ["kite~2", "", "kite"]
