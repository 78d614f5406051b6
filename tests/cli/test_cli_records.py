"""`records`, `collect` and `settle`: looking into an installation and mending it."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import pytest

from prefect_videogen.buying import Buyer, wait_for
from prefect_videogen.cli import main
from prefect_videogen.errors import SubmissionUnknown, VideoGenError
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.survey import Board, load_board, survey

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
def stage(emulator, open_studio, tmp_path, monkeypatch, ask, hurry):
    """An emulator, the studio `env` pointed at it, and a storyboard."""
    for name in ("VIDEOGEN_MODELS", "VIDEOGEN_PRICES", "VIDEOGEN_CALLBACK_URL"):
        monkeypatch.delenv(name, raising=False)
    vendors = emulator()
    for name, value in vendors.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VIDEOGEN_MEDIA_URL", (tmp_path / "media").as_uri())
    board = tmp_path / "kites.yaml"
    board.write_text(BOARD, encoding="utf-8")
    return Stage(vendors, board, lambda **more: open_studio(vendors, **more), ask)


class Stage:
    def __init__(self, vendors, board, open_studio, ask):
        self.vendors, self.board, self.open, self.ask = vendors, board, open_studio, ask

    def keys(self) -> dict[str, str]:
        async def survey_it():
            board: Board = await load_board(str(self.board))
            studio = self.open()
            from datetime import UTC, datetime

            return await survey(
                studio, board, variables={}, scheduled=datetime.now(UTC), keep=False
            )

        return {clip.id: clip.key for clip in asyncio.run(survey_it()).check().clips}

    def buy(self, *, until: str = "submitted", **fields) -> str:
        """Buy a clip, go on as far as told, and give its key."""

        async def run():
            studio = self.open()
            request = await self.ask(studio, **fields)
            async with studio:
                try:
                    job = await Buyer(studio, request).buy()
                    if until != "submitted":
                        await fetch_clip(studio, await wait_for(studio, job))
                except VideoGenError as error:
                    assert until in {"failed", "unknown"}, error
            return request.key

        return asyncio.run(run())

    def wait_until_all_ended(self) -> None:
        while any(job.running for job in self.vendors.jobs):
            time.sleep(0.01)


@pytest.fixture
def command(capsys, monkeypatch):
    """Run a command in this process; gives exit code, standard output and error."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["prefect-videogen", *words])
        capsys.readouterr()
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        else:
            code = 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def bought_all(stage) -> dict[str, str]:
    stage.buy(id="stored", prompt="a kite in the air", until="stored")
    stage.buy(id="failed", prompt="a [violation]", until="failed")
    stage.buy(id="submitted", prompt="a kite that is being made")
    return stage.keys()


def test_records_of_a_board_show_each_clips_state_job_money_and_files(stage, command):
    keys = bought_all(stage)
    code, out, _ = command("records", str(stage.board), "--json")
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


def test_records_of_a_board_read_as_text(stage, command):
    keys = bought_all(stage)
    code, out, _ = command("records", str(stage.board))
    assert code == 0
    assert "new  new  wan-2-5 at apixo@sandbox" in out
    assert "key not known before new is stored" in out
    assert "attempt 1  ended (failed)" in out
    assert "ContentRefused" in out
    for key in (keys["new"], keys["stored"], keys["failed"]):
        assert key in out
    assert f"job {stage.vendors.jobs[0].id}  billed yes" in out


def test_records_of_a_keys_beginning_show_that_clip(stage, command):
    key = stage.buy()
    code, out, _ = command("records", key[:8].upper())
    assert code == 0
    assert key in out
    assert "kite  submitted" in out
    assert command("records", key)[1] == out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("records", "abcdef12"), "nothing is recorded of abcdef12"),
        (("records", "abc"), "can't be read"),
        (("records", "nowhere.yaml"), "can't be read"),
        (("settle", "abc", "--not-accepted"), "is not a key"),
        (("settle", "abcdef12"), "give either --job ID or --not-accepted"),
        (("settle", "abcdef12", "--job", "x", "--not-accepted"), "give either"),
        (("settle", "abcdef12", "--job", "x"), "nothing is recorded"),
    ],
)
def test_wrong_wish_ends_with_two_and_says_what(stage, command, words, says):
    code, _, err = command(*words)
    assert code == 2
    assert says in err


def test_beginning_of_two_keys_is_refused(stage, command, tmp_path):
    for end in ("0", "1"):
        folder = tmp_path / "media/clips" / ("ab" * 31 + "a" + end) / "1"
        folder.mkdir(parents=True)
        (folder / "1-claimed.json").write_text("{}")
    code, _, err = command("settle", "abababab", "--not-accepted")
    assert code == 2
    assert "2 keys begin with abababab" in err


def test_collect_fetches_what_a_dead_run_bought(stage, command):
    key = stage.buy()
    stage.wait_until_all_ended()
    code, out, _ = command("collect")
    assert code == 0
    assert f"clips/{key}/clip.mp4" in out
    assert "1 fetched" in out
    code, out, _ = command("collect", "--json")
    assert code == 0
    assert json.loads(out)["fetched"] == []
    assert command("collect")[1] == "nothing is unfinished\n"


def test_unknown_submission_is_collected_as_such_then_settled_and_fetched(
    stage, command, monkeypatch
):
    stage.vendors.faults.add("drop-after-accept")
    key = stage.buy(until="unknown")
    real = time.time
    monkeypatch.setattr("prefect_videogen.waiting.loop.time.time", lambda: real() + 10)
    code, out, _ = command("collect")
    assert code == 1
    assert f"prefect-videogen settle {key[:12]} --job ID" in out

    job_id = stage.vendors.jobs[0].id
    code, _, err = command("settle", key[:8], "--job", "task_of_somebody")
    assert code == 1
    assert "Nothing was recorded" in err
    code, out, _ = command("settle", key[:8], "--job", job_id)
    assert code == 0
    assert f"job {job_id} is recorded" in out
    stage.wait_until_all_ended()
    assert "1 fetched" in command("collect")[1]
    assert len(stage.vendors.charges) == 1


def test_settled_as_not_accepted_is_bought_as_attempt_two(stage, command, monkeypatch):
    stage.vendors.faults.add("drop-after-accept")
    key = stage.buy(until="unknown")
    real = time.time
    monkeypatch.setattr("prefect_videogen.waiting.loop.time.time", lambda: real() + 10)
    code, out, _ = command("settle", key, "--not-accepted")
    assert code == 0
    assert "The next run buys it" in out
    stage.buy(until="stored")
    found = json.loads(command("records", key, "--json")[1])["clips"][0]
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
