"""generate-storyboard: from a file or a form, with gaps, fallbacks, caps, plans and variables."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prefect_videogen import Shot, Storyboard, generate_storyboard, generate_storyboard_sync
from prefect_videogen.errors import BudgetExceeded, FilmIncomplete, StoryboardError, StudioError
from prefect_videogen.filming import Film
from prefect_videogen.plan import Plan
from prefect_videogen.storyboard import FilmOptions

WAN, VIDU = "wan-2-5", "vidu-q3"


def board(title: str, *shots: Shot, **more: Any) -> Storyboard:
    return Storyboard(**{"title": title, "model": WAN, "shots": list(shots), **more})


async def film_of(given: Storyboard, **more: Any) -> Film:
    result = await generate_storyboard(storyboard=given, studio="env", **more)
    assert isinstance(result, Film)
    return result


async def test_file_and_form_are_the_same_film(stage, stills, inbox, tmp_path):
    (tmp_path / "pictures").mkdir()
    for path in stills.values():
        shutil.copy(path, tmp_path / "pictures")
    file = tmp_path / "board.yaml"
    file.write_text(
        "title: Two ways\n"
        "model: vidu-q3\n"
        "seconds: 1\n"
        "shots:\n"
        "  - {id: up, prompt: The kite rises, first_frame: pictures/sky.png}\n"
        "  - {id: over, prompt: It flies, first_frame: previous, last_frame: next}\n"
        "  - {id: down, prompt: It lands, first_frame: pictures/sea.png}\n"
    )
    from_file = await generate_storyboard(storyboard_file=str(file), studio="env")
    assert isinstance(from_file, Film)
    assert len(stage.charges) == 3
    form = board(
        "Two ways",
        Shot(id="up", prompt="The kite rises", first_frame="sky.png"),
        Shot(id="over", prompt="It flies", first_frame="previous", last_frame="next"),
        Shot(id="down", prompt="It lands", first_frame="sea.png"),
        model=VIDU,
        seconds=1,
    )
    from_form = await film_of(form)
    assert len(stage.charges) == 3
    assert from_form.digest == from_file.digest
    assert from_form.sha256 == from_file.sha256
    assert from_file.frames == 3 * 8 - 2


async def test_manifest_says_how_every_shot_was_made(stage, artifact):
    film = await film_of(
        board("Told", Shot(id="a", prompt="One", seed=3), Shot(id="b", prompt="Two"))
    )
    manifest = json.loads(stage.path(film.manifest).read_text())
    assert manifest["sandbox"] is True
    assert [shot["id"] for shot in manifest["shots"]] == ["a", "b"]
    assert manifest["shots"][0]["bought"]["params"]["seed"] == 3
    assert manifest["film"]["sha256"] == film.sha256
    assert manifest["film"]["frames"] == film.frames == 80
    table = await artifact("film-told")
    assert all(clip.job_id in table for clip in film.clips)
    assert "sandbox" in table


async def test_two_runs_of_one_board_at_once_buy_it_once(stage):
    given = board("Raced", Shot(prompt="Racing one"), Shot(prompt="Racing two"))
    films = await asyncio.gather(film_of(given), film_of(given))
    assert len(stage.charges) == 2
    assert films[0].sha256 == films[1].sha256
    assert sum(film.bought for film in films) == 2


async def test_failing_shot_leaves_the_others_kept_and_named(stage, artifact):
    given = board(
        "Gap",
        Shot(id="good", prompt="A good kite"),
        Shot(id="bad", prompt="A bad kite [violation]"),
        Shot(id="after", prompt="A late kite"),
    )
    with pytest.raises(FilmIncomplete) as caught:
        await film_of(given)
    error = caught.value
    film = error.result
    assert isinstance(film, Film)
    assert (film.path, film.complete) == ("", False)
    assert [clip.shot for clip in film.clips] == ["good", "after"]
    assert {clip.key for clip in film.clips} <= set(stage.kept())
    (missing,) = film.missing
    assert (missing.shot, missing.error) == ("bad", "ContentRefused")
    assert "safety guidelines" in missing.reason
    assert "prompt" in missing.next_step
    assert missing.job_id == next(
        charge.job_id for charge in stage.charges if "violation" in charge.params["prompt"]
    )
    assert "bad" in str(error)
    assert "the other clips are kept" in error.next_step.lower()
    assert "ContentRefused" in await artifact("film-gap")

    # Mended, only what was missing is bought.
    given.shots[1].prompt = "A better kite"
    film = await film_of(given)
    assert (film.bought, film.complete) == (1, True)
    assert len(stage.charges) == 4


async def test_gap_that_may_be_skipped_ends_completed_and_named_partial(stage):
    given = board(
        "Skipped",
        Shot(id="good", prompt="A fine kite"),
        Shot(id="bad", prompt="[violation]"),
        film=FilmOptions(on_missing="skip"),
    )
    state = await generate_storyboard(storyboard=given, studio="env", return_state=True)
    assert (state.name, state.is_completed()) == ("Partial", True)
    assert "bad" in str(state.message)
    film = await state.aresult()
    assert isinstance(film, Film)
    assert film.path
    assert film.frames == 40
    assert [entry.shot for entry in film.missing] == ["bad"]
    assert not film.complete
    again = await film_of(given)
    assert (again.digest, again.bought) == (film.digest, 0)


async def test_board_without_any_clip_fails_even_when_gaps_may_be_skipped(stage):
    given = board("Nothing", Shot(prompt="[violation] all"), film=FilmOptions(on_missing="skip"))
    with pytest.raises(FilmIncomplete):
        await film_of(given)


async def test_successor_of_a_missing_shot_is_said_to_wait_for_it_and_is_not_bought(stage):
    given = board(
        "Broken chain",
        Shot(id="first", prompt="A first [violation]"),
        Shot(id="second", prompt="On it goes", first_frame="previous"),
        Shot(id="third", prompt="And on", first_frame="previous"),
        Shot(id="apart", prompt="Elsewhere"),
        film=FilmOptions(on_missing="skip"),
    )
    film = await film_of(given)
    assert [clip.shot for clip in film.clips] == ["apart"]
    missing = {entry.shot: entry for entry in film.missing}
    assert set(missing) == {"first", "second", "third"}
    assert "last frame of first" in missing["second"].reason
    assert "first" in missing["second"].next_step
    assert missing["second"].billed == "no"
    assert "last frame of second" in missing["third"].reason
    assert len(stage.charges) == 2


async def test_fallback_model_makes_the_shot_after_a_refusal(stage):
    stage.emulator.faults.add("job-fails", times=None, model=WAN, code="CONTENT_VIOLATION")
    given = board("Fallback", Shot(id="a", prompt="A delicate kite", fallback=["ltx-2-19b"]))
    film = await film_of(given)
    assert [(clip.shot, clip.model) for clip in film.clips] == [("a", "ltx-2-19b")]
    assert [charge.model for charge in stage.charges] == [WAN, "ltx-2-19b"]
    again = await film_of(given)
    assert (again.bought, again.digest) == (0, film.digest)
    assert len(stage.charges) == 2


async def test_fallback_is_not_bought_for_a_failure_that_is_no_refusal(stage):
    given = board(
        "No fallback",
        Shot(id="a", prompt="A kite [fail:GENERATION_FAILED]", fallback=["ltx-2-19b"]),
    )
    with pytest.raises(FilmIncomplete, match="failed the job"):
        await film_of(given)
    assert [charge.model for charge in stage.charges] == [WAN]


async def test_fallback_is_not_bought_while_the_outcome_is_unknown(stage):
    stage.emulator.faults.add("502-after-accept", model=WAN)
    given = board("Unclear", Shot(id="a", prompt="An unclear kite", fallback=["ltx-2-19b"]))
    with pytest.raises(FilmIncomplete) as caught:
        await film_of(given)
    assert [entry.error for entry in caught.value.result.missing] == ["SubmissionUnknown"]
    assert [entry.billed for entry in caught.value.result.missing] == ["unknown"]
    assert [charge.model for charge in stage.charges] == [WAN]


async def test_cap_on_new_clips_refuses_before_buying(stage):
    given = board(
        "Capped", Shot(prompt="Cap one"), Shot(prompt="Cap two"), Shot(prompt="Cap three")
    )
    with pytest.raises(BudgetExceeded, match="3 clips would have to be bought"):
        await film_of(given, max_new_clips=2)
    assert stage.asked == []
    film = await film_of(given, max_new_clips=3)
    assert film.bought == 3
    assert (await film_of(given, max_new_clips=1)).bought == 0


async def test_plan_only_buys_nothing_writes_nothing_and_leaves_an_artifact(
    stage, stills, artifact
):
    before = sorted(path for path in stage.media.rglob("*") if path.is_file())
    given = board(
        "Only a plan",
        Shot(id="a", prompt="One", first_frame=stills["snow"]),
        Shot(id="b", prompt="Two", first_frame="previous"),
    )
    plan = await generate_storyboard(storyboard=given, studio="env", plan_only=True)
    assert isinstance(plan, Plan)
    assert [(clip.id, clip.key is not None) for clip in plan.clips] == [("a", True), ("b", False)]
    assert stage.asked == []
    assert sorted(path for path in stage.media.rglob("*") if path.is_file()) == before
    table = await artifact("plan-only-a-plan")
    assert "To buy: 2 of 2" in table
    assert "after a" in table


async def test_plan_names_exactly_what_the_run_then_buys(stage):
    given = board("Kept promise", Shot(prompt="Promise one"), Shot(prompt="Promise two"))
    plan = await generate_storyboard(storyboard=given, studio="env", plan_only=True)
    film = await film_of(given)
    assert [clip.key for clip in plan.clips] == [clip.key for clip in film.clips]
    later = await generate_storyboard(storyboard=given, studio="env", plan_only=True)
    assert isinstance(later, Plan)
    assert later.to_buy == ()
    assert {clip.state for clip in later.clips} == {"stored"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"wait": "callback"}, "wait = callback"),
        ({"budget": -1.5}, "no amount of money"),
        ({"budget_name": "june"}, "has no budget"),
        ({"review": "shots"}, "review = shots"),
        ({"review": "film"}, "review = film"),
    ],
)
async def test_parameter_that_can_not_be_kept_fails_before_any_request(stage, given, says):
    with pytest.raises(StudioError, match=says) as caught:
        await film_of(board("Later", Shot(prompt="One")), **given)
    assert caught.value.next_step
    assert len(stage.emulator.requests) == stage.seen[1]


async def test_budget_without_prices_is_refused_before_buying(stage):
    with pytest.raises(StudioError, match="no price for 01"):
        await film_of(board("Unpriced", Shot(prompt="An unpriced kite")), budget=1.5)
    assert stage.charges == []
    assert "submit" not in stage.asked


async def test_file_and_form_together_or_neither_are_refused(stage):
    with pytest.raises(StoryboardError, match="is missing"):
        await generate_storyboard(studio="env")
    with pytest.raises(StoryboardError, match="is given twice"):
        await film_of(board("Both", Shot(prompt="x")), storyboard_file="board.yaml")
    with pytest.raises(StoryboardError, match="can't be read"):
        await generate_storyboard(storyboard_file="/nowhere/board.yaml", studio="env")


async def test_all_faults_are_named_at_once_before_anything_is_asked(stage):
    given = board(
        "Faulty",
        Shot(id="a", prompt="One", first_frame="previous"),
        Shot(id="b", prompt="", seconds=7),
        Shot(id="c", prompt="Three", model="nonsense"),
    )
    with pytest.raises(StoryboardError) as caught:
        await film_of(given)
    found = {(fault.shot, fault.field) for fault in caught.value.faults}
    assert found == {("a", "first_frame"), ("b", "prompt"), ("b", "seconds"), ("c", "model")}
    assert len(stage.emulator.requests) == stage.seen[1]


async def test_variables_and_the_scheduled_start_are_filled_in(stage):
    given = board(
        "Dawn over {city} {scheduled:%Y-%m-%d}",
        Shot(prompt="{city} wakes up, take {scheduled:%j}", take="{scheduled:%Y-%m-%d}"),
        variables={"city": "Oslo"},
    )
    days = [datetime.now(UTC)]
    film = await film_of(given, variables={"city": "Bergen"})
    days.append(datetime.now(UTC))
    assert film.title in {f"Dawn over Bergen {day:%Y-%m-%d}" for day in days}
    assert stage.charges[0].params["prompt"] in {f"Bergen wakes up, take {day:%j}" for day in days}
    with pytest.raises(StoryboardError, match="town"):
        await film_of(board("In {town}", Shot(prompt="x")))


async def test_takes_are_all_bought_and_the_picked_one_is_in_the_film(stage):
    given = board("Takes", Shot(id="a", prompt="Taken", takes=3, pick=2, seed=10))
    film = await film_of(given)
    assert sorted(charge.params["seed"] for charge in stage.charges) == [10, 11, 12]
    assert len(film.clips) == 3
    picked = stage.emulator.job(film.clips[0].job_id)
    assert picked.params["seed"] == 11
    assert film.frames == 40


async def test_film_is_delivered_where_it_is_wanted(stage, tmp_path: Path):
    given = board("Delivered", Shot(prompt="A parcel"))
    film = await film_of(given, deliver_to=str(tmp_path / "out"))
    assert film.delivered == str(tmp_path / "out/delivered.mp4")
    delivered = (tmp_path / "out/delivered.mp4").read_bytes()
    assert delivered == stage.path(film.path).read_bytes()


async def test_place_that_no_film_goes_to_is_refused_before_anything_is_bought(stage):
    given = board("Delivered", Shot(prompt="A parcel"))
    with pytest.raises(StudioError, match="deliver_to = gs://bucket"):
        await film_of(given, deliver_to="gs://bucket")
    assert not stage.charges


def test_sync_twin_makes_a_film_and_passes_errors_on(stage):
    film = generate_storyboard_sync(storyboard=board("Sync", Shot(prompt="In step")), studio="env")
    assert isinstance(film, Film)
    assert film.complete
    with pytest.raises(StoryboardError):
        generate_storyboard_sync(studio="env")
