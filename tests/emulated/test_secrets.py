"""Neither a key nor a signed address is in any database, log, result, record or film.

All of them are searched byte by byte.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import logging
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prefect.client.orchestration import get_client
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_HOME

from prefect_videogen import Shot, Storyboard, generate_clip, generate_storyboard
from prefect_videogen.errors import FilmIncomplete, StoryboardError, VideoGenError
from prefect_videogen.fetching import Clip
from prefect_videogen.filming import Film
from prefect_videogen.media import VideoWriter
from prefect_videogen.plan import Plan

PASSWORD = "pw-Plugh-2c81e9d07a"
SIGNATURE = "sig-Xyzzy-90b4f2e6c3"
KEY = "sk-videogen-Xyzzy-7f3a9c5e1b2d4860"
EMULATOR = {"api_key": KEY}


def spellings(key: str) -> list[bytes]:
    """Ways in which a key may lie in a file; Base64 at any of its three offsets."""
    plain = key.encode()
    coded = [
        base64.b64encode(b"x" * shift + plain)[shift and 4 : -4].rstrip(b"=") for shift in range(3)
    ]
    return [plain, plain.hex().encode(), *coded]


def files_with(key: str, *folders: Path) -> list[str]:
    """Names of all files that hold the key."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [
        str(path) for path in files if any(word in path.read_bytes() for word in spellings(key))
    ]


def test_the_search_finds_what_it_looks_for(tmp_path):
    for number in range(3):
        data = b"x" * number + b'{"key": "' + KEY.encode() + b'"}'
        (tmp_path / str(number)).write_bytes(base64.b64encode(data))
    (tmp_path / "plain").write_text(f"Bearer {KEY}")
    assert len(files_with(KEY, tmp_path)) == 4


async def settle(database: Path) -> None:
    """Wait until logs and events of the runs have reached the database."""
    await asyncio.to_thread(lambda: asyncio.run(_drain()))
    sizes: list[int] = []
    while len(sizes) < 3 or len(set(sizes[-3:])) > 1:
        sizes.append(sum(path.stat().st_size for path in database.parent.iterdir()))
        await asyncio.sleep(0.3)


async def _drain() -> None:
    both: list[Any] = [APILogWorker.instance().drain(), EventsWorker.drain_all()]
    for drained in both:
        if inspect.isawaitable(drained):
            await drained


async def test_key_is_nowhere_after_a_film_a_gap_and_failures(
    stage, stills, prefect_server, caplog, capfd, monkeypatch
):
    for name in ("", "prefect", "httpx", "httpcore", "prefect_videogen"):
        caplog.set_level(logging.DEBUG, name)

    board = Storyboard(
        title="No secrets",
        model="wan-2-5",
        shots=[
            Shot(id="a", prompt="One", first_frame=stills["sky"]),
            Shot(id="b", prompt="Two", first_frame="previous"),
            Shot(id="c", prompt="Three", model="wan2.5-image-to-video", first_frame=stills["sea"]),
        ],
    )
    film = await generate_storyboard(storyboard=board, studio="env")
    assert isinstance(film, Film)
    assert film.complete
    await generate_storyboard(storyboard=board, studio="env", plan_only=True)
    board.shots[1].prompt = "Two [violation]"
    with pytest.raises(FilmIncomplete) as gap:
        await generate_storyboard(storyboard=board, studio="env")
    failures: list[VideoGenError] = [gap.value]
    for fault, prompt in (
        ("drop-after-accept", "Lost"),
        ("key-refused-403", "Refused"),
        ("html-instead", "Foreign"),
    ):
        stage.emulator.faults.add(fault, at="submit")
        with pytest.raises(VideoGenError) as caught:
            await generate_clip(prompt=prompt, model="wan-2-5", studio="env")
        failures.append(caught.value)
    # A wrong key shall not be told either.
    monkeypatch.setenv("VIDEOGEN_APIXO_API_KEY", f"{KEY}-wrong")
    with pytest.raises(VideoGenError) as caught:
        await generate_clip(prompt="Wrong key", model="wan-2-5", studio="env")
    failures.append(caught.value)
    await settle(prefect_server)

    # It was really used, and the places that are searched are really written.
    assert len(stage.charges) >= 5
    database = prefect_server.parent
    for written in (b"No secrets", b"accepted it as job", b"To buy: "):
        assert any(written in path.read_bytes() for path in database.iterdir()), written
    assert list((Path(PREFECT_HOME.value()) / "storage").iterdir())

    assert files_with(KEY, database, stage.media, Path(PREFECT_HOME.value())) == []
    said = caplog.text + "".join(capfd.readouterr())
    assert "accepted it as job" in said
    assert KEY not in said
    assert "Bearer" not in said
    for error in failures:
        assert KEY not in f"{error!s} {error!r} {error.__dict__!r} {error.__cause__!r}"
        assert KEY not in repr(error.__context__)


@pytest.fixture
def signed(stage, stills, tmp_path) -> Callable[[str], str]:
    """Serve a picture, a video and weights; gives their addresses with password and signature."""
    folder = stage.media / "web"
    folder.mkdir()
    shutil.copy(stills["sky"], folder / "my pic.png")
    (folder / "x.safetensors").write_bytes(b"weights")
    with VideoWriter(folder / "own.mp4", 128, 72, Fraction(8), sound=True) as writer:
        for _ in range(8):
            writer.write_rgb(np.zeros((72, 128, 3), np.uint8))
        writer.write_sound(np.zeros((2, 48_000), np.float32))
    host = stage.emulator.media_url.replace("http://", f"http://user:{PASSWORD}@")
    return lambda name: f"{host}/web/{name}?X-Amz-Signature={SIGNATURE}"


async def test_signed_addresses_are_in_no_database_log_result_record_or_film(
    stage, signed, tmp_path, prefect_server, caplog, capfd
):
    for name in ("prefect", "prefect_videogen"):
        caplog.set_level(logging.DEBUG, name)

    def board(title: str, **fields: Any) -> str:
        path = tmp_path / f"{title}.json"
        path.write_text(json.dumps({"title": title, "model": "wan-2-5", **fields}))
        return str(path)

    picture, video = signed("my pic.png"), signed("own.mp4")
    film = board(
        "Signed",
        film={"music": video},
        shots=[
            {"id": "own", "video": video},
            {"id": "a", "prompt": "Signed", "first_frame": picture},
        ],
    )
    lora = {
        "id": "a",
        "prompt": "One",
        "model": "ltx-2-19b",
        "first_frame": f"vendor:{video}",
        "loras": [{"path": signed("x.safetensors"), "scale": 1.0}],
    }
    planned = await generate_storyboard(
        storyboard_file=board("Only planned", shots=[lora]), studio="env", plan_only=True
    )
    assert isinstance(planned, Plan)
    made = await generate_storyboard(storyboard_file=film, studio="env")
    assert isinstance(made, Film)
    assert made.complete
    shutil.rmtree(stage.media / "web")
    again = await generate_storyboard(storyboard_file=film, studio="env")
    with pytest.raises(StoryboardError) as caught:
        await generate_storyboard(
            storyboard_file=board(
                "Faults",
                film={"music": signed("gone.mp3")},
                shots=[
                    {"id": "own", "video": signed("gone.mp4")},
                    {"id": "a", "prompt": "x", "first_frame": signed("gone pic.png")},
                    {"id": "b", "prompt": "x", "options": {"apikey": SIGNATURE}},
                    {**lora, "id": "c", "first_frame": f"vendor:{picture}"},
                ],
            ),
            studio="env",
        )
    error = caught.value
    await settle(prefect_server)

    # They were really read, and the places that are searched are really written.
    said = caplog.text + "".join(capfd.readouterr())
    assert said.count("own.mp4 can't be read any more; its kept copy is used") >= 2
    assert "web/my pic.png can't be read any more; its kept copy is used" in said
    assert len(error.faults) == 5
    held = [path.read_text() for path in stage.media.glob("**/*.json")]
    assert sum("web/my pic.png" in text for text in held) >= 3  # source, request and manifest
    database = prefect_server.parent
    assert any(b"web/gone.mp4" in path.read_bytes() for path in database.iterdir())

    home = Path(PREFECT_HOME.value())
    for secret in (PASSWORD, SIGNATURE):
        assert files_with(secret, database, stage.media, home) == []
        assert secret not in said
        assert secret not in f"{planned!r} {made!r} {again!r}"
        assert secret not in f"{error!s} {error!r} {error.__dict__!r} {error.__context__!r}"


async def test_key_is_in_no_artifact_log_parameter_or_state_of_the_api(stage):
    await generate_clip(prompt="Told to the API", model="wan-2-5", studio="env")
    async with get_client() as client:
        artifacts = await client.read_artifacts()
        runs = await client.read_flow_runs()
        logs = await client.read_logs(limit=200)
        states = [run.model_dump_json() for run in runs]
        variables = await client.read_variables()
    text = json.dumps(
        [
            [artifact.model_dump_json() for artifact in artifacts],
            states,
            [line.message for line in logs],
            [variable.model_dump_json() for variable in variables],
        ]
    )
    assert artifacts
    assert logs
    assert KEY not in text


async def test_records_hold_the_exact_body_and_no_header(stage):
    clip = await generate_clip(prompt="What was sent", model="wan-2-5", studio="env")
    assert isinstance(clip, Clip)
    texts = [path.read_text() for path in stage.media.glob("clips/**/*.json")]
    assert any("What was sent" in text for text in texts)
    assert not [text for text in texts if "Bearer " in text or "authorization" in text.lower()]
    claimed = json.loads((stage.media / f"clips/{clip.key}/1/1-claimed.json").read_text())
    assert json.loads(claimed["body"]) == stage.emulator.job(clip.job_id).body
