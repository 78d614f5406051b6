"""The journal: what counts once, what is given back, what is refused, and what is not believed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_videogen.budgets import (
    Budget,
    Entry,
    Hold,
    Ledger,
    add_up,
    exact,
    fold,
)
from prefect_videogen.errors import BudgetExceeded, RecordError, StudioError
from prefect_videogen.plan import Money
from prefect_videogen.reserving import Purse, is_unbilled, jobs_of, release, reserve
from prefect_videogen.spending import budgets_of

JUNE = Budget(name="june", limit=Decimal(10))


def hold(clip="a", amount="1", job=1) -> Hold:
    return Hold(clip=clip, job=job, amount=Decimal(amount))


def entry(owner="one", **holds) -> Entry:
    return Entry(
        at=0,
        kind="reserve",
        amount=Decimal(0),
        currency="USD",
        run="r",
        owner=owner,
        token="t",
        **holds,
    )


# -- adding up ------------------------------------------------------------------------------------


def test_empty_journal_is_nothing():
    assert add_up([]).spent == 0
    assert add_up([]).currency == ""


def test_tenths_add_up_exactly():
    entries = [entry(reserved=(hold(f"{n}", "0.1"),)) for n in range(30)]
    assert add_up(entries).spent == Decimal(3)


def test_one_purchase_that_two_hold_counts_once_at_the_higher_price():
    both = [entry("one", reserved=(hold(),)), entry("two", reserved=(hold(amount="1.5"),))]
    assert add_up(both).spent == Decimal("1.5")
    one_left = [*both, entry("two", released=(hold(),))]
    assert add_up(one_left).spent == 1


def test_each_job_of_a_clip_counts_for_itself():
    assert add_up([entry(reserved=(hold(job=1), hold(job=2)))]).spent == 2


def test_unbilled_purchase_counts_for_nobody_any_more():
    entries = [
        entry("one", reserved=(hold(), hold("b"))),
        entry("two", reserved=(hold(),)),
        entry("two", unbilled=(hold(),)),
    ]
    assert add_up(entries).spent == 1


def test_giving_back_what_is_not_held_changes_nothing():
    entries = [entry(reserved=(hold(),)), entry("two", released=(hold(), hold("z")))]
    assert add_up(entries).spent == 1


holds = st.builds(
    Hold,
    clip=st.sampled_from("abc"),
    job=st.integers(1, 2),
    amount=st.integers(0, 500).map(lambda cents: Decimal(cents) / 100),
)
some = st.lists(holds, max_size=3).map(tuple)
changes = st.builds(
    entry, st.sampled_from(["one", "two"]), reserved=some, released=some, unbilled=some
)


@settings(max_examples=200, deadline=None)
@given(st.lists(changes, max_size=8))
def test_every_entry_says_what_it_adds_and_the_sum_is_never_negative(entries):
    ledger, total = Ledger(), Decimal(0)
    for made in entries:
        total += ledger.change_by(made)
        ledger.add(made)
        assert ledger.spent == total >= 0
    assert add_up(entries).spent == total


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0.00"), ("1.5", "1.50"), ("12", "12.00"), ("0.0735", "0.0735"), ("1E+2", "100.00")],
)
def test_amount_is_written_exactly(amount, text):
    assert exact(Decimal(amount)) == text


def test_budgets_of_one_name_are_one_with_the_lowest_limit():
    twice = [JUNE, Budget(name="june", limit=Decimal(4)), Budget(name="july", limit=Decimal(9))]
    assert fold(twice) == (twice[1], twice[2])


# -- reserving ------------------------------------------------------------------------------------


async def test_reservation_is_one_entry_that_a_person_can_read(purses, tmp_path):
    place = purses()
    await reserve(place, [JUNE], [hold("a", "2.50"), hold("b", "0.75")], "USD")
    (path,) = (tmp_path / "budgets/june").iterdir()
    assert path.name == "000001.json"
    made = Entry.model_validate_json(path.read_bytes())
    assert (made.kind, made.amount, made.currency) == ("reserve", Decimal("3.25"), "USD")
    assert (made.run, made.owner) == ("run-1", place.owner)
    assert [line.clip for line in made.reserved] == ["a", "b"]


@pytest.mark.parametrize("which", ["run", "month"])
async def test_limit_of_the_studio_is_named_with_what_sets_it(purses, which):
    limits: dict[str, Any] = {f"limit_per_{which}": Decimal("0.10")}
    place = purses(**limits)
    scheduled = datetime(2026, 1, 5, tzinfo=UTC)
    budgets = budgets_of(place, amount=5, name="june", slug="x", scheduled=scheduled)
    with pytest.raises(BudgetExceeded) as caught:
        await reserve(place, budgets, [hold("a", "0.75")], "USD")
    name = budgets[-1].name
    assert str(caught.value) == (
        f"the studio's limit per {which} (budget {name}): 0.75 USD wanted, 0.10 left of 0.10; "
        f"0.00 spent or set aside. Nothing was sent. Raise the studio's limit_per_{which} "
        f"(VIDEOGEN_LIMIT_PER_{which.upper()}) or drop shots, and run again."
    )
    assert fold([*budgets, Budget(name=name, limit=Decimal(9))]) == budgets


async def test_budget_can_be_used_up_to_the_cent_and_not_a_cent_further(purses, spent):
    place = purses()
    await reserve(place, [JUNE], [hold("a", "9.99")], "USD")
    with pytest.raises(BudgetExceeded) as caught:
        await reserve(place, [JUNE], [hold("b", "0.02")], "USD")
    said = str(caught.value)
    assert "budget june" in said
    assert "0.02 USD wanted, 0.01 left of 10.00; 9.99 spent" in said
    assert caught.value.next_step
    await reserve(place, [JUNE], [hold("c", "0.01")], "USD")
    assert await spent("june") == 10


async def test_plan_is_reserved_whole_or_not_at_all(purses, spent):
    with pytest.raises(BudgetExceeded):
        await reserve(purses(), [JUNE], [hold("a", "6"), hold("b", "6")], "USD")
    assert await spent("june") == 0


async def test_retried_run_reserves_nothing_twice(purses, spent, tmp_path):
    wanted = [hold("a", "4"), hold("b", "4")]
    first, retried = purses(), purses()
    await reserve(first, [JUNE], wanted, "USD")
    await reserve(first, [JUNE], wanted, "USD")
    assert len(list((tmp_path / "budgets/june").iterdir())) == 1
    await reserve(retried, [JUNE], wanted, "USD")  # after a kill: another opening
    assert await spent("june") == 8


async def test_twin_of_a_run_keeps_its_money_when_the_other_gives_up(purses, spent):
    one, other = purses(), purses()
    for place in (one, other):
        await reserve(place, [JUNE], [hold("a", "4")], "USD")
    await release(one, JUNE, [("a", 1)])
    assert await spent("june") == 4
    await release(one, JUNE, [("a", 1)])  # not its own any more
    assert await spent("june") == 4
    await release(other, JUNE, [("a", 1)])
    assert await spent("june") == 0


async def test_lower_limit_refuses_even_what_somebody_else_has_set_aside(purses):
    await reserve(purses(), [JUNE], [hold("a", "8")], "USD")
    with pytest.raises(BudgetExceeded):
        await reserve(purses(), [Budget(name="june", limit=Decimal(5))], [hold("a", "8")], "USD")


async def test_second_budget_that_refuses_leaves_the_first_as_it_was(purses, spent):
    small = Budget(name="small", limit=Decimal(1))
    place = purses()
    await reserve(place, [JUNE], [hold("before", "2")], "USD")
    with pytest.raises(BudgetExceeded, match="budget small"):
        await reserve(place, [JUNE, small], [hold("before", "2"), hold("a", "3")], "USD")
    assert await spent("june") == 2
    assert await spent("small") == 0


async def test_budget_has_one_currency(purses):
    await reserve(purses(), [JUNE], [hold()], "USD")
    with pytest.raises(StudioError, match="june is kept in USD, the prices are in credits"):
        await reserve(purses(), [JUNE], [hold("b")], "credits")


async def test_reservations_in_one_process_are_exact_too(purses, spent):
    place = purses()
    wanted = [reserve(place, [JUNE], [hold(f"{n}", "3")], "USD") for n in range(5)]
    outcomes = await asyncio.gather(*wanted, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(BudgetExceeded) == 2
    assert await spent("june") == 9


async def test_reading_goes_on_where_it_stopped(purses):
    watching, writing = purses(), purses()
    for n in range(1, 4):
        await reserve(writing, [JUNE], [hold(f"{n}")], "USD")
        assert (await watching.journal("june").read()).spent == n


# -- what can't be trusted ------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "{", "[]", '{"at": 1}'])
async def test_entry_that_makes_no_sense_stops_all_reserving(purses, tmp_path, content):
    await reserve(purses(), [JUNE], [hold()], "USD")
    (tmp_path / "budgets/june/000002.json").write_text(content)
    with pytest.raises(RecordError, match=r"000002\.json"):
        await reserve(purses(), [JUNE], [hold("b")], "USD")


async def test_entry_removed_by_hand_stops_all_reserving(purses, tmp_path):
    place = purses()
    for name in "abc":
        await reserve(place, [JUNE], [hold(name)], "USD")
    (tmp_path / "budgets/june/000002.json").unlink()
    with pytest.raises(RecordError, match="missing"):
        await reserve(purses(), [JUNE], [hold("d")], "USD")


async def test_store_that_refuses_and_denies_is_an_error_not_a_loop(purses, monkeypatch):
    place = purses()

    async def never(path, data):
        return False

    monkeypatch.setattr(place.store, "create", never)
    with pytest.raises(RecordError, match="does not exist"):
        await reserve(place, [JUNE], [hold()], "USD")


# -- further jobs ---------------------------------------------------------------------------------


def purse(price="4", *budgets) -> Purse:
    money = Money(amount=Decimal(price), currency="USD") if price else None
    return Purse(budgets=budgets or (JUNE,), clip="a", shot="kite", price=money)


@pytest.mark.parametrize(
    ("states", "jobs", "unbilled"),
    [
        ((), 0, []),
        (("not-sent", "throttled", "refused:no"), 0, []),
        (("job",), 1, [False]),
        (("claim",), 1, [False]),
        (("abandoned:unknown", "job"), 2, [False, False]),
        (("failed:no", "not-sent", "failed:unknown", "stored"), 3, [True, False, False]),
    ],
)
def test_purchases_are_the_attempts_that_led_to_a_job_or_may_have(history, states, jobs, unbilled):
    found = jobs_of(history(*states))
    assert len(found) == jobs
    assert [is_unbilled(job) for job in found] == unbilled


async def test_first_job_is_covered_by_the_plan(purses, history, tmp_path):
    place = purses()
    await reserve(place, [JUNE], [hold("a", "4")], "USD")
    await purse().cover(place, history("not-sent"))
    assert len(list((tmp_path / "budgets/june").iterdir())) == 1


async def test_further_job_appends_to_the_journal(purses, history, spent, tmp_path):
    place = purses()
    await reserve(place, [JUNE], [hold("a", "4")], "USD")
    await purse().cover(place, history("failed:unknown"))
    assert await spent("june") == 8
    last = Entry.model_validate_json((tmp_path / "budgets/june/000002.json").read_bytes())
    assert last.kind == "further job"
    assert last.reserved[0].purchase == ("a", 2)
    with pytest.raises(BudgetExceeded) as caught:
        await purse().cover(place, history("failed:unknown", "failed:unknown"))
    assert caught.value.shot == "kite"
    assert await spent("june") == 8


async def test_further_job_takes_over_the_money_of_one_that_was_not_billed(purses, history, spent):
    place = purses()
    tight = Budget(name="june", limit=Decimal(4))
    await reserve(place, [tight], [hold("a", "4")], "USD")
    await purse("4", tight).cover(place, history("failed:no"))
    assert await spent("june") == 4


async def test_clip_that_may_be_bought_without_a_price_needs_no_money(purses, history, spent):
    await purse("").cover(purses(), history())
    assert await spent("june") == 0
