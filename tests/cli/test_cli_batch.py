"""What `batch` says at its end."""

from __future__ import annotations

from decimal import Decimal

import pytest

from prefect_videogen import flows
from prefect_videogen.batching import Batch, BatchEntry
from prefect_videogen.blocks import MediaStore, Studio
from prefect_videogen.errors import BatchIncomplete
from prefect_videogen.flows.batch import _incomplete
from prefect_videogen.plan import Money

DOLLARS = (Money(amount=Decimal("1.20"), currency="USD"),)


def entry(name: str, **more: object) -> BatchEntry:
    fields = {"state": "Completed", "made": True, "estimate": DOLLARS, **more}
    return BatchEntry.model_validate({"storyboard": name, **fields})


def _batch(*entries: BatchEntry) -> Batch:
    return Batch(name="june", deployment="generate-storyboard/videogen", entries=entries)


@pytest.fixture
def ends(monkeypatch):
    """Let the batch come to these entries."""

    def set_(*entries: BatchEntry) -> None:
        result = _batch(*entries)

        async def generate_batch(**told: object) -> Batch:
            studios.append(told["studio"])
            if result.failed:
                raise BatchIncomplete("not all", result=result)
            return result

        monkeypatch.setattr(flows, "generate_batch", generate_batch)

    studios: list[object] = []
    monkeypatch.setattr(Studio, "aload", no_studio)
    set_.studios = studios  # type: ignore[attr-defined] # what the batches were told
    return set_


async def no_studio(name: str) -> Studio:
    message = f"no block named {name}"
    raise ValueError(message)


async def a_studio(name: str) -> Studio:
    return Studio(media=MediaStore(url="file:///media"))


async def broken_studio(name: str) -> Studio:
    message = "the block's fields are wrong"
    raise RuntimeError(message)


@pytest.mark.parametrize(
    ("load", "arguments", "studio"),
    [
        (a_studio, (), "default"),
        (broken_studio, (), "default"),
        (no_studio, (), "env"),
        (a_studio, ("--studio", "paris"), "paris"),
    ],
)
def test_keys_of_this_shell_say_nothing_about_the_workers_studio(
    cli, ends, monkeypatch, load, arguments, studio
):
    monkeypatch.setenv("VIDEOGEN_APIXO_API_KEY", "key-of-this-shell")
    monkeypatch.setattr(Studio, "aload", load)
    ends(entry("a.yaml"))
    assert cli("batch", "a.yaml", *arguments).code == 0
    assert ends.studios == [studio]


def test_next_step_names_others_only_if_there_are_some():
    bad, good = entry("a.yaml", made=False, reason="no key"), entry("b.yaml")
    assert "The others are made." in _incomplete(_batch(bad, good)).next_step
    alone = _incomplete(_batch(bad))
    assert "others" not in alone.next_step
    assert "another name" in alone.next_step


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
