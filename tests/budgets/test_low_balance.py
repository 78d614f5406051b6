"""Runs that end on a low balance say so; all others are silent."""

from __future__ import annotations

import pytest
from tests.budgets.test_spending import spending

from prefect_videogen.vendors import ApixoClient, Balance


@pytest.fixture
def told(emulator, open_studio, monkeypatch):
    """What a run tells at its end, with one balance before it and another one after."""

    async def run(low, *balances):
        answers = iter(balances)

        async def balance(self):
            if (amount := next(answers)) is None:
                message = "out of order"
                raise RuntimeError(message)
            return Balance(amount=amount, unit="USD")

        monkeypatch.setattr(ApixoClient, "balance", balance)
        heard: list[tuple[object, ...]] = []
        given = {"low_balance": low, "tell_balance": lambda *said: heard.append(said)}
        async with open_studio(emulator(), run="run-1", **given) as studio:
            money = await spending(studio)
            await money.begin()
            await money.end([])
        return heard

    return run


async def test_balance_below_the_number_is_told_and_logged(told, caplog):
    heard = await told(10, 12.0, 9.5)
    assert heard == [("test", "apixo@sandbox", Balance(amount=9.5, unit="USD"), 10)]
    assert "apixo@sandbox is 9.5 USD, below the 10 that the studio test" in caplog.text


@pytest.mark.parametrize(("low", "after"), [(10, 10.0), (10, 11.0), (0, 0.0), (0, -3.0)])
async def test_balance_that_is_not_below_it_is_not_told(told, caplog, low, after):
    assert await told(low, 12.0, after) == []
    assert "low_balance" not in caplog.text


async def test_balance_that_can_not_be_read_again_counts_as_before(told):
    ((_, _, balance, _),) = await told(10, 9.0, None)
    assert balance.amount == 9.0


async def test_balance_that_nobody_knows_is_not_told(told):
    assert await told(10, None, None) == []
