"""Redoing one shot, trims, footage and picks: what is bought again, counted by the emulator."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefect_videogen import Shot, Storyboard, generate_storyboard
from prefect_videogen.filming import Film
from prefect_videogen.filming.manifest import Bought, FilmEntry, Manifest, ShotEntry
from prefect_videogen.keys import digest
from prefect_videogen.media import VideoWriter, frame_rgb, last_frame_png, psnr
from prefect_videogen.plan import Plan
from prefect_videogen.storyboard import FilmOptions

NAMES = ("one", "two", "three", "four", "five")


def chain(title: str, names: tuple[str, ...] = NAMES, **changes: dict[str, Any]) -> Storyboard:
    """A chain of shots; each may be changed by its name."""
    shots = []
    for number, name in enumerate(names):
        fields: dict[str, Any] = {"id": name, "prompt": f"{title}, part {name}"}
        if number:
            fields["first_frame"] = "previous"
        shots.append(Shot(**{**fields, **changes.get(name, {})}))
    return Storyboard(title=title, model="vidu-q3", seconds=1, seed=7, shots=shots)


async def film_of(board: Storyboard) -> Film:
    film = await generate_storyboard(storyboard=board, studio="env")
    assert isinstance(film, Film)
    return film


async def plan_of(board: Storyboard) -> Plan:
    plan = await generate_storyboard(storyboard=board, studio="env", plan_only=True)
    assert isinstance(plan, Plan)
    return plan


def bought(stage, since: int = 0) -> list[str]:
    """Names of the shots that were bought since, in order."""
    prompts = [str(charge.params["prompt"]) for charge in stage.charges[since:]]
    return [prompt.rpartition(" ")[2] for prompt in prompts]


def given(stage, film: Film, name: str) -> list[str]:
    """Digests of the pictures that a shot was bought with."""
    job = next(clip.job_id for clip in film.clips if clip.shot == name)
    return [picture.sha256 for picture in stage.emulator.job(job).charge.images]


@pytest.fixture
def footage(tmp_path) -> str:
    """A video of 16 frames that get brighter, 2 s long."""
    path = tmp_path / "own.mp4"
    with VideoWriter(path, width=160, height=90, fps=Fraction(8)) as writer:
        for number in range(16):
            writer.write_rgb(np.full((90, 160, 3), 40 + 10 * number, np.uint8))
    return str(path)


@pytest.fixture
def digests(stills) -> dict[str, str]:
    """Digests of the stills by name."""
    return {name: digest(Path(path).read_bytes()) for name, path in stills.items()}


async def test_new_prompt_in_a_chain_buys_its_shot_and_what_hangs_on_it_only(stage):
    await film_of(chain("Reworded", NAMES[:3]))
    await film_of(chain("Reworded", NAMES[:3], two={"prompt": "Something else, part two"}))
    assert bought(stage, 3) == ["two", "three"]


async def test_redoing_shot_three_of_five_buys_three_four_and_five_only(stage):
    await film_of(chain("Redo"))
    assert bought(stage) == list(NAMES)
    film = await film_of(chain("Redo", three={"take": "2"}))
    assert bought(stage, 5) == ["three", "four", "five"]
    assert [clip.how for clip in film.clips] == ["reused", "reused", "bought", "bought", "bought"]


async def test_plan_names_what_a_new_take_makes_stale_and_buys_nothing(stage, artifact):
    names = NAMES[:3]
    film = await film_of(chain("Told", names))
    plan = await plan_of(chain("Told", names, two={"take": "2"}))
    assert [clip.because for clip in plan.clips] == ["", "changed", "stale"]
    note = "take 2 of shot two makes three stale: 2 clips, unpriced"
    assert note in plan.notes
    table = await artifact("plan-told")
    assert note in table
    assert "to buy, stale" in table
    assert len(stage.charges) == film.bought == 3


async def test_films_of_other_versions_are_left_aside(stage):
    (stage.media / "films/aside/0000").mkdir(parents=True)
    (stage.media / "films/aside/0000/manifest.json").write_text('{"schema": 99}')
    write_manifest(stage, "aside", {"one": "ab" * 32})
    plan = await plan_of(chain("Aside", ("one", "two")))
    assert [clip.because for clip in plan.clips] == ["changed", "new"]


def write_manifest(stage, slug: str, keys: dict[str, str]) -> None:
    """Leave an earlier film behind, as far as planning looks into it."""
    shots = tuple(
        ShotEntry(
            id=name,
            start_frame=0,
            frames=8,
            bought=Bought(
                key=key,
                attempt=1,
                vendor="apixo@sandbox",
                model="vidu-q3",
                mode="text-to-video",
                job_id="task_1",
                submitted_at=0,
            ),
        )
        for name, key in keys.items()
    )
    film = FilmEntry(sha256="0", frames=8, seconds=1, width=160, height=90, fps="8/1")
    manifest = Manifest(
        program="test",
        title=slug,
        slug=slug,
        digest="1111",
        made_at=0,
        sandbox=True,
        film=film,
        shots=shots,
    )
    folder = stage.media / f"films/{slug}/1111"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(manifest.model_dump_json(by_alias=True))


async def test_another_pick_of_an_unchained_shot_buys_nothing(stage):
    def board(pick: int) -> Storyboard:
        shot = Shot(id="one", prompt="A pick, part one", takes=2, seed=7, pick=pick)
        return Storyboard(title="Pick", model="wan-2-5", shots=[shot])

    first = await film_of(board(1))
    assert len(stage.charges) == 2
    second = await film_of(board(2))
    assert (second.bought, len(stage.charges)) == (0, 2)
    assert second.digest != first.digest


async def test_another_pick_in_a_chain_buys_what_hangs_on_it_from_its_own_frame(stage):
    names = ("one", "two")
    await film_of(chain("Picked", names, one={"takes": 2, "pick": 1}))
    assert sorted(bought(stage)) == ["one", "one", "two"]
    film = await film_of(chain("Picked", names, one={"takes": 2, "pick": 2}))
    assert bought(stage, 3) == ["two"]
    picked = next(clip for clip in film.clips if clip.shot == "one")
    assert given(stage, film, "two") == [picked.last_frame_sha256]


async def test_trim_buys_only_what_starts_on_the_trimmed_end(stage):
    names = NAMES[:3]
    await film_of(chain("Trimmed", names))
    board = chain("Trimmed", names, two={"trim": [0.0, 0.5]})
    plan = await plan_of(board)
    assert [clip.because for clip in plan.clips] == ["", "", "changed"]
    assert not list(stage.media.glob("clips/*/frames/*"))
    film = await film_of(board)
    assert bought(stage, 3) == ["three"]
    two = film.clips[1]
    kept = stage.path(two.handed.path)
    assert kept.parent == stage.path(two.path).parent / "frames"
    assert (kept.name, two.handed.index) == ("3.png", 3)  # 0.5 s of 8 frames a second: 0 to 3
    assert psnr(kept.read_bytes(), frame_rgb(stage.path(two.path), 3)) == float("inf")
    assert given(stage, film, "three") == [two.handed.sha256] == [digest(kept.read_bytes())]
    assert plan.clips[2].key == film.clips[2].key

    # Trimmed at its beginning alone, a shot hands over what it always did.
    again = await film_of(chain("Trimmed", names, two={"trim": [0.5, 0.0]}))
    assert (again.bought, len(stage.charges)) == (0, 4)


async def test_footage_is_chained_from_and_buys_nothing_itself(stage, footage):
    board = chain("Own", NAMES[:3])
    board.shots[0] = Shot(id="one", video=footage)
    film = await film_of(board)
    assert bought(stage) == ["two", "three"]
    (frame,) = stage.media.glob("footage/*/15.png")
    assert given(stage, film, "two") == [digest(frame.read_bytes())]
    assert frame.read_bytes() == last_frame_png(stage.path(f"footage/{frame.parent.name}.mp4"))

    board.shots[0] = Shot(id="one", video=footage, trim=[0.0, 1.0])
    os.unlink(footage)  # noqa: PTH108 - from now on its kept copy is used
    film = await film_of(board)
    assert bought(stage, 2) == ["two", "three"]
    (frame,) = stage.media.glob("footage/*/7.png")
    assert given(stage, film, "two") == [digest(frame.read_bytes())]


async def test_card_is_chained_from_by_its_picture(stage, stills, digests):
    board = chain("Card", NAMES[:2])
    board.shots[0] = Shot(id="one", video=stills["sea"], seconds=1)
    film = await film_of(board)
    assert bought(stage) == ["two"]
    assert [clip.shot for clip in film.clips] == ["two"]
    assert given(stage, film, "two") == [digests["sea"]]


@pytest.mark.parametrize("on_missing", ["skip", "hold", "slate"])
async def test_gap_that_is_allowed_for_does_not_fail_the_run(stage, on_missing):
    board = chain(f"Gap {on_missing}", ("good", "bad"), bad={"first_frame": ""})
    board.shots[1].prompt = "[violation]"
    board.film = FilmOptions(on_missing=on_missing)
    film = await film_of(board)
    assert film.path
    assert [entry.shot for entry in film.missing] == ["bad"]
