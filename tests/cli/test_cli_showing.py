"""`new`, `schema`, `models`, `put`, help and exit codes."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import wave
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prefect.events.worker import EventsWorker
from ruamel.yaml import YAML

from prefect_videogen import errors
from prefect_videogen.capabilities import MODELS, parse_models
from prefect_videogen.cli.app import exit_code_of, one_of, variables_of
from prefect_videogen.errors import StudioError
from prefect_videogen.media import VideoWriter
from prefect_videogen.samples import sample
from prefect_videogen.storyboard import Shot, Storyboard

jsonschema = pytest.importorskip("jsonschema", reason="comes with Prefect")

COMMANDS = (
    "demo", "setup", "doctor", "plan", "render", "emulator", "new", "schema", "models", "put",
    "open",
)  # fmt: skip


def test_new_writes_a_board_that_plan_accepts(cli, work):
    ran = cli("new")
    assert ran.code == 0
    assert "wrote storyboard.yaml; next: prefect-videogen plan storyboard.yaml" in ran.out
    text = (work / "storyboard.yaml").read_text()
    assert text.startswith("#")
    planned = cli("plan", "storyboard.yaml")
    assert planned.code == 0
    assert "clips to buy" in planned.out


def test_new_board_plans_with_nothing_but_a_key(cli, work, monkeypatch):
    monkeypatch.setenv("VIDEOGEN_APIXO_API_KEY", "a-real-key")
    cli("new")
    planned = cli("plan", "storyboard.yaml")
    assert planned.err == ""
    assert "3 of 3 clips to buy" in planned.out


def test_new_never_overwrites(cli, work):
    (work / "mine.yaml").write_text("title: mine")
    ran = cli("new", "mine.yaml")
    assert ran.code == 2
    assert ran.err == "error: mine.yaml exists. Name another file.\n"
    assert (work / "mine.yaml").read_text() == "title: mine"


def test_every_commented_line_of_the_new_board_would_do(cli, work):
    """What is offered in comments has to be right too."""
    lines = []
    for line in sample("new.yaml").read_text().splitlines():
        bare = line.lstrip()
        optional = bare.startswith("# ") and ":" in bare.partition("#")[2].partition(" #")[0]
        if optional and line.startswith(" ") and not bare.startswith("# options"):
            line = line.replace("# ", "", 1)  # noqa: PLW2901 - the line without its mark
        lines.append(line)
    text = (
        "\n".join(lines)
        .replace("stills/tram.jpg", "still.png")
        .replace("stills/square.jpg", "still.png")
        .replace("stills/credits.png", "still.png")
    )
    with wave.open(str(work / "music.wav"), "wb") as music:
        music.setparams((1, 2, 8000, 0, "NONE", ""))
        music.writeframes(bytes(2 * 2 * 8000))
    (work / "all.yaml").write_text(text)
    ran = cli("plan", "all.yaml")
    assert ran.err == ""
    assert ran.code == 0


@pytest.fixture
def schema(cli) -> dict[str, Any]:
    ran = cli("schema")
    assert (ran.code, ran.err) == (0, "")
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_schema_is_a_valid_json_schema(schema):
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(Storyboard.model_fields)
    assert set(schema["$defs"]["Shot"]["properties"]) == set(Shot.model_fields)


def test_every_field_of_the_schema_is_described(schema):
    for owner in (schema, *schema["$defs"].values()):
        for name, field in owner["properties"].items():
            assert field.get("description"), name


@pytest.mark.parametrize("name", ["deep-field.yaml", "new.yaml"])
def test_schema_accepts_the_samples(schema, name):
    data = YAML(typ="safe", pure=True).load(sample(name).read_text())
    jsonschema.Draft202012Validator(schema).validate(data)


@pytest.mark.parametrize(
    "board",
    [
        {"titel": "x"},
        {"shots": [{"duration": 5}]},
        {"shots": {}},
        {"film": {"transition": "wipe"}},
        {"shots": [{"tier": "gold"}]},
        {"seconds": "five"},
    ],
)
def test_schema_refuses_what_reading_refuses(schema, board):
    assert not jsonschema.Draft202012Validator(schema).is_valid(board)


def test_models_tells_of_each_model(cli):
    ran = cli("models")
    assert (ran.code, ran.err) == (0, "")
    for model in MODELS.values():
        assert model.id in ran.out
        for advice in model.advice:
            assert advice.text in ran.out


def test_models_as_json_can_be_read_back(cli):
    data = json.loads(cli("models", "--json").out)
    assert dict(parse_models(data)) == dict(MODELS)


QUICK = """
import sys
from prefect_videogen.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
sys.stderr.write(" ".join(sorted({"prefect", "av", "uvicorn"} & set(sys.modules))))
"""


@pytest.mark.parametrize(
    "args",
    [["--help"], ["plan", "--help"], ["render", "--help"], ["models"], ["schema"], ["new"]],
    ids=" ".join,
)
def test_quick_command_imports_nothing_heavy(work, args):
    done = subprocess.run(
        [sys.executable, "-c", QUICK, *args], cwd=work, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout


def test_plan_without_a_studio_imports_no_prefect(work):
    (work / "b.yaml").write_text("model: vidu-q3\nshots: [{prompt: x}]")
    args = [sys.executable, "-c", QUICK, "plan", "b.yaml"]
    done = subprocess.run(args, cwd=work, capture_output=True, text=True, check=True)
    assert "1 of 1 clips to buy" in done.stdout
    assert "prefect" not in done.stderr


def test_version_is_that_of_the_distribution(cli):
    ran = cli("--version")
    assert (ran.code, ran.out) == (0, f"prefect-videogen {version('prefect-videogen')}\n")


def test_setup_without_keys_names_the_variables(cli, prefect_server):
    ran = cli("setup", "--name", "saved-by-no-test")
    assert ran.code == 0
    assert "registered block type" in ran.out
    said = ran.out.splitlines()[-1]
    for name in ("VIDEOGEN_APIXO_API_KEY", "VIDEOGEN_EVOLINK_API_KEY", "run this again"):
        assert name in said


def test_prefects_word_on_events_under_way_stays_off_the_terminal(cli, inbox):
    assert cli("put", "still.png").code == 0
    assert not logging.getLogger(EventsWorker.__name__).isEnabledFor(logging.WARNING)


def test_help_names_every_command(cli):
    ran = cli("--help")
    assert ran.code == 0
    for command in COMMANDS:
        assert command in ran.out


@pytest.mark.parametrize("args", [["no-such-command"], ["plan"], ["plan", "b.yaml", "--no-such"]])
def test_wrong_usage_exits_like_a_wrong_setting(cli, args):
    assert cli(*args).code == 2


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("StudioError", 2),
        ("BudgetExceeded", 3),
        ("RecordError", 1),
        ("NoCredits", 1),
        ("JobFailed", 1),
        ("MediaError", 1),
        ("SubmissionUnknown", 1),
    ],
)
def test_exit_code_tells_what_kind_of_error_it_was(name, code):
    assert exit_code_of(getattr(errors, name)("went wrong")) == code


def test_exit_codes_of_the_board_and_the_film():
    assert exit_code_of(errors.StoryboardError([])) == 2
    assert exit_code_of(errors.FilmIncomplete("2 shots are missing", result=None)) == 1


def test_pairs_are_split_at_the_first_sign():
    assert variables_of(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}


def test_choice_is_one_of_those_named():
    assert one_of("--on-unknown", "stop", "stop", "resubmit") == "stop"
    with pytest.raises(StudioError, match="--on-unknown 'maybe' is not a choice"):
        one_of("--on-unknown", "maybe", "stop", "resubmit")


@pytest.mark.parametrize("option", ["--on-unknown", "--on-expired"])
def test_wrong_choice_is_refused_before_anything_runs(cli, work, option):
    ran = cli("render", "no-such-board.yaml", option, "maybe")
    assert ran.code == 2
    assert f"{option} 'maybe' is not a choice" in ran.err


@pytest.fixture
def inbox(work, monkeypatch) -> Path:
    monkeypatch.setenv("VIDEOGEN_APIXO_API_KEY", "emulated-key")
    monkeypatch.setenv("VIDEOGEN_MEDIA_URL", (work / "media").as_uri())
    return work / "media" / "inbox"


def test_put_brings_pictures_into_the_inbox(cli, work, inbox):
    ran = cli("put", "still.png")
    assert ran.code == 0
    assert (inbox / "still.png").read_bytes() == (work / "still.png").read_bytes()
    assert "still.png is in " in ran.out
    assert cli("put", "still.png").code == 0


def test_put_never_replaces_another_picture(cli, work, inbox, tmp_path):
    cli("put", "still.png")
    kept = (inbox / "still.png").read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    (other / "still.png").write_bytes(sample("stills/coffee.jpg").read_bytes())
    ran = cli("put", other / "still.png")
    assert ran.code == 2
    assert "another file named still.png is in the inbox already. Rename the file." in ran.err
    assert (inbox / "still.png").read_bytes() == kept


def test_put_takes_footage_and_music_too_and_nothing_else(cli, work, inbox):
    with VideoWriter(work / "own.mp4", 64, 64, 8, sound=True) as writer:
        writer.write_rgb(np.zeros((64, 64, 3), np.uint8))
        writer.write_sound(np.zeros((2, 6000), np.float32))
    (work / "notes.txt").write_text("no film at all")
    assert cli("put", "own.mp4").code == 0
    assert (inbox / "own.mp4").read_bytes() == (work / "own.mp4").read_bytes()
    ran = cli("put", "notes.txt")
    assert ran.code == 2
    assert "notes.txt is neither a picture, a video nor music: it looks like plain te" in ran.err
    assert not (inbox / "notes.txt").exists()


def test_put_takes_only_files(cli, inbox):
    ran = cli("put", "gone.png")
    assert ran.code == 2
    assert "gone.png is not a file" in ran.err


def test_put_takes_only_pictures(cli, work, inbox):
    (work / "text.png").write_text("not a picture\n")
    whole = (work / "still.png").read_bytes()
    (work / "cut.png").write_bytes(whole[: len(whole) // 2])
    ran = cli("put", "text.png")
    assert ran.code == 2
    assert ran.err.startswith(
        "error: text.png is neither a picture, a video nor music: it looks like plain text "
        '(it begins "not a picture"). Give a picture'
    )
    ran = cli("put", "cut.png")
    assert ran.code == 2
    assert "cut.png can't be used: the picture is cut off or damaged: it can't be de" in ran.err
    assert not inbox.exists()
