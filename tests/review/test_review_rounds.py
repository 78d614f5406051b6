"""What answers do to a run: what is bought after each, what is asked again, and when it ends."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from tests.review.rounds import one_round

from prefect_videogen.errors import BudgetExceeded, FilmIncomplete, Rejected
from prefect_videogen.flows.options import RunOptions
from prefect_videogen.plan import Plan
from prefect_videogen.spending import RunMoney
from prefect_videogen.storyboard import Shot, Storyboard

CHAIN = (
    Shot(id="one", prompt="One"),
    Shot(id="two", prompt="Two", first_frame="previous"),
    Shot(id="three", prompt="Three", first_frame="previous"),
    Shot(id="alone", prompt="Alone"),
)


async def test_shot_that_is_not_approved_holds_back_what_is_chained_to_it(rounds):
    await rounds.begin("shots", *CHAIN)
    assert rounds.bought() == ["Alone", "One"]
    waits = {shot.shot: shot.instead for shot in rounds.question.shots}
    assert waits == {"one": "", "two": "waits for one", "three": "waits for two", "alone": ""}
    assert "2 clips wait for approval" in rounds.sheet

    assert await rounds.on("redo", {"shot": "one", "prompt": "One, at night"}) is None
    assert rounds.bought() == ["One, at night"]
    assert {s.shot for s in rounds.question.shots if s.approved} == {"alone"}

    assert await rounds.on("approve") is None
    assert rounds.bought() == ["Two"]
    assert await rounds.on("approve") is None
    assert rounds.bought() == ["Three"]
    film = await rounds.on("approve")
    assert film is not None
    assert (film.bought, len(film.clips), film.missing) == (5, 4, ())
    assert rounds.bought() == []
    assert film.money is not None
    assert [str(money) for money in film.money.estimate] == ["5.50 USD"]


async def test_redone_shot_of_a_film_takes_what_is_chained_to_it_along(rounds):
    await rounds.begin("film", *CHAIN)
    assert len(rounds.bought()) == 4
    assert rounds.question.film
    first = rounds.question.film
    assert await rounds.on("redo", {"shot": "two", "prompt": "Two, brighter"}) is None
    assert rounds.bought() == ["Three", "Two, brighter"]
    assert rounds.question.film != first
    film = await rounds.on("approve")
    assert film is not None
    assert film.path == rounds.question.film
    assert rounds.bought() == []


async def test_change_along_with_an_approval_is_not_asked_about(rounds):
    await rounds.begin("film", *CHAIN[:1])
    rounds.bought()
    film = await rounds.on("approve", {"shot": "one", "prompt": "One, once more"})
    assert film is not None
    assert rounds.bought() == ["One, once more"]
    assert len(rounds.asked) == 1


async def test_shot_changed_along_with_an_approval_lets_its_chain_go_on(rounds):
    await rounds.begin("shots", *CHAIN[:2])
    rounds.bought()
    assert await rounds.on("approve", {"shot": "one", "prompt": "One, in a hurry"}) is None
    assert rounds.bought() == ["One, in a hurry", "Two"]
    assert [s.shot for s in rounds.question.shots if not s.approved] == ["two"]


async def test_take_that_is_there_is_picked_without_buying(rounds):
    await rounds.begin("film", Shot(id="kite", prompt="A kite", takes=2), CHAIN[3])
    rounds.bought()
    (kite, _) = rounds.question.shots
    assert (kite.take, list(kite.takes), list(kite.frames)) == ("1", ["2"], ["2"])
    film = await rounds.on("approve", {"shot": "kite", "take": 2})
    assert film is not None
    assert rounds.bought() == []
    assert film.clips[0].path == kite.takes["2"]


async def test_one_take_more_than_there_are_is_bought_and_picked(rounds):
    await rounds.begin("shots", Shot(id="kite", prompt="A kite", takes=2))
    rounds.bought()
    assert await rounds.on("redo", {"shot": "kite"}) is None
    assert rounds.bought() == ["A kite"]
    (kite,) = rounds.question.shots
    assert (kite.take, sorted(kite.takes), kite.approved) == ("3", ["1", "2"], False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shot": "kite", "take": 5}, "pick = 5: is not among the takes"),
        ({"shot": "kite", "prompt": "A kite over {city}"}, "city"),
    ],
)
async def test_answer_that_makes_no_storyboard_is_told_and_asked_again(rounds, change, says):
    await rounds.begin("shots", Shot(id="kite", prompt="A kite", takes=2))
    rounds.bought()
    assert await rounds.on("approve", change) is None
    assert says in rounds.question.refused
    assert "could not be carried out" in rounds.sheet
    assert await rounds.on("approve") is not None
    assert rounds.bought() == []


async def test_redo_of_nothing_is_asked_again(rounds):
    await rounds.begin("film", *CHAIN[:1])
    assert await rounds.on("redo") is None
    assert "name a shot" in rounds.question.refused


async def test_answer_beyond_the_budget_is_told_and_asked_again(rounds):
    await rounds.begin("shots", *CHAIN[:2], budget=3.3)
    rounds.bought()
    assert await rounds.on("redo", {"shot": "one"}) is None
    assert rounds.bought() == ["One"]
    assert await rounds.on("redo", {"shot": "one"}) is None
    assert "3.30" in rounds.question.refused
    assert rounds.bought() == []
    assert await rounds.on("approve") is None
    assert rounds.bought() == ["Two"]
    film = await rounds.on("approve")
    assert film is not None
    assert film.money is not None
    assert film.money.budgets[0].spent == Decimal("3.30")  # the clip that was redone counts


async def test_budget_that_is_short_without_any_answer_still_fails(rounds):
    with pytest.raises(BudgetExceeded):
        await rounds.begin("shots", *CHAIN[:2], budget=1.5)
    assert rounds.bought() == []


async def test_rejected_film_ends_the_run_and_gives_its_money_back(rounds):
    await rounds.begin("shots", *CHAIN[:2], budget=2.2)
    rounds.bought()
    with pytest.raises(Rejected, match="ended in reject: Too dark"):
        await rounds.on("reject", note="Too dark")
    assert rounds.bought() == []
    journal = sorted((rounds.vendors.media / f"budgets/film-{rounds.id}").iterdir())
    entries = [json.loads(path.read_text()) for path in journal]
    assert [entry["amount"] for entry in entries] == ["2.20", "-1.10"]
    assert [hold["shot"] or hold["job"] for hold in entries[0]["reserved"]] == ["one", "two"]
    assert len(entries[1]["released"]) == 1  # of what was not bought
    money = RunMoney.model_validate_json((rounds.folder / "money.json").read_bytes())
    assert [str(estimate) for estimate in money.estimate] == ["1.10 USD"]  # nor is that estimated
    with pytest.raises(Rejected):  # a retry does not ask once more
        await rounds.on()


async def test_run_that_dies_after_the_answer_goes_on_with_it(rounds, monkeypatch):
    await rounds.begin("film", *CHAIN[:1])
    rounds.bought()

    async def die(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("prefect_videogen.flows.making._Making._results", die)
        with pytest.raises(KeyboardInterrupt):
            await rounds.on("redo", {"shot": "one", "prompt": "One, after all"})
    rounds.given.clear()  # a retry may begin without what Prefect was told
    assert await rounds.on() is None
    assert rounds.bought() == ["One, after all"]
    assert rounds.number == 2


async def test_run_that_is_resumed_without_an_answer_asks_again(rounds):
    await rounds.begin("film", *CHAIN[:1])
    assert await rounds.on() is None
    assert rounds.number == 2
    assert await rounds.on("approve") is not None


async def test_refused_shot_is_shown_and_made_with_another_prompt(rounds):
    await rounds.begin("shots", Shot(id="bad", prompt="[violation]"), CHAIN[3])
    rounds.bought()
    (bad, _) = rounds.question.shots
    assert bad.instead.startswith("missing: ")
    assert await rounds.on("redo", {"shot": "bad", "prompt": "Allowed"}) is None
    assert rounds.bought() == ["Allowed"]
    assert await rounds.on("approve") is not None


async def test_nothing_to_look_at_is_not_asked_about(rounds):
    with pytest.raises(FilmIncomplete):
        await rounds.begin("shots", Shot(id="bad", prompt="[violation]"))
    assert rounds.asked == []


async def test_plan_asks_nobody(rounds):
    board = Storyboard(title="Only planned", model="wan-2-5", shots=[*CHAIN[:1]])
    plan = await one_round(board, RunOptions(studio="env", review="film", plan_only=True))
    assert isinstance(plan, Plan)
    assert [clip.shot for clip in plan.clips] == ["one"]
    assert rounds.asked == []


async def test_review_has_time_and_its_form_names_the_shots(rounds):
    await rounds.begin("film", *CHAIN, review_after=60 * 24 * 40)
    (how,) = rounds.asked
    assert how["timeout"] > 60 * 60 * 24 * 40
    assert "within 57600 minutes, this counts as rejected" in rounds.sheet
    schema = how["wait_for_input"].model_json_schema()
    assert schema["required"] == ["decision"]
    shot = schema["$defs"]["ShotChange"]["properties"]["shot"]
    assert shot["enum"] == ["one", "two", "three", "alone"]
