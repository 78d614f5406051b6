"""What `batch` says at its end."""

from __future__ import annotations

from decimal import Decimal

import pytest

from prefect_videogen import flows
from prefect_videogen.batching import Batch, BatchEntry
from prefect_videogen.errors import BatchIncomplete
from prefect_videogen.plan import Money

DOLLARS = (Money(amount=Decimal("1.20"), currency="USD"),)


def entry(name: str, **more: object) -> BatchEntry:
    fields = {"state": "Completed", "made": True, "estimate": DOLLARS, **more}
    return BatchEntry.model_validate({"storyboard": name, **fields})


@pytest.fixture
def ends(monkeypatch):
    """Let the batch come to these entries."""

    def set_(*entries: BatchEntry) -> None:
        result = Batch(name="june", deployment="generate-storyboard/videogen", entries=entries)

        async def generate_batch(**_: object) -> Batch:
            if result.failed:
                raise BatchIncomplete("not all", result=result)
            return result

        monkeypatch.setattr(flows, "generate_batch", generate_batch)

    return set_


def test_what_was_only_planned_is_not_called_made(cli, ends):
    ends(entry("a.yaml"), entry("b.yaml"), entry("c.yaml", estimate=()))
    ran = cli("batch", "a.yaml", "--plan-only")
    assert ran.out.splitlines()[-1] == "batch june: 3 of 3 planned, estimate: 2.40 USD"


def test_plans_without_a_price_name_none(cli, ends):
    ends(entry("a.yaml", estimate=()), entry("b.yaml", made=False, state="Failed"))
    ran = cli("batch", "a.yaml", "--plan-only")
    assert ran.code == 1
    assert ran.out.splitlines()[-1] == "batch june: 1 of 2 planned"


def test_films_are_made(cli, ends):
    ends(entry("a.yaml", path="films/a/1/film.mp4", frames=24))
    ran = cli("batch", "a.yaml")
    assert ran.out.splitlines()[-1] == "batch june: 1 of 1 made"
