"""A clip as a job block: bought once, taken up again by its key, in another process too."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from prefect_videogen import Clip, VideoGeneration, VideoGenerationRun, generate_clip
from prefect_videogen.emulator import Emulator
from prefect_videogen.errors import (
    BudgetExceeded,
    DownloadError,
    JobFailed,
    KeyRefused,
    StoryboardError,
    StudioError,
    SubmissionUnknown,
    VendorError,
)


@pytest.fixture
def vendors(emulator, tmp_path, monkeypatch, prefect_server) -> Emulator:
    """An emulator, and the studio `env` pointed at it."""
    running: Emulator = emulator()
    for name in [name for name in os.environ if name.startswith("VIDEOGEN_")]:
        monkeypatch.delenv(name)
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VIDEOGEN_MEDIA_URL", (tmp_path / "media").as_uri())
    return running


def kite(**fields: object) -> VideoGeneration:
    return VideoGeneration.model_validate(
        {"prompt": "a kite", "model": "wan-2-5", "studio": "env", **fields}
    )


def only_key(folder: Path) -> str:
    (key,) = {path.name for path in (folder / "media" / "clips").iterdir()}
    return key


async def test_a_triggered_clip_is_bought_waited_for_and_fetched(vendors, tmp_path):
    run = await kite().atrigger()
    assert len(vendors.charges) == 1
    await run.await_for_completion()
    clip = await run.afetch_result()
    assert clip.key == run.key
    assert (clip.how, clip.mode) == ("bought", "text-to-video")
    assert (tmp_path / "media" / clip.path).stat().st_size == clip.size


def test_the_sync_twins_do_the_same(vendors, tmp_path):
    run = kite().trigger()
    run.wait_for_completion()
    assert (tmp_path / "media" / run.fetch_result().path).is_file()
    assert len(vendors.charges) == 1


async def test_the_sync_twins_work_inside_a_running_loop(vendors):
    run = kite().trigger()
    run.wait_for_completion()
    assert run.fetch_result().key == run.key


async def test_triggering_again_buys_nothing(vendors):
    first, again = await kite().atrigger(), await kite().atrigger()
    assert first.key == again.key
    await again.await_for_completion()
    later = await kite().atrigger()
    await later.await_for_completion()
    assert (await later.afetch_result()).key == first.key
    assert len(vendors.charges) == 1


async def test_many_triggers_at_once_buy_once(vendors):
    runs = await asyncio.gather(*(kite().atrigger() for _ in range(4)))
    assert len({run.key for run in runs}) == 1
    assert len(vendors.charges) == 1


async def test_another_take_is_another_clip(vendors):
    first, second = await kite().atrigger(), await kite(take="2").atrigger()
    assert first.key != second.key
    assert len(vendors.charges) == 2


async def test_flow_and_block_ask_for_the_same_clip(vendors):
    run = await kite(aspect_ratio="16:9", seed=7).atrigger()
    clip = await generate_clip(
        prompt="a kite", model="wan-2-5", aspect_ratio="16:9", seed=7, studio="env"
    )
    assert isinstance(clip, Clip)
    assert clip.key == run.key
    assert len(vendors.charges) == 1


async def test_pictures_are_handed_to_the_vendor(vendors, stills):
    run = await kite(first_frame=stills["sky"]).atrigger()
    await run.await_for_completion()
    assert (await run.afetch_result()).mode == "image-to-video"


async def test_a_run_is_taken_up_by_the_beginning_of_its_key(vendors):
    run = await kite().atrigger()
    again = VideoGenerationRun.from_key(run.key[:8], studio="env")
    await again.await_for_completion()
    clip = await again.afetch_result()
    assert clip.key == again.key == run.key
    assert clip.how == "resumed"
    assert len(vendors.charges) == 1


def test_a_run_is_taken_up_in_another_process(vendors, tmp_path):
    """The block's own example, cut in two by the death of the process that triggered."""
    (code,) = re.findall(
        r"```python\n(.*?)```", textwrap.dedent(VideoGenerationRun.__doc__ or ""), re.DOTALL
    )
    run = kite().trigger()
    program = textwrap.dedent(code).replace("0f3a9c5e", run.key).replace('"default"', '"env"')
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PREFECT_HOME": str(tmp_path / "home"), "PREFECT_API_URL": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "media" / done.stdout.strip().splitlines()[-1]).is_file()
    assert len(vendors.charges) == 1


async def test_fetching_too_early_says_so(vendors, monkeypatch, emulator, tmp_path):
    slow = emulator(speed=1.0)
    monkeypatch.setenv("VIDEOGEN_APIXO_BASE_URL", slow.url)
    monkeypatch.setenv("VIDEOGEN_APIXO_API_KEY", slow.api_key)
    run = await kite().atrigger()
    with pytest.raises(DownloadError, match="no result yet") as caught:
        await run.afetch_result()
    assert caught.value.job_id


async def test_a_key_that_nothing_is_known_of_is_refused(vendors):
    run = VideoGenerationRun.from_key("0" * 64, studio="env")
    with pytest.raises(StudioError, match="nothing is recorded"):
        await run.await_for_completion()
    with pytest.raises(StudioError, match="nothing is recorded"):
        await run.afetch_result()


async def test_a_mistake_is_told_before_anything_is_sent(vendors):
    with pytest.raises(StoryboardError, match="seconds"):
        await kite(seconds=7).atrigger()
    with pytest.raises(StoryboardError, match="no other shot"):
        await kite(first_frame="previous").atrigger()
    assert not [seen for seen in vendors.requests if seen.kind == "submit"]


async def test_a_refusal_is_raised_by_trigger_and_by_runs_of_its_key(vendors, tmp_path):
    vendors.faults.add("key-refused-403", at="submit")
    with pytest.raises(KeyRefused):
        await kite().atrigger()
    with pytest.raises(KeyRefused):
        await VideoGenerationRun.from_key(only_key(tmp_path), studio="env").await_for_completion()
    await kite().atrigger()
    assert len(vendors.charges) == 1


async def test_a_failed_job_is_raised_and_bought_anew_by_the_next_trigger(vendors):
    vendors.faults.add("job-fails")
    run = await kite().atrigger()
    with pytest.raises(JobFailed) as caught:
        await run.await_for_completion()
    assert caught.value.job_id
    again = VideoGenerationRun.from_key(run.key, studio="env")
    with pytest.raises(VendorError):
        await again.await_for_completion()
    second = await kite().atrigger()
    await second.await_for_completion()
    assert (await second.afetch_result()).attempt == 2


async def test_a_lost_answer_is_unknown_to_every_run_of_its_key(vendors, tmp_path):
    vendors.faults.add("drop-after-accept", at="submit")
    with pytest.raises(SubmissionUnknown):
        await kite().atrigger()
    with pytest.raises(SubmissionUnknown, match="settle"):
        await VideoGenerationRun.from_key(only_key(tmp_path), studio="env").await_for_completion()
    assert len(vendors.charges) == 1


async def test_the_studios_limit_holds(vendors, monkeypatch):
    prices = '[{"model": "wan-2-5", "amount": "3", "per": "clip"}]'
    monkeypatch.setenv("VIDEOGEN_PRICES", prices)
    monkeypatch.setenv("VIDEOGEN_LIMIT_PER_MONTH", "5")
    await kite().atrigger()
    await kite().atrigger()  # the same: nothing is set aside
    with pytest.raises(BudgetExceeded):
        await kite(take="2").atrigger()
    assert len(vendors.charges) == 1


async def test_a_saved_block_is_used_in_a_flow(vendors):
    await kite().asave("kite", overwrite=True)

    @flow
    async def film() -> str:
        generation: Any = await VideoGeneration.aload("kite")
        run = await generation.atrigger()
        await run.await_for_completion()
        return (await run.afetch_result()).path

    assert (await film()).endswith("clip.mp4")
    assert len(vendors.charges) == 1
