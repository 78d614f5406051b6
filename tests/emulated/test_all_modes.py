"""Every model in every mode: a film each, with exactly what was planned asked for and paid once."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from prefect_videogen import generate_storyboard
from prefect_videogen.capabilities import MODELS
from prefect_videogen.filming import Film
from prefect_videogen.media import first_frame_png, probe, psnr
from prefect_videogen.plan import Plan
from prefect_videogen.storyboard import Lora, Shot, Storyboard

FPS = 8
MODES = [(model.id, mode.name) for model in MODELS.values() for mode in model.modes]


def shots_of(model_id, stills, lora) -> list[Shot]:
    """One shot a mode, each with settings of its own."""
    model = MODELS[model_id]
    shots = []
    for number, mode in enumerate(model.modes):
        pictures = [stills["sky"], stills["sea"]][: mode.images[1]]
        shot = Shot(
            id=f"{number}-{mode.name}".lower(),
            prompt=f"A kite in mode {mode.name}",
            seconds=5,
            first_frame=pictures[0] if pictures else "",
            last_frame=pictures[1] if len(pictures) > 1 else "",
            loras=[Lora(path=lora, scale=0.8)] if mode.loras else [],
        )
        shot = shot.model_copy(update={"tier": mode.tier})
        if model.param("seed"):
            shot.seed = 40 + number
        if model.param("resolution"):
            shot.resolution = "720p"
        if (ratio := model.param("aspect_ratio")) and mode.name in ratio.modes:
            shot.aspect_ratio = "9:16"
        shots.append(shot)
    return shots


@pytest.mark.parametrize("model_id", MODELS)
async def test_every_mode_of_a_model_makes_the_clip_that_was_planned(stage, stills, model_id):
    lora = stage.media / "style.safetensors"
    lora.write_bytes(b"weights")
    url = f"{stage.emulator.media_url}/{lora.name}"
    board = Storyboard(
        title=f"All of {model_id}", model=model_id, shots=shots_of(model_id, stills, url)
    )
    model = MODELS[model_id]
    plan = await generate_storyboard(storyboard=board, studio="env", plan_only=True)
    assert isinstance(plan, Plan)
    assert [clip.mode for clip in plan.clips] == [mode.name for mode in model.modes]
    assert stage.charges == []

    film = await generate_storyboard(storyboard=board, studio="env")
    assert isinstance(film, Film)
    assert film.complete
    assert film.bought == len(stage.charges) == len(model.modes)
    assert film.sandbox
    charges = {charge.job_id: charge for charge in stage.charges}
    for planned, clip in zip(plan.clips, film.clips, strict=True):
        charge, job = charges[clip.job_id], stage.emulator.job(clip.job_id)
        assert (clip.model, clip.mode) == (planned.model, planned.mode)
        assert (charge.model, charge.mode) == (planned.model, planned.mode)
        check_params(model, planned, charge)
        check_body(model, planned, job)
        assert clip.probe.frame_count == planned.seconds * FPS == 40
        assert len(charge.images) == len(planned.pictures)
        if planned.pictures:
            check_first_frame(stage.path(clip.path), charge)
    total = sum(clip.probe.frame_count for clip in film.clips)
    assert film.frames == total - sum(join.doubled for join in plan.joins)
    assert probe(stage.path(film.path)).frame_count == film.frames


def check_params(model, planned, charge) -> None:
    """The vendor worked with what was planned, and with its own defaults for the rest."""
    for param in model.params_of(planned.mode):
        expected = planned.params.get(param.name, param.default)
        assert charge.params.get(param.name) == expected, param.name


def check_first_frame(path, charge) -> None:
    """The clip starts on the picture that the vendor was given."""
    first = Image.open(io.BytesIO(first_frame_png(path)))
    given = Image.open(io.BytesIO(charge.images[0].data)).convert("RGB").resize(first.size)
    assert psnr(np.asarray(first), np.asarray(given)) > 30


def check_body(model, planned, job) -> None:
    """Nothing went out that was not planned."""
    sent = dict(job.body if model.vendor == "evolink" else job.body["input"])
    sent.pop("model", None)
    if model.mode_field:
        assert sent.pop(model.mode_field) == planned.mode
    urls = [sent.pop(name) for name in model.images.fields if name in sent]
    assert len([url for value in urls for url in value]) == len(planned.pictures)
    assert sent == planned.params


def test_fifteen_modes_are_covered():
    assert len(MODES) == 15
    assert {model for model, _ in MODES} == {
        "wan-2-5",
        "vidu-q3",
        "ltx-2-19b",
        "kling-2-1",
        "wan2.5-image-to-video",
    }
