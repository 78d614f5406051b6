"""Fifty kills at random times over six-shot films made by the real flow; and eight at once.

Nothing is bought twice, and nothing is lost but what is named unknown.
"""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.crash.conftest import Zygote, start_zygote

from prefect_videogen.emulator import Emulator

KILLS = 50
KILLED = -9


@pytest.fixture(scope="module")
def flow_zygote(prefect_server: Path) -> Iterator[Zygote]:
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 - after the server has started

    environment = {
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_HOME": str(prefect_server.parent / "kills"),
    }
    yield from start_zygote(environment)


def board(title: str, stills: dict[str, str]) -> dict[str, Any]:
    """Six shots: a chain of three, a pair of frames, and one alone at each vendor."""
    shots: list[dict[str, Any]] = [
        {"id": "one", "first_frame": stills["sky"], "model": "vidu-q3", "seconds": 1},
        {"id": "two", "first_frame": "previous", "model": "vidu-q3", "seconds": 1},
        {"id": "three", "first_frame": "previous", "model": "vidu-q3", "seconds": 1},
        {
            "id": "four",
            "first_frame": stills["sea"],
            "last_frame": stills["sand"],
            "model": "vidu-q3",
            "seconds": 1,
        },
        {"id": "five", "first_frame": stills["sand"], "model": "wan2.5-image-to-video"},
        {"id": "six", "first_frame": stills["snow"], "model": "wan-2-5"},
    ]
    for shot in shots:
        shot["prompt"] = f"{title} {shot['id']}"
    return {"title": title, "shots": shots}


def order(environment: dict[str, str], board: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {
        "environment": environment,
        "board": board,
        "result": str(folder / f"{uuid.uuid4().hex}.json"),
    }


@pytest.mark.timeout(1200)
def test_fifty_kills_at_random_times_buy_nothing_twice(flow_zygote, tmp_path, stills):
    chance = random.Random(20261121)
    media = tmp_path / "media"
    with Emulator(speed=2000, pixel_scale=0.125, fps=8, media_dir=media) as vendors:
        environment = {**vendors.environment(), "VIDEOGEN_MEDIA_URL": media.as_uri()}
        kills, films, unknown = 0, 0, Counter[str]()
        while kills < KILLS:
            title = f"film {films}"
            films += 1
            while True:
                task = order(environment, board(title, stills), tmp_path)
                if kills < KILLS:
                    task["kill_after"] = chance.uniform(0.5, 4.0)
                (code,) = flow_zygote.work(task)
                if code == KILLED:
                    kills += 1
                    continue
                assert code == 0
                result = json.loads(Path(task["result"]).read_text())
                break
            lost = set(result["missing"].values()) - {"SubmissionUnknown", "VideoGenError"}
            assert not lost, result
            assert result["film"] or "SubmissionUnknown" in result["missing"].values()
            unknown.update(s for s, e in result["missing"].items() if e == "SubmissionUnknown")
        bought = Counter(charge.params["prompt"] for charge in vendors.charges)
    assert max(bought.values()) == 1, bought
    print(f"{kills} kills, {films} films, {len(bought)} clips, unknown: {dict(unknown)}")  # noqa: T201 - for the record


@pytest.mark.timeout(600)
def test_eight_processes_at_once_buy_each_clip_once_and_make_the_same_film(
    flow_zygote, tmp_path, stills, s3_server
):
    media = s3_server.folder()
    with Emulator(speed=200, pixel_scale=0.125, fps=8) as vendors:
        environment = {
            **vendors.environment(),
            "VIDEOGEN_MEDIA_URL": media,
            "VIDEOGEN_MEDIA_OPTIONS": json.dumps(s3_server.options),
        }
        tasks = [order(environment, board("eight", stills), tmp_path) for _ in range(8)]
        assert flow_zygote.work(*tasks) == [0] * 8
        results = [json.loads(Path(task["result"]).read_text()) for task in tasks]
        bought = Counter(charge.params["prompt"] for charge in vendors.charges)
    assert all(not result["missing"] for result in results), results
    assert len({result["film"] for result in results}) == 1
    assert sorted(bought.values()) == [1] * 6
    assert sum(result["bought"] for result in results) == 6
