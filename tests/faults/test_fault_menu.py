"""Every entry of the failure menu keeps the promise: a film or a documented error, bought once."""

from __future__ import annotations

import pytest
from tests.faults.table import DEADLINE, FILM, Row, outcome_of, quick, rows

from prefect_videogen import errors
from prefect_videogen.buying import MOST_JOBS

ALL = list(rows())


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    quick(monkeypatch.setattr)


@pytest.mark.parametrize("row", ALL, ids=str)
async def test_an_entry_ends_in_a_film_or_a_documented_error_and_buys_nothing_twice(
    row: Row, tmp_path, stills
):
    found = await outcome_of(row, tmp_path, stills["sky"])
    assert found.result == FILM or issubclass(getattr(errors, found.result), errors.VideoGenError)
    assert found.seconds < DEADLINE
    most = MOST_JOBS if row.name in {"job-fails", "job-hangs", "job-cancelled"} else 1
    assert found.charged <= most, found
    if found.result != FILM:
        assert found.text


def test_the_menu_is_tried_at_every_place():
    assert {row.place for row in ALL} == {"submit", "status", "download"}
    assert len(ALL) > 100
