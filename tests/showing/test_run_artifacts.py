"""What a run leaves in Prefect's UI: one table, progress and pictures; kept current, at no risk."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.events.worker import EventsWorker
from prefect.exceptions import Pause
from prefect.runtime import flow_run

from prefect_videogen import Shot, Storyboard, generate_storyboard
from prefect_videogen.blocks import opened
from prefect_videogen.errors import FilmIncomplete
from prefect_videogen.filming import Film
from prefect_videogen.plan import Plan
from prefect_videogen.progress import tell
from prefect_videogen.records import LocalStore
from prefect_videogen.storyboard import FilmOptions
from prefect_videogen.tasks import films, showing, stitch

KEY = "sk-videogen-Shown-1b2d48607f3a9c5e"
EMULATOR = {"api_key": KEY}
SHOWN_AT = "https://media.example/kites"
PRICES = json.dumps([{"model": "wan-2-5", "amount": 0.08, "currency": "USD"}])


def board(title: str, *shots: Shot, **more: Any) -> Storyboard:
    return Storyboard(title=title, model="wan-2-5", seconds=5, shots=list(shots), **more)


async def film_of(given: Storyboard) -> Film:
    result = await generate_storyboard(storyboard=given, studio="env")
    assert isinstance(result, Film)
    return result


async def artifacts(slug: str) -> dict[str, list[Any]]:
    """All artifacts of a film by their kind, oldest first."""
    kinds = ("film", "progress", "seams", "picture")
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[f"{kind}-{slug}" for kind in kinds]))
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=wanted)
    ordered = sorted(found, key=lambda entry: str(entry.created))
    by_kind: dict[str, list[Any]] = {}
    for entry in ordered:
        by_kind.setdefault(str(entry.key).partition("-")[0], []).append(entry)
    return by_kind


@pytest.fixture
def requests(monkeypatch) -> Counter[str]:
    """How often artifacts were read, created and updated."""
    counted: Counter[str] = Counter()
    for name in ("read_artifacts", "create_artifact", "update_artifact"):

        def wrap(name: str, plain: Any) -> Any:
            async def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
                counted[name] += 1
                return await plain(self, *args, **kwargs)

            return counting

        monkeypatch.setattr(PrefectClient, name, wrap(name, getattr(PrefectClient, name)))
    return counted


async def test_a_film_leaves_one_table_full_progress_and_pictures(stage, monkeypatch):
    monkeypatch.setenv("VIDEOGEN_MEDIA_VIEW_URL", f"{SHOWN_AT}/")
    monkeypatch.setenv("VIDEOGEN_PRICES", PRICES)
    film = await film_of(
        board("Shown", Shot(id="up", prompt="Up it goes"), Shot(id="down", prompt="Down"))
    )
    found = await artifacts("shown")
    assert {kind: len(entries) for kind, entries in found.items()} == dict.fromkeys(found, 1)
    assert found["progress"][0].data == 100
    folder = film.path.rpartition("/")[0]
    assert found["seams"][0].data == f"{SHOWN_AT}/{folder}/seams.png"
    assert found["picture"][0].data == f"{SHOWN_AT}/{folder}/first.jpg"
    assert stage.path(f"{folder}/first.jpg").read_bytes().startswith(b"\xff\xd8")
    table = found["film"][0].data
    assert "2 of 2 clips are there." in table
    for clip in film.clips:
        assert f"| {clip.shot} | bought | wan-2-5 | 5.00 s | 0.40 USD |" in table
        assert f"| `{clip.job_id}` | [clip]({SHOWN_AT}/{quote(clip.path)}) |" in table
    assert f"[shown.mp4]({SHOWN_AT}/{film.path})" in table
    assert f"[Its page]({SHOWN_AT}/{film.page})" in table
    shown = json.dumps([entry.data for entries in found.values() for entry in entries])
    assert "?" not in shown
    assert KEY not in shown


async def test_without_an_address_to_view_media_there_are_paths_and_no_pictures(stage, monkeypatch):
    monkeypatch.setenv("VIDEOGEN_MEDIA_VIEW_URL", "")
    monkeypatch.setenv("VIDEOGEN_MEDIA_PUBLIC_URL", "")
    film = await film_of(board("Not served", Shot(id="up", prompt="Up, unseen")))
    found = await artifacts("not-served")
    assert set(found) == {"film", "progress"}
    assert f"`{film.path}`" in found["film"][0].data
    assert f"`{film.clips[0].path}`" in found["film"][0].data


async def test_every_run_of_a_film_has_a_table_of_its_own_under_one_key(stage):
    given = board("Thrice", Shot(id="up", prompt="Up thrice"))
    for _ in range(3):  # the third one's download has a cached result, and does not run
        await film_of(given)
    tables = (await artifacts("thrice"))["film"]
    assert len({entry.flow_run_id for entry in tables}) == len(tables) == 3
    assert "| up | bought |" in tables[0].data
    for table in tables[1:]:
        assert "1 of 1 clips are there." in table.data
        assert "| up | reused | wan-2-5 | 5.00 s | paid before |" in table.data


async def test_a_gap_is_in_the_table_and_progress_stops_short(stage):
    given = board(
        "Gap shown",
        Shot(id="good", prompt="A shown kite", takes=2),
        Shot(id="bad", prompt="[violation] shown"),
    )
    with pytest.raises(FilmIncomplete):
        await film_of(given)
    found = await artifacts("gap-shown")
    assert found["progress"][0].data == 75
    table = found["film"][0].data
    assert "2 of 3 clips are there, 1 failed." in table
    assert table.count("| bought |") == 2
    assert "| good | bought |" in table
    assert "| bad | ContentRefused |" in table
    assert "Film: not made." in table


async def test_task_runs_are_named_and_those_of_two_takes_told_apart(stage, caplog):
    caplog.set_level(logging.INFO)
    await film_of(board("Two takes", Shot(id="up", prompt="Up twice", takes=2)))
    found = {getattr(record, "task_run_name", "") for record in caplog.records}
    steps = {f"{step} {shot}" for step in ("submit", "wait", "download") for shot in ("up", "up~2")}
    assert found - {""} == {*steps, "stitch two-takes", "report"}


async def test_a_film_is_made_while_artifacts_can_not_be_had(stage, monkeypatch, caplog):
    asked: Counter[str] = Counter()

    async def fail(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked["times"] += 1
        raise httpx.ConnectError("no server for artifacts?token=secret")

    for name in ("read_artifacts", "create_artifact", "update_artifact"):
        monkeypatch.setattr(PrefectClient, name, fail)
    film = await film_of(board("Unseen", Shot(id="up", prompt="Up alone")))
    assert film.complete
    assert asked["times"] > 1
    (line,) = [record for record in caplog.records if record.name == showing.__name__]
    assert line.levelno == logging.WARNING
    assert line.getMessage().endswith("is not up to date (ConnectError)")


async def test_a_film_does_not_wait_for_a_server_that_never_answers(stage, monkeypatch):
    async def hang(self: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.Event().wait()

    for name in ("read_artifacts", "create_artifact", "update_artifact"):
        monkeypatch.setattr(PrefectClient, name, hang)
    monkeypatch.setattr(showing, "WITHIN", 0.05)
    film = await film_of(board("Unanswered", Shot(id="up", prompt="Up anyway")))
    assert film.complete


async def test_a_suspended_run_does_not_wait_for_a_server_that_never_answers(stage, monkeypatch):
    async def hang(self: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(PrefectClient, "read_artifacts", hang)
    monkeypatch.setattr(showing, "WITHIN", 600.0)
    monkeypatch.setattr(showing, "AT_PAUSE", 0.05)
    given = board("Suspended", Shot(id="up", prompt="Up later"))

    @flow
    async def suspended() -> None:
        plan = await generate_storyboard.fn(storyboard=given, studio="env", plan_only=True)
        assert isinstance(plan, Plan)
        async with (
            opened("env", run=flow_run.get_id() or "") as studio,
            asyncio.timeout(120),
            showing.shown(studio, plan),
        ):
            tell("up", "running")
            raise Pause

    with pytest.raises(Pause):
        await suspended()


async def test_many_changes_are_few_updates_one_at_a_time(stage, requests):
    """The clock is the test's: the first pause ends only when it says so."""
    slept: list[float] = []
    paused, go_on = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        paused.set()
        await go_on.wait()
        go_on.clear()

    given = board("Busy", *(Shot(id=f"s{number:03}", prompt="A kite") for number in range(300)))

    @flow
    async def busy() -> None:
        plan = await generate_storyboard.fn(storyboard=given, studio="env", plan_only=True)
        assert isinstance(plan, Plan)
        requests.clear()
        async with opened("env", run=flow_run.get_id() or "") as studio:
            studio.time.sleep = sleep
            async with showing.shown(studio, plan):
                for clip in plan.clips:
                    tell(clip.id, "buying")
                await paused.wait()
                assert requests == {"read_artifacts": 1, "create_artifact": 2}
                for state in ("running", "downloading", "done"):
                    for clip in plan.clips[:150]:
                        tell(clip.id, state)
                        await asyncio.sleep(0)  # an update would have its chance
                assert requests["update_artifact"] == 0
                paused.clear()
                go_on.set()
                await paused.wait()
                assert requests["update_artifact"] == 2
                tell(plan.clips[0].id, "done")
            assert requests["update_artifact"] == 2  # nothing had changed

    await busy()
    assert slept == [3.0, 3.0]
    table = (await artifacts("busy"))["film"][0].data
    assert "150 of 300 clips are there, 150 buying." in table


async def test_a_retried_or_resumed_run_goes_on_with_its_artifacts(stage, requests):
    given = board("Again", Shot(id="up", prompt="Up again"))

    @flow
    async def twice() -> None:
        plan = await generate_storyboard.fn(storyboard=given, studio="env", plan_only=True)
        assert isinstance(plan, Plan)
        for state in ("running", "done"):
            async with (
                opened("env", run=flow_run.get_id() or "") as studio,
                showing.shown(studio, plan),
            ):
                tell("up", state)

    await twice()
    found = await artifacts("again")
    assert {kind: len(entries) for kind, entries in found.items()} == {"film": 1, "progress": 1}
    assert "1 of 1 clips are there." in found["film"][0].data


async def test_a_film_is_an_asset_and_its_end_an_event(stage, tmp_path):
    given = board(
        "Told far",
        Shot(id="up", prompt="Up far"),
        Shot(id="bad", prompt="[violation] far"),
        film=FilmOptions(on_missing="skip"),
    )
    film = await film_of(given)
    finished = await event(films.FILM_FINISHED, "videogen.film.told-far")
    assert finished["payload"] | {"run": ""} == {
        "slug": "told-far",
        "title": "Told far",
        "media": stage.media.as_uri(),
        "path": film.path,
        "page": film.page,
        "digest": film.digest,
        "frames": 40,
        "seconds": 5.0,
        "bought": 1,
        "missing": ["bad"],
        "delivered": "",
        "sandbox": True,
        "run": "",
    }
    key = f"{stage.media.as_uri()}/films/told-far"
    made = await event("prefect.asset.materialization.succeeded", key)
    assert made["resource"]["prefect.resource.name"] == "Told far"
    assert (made["payload"]["path"], made["payload"]["frames"]) == (film.path, 40)


async def event(name: str, resource: str) -> dict[str, Any]:
    """The event of a name about a resource, as soon as the server has it."""
    drained: Any = await asyncio.to_thread(EventsWorker.drain_all)
    if inspect.isawaitable(drained):
        await drained
    wanted = {"filter": {"event": {"name": [name]}, "resource": {"id": [resource]}}}
    async with get_client() as client, asyncio.timeout(120):
        while True:
            answer = await client.request("POST", "/events/filter", json=wanted)
            found = answer.json()["events"]
            if found:
                (only,) = found
                return dict(only)
            await asyncio.sleep(0.1)


async def test_a_media_store_that_can_name_no_asset_still_gets_its_film(tmp_path: Path):
    class Odd:
        store = LocalStore(tmp_path / "my films")

    odd: Any = Odd()
    assert films.stitch_asset(odd, title="Kites", slug="kites") is stitch
