"""Flows under a budget, end to end on the emulator: refused before, exact during, settled after."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from tests.conftest import FAST

from prefect_videogen import (
    Shot,
    Storyboard,
    download,
    generate_clip,
    generate_storyboard,
    plan_clip,
    submit,
    wait,
)
from prefect_videogen.budgets import Entry, add_up
from prefect_videogen.cli import main
from prefect_videogen.emulator import Emulator
from prefect_videogen.errors import (
    BudgetExceeded,
    FilmIncomplete,
    JobFailed,
    NoCredits,
    StudioError,
)
from prefect_videogen.filming import Film

WAN, LTX, EVO = "wan-2-5", "ltx-2-19b", "wan2.5-image-to-video"
PRICES = [
    {"model": WAN, "amount": "1.10", "per": "clip"},
    {"model": LTX, "amount": "0.30", "per": "clip"},
    {"model": EVO, "amount": "0.75", "per": "clip"},
]


@dataclass
class Bank:
    """An emulator and the media store whose budgets are looked into."""

    emulator: Emulator
    media: Path

    def entries(self, name: str) -> list[Entry]:
        paths = sorted((self.media / "budgets" / name).glob("*.json"))
        return [Entry.model_validate_json(path.read_bytes()) for path in paths]

    def spent(self, name: str) -> str:
        return str(add_up(self.entries(name)).spent)

    @property
    def models(self) -> list[str]:
        return [charge.model for charge in self.emulator.charges]


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: Path) -> Iterator[Bank]:
    media = tmp_path / "media"
    for name in ("VIDEOGEN_MODELS", "VIDEOGEN_CALLBACK_URL"):
        monkeypatch.delenv(name, raising=False)
    with Emulator(media_dir=media, **FAST) as emulator:  # type: ignore[arg-type]
        for name, value in emulator.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("VIDEOGEN_MEDIA_URL", media.as_uri())
        monkeypatch.setenv("VIDEOGEN_PRICES", json.dumps(PRICES))
        yield Bank(emulator, media)


def board(title: str, *shots: Shot, **more: Any) -> Storyboard:
    return Storyboard.model_validate({"title": title, "model": WAN, "shots": list(shots), **more})


async def film_of(given: Storyboard, **more: Any) -> Film:
    result = await generate_storyboard(storyboard=given, studio="env", **more)
    assert isinstance(result, Film)
    return result


async def clip_of(prompt: str, **more: Any) -> Any:
    return await generate_clip(**{"prompt": prompt, "model": WAN, "studio": "env", **more})


# -- refused before -------------------------------------------------------------------------------


async def test_film_that_is_too_dear_is_refused_before_any_submission(bank):
    given = board("Too dear", Shot(prompt="One"), Shot(prompt="Two"))
    with pytest.raises(BudgetExceeded, match=r"budget too-dear: 2\.20 USD wanted, 2\.19 left"):
        await film_of(given, budget=2.19)
    assert bank.emulator.charges == []
    assert {seen.kind for seen in bank.emulator.requests} <= {"media"}
    assert bank.entries("too-dear") == []


def test_render_stopped_by_its_budget_ends_with_exit_code_3(bank, tmp_path, monkeypatch, capsys):
    file = tmp_path / "board.yaml"
    file.write_text("title: Dear\nmodel: wan-2-5\nshots: [{prompt: One}, {prompt: Two}]\n")
    arguments = ["render", str(file), "--studio", "env", "--budget", "2", "--budget-name", "June"]
    monkeypatch.setattr(sys, "argv", ["prefect-videogen", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 3
    assert "budget june: 2.20 USD wanted, 2.00 left of 2.00" in capsys.readouterr().err
    assert bank.emulator.charges == []


async def test_unpriced_shot_under_a_budget_is_refused_unless_allowed(bank, monkeypatch):
    monkeypatch.setenv("VIDEOGEN_PRICES", json.dumps(PRICES[1:]))
    with pytest.raises(StudioError, match=r"no price for clip \(wan-2-5\)") as caught:
        await clip_of("An unpriced kite", budget=5)
    assert "allow_unpriced" in caught.value.next_step
    assert bank.emulator.charges == []
    monkeypatch.setenv("VIDEOGEN_ALLOW_UNPRICED", "true")
    assert (await clip_of("An unpriced kite", budget=5)).how == "bought"
    assert bank.spent("clip") == "0"


async def test_month_limit_of_the_studio_holds_for_all_its_runs(bank, monkeypatch):
    monkeypatch.setenv("VIDEOGEN_LIMIT_PER_MONTH", "2.50")
    for prompt in ("One kite", "Two kites"):
        await clip_of(prompt)
    with pytest.raises(
        BudgetExceeded, match=r"per month .*-env-\d{4}-\d\d\): 1\.10 USD wanted, 0\.30"
    ):
        await clip_of("Three kites", budget=10, budget_name="june")
    assert len(bank.emulator.charges) == 2
    assert bank.spent("june") == "0"  # what had been set aside was given back
    assert (await clip_of("One kite")).how == "reused"


async def test_run_limit_of_the_studio_holds_for_each_run(bank, monkeypatch):
    monkeypatch.setenv("VIDEOGEN_LIMIT_PER_RUN", "2.20")
    three = board("Three", *(Shot(prompt=f"Kite {n}") for n in range(3)))
    with pytest.raises(BudgetExceeded, match="budget run-"):
        await film_of(three)
    assert bank.emulator.charges == []
    two = board("Two", *(Shot(prompt=f"Kite {n}") for n in range(2)))
    await film_of(two)
    assert (await film_of(three)).bought == 1


# -- made within ----------------------------------------------------------------------------------


async def test_limit_of_the_studio_holds_for_tasks_of_a_users_own_flow(bank, monkeypatch):
    monkeypatch.setenv("VIDEOGEN_LIMIT_PER_RUN", "1.50")

    @flow
    async def own(*prompts: str) -> list[Any]:
        clips: list[Any] = []
        for prompt in prompts:
            request = await plan_clip(Shot(prompt=prompt, model=WAN), "env")
            job = await submit(request, "env")
            clips.append(await download(await wait(job, "env"), "env"))
        return clips

    (clip,) = await own("A kite")
    assert (clip.how, clip.model) == ("bought", WAN)
    with pytest.raises(BudgetExceeded, match=r"1\.10 USD wanted, 0\.40 left") as caught:
        await own("A kite", "Another", "A third")
    assert caught.value.shot == "clip"
    assert len(bank.emulator.charges) == 2


async def test_task_of_a_users_own_flow_buys_nothing_unpriced_under_a_limit(bank, monkeypatch):
    monkeypatch.setenv("VIDEOGEN_LIMIT_PER_RUN", "1.50")
    monkeypatch.setenv("VIDEOGEN_PRICES", "[]")

    @flow
    async def own() -> Any:
        return await submit(await plan_clip(Shot(prompt="A kite", model=WAN), "env"), "env")

    with pytest.raises(StudioError, match="no price for clip"):
        await own()
    assert bank.emulator.charges == []


async def test_film_within_its_budget_is_one_entry_and_its_money_is_written_down(bank):
    given = board(
        "Affordable",
        Shot(id="a", prompt="A kite rises"),
        Shot(id="b", prompt="It flies on", first_frame="previous", model=EVO),
    )
    film = await film_of(given, budget=1.85)
    assert film.complete
    (entry,) = bank.entries("affordable")
    assert (str(entry.amount), entry.kind) == ("1.85", "reserve")
    assert [hold.shot for hold in entry.reserved] == ["a", "b"]
    assert entry.reserved[0].clip == film.clips[0].key

    money = film.money
    assert money is not None
    assert [str(amount) for amount in money.estimate] == ["1.85 USD"]
    assert [(b.name, str(b.spent), str(b.limit)) for b in money.budgets] == [
        ("affordable", "1.85", "1.85")
    ]
    assert [clip.charge is None for clip in money.clips] == [
        clip.charge is None for clip in film.clips
    ]
    units = {change.vendor: change.unit for change in money.balances}
    assert units == {"apixo@sandbox": "USD", "evolink@sandbox": "credits"}
    for change in money.balances:
        assert change.before is not None
        assert change.after is not None
        assert change.after < change.before
    (stored,) = bank.media.glob("runs/*/money.json")
    assert stored.read_text() == money.model_dump_json(indent=2)

    # The same again costs nothing, asks nobody and needs no budget.
    asked = len(bank.emulator.requests)
    again = await film_of(given, budget=0.01, budget_name="nothing")
    assert (again.bought, again.money, again.digest) == (0, None, film.digest)
    assert len(bank.emulator.requests) == asked
    assert len(bank.entries("affordable")) == 1


async def test_manifest_is_the_same_whatever_the_budget(bank):
    given = board("Told", Shot(prompt="A kite"))
    film = await film_of(given, budget=5)
    assert "budget" not in (bank.media / film.manifest).read_text()


async def test_two_films_share_a_budget_by_its_name(bank):
    shared = {"budget": 2, "budget_name": "June ads"}
    await film_of(board("First", Shot(prompt="One")), **shared)
    with pytest.raises(BudgetExceeded, match=r"budget june-ads: 1\.10 USD wanted, 0\.90 left"):
        await film_of(board("Second", Shot(prompt="Two")), **shared)
    await film_of(board("Third", Shot(prompt="Two"), model=LTX), **shared)
    assert bank.spent("june-ads") == "1.40"


async def test_run_that_died_after_reserving_leaves_its_money_to_the_next(bank, monkeypatch):
    given = board("Died", Shot(prompt="One"), Shot(prompt="Two", first_frame="previous"))

    async def die(*_: Any) -> None:
        raise KeyboardInterrupt

    async def dead(*_: Any) -> None: ...

    with monkeypatch.context() as patch:
        patch.setattr("prefect_videogen.flows.making._Making.make", die)
        patch.setattr("prefect_videogen.flows.making.Spending.settle", dead)
        with pytest.raises(KeyboardInterrupt):
            await film_of(given, budget=2.20)
    assert bank.spent("died") == "2.20"
    assert bank.emulator.charges == []
    assert (await film_of(given, budget=2.20)).bought == 2
    assert bank.spent("died") == "2.20"


@pytest.mark.parametrize(
    ("stopped_in", "spent", "left"), [("_results", "0", 2), ("_film", "1.10", 1)]
)
async def test_run_that_is_stopped_leaves_its_money_to_another_board(
    bank, monkeypatch, stopped_in, spent, left
):
    async def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"prefect_videogen.flows.making._Making.{stopped_in}", stop)
        with pytest.raises(KeyboardInterrupt):
            await film_of(board("Stopped", Shot(prompt="One")), budget=2.20)
    assert bank.spent("stopped") == spent
    others = [Shot(prompt=f"Another {number}") for number in range(left)]
    assert (await film_of(board("Stopped", *others), budget=2.20)).bought == left


# -- settled after --------------------------------------------------------------------------------


async def test_failed_job_that_is_not_billed_pays_for_the_next_one(bank, stills):
    bank.emulator.faults.add("job-fails", vendor="evolink")
    clip = await clip_of("A kite", model=EVO, first_frame=stills["sky"], budget=0.75)
    assert (clip.how, clip.attempt) == ("bought", 2)
    assert bank.models == [EVO, EVO]
    assert bank.spent("clip") == "0.75"
    assert [entry.kind for entry in bank.entries("clip")] == ["reserve", "further job"]


async def test_failed_jobs_that_are_not_billed_are_credited(bank, stills):
    bank.emulator.faults.add("job-fails", vendor="evolink", times=None)
    with pytest.raises(JobFailed):
        await clip_of("A kite", model=EVO, first_frame=stills["sky"], budget=5)
    assert len(bank.emulator.charges) == 3
    assert bank.spent("clip") == "0"
    assert bank.entries("clip")[-1].kind == "credit"


async def test_failed_job_that_may_be_billed_leaves_no_money_for_another(bank):
    bank.emulator.faults.add("job-fails")
    with pytest.raises(BudgetExceeded, match=r"1\.10 USD wanted, 0\.00 left") as caught:
        await clip_of("A kite", budget=1.10)
    assert caught.value.shot == "clip"
    assert len(bank.emulator.charges) == 1
    assert bank.spent("clip") == "1.10"
    assert (await clip_of("A kite", budget=2.20)).how == "bought"
    assert bank.spent("clip") == "2.20"


async def test_purchase_refused_at_the_door_is_credited(bank):
    bank.emulator.faults.add("no-credits-402")
    with pytest.raises(NoCredits):
        await clip_of("A kite", budget=1.10)
    assert bank.emulator.charges == []
    assert bank.spent("clip") == "0"
    assert (await clip_of("A kite", budget=1.10)).how == "bought"


async def test_fallback_is_paid_by_what_the_refused_model_gave_back(bank, stills):
    given = board(
        "Fallback",
        Shot(
            id="a",
            prompt="A kite [violation]",
            model=EVO,
            first_frame=stills["sky"],
            fallback=[LTX],
        ),
        Shot(id="b", prompt="It lands", first_frame="previous"),
    )
    bank.emulator.faults.add("job-fails", model=LTX, times=None, code="CONTENT_VIOLATION")
    with pytest.raises(FilmIncomplete):
        await film_of(given, budget=1.85)
    assert bank.models == [EVO, LTX]
    # The fallback's failure may be billed at APIXO; b was never bought.
    assert bank.spent("fallback") == "0.30"
    with pytest.raises(FilmIncomplete):
        await film_of(given, budget=0.30)  # nothing is left to be bought, so nothing is wanted
    assert bank.spent("fallback") == "0.30"


async def test_clip_that_a_fallback_made_is_not_reserved_for_again(bank, stills):
    given = board(
        "Made otherwise",
        Shot(
            id="a",
            prompt="A kite [violation]",
            model=EVO,
            first_frame=stills["sky"],
            fallback=[LTX],
        ),
        Shot(id="b", prompt="It lands", first_frame="previous"),
    )
    bank.emulator.faults.clear()
    given.shots[0].prompt = "A kite"
    bank.emulator.faults.add("job-fails", model=EVO, code="content_policy_violation")
    film = await film_of(given, budget=1.85)
    assert [clip.model for clip in film.clips] == [LTX, WAN]
    assert bank.spent("made-otherwise") == "1.40"
    again = await film_of(given, budget=1.40, max_new_clips=1)
    assert (again.bought, again.money) == (0, None)


async def test_film_stopped_half_way_by_its_budget_keeps_the_rest(bank):
    bank.emulator.faults.add("job-fails", model=LTX)
    given = board(
        "Half way", Shot(id="good", prompt="One"), Shot(id="poor", prompt="Two", model=LTX)
    )
    with pytest.raises(FilmIncomplete) as caught:
        await film_of(given, budget=1.40)
    (missing,) = caught.value.result.missing
    assert (missing.shot, missing.error) == ("poor", "BudgetExceeded")
    assert [clip.shot for clip in caught.value.result.clips] == ["good"]
    assert bank.spent("half-way") == "1.40"
    assert (await film_of(given, budget=1.70)).bought == 1


# -- the cap in clips -----------------------------------------------------------------------------


async def test_cap_counts_a_further_job_that_may_be_billed(bank):
    bank.emulator.faults.add("job-fails")
    with pytest.raises(BudgetExceeded, match="no more purchases are allowed"):
        await clip_of("A capped kite", max_new_clips=1)
    assert len(bank.emulator.charges) == 1


async def test_cap_does_not_count_a_failed_job_that_is_not_billed(bank, stills):
    bank.emulator.faults.add("job-fails", vendor="evolink")
    clip = await clip_of("A kite", model=EVO, first_frame=stills["sky"], max_new_clips=1)
    assert clip.attempt == 2


async def test_plan_only_reserves_nothing(bank):
    await generate_storyboard(
        storyboard=board("Planned", Shot(prompt="One")), studio="env", budget=0.01, plan_only=True
    )
    assert not (bank.media / "budgets").exists()
    async with get_client() as client:
        artifacts = await client.read_artifacts()
    assert any("1.10 USD" in str(entry.data) for entry in artifacts)
