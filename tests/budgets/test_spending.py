"""A run's money without Prefect: its budgets, what will be bought, the cap, the balances."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from tests.conftest import SCHEDULED

from prefect_videogen.allowances import Allowance, Cap
from prefect_videogen.budgets import Budget
from prefect_videogen.errors import StudioError
from prefect_videogen.forecasting import forecast, outlook
from prefect_videogen.plan import Price
from prefect_videogen.records import LocalStore
from prefect_videogen.spending import (
    Spending,
    budgets_of,
    money_lines,
)
from prefect_videogen.storyboard import Shot, Storyboard
from prefect_videogen.survey import Board, survey
from prefect_videogen.vendors import ApixoClient

WAN, LTX, EVO = "wan-2-5", "ltx-2-19b", "wan2.5-image-to-video"
PRICES = (
    Price(model=WAN, amount=Decimal("1.10"), per="clip"),
    Price(model=LTX, amount=Decimal("0.30"), per="clip"),
)


# -- which budgets --------------------------------------------------------------------------------


def budgets(studio, **more):
    given = {"amount": 0, "name": "", "slug": "my-film", "scheduled": SCHEDULED, **more}
    return {budget.name: budget.limit for budget in budgets_of(studio, **given)}


def test_run_without_any_limit_keeps_no_budget(purses):
    assert budgets(purses()) == {}


@pytest.mark.parametrize(
    ("name", "folder"), [("", "my-film"), ("june", "june"), ("June 2026 / Ads", "june-2026-ads")]
)
def test_budget_is_kept_under_its_name_or_the_films(purses, name, folder):
    assert budgets(purses(), amount=0.3, name=name) == {folder: Decimal("0.3")}


def test_studio_has_limits_per_run_and_month(purses):
    studio = purses(name="Ads", limit_per_run=Decimal(5), limit_per_month=Decimal(50))
    assert budgets(studio, amount=2.5) == {
        "my-film": Decimal("2.5"),
        "run-run-1": Decimal(5),
        "studio-ads-2026-01": Decimal(50),
    }


def test_month_is_that_of_the_scheduled_start_in_utc(purses):
    studio = purses(limit_per_month=Decimal(50))
    late = datetime(2026, 1, 31, 23, 30, tzinfo=timezone(timedelta(hours=-3)))
    assert list(budgets(studio, scheduled=late)) == ["studio-purse-2026-02"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"amount": -1}, "no amount"),
        ({"amount": float("nan")}, "no amount"),
        ({"amount": float("inf")}, "no amount"),
        ({"name": "june"}, "has no budget"),
        ({"amount": 1, "name": "€€"}, "no letter or digit"),
    ],
)
def test_budget_that_makes_no_sense_is_refused(purses, given, says):
    with pytest.raises(StudioError, match=says) as caught:
        budgets(purses(), **given)
    assert caught.value.next_step


# -- what will be bought --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "on_unknown", "on_expired", "expected"),
    [
        ((), "stop", "stop", "buy"),
        (("stored",), "stop", "stop", "have"),
        (("failed", "stored"), "stop", "stop", "have"),
        (("job",), "resubmit", "rebuy", "have"),
        (("claim",), "stop", "stop", "have"),
        (("claim",), "resubmit", "stop", "buy"),
        (("not-sent",), "stop", "stop", "buy"),
        (("abandoned:unknown",), "stop", "stop", "buy"),
        (("refused",), "stop", "stop", "fallback"),
        (("expired:yes",), "stop", "stop", "stop"),
        (("expired:yes",), "stop", "rebuy", "buy"),
        (("failed", "failed"), "stop", "stop", "buy"),
        (("failed", "failed", "failed"), "stop", "stop", "stop"),
    ],
)
def test_outlook_is_what_the_records_lead_to(history, states, on_unknown, on_expired, expected):
    found = outlook(history(*states), on_unknown=on_unknown, on_expired=on_expired, owner="us")
    assert found == expected


def test_outlook_of_what_the_run_itself_left_unknown_is_no_purchase(history):
    known = history("claim", owner="us-0123")
    found = outlook(known, on_unknown="resubmit", on_expired="stop", owner="us")
    assert found == "have"


@pytest.fixture
def ahead(purses):
    """What a board will have to buy."""

    async def make(*shots, studio=None, **more):
        studio = studio or purses(prices=PRICES)
        board = Storyboard(model=WAN, shots=list(shots), **more)
        surveyed = await survey(studio, Board(board), variables={}, scheduled=SCHEDULED, keep=False)
        return await forecast(studio, surveyed.check(), {})

    return make


async def test_new_board_buys_every_clip_once(ahead):
    found = await ahead(
        Shot(id="a", prompt="One"), Shot(id="b", prompt="Two"), Shot(id="same", prompt="One")
    )
    assert [purchase.shot for purchase in found.purchases] == ["a", "b"]
    assert found.shots == {"a", "b", "same"}
    assert [str(money) for money in found.estimate] == ["2.20 USD"]


# -- the cap --------------------------------------------------------------------------------------


def test_cap_allows_what_is_planned_and_no_more():
    cap = Cap(2, 2)
    one, other = Allowance(cap, 1), Allowance(cap, 1)
    assert [one.take(), other.take(), one.take()] == [True, True, False]
    other.give_back()
    assert [one.take(), other.take(), other.take()] == [False, True, False]


def test_cap_with_room_is_shared_by_the_shots():
    cap = Cap(3, 2)
    one, other = Allowance(cap, 1), Allowance(cap, 1)
    assert [one.take(), one.take(), other.take(), other.take()] == [True, True, True, False]


def test_run_without_a_cap_may_buy_again_and_again():
    allowance = Allowance(Cap(0, 1), 1)
    assert all(allowance.take() for _ in range(100))


# -- balances and the record ----------------------------------------------------------------------


async def spending(studio, *budgets):
    shot = Shot(id="kite", prompt="A kite", model=WAN)
    surveyed = await survey(
        studio, Board(Storyboard(shots=[shot])), variables={}, scheduled=SCHEDULED, keep=False
    )
    return Spending(studio, budgets, await forecast(studio, surveyed.check(), {}))


async def test_balance_that_can_not_be_read_stops_nothing(emulator, open_studio, monkeypatch):
    async def broken(self):
        message = "out of order"
        raise RuntimeError(message)

    monkeypatch.setattr(ApixoClient, "balance", broken)
    async with open_studio(emulator(), run="run-1") as studio:
        money = await spending(studio)
        await money.begin()
        record = await money.end([])
    assert record is not None
    assert record.balances[0].before is None
    assert money_lines(record) == ["estimate: nothing priced, 1 unpriced"]


async def test_run_that_is_stopped_while_balances_are_asked_sets_nothing_aside(
    emulator, open_studio, monkeypatch
):
    asked = asyncio.Event()

    async def silent(self):
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(ApixoClient, "balance", silent)
    async with open_studio(emulator(), run="run-1", prices=PRICES) as studio:
        money = await spending(studio, Budget(name="june", limit=Decimal(3)))
        beginning = asyncio.create_task(money.begin())
        await asked.wait()
        assert (await studio.journal("june").read()).spent == Decimal("1.10")
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        assert (await studio.journal("june").read()).spent == 0


class Stops(LocalStore):
    """A store that writes an entry of a budget while whoever asked for it is stopped."""

    stopped = False

    async def create(self, path: str, data: bytes) -> bool:
        made = await super().create(path, data)
        if path.startswith("budgets/may") and not self.stopped:
            self.stopped = True
            raise asyncio.CancelledError
        return made


async def test_run_that_is_stopped_while_it_reserves_sets_nothing_aside(
    emulator, open_studio, tmp_path
):
    store = Stops(tmp_path / "media")
    async with open_studio(emulator(), run="run-1", prices=PRICES, store=store) as studio:
        budgets = [Budget(name=name, limit=Decimal(3)) for name in ("june", "may", "july")]
        money = await spending(studio, *budgets)
        with pytest.raises(asyncio.CancelledError):
            await money.begin()
        assert store.stopped
        for budget in budgets:
            assert (await studio.journal(budget.name).read()).spent == 0


async def test_record_of_a_retried_run_stands_beside_the_first(emulator, open_studio, tmp_path):
    for _ in range(2):
        async with open_studio(emulator(), run="run-1", prices=PRICES) as studio:
            money = await spending(studio, Budget(name="june", limit=Decimal(3)))
            await money.begin()
            assert (await studio.journal("june").read()).spent == Decimal("1.10")
            await money.end([])
            assert (await studio.journal("june").read()).spent == 0
    names = sorted(path.name for path in (tmp_path / "media/runs/run-1").iterdir())
    assert names == ["money-2.json", "money.json"]
    record = json.loads((tmp_path / "media/runs/run-1/money.json").read_text())
    assert record["estimate"] == [{"amount": "1.10", "currency": "USD"}]
    assert record["balances"][0]["unit"] == "USD"


@pytest.mark.parametrize(
    ("prices", "says"),
    [
        ((), "no price for kite"),
        (PRICES[:1], "no price for kite"),
        ((*PRICES[:1], Price(model=LTX, amount=Decimal(9), currency="credits")), "USD and credits"),
    ],
)
async def test_shot_whose_fallback_can_not_be_paid_is_refused(purses, prices, says):
    studio = purses(prices=prices)
    shot = Shot(id="kite", prompt="A kite", model=WAN, fallback=[LTX])
    surveyed = await survey(
        studio, Board(Storyboard(shots=[shot])), variables={}, scheduled=SCHEDULED, keep=False
    )
    found = await forecast(studio, surveyed.check(), {})
    with pytest.raises(StudioError, match=says):
        await Spending(studio, [Budget(name="june", limit=Decimal(9))], found).begin()
