"""Runs that ask people and die, or sleep, in the middle: money, caps and rejections stay exact."""

from __future__ import annotations

from decimal import Decimal

import pytest

from prefect_videogen.budgets import Journal
from prefect_videogen.errors import Fault, Rejected, StoryboardError
from prefect_videogen.flows import making
from prefect_videogen.records import LocalStore
from prefect_videogen.storyboard import Shot

CHAIN = (
    Shot(id="one", prompt="One"),
    Shot(id="two", prompt="Two", first_frame="previous"),
)


async def spent(rounds) -> Decimal:
    """What the film's budget counts as spent or set aside."""
    journal = Journal(LocalStore(rounds.vendors.media), f"film-{rounds.id}")
    return (await journal.read()).spent


async def dies(rounds, monkeypatch, decision: str) -> None:
    """Resume with an answer; the process ends when all is bought, before the next sleep."""

    async def die(self, *args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("prefect_videogen.flows.reviewing.Reviewing.of_shots", die)
        with pytest.raises(KeyboardInterrupt):
            await rounds.on(decision)


async def test_run_that_dies_before_its_next_sleep_keeps_the_money_of_what_it_bought(
    rounds, monkeypatch
):
    await rounds.begin("shots", *CHAIN, budget=3.3)
    assert await spent(rounds) == Decimal("2.20")
    await dies(rounds, monkeypatch, "approve")
    assert rounds.bought() == ["One", "Two"]
    assert await rounds.on() is None  # the retry
    assert rounds.bought() == []
    assert await spent(rounds) == Decimal("2.20")
    film = await rounds.on("approve")
    assert film is not None
    assert await spent(rounds) == Decimal("2.20")


@pytest.mark.parametrize("limits", [{"max_new_clips": 2}, {"budget": 2.2}])
async def test_purchase_that_a_run_left_unknown_is_not_counted_when_it_wakes(rounds, limits):
    rounds.vendors.emulator.faults.add("drop-after-accept", at="submit", times=1)
    shots = (Shot(id="a", prompt="A"), Shot(id="b", prompt="B"))
    film = {"on_missing": "skip"}
    await rounds.begin("shots", *shots, on_unknown="resubmit", film=film, **limits)
    assert len(rounds.bought()) == 2
    assert sum(shot.instead.startswith("missing") for shot in rounds.question.shots) == 1
    made = await rounds.on("approve")
    assert made is not None
    assert (len(made.clips), len(made.missing)) == (1, 1)
    assert rounds.bought() == []


async def test_cap_counts_what_was_bought_by_a_process_that_died(rounds, monkeypatch):
    await rounds.begin("shots", *CHAIN, max_new_clips=2)
    await dies(rounds, monkeypatch, "approve")
    assert rounds.bought() == ["One", "Two"]
    assert await rounds.on() is None  # the retry
    assert await rounds.on("redo", {"shot": "two"}) is None
    assert "3 clips would have to be bought, max_new_clips is 2" in rounds.question.refused
    assert rounds.bought() == []
    film = await rounds.on("approve")
    assert film is not None
    assert film.bought == 2


async def test_rejection_ends_a_run_whose_storyboard_can_no_longer_be_read(rounds, monkeypatch):
    await rounds.begin("shots", *CHAIN, budget=2.2)

    async def broken(*args, **kwargs):
        raise StoryboardError([Fault("one", "first_frame", "x.png", "is gone", "put it back")])

    monkeypatch.setattr(making, "survey", broken)
    with pytest.raises(Rejected, match="Too dark"):
        await rounds.on("reject", note="Too dark")
    assert rounds.bought() == ["One"]
    assert await spent(rounds) == Decimal("1.10")
