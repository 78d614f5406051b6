"""`records`, `collect` and `settle`: looking into an installation and mending it."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from prefect_videogen.buying import Buyer, wait_for
from prefect_videogen.emulator import Emulator
from prefect_videogen.errors import ContentRefused, SubmissionUnknown
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.survey import load_board, survey
from prefect_videogen.waiting import Time

BOARD = """
title: Kites
model: wan-2-5
shots:
  - id: new
    prompt: a kite on the ground
  - id: submitted
    prompt: a kite that is being made
  - id: stored
    prompt: a kite in the air
  - id: failed
    prompt: a [violation]
  - id: chained
    prompt: a kite that flies on
    first_frame: shot:new
"""


@pytest.fixture
def vendors(work):
    """An emulator of the test's own, which counts from nothing."""
    with Emulator(speed=10_000, pixel_scale=0.125, fps=8, media_dir=work / "media") as running:
        yield running


@pytest.fixture
def stage(vendors, open_studio, work, monkeypatch, ask):
    """The studio `env` pointed at the emulator, and a storyboard."""
    for name, value in vendors.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VIDEOGEN_MEDIA_URL", (work / "media").as_uri())
    board = work / "kites.yaml"
    board.write_text(BOARD, encoding="utf-8")
    return Stage(vendors, board, lambda **more: open_studio(vendors, **more), ask)


class Stage:
    def __init__(self, vendors, board, open_studio, ask):
        self.vendors, self.board, self.open, self.ask = vendors, board, open_studio, ask

    def keys(self) -> dict[str, str]:
        async def survey_it():
            board = await load_board(str(self.board))
            return await survey(
                self.open(), board, variables={}, scheduled=datetime.now(UTC), keep=False
            )

        return {clip.id: clip.key for clip in asyncio.run(survey_it()).check().clips}

    def buy(self, *, until: str = "submitted", ago: float = 60, **fields) -> str:
        """Buy a clip, go on as far as told, and give its key."""

        async def run():
            # Some time ago, so that the window of a claim is over.
            studio = self.open(time=Time(now=lambda: time.time() - ago))
            request = await self.ask(studio, **fields)
            async with studio:
                with suppress(ContentRefused, SubmissionUnknown):
                    job = await Buyer(studio, request).buy()
                    if until != "submitted":
                        await fetch_clip(studio, await wait_for(studio, job))
            return request.key

        return asyncio.run(run())

    def wait_until_all_ended(self) -> None:
        while any(job.running for job in self.vendors.jobs):
            time.sleep(0.01)


def bought_all(stage) -> dict[str, str]:
    stage.buy(id="stored", prompt="a kite in the air", until="stored")
    stage.buy(id="failed", prompt="a [violation]", until="ended")
    stage.buy(id="submitted", prompt="a kite that is being made")
    return stage.keys()


def test_records_of_a_board_show_each_clips_state_job_money_and_files(stage, cli):
    keys = bought_all(stage)
    code, out, _ = cli("records", str(stage.board), "--json")
    assert code == 0
    clips = {clip["shot"]: clip for clip in json.loads(out)["clips"]}
    assert {name: clip["state"] for name, clip in clips.items()} == {
        "new": "new",
        "submitted": "submitted",
        "stored": "stored",
        "failed": "ended",
        "chained": "new",
    }
    assert {name: clip["key"] for name, clip in clips.items()} == {**keys, "chained": None}
    assert clips["chained"]["after"] == ["new"]
    assert clips["new"]["attempts"] == clips["new"]["files"] == []

    job_ids = [job.id for job in stage.vendors.jobs]
    attempts = {name: clip["attempts"][0] for name, clip in clips.items() if clip["attempts"]}
    assert [attempts[name]["job_id"] for name in ("stored", "failed", "submitted")] == job_ids
    assert {name: attempt["billed"] for name, attempt in attempts.items()} == {
        "submitted": "yes",
        "stored": "yes",
        "failed": "unknown",
    }
    stored = attempts["stored"]
    times = [stored[f"{name}_at"] for name in ("claimed", "submitted", "ready", "stored")]
    assert times == sorted(times)
    assert attempts["failed"]["error"] == "ContentRefused"
    assert f"clips/{keys['stored']}/clip.mp4" in clips["stored"]["files"]
    assert "://" not in out
    assert stage.vendors.api_key not in out


def test_records_of_a_board_read_as_text(stage, cli):
    keys = bought_all(stage)
    code, out, _ = cli("records", str(stage.board))
    assert code == 0
    assert "new  new  wan-2-5 at apixo@sandbox" in out
    assert "key not known before new is stored" in out
    assert "attempt 1  ended (failed)" in out
    assert "ContentRefused" in out
    for key in (keys["new"], keys["stored"], keys["failed"]):
        assert key in out
    assert f"job {stage.vendors.jobs[0].id}  billed yes" in out


def test_records_of_a_keys_beginning_show_that_clip(stage, cli):
    key = stage.buy()
    code, out, _ = cli("records", key[:8].upper())
    assert code == 0
    assert key in out
    assert "kite  submitted" in out
    assert cli("records", key)[1] == out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("records", "abcdef12"), "nothing is recorded of abcdef12"),
        (("records", "abc"), "'abc' is neither a clip's key nor a storyboard's file"),
        (("records", "nowhere.yaml"), "can't be read"),
        (("settle", "abc", "--not-accepted"), "is not a key"),
        (("settle", "abcdef12"), "give either --job ID or --not-accepted"),
        (("settle", "abcdef12", "--job", "x", "--not-accepted"), "give either"),
        (("settle", "abcdef12", "--job", "x"), "nothing is recorded"),
    ],
)
def test_wrong_wish_ends_with_two_and_says_what(stage, cli, words, says):
    code, _, err = cli(*words)
    assert code == 2
    assert says in err


def test_beginning_of_two_keys_is_refused(stage, cli, tmp_path):
    for end in ("0", "1"):
        folder = tmp_path / "media/clips" / ("ab" * 31 + "a" + end) / "1"
        folder.mkdir(parents=True)
        (folder / "1-claimed.json").write_text("{}")
    code, _, err = cli("settle", "abababab", "--not-accepted")
    assert code == 2
    assert "2 keys begin with abababab" in err


def test_collect_fetches_what_a_dead_run_bought(stage, cli):
    key = stage.buy()
    stage.wait_until_all_ended()
    code, out, _ = cli("collect")
    assert code == 0
    assert f"clips/{key}/clip.mp4" in out
    assert "1 fetched" in out
    code, out, _ = cli("collect", "--json")
    assert code == 0
    assert json.loads(out)["fetched"] == []
    assert cli("collect")[1] == "nothing is unfinished\n"


def test_unknown_submission_is_collected_as_such_then_settled_and_fetched(stage, cli):
    stage.vendors.faults.add("drop-after-accept")
    key = stage.buy(until="unknown")
    code, out, _ = cli("collect")
    assert code == 1
    assert f"prefect-videogen settle {key[:12]} --job ID" in out

    job_id = stage.vendors.jobs[0].id
    code, _, err = cli("settle", key[:8], "--job", "task_of_somebody")
    assert code == 1
    assert "Nothing was recorded" in err
    code, out, _ = cli("settle", key[:8], "--job", job_id)
    assert code == 0
    assert f"job {job_id} is recorded" in out
    stage.wait_until_all_ended()
    assert "1 fetched" in cli("collect")[1]
    assert len(stage.vendors.charges) == 1


def test_unknown_submission_is_shown_as_such_with_what_settles_it(stage, cli):
    stage.vendors.faults.add("drop-after-accept")
    key = stage.buy(until="unknown")
    _, out, _ = cli("records", key)
    first, *_ = out.splitlines()
    assert first.split()[:2] == ["kite", "unknown"]
    assert "attempt 1  unknown  no job id  billed unknown" in out
    assert f"prefect-videogen settle {key[:12]} --job ID" in out
    (attempt,) = json.loads(cli("records", key, "--json")[1])["clips"][0]["attempts"]
    assert (attempt["state"], attempt["unknown"]) == ("claimed", True)


def test_submission_that_may_still_be_under_way_is_shown_as_claimed(stage, cli):
    stage.vendors.faults.add("drop-after-accept")
    key = stage.buy(until="unknown", ago=0)
    _, out, _ = cli("records", key)
    assert "attempt 1  claimed  no job id  billed unknown" in out
    assert "settle" not in out


def test_collect_says_what_needs_a_person_once(stage, program, work):
    """As a program: only there do log lines reach the terminal."""
    stage.vendors.faults.add("drop-after-accept")
    key = stage.buy(until="unknown")
    media = {"VIDEOGEN_MEDIA_URL": (work / "media").as_uri()}
    ran = program("collect", cwd=work, **stage.vendors.environment(), **media)
    assert ran.code == 1
    assert ran.out.count(f"prefect-videogen settle {key[:12]} --job ID") == 1
    assert ran.err == ""


def test_settled_as_not_accepted_is_bought_as_attempt_two(stage, cli):
    stage.vendors.faults.add("drop-after-accept")
    key = stage.buy(until="unknown")
    code, out, _ = cli("settle", key, "--not-accepted")
    assert code == 0
    assert "The next run buys it" in out
    stage.buy(until="stored")
    found = json.loads(cli("records", key, "--json")[1])["clips"][0]
    assert [attempt["state"] for attempt in found["attempts"]] == ["ended", "stored"]
    assert [attempt["billed"] for attempt in found["attempts"]] == ["no", "yes"]
    assert found["state"] == "stored"


def test_unknown_says_how_to_settle(stage):
    stage.vendors.faults.add("drop-after-accept")

    async def run():
        studio = stage.open()
        request = await stage.ask(studio)
        async with studio:
            with pytest.raises(SubmissionUnknown) as caught:
                await Buyer(studio, request).buy()
        return request.key, caught.value.next_step

    key, step = asyncio.run(run())
    assert f"prefect-videogen settle {key[:12]} --job ID" in step
