"""generate-clip: one clip, bought once, refused before anything is asked, planned for nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from prefect_videogen import (
    ApixoCredentials,
    MediaStore,
    Studio,
    generate_clip,
    generate_clip_sync,
)
from prefect_videogen.errors import (
    ContentRefused,
    JobFailed,
    StoryboardError,
    StudioError,
    SubmissionUnknown,
)
from prefect_videogen.fetching import Clip
from prefect_videogen.plan import Plan


async def clip_of(prompt: str, **asked: Any) -> Clip:
    """Make a clip of the studio `env`."""
    clip = await generate_clip(prompt=prompt, **{"model": "wan-2-5", "studio": "env", **asked})
    assert isinstance(clip, Clip)
    return clip


async def test_clip_is_bought_once_and_found_again(stage):
    first = await clip_of("A kite", seed=7)
    second = await clip_of("A kite", seed=7)
    assert [first.how, second.how] == ["bought", "reused"]
    assert first.sha256 == second.sha256
    assert len(stage.charges) == 1
    assert stage.charges[0].params["seed"] == 7
    assert stage.path(first.path).is_file()
    assert stage.path(first.last_frame).is_file()


async def test_clip_and_its_job_are_shown_whether_it_is_bought_or_found(stage, artifact):
    for state in ("bought", "reused"):
        clip = await clip_of("A kite on show")
        table = await artifact("generate-clip")
        assert "1 of 1 clips are there." in table
        assert f"| clip | {state} | wan-2-5 |" in table
        assert clip.job_id in table
        assert clip.path in table


async def test_why_there_is_no_clip_is_shown(stage, artifact):
    with pytest.raises(ContentRefused):
        await clip_of("[violation] on show")
    assert "| clip | ContentRefused | wan-2-5 |" in await artifact("generate-clip")


async def test_two_flows_at_once_buy_one_clip_once(stage):
    clips = await asyncio.gather(*(clip_of("A kite for two") for _ in range(2)))
    assert len(stage.charges) == 1
    assert [clip.how for clip in clips].count("bought") == 1


async def test_another_take_is_bought_anew(stage):
    asked = {"model": "vidu-q3", "seconds": 1, "seed": 5}
    clips = [await clip_of("A kite again", **asked, take=take) for take in ("1", "2")]
    assert [charge.params["seed"] for charge in stage.charges] == [5, 6]
    assert clips[0].sha256 != clips[1].sha256


def test_sync_twin_makes_a_clip(stage):
    clip = generate_clip_sync(prompt="A sync kite", model="wan-2-5", studio="env")
    assert isinstance(clip, Clip)
    assert clip.how == "bought"
    assert len(stage.charges) == 1


async def test_sync_twin_works_inside_a_running_loop(stage):
    clip = generate_clip_sync(prompt="A kite in a loop", model="wan-2-5", studio="env")
    assert isinstance(clip, Clip)
    assert clip.how == "bought"


async def test_picture_is_cropped_to_the_aspect_ratio_asked_for(stage, stills):
    clip = await clip_of("A tall kite", first_frame=stills["sky"], aspect_ratio="9:16")
    assert clip.probe.height > clip.probe.width


async def test_picture_in_the_inbox_is_found_by_its_name(stage, inbox):
    clip = await clip_of("Inbox", first_frame=inbox[0])
    assert clip.mode == "image-to-video"


async def test_plan_only_buys_nothing_and_leaves_an_artifact(stage, artifact):
    plan = await generate_clip(
        prompt="A planned kite", model="vidu-q3", studio="env", plan_only=True
    )
    assert isinstance(plan, Plan)
    assert plan.clips[0].mode == "text-to-video"
    assert stage.asked == []
    table = await artifact("plan-clip")
    assert "vidu-q3" in table
    assert "To buy: 1 of 1" in table


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "callback": ({"wait": "callback"}, "wait = callback"),
    "budget": ({"budget": -5.0}, "no amount of money"),
    "budget_name": ({"budget_name": "june"}, "has no budget"),
    "max_new_clips": ({"max_new_clips": -1}, "below 0"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_parameter_that_can_not_be_kept_fails_before_any_request(stage, name):
    given, says = REFUSED[name]
    with pytest.raises(StudioError, match=says) as caught:
        await clip_of("A kite", **given)
    assert caught.value.next_step
    assert len(stage.emulator.requests) == stage.seen[1]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"prompt": ""}, "prompt"),
        ({"model": ""}, "model"),
        ({"model": "wan-25"}, "did you mean `wan-2-5`"),
        ({"seconds": 7}, "5 or 10"),
        ({"first_frame": "previous"}, "no other shot"),
        ({"last_frame": "next"}, "no other shot"),
        ({"first_frame": "shot:a"}, "no other shot"),
        ({"first_frame": "/nowhere/at-all.png"}, "can't be read"),
        ({"options": {"durration": 5}}, "durration"),
    ],
)
async def test_wrong_wish_is_refused_with_its_field_before_any_request(stage, given, says):
    with pytest.raises(StoryboardError, match=says):
        await clip_of(**{"prompt": "A kite", **given})
    assert len(stage.emulator.requests) == stage.seen[1]


async def test_missing_studio_fails_at_once_and_names_setup_and_demo(stage):
    with pytest.raises(StudioError, match="nowhere") as caught:
        await clip_of("A kite", studio="nowhere")
    assert "prefect-videogen setup" in caught.value.next_step
    assert "prefect-videogen demo" in caught.value.next_step


async def test_environment_without_keys_fails_at_once(stage, monkeypatch):
    monkeypatch.delenv("VIDEOGEN_APIXO_API_KEY")
    monkeypatch.delenv("VIDEOGEN_EVOLINK_API_KEY")
    with pytest.raises(StudioError, match="VIDEOGEN_APIXO_API_KEY"):
        await clip_of("A kite")


async def test_saved_studio_is_loaded_by_its_name(stage, tmp_path: Path):
    studio = Studio(
        media=MediaStore(url=tmp_path.as_uri()),
        apixo=ApixoCredentials(
            api_key=SecretStr(stage.emulator.api_key), base_url=stage.emulator.url, speed=10_000
        ),
    )
    await studio.asave("saved", overwrite=True)
    clip = await clip_of("A saved kite", studio="saved")
    assert (tmp_path / clip.path).is_file()
    with pytest.raises(StoryboardError, match="no credentials"):
        await clip_of(
            "x",
            model="wan2.5-image-to-video",
            first_frame="vendor:https://x.example/a.png",
            studio="saved",
        )


async def test_refused_clip_says_why_and_is_not_bought_again(stage):
    for _ in range(2):
        with pytest.raises(ContentRefused) as caught:
            await clip_of("A [violation]")
        assert caught.value.job_id == stage.charges[0].job_id
    assert len(stage.charges) == 1


async def test_job_that_fails_for_a_passing_reason_is_bought_again_in_the_same_run(stage):
    stage.emulator.faults.add("job-fails", times=2)
    clip = await clip_of("An unlucky kite")
    assert clip.attempt == 3
    assert len(stage.charges) == 3


async def test_three_failed_jobs_end_the_run(stage):
    stage.emulator.faults.add("job-fails", times=None)
    with pytest.raises(JobFailed):
        await clip_of("A doomed kite")
    assert len(stage.charges) == 3
    with pytest.raises(JobFailed, match="no more are bought"):
        await clip_of("A doomed kite")
    assert len(stage.charges) == 3


async def test_lost_answer_is_unknown_and_not_repeated_by_task_retries(stage):
    stage.emulator.faults.add("drop-after-accept")
    with pytest.raises(SubmissionUnknown):
        await clip_of("A lost kite")
    assert stage.asked.count("submit") == 1
    assert len(stage.charges) == 1
    clip = await clip_of("A lost kite", on_unknown="resubmit")
    assert clip.attempt == 2
    assert len(stage.charges) == 2


async def test_cap_on_new_clips_is_checked_before_buying(stage):
    clip = await clip_of("A capped kite", max_new_clips=1)
    assert clip.how == "bought"
