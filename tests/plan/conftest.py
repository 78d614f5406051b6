"""Planning from a board's text, with stills and records as a test wants them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from prefect_videogen.keys import digest
from prefect_videogen.plan import (
    FootageFacts,
    Known,
    Picture,
    Plan,
    StudioFacts,
    Unreadable,
    plan,
    still_references,
)
from prefect_videogen.storyboard import fill_variables, read_storyboard

SCHEDULED = datetime(2026, 1, 5, 3, 30, tzinfo=UTC)
BOTH = {"apixo": "apixo", "evolink": "evolink"}

Planner = Callable[..., Plan]


def make_plan(
    text: str,
    *,
    stills: dict[str, Any] | None = None,
    known: dict[str, Known] | None = None,
    labels: dict[str, str] | None = None,
    publishes: frozenset[str] = frozenset({"apixo", "evolink"}),
    footage: dict[str, FootageFacts | Unreadable] | None = None,
    earlier: dict[str, frozenset[str]] | None = None,
    **facts: Any,
) -> Plan:
    """Plan a board; stills are 1600x900 unless a test says otherwise."""
    reading = read_storyboard(textwrap.dedent(text))
    board, faults = fill_variables(reading.board, {}, SCHEDULED)
    pictures = {
        name: (stills or {}).get(name, Picture(digest(name.encode()), "jpeg", 1600, 900))
        for name in still_references(board)
    }
    studio = StudioFacts(
        name="test", labels=BOTH if labels is None else labels, publishes=publishes, **facts
    )
    return plan(
        board,
        studio,
        pictures,
        known or {},
        footage=footage,
        earlier=earlier,
        faults=[*reading.faults, *faults],
    )


@pytest.fixture
def planned() -> Planner:
    """Plan a board that has no fault."""

    def make(text: str, **more: Any) -> Plan:
        made = make_plan(text, **more)
        assert [str(fault) for fault in made.faults] == []
        assert made.check() is made
        return made

    return make


@pytest.fixture
def faults_of() -> Callable[..., list[str]]:
    """Plan a board and give its faults as they are shown."""

    def make(text: str, **more: Any) -> list[str]:
        return [str(fault) for fault in make_plan(text, **more).faults]

    return make


@pytest.fixture
def plan_of() -> Planner:
    """Plan a board whatever is wrong with it."""
    return make_plan
