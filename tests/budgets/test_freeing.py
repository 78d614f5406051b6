"""What killed runs had set aside is given back once they are known to be over, and only that."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.conftest import SCHEDULED

from prefect_videogen.budgets import Budget
from prefect_videogen.buying import Buyer
from prefect_videogen.collecting import collect
from prefect_videogen.forecasting import forecast
from prefect_videogen.plan import Price
from prefect_videogen.spending import Spending
from prefect_videogen.storyboard import Shot, Storyboard
from prefect_videogen.survey import Board, survey

PRICES = (Price(model="wan-2-5", amount=Decimal("1.10"), per="clip"),)
JUNE = Budget(name="june", limit=Decimal("3.30"))


async def begun(studio, *shots: Shot) -> Spending:
    """A run of a board that has set its money aside."""
    surveyed = await survey(
        studio,
        Board(Storyboard(model="wan-2-5", shots=list(shots))),
        variables={},
        scheduled=SCHEDULED,
        keep=True,
    )
    money = Spending(studio, [JUNE], await forecast(studio, surveyed.check(), {}))
    await money.begin()
    return money


async def kill_after_one_of_three(studio, ask) -> None:
    """A run that buys the first of its clips, and is gone."""
    kite = Shot(id="kite", prompt="a kite")
    chained = Shot(id="on", prompt="it flies on", first_frame="previous")
    money = await begun(studio, kite, chained, Shot(id="sea", prompt="the sea"))
    request = await ask(studio, id="kite", prompt="a kite")
    purse = money.purse(request.clip, request.key)
    await Buyer(studio, request, purse=purse).buy()


@pytest.fixture
def runs(emulator, open_studio):
    vendors = emulator()
    return lambda run: open_studio(vendors, run=run, prices=PRICES)


def over(*names: str):
    async def is_over(run: str) -> bool:
        return run in names

    return is_over


async def test_money_of_a_killed_run_is_free_again_but_for_what_it_bought(runs, ask):
    async with runs("run-1") as dead:
        await kill_after_one_of_three(dead, ask)
    async with runs("run-2") as studio:
        assert (await studio.journal("june").read()).spent == Decimal("3.30")
        collected = await collect(studio, is_over=over("run-1"))
        (freed,) = collected.freed
        assert (freed.run, freed.budget, str(freed.amount)) == ("run-1", "june", "2.20 USD")
        assert (await studio.journal("june").read()).spent == Decimal("1.10")
        assert (await collect(studio, is_over=over("run-1"))).freed == ()
        await begun(studio, Shot(prompt="another"), Shot(prompt="and another"))
        assert (await studio.journal("june").read()).spent == Decimal("3.30")


async def test_money_of_a_run_that_may_live_stays_set_aside(runs, ask):
    async with runs("run-1") as living:
        await kill_after_one_of_three(living, ask)
    async with runs("run-2") as studio:
        assert (await collect(studio, is_over=over("run-2"))).freed == ()
        assert (await collect(studio)).freed == ()
        assert (await studio.journal("june").read()).spent == Decimal("3.30")


async def test_what_another_run_holds_too_stays_set_aside(runs, ask):
    async with runs("run-1") as dead:
        await begun(dead, Shot(prompt="a kite"))
    async with runs("run-2") as living:
        await begun(living, Shot(prompt="a kite"))
        assert (await collect(living, is_over=over("run-1"))).freed == ()
        assert (await living.journal("june").read()).spent == Decimal("1.10")


async def test_chained_clip_that_a_killed_run_bought_stays_paid(runs, ask):
    """Its name in the budget is no key, as its first frame was not made when it was planned."""
    async with runs("run-1") as dead:
        money = await begun(
            dead, Shot(id="kite", prompt="x"), Shot(id="on", prompt="y", first_frame="previous")
        )
        chained = money.forecast.purchases[1]
        request = await ask(dead, id="on", prompt="y", first_frame="")
        assert request.key != chained.name
        await Buyer(dead, request).buy()
    async with runs("run-2") as studio:
        (freed,) = (await collect(studio, is_over=over("run-1"))).freed
        assert str(freed.amount) == "1.10 USD"
        assert (await studio.journal("june").read()).spent == Decimal("1.10")


async def test_run_that_was_taken_for_dead_sets_its_money_aside_again(runs, ask):
    async with runs("run-1") as living, runs("run-2") as studio:
        money = await begun(living, Shot(id="kite", prompt="a kite"))
        assert (await collect(studio, is_over=over("run-1"))).freed
        request = await ask(living, id="kite", prompt="a kite")
        await Buyer(living, request, purse=money.purse(request.clip, request.key)).buy()
        assert (await studio.journal("june").read()).spent == Decimal("1.10")
