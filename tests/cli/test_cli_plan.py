"""`plan`: free, offline, and every fault at once with exit code 2."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from prefect_videogen.media import VideoWriter
from prefect_videogen.plan import Plan
from prefect_videogen.samples import sample

TEN = Path(__file__).parent / "data" / "ten-mistakes.yaml"
GOOD = "title: Two\nmodel: vidu-q3\nshots: [{id: a, prompt: x}, {prompt: y, first_frame: previous}]"


@pytest.fixture
def board(work):
    path = work / "board.yaml"
    path.write_text(GOOD)
    return path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_ten_mistakes_are_listed_at_once_and_nobody_is_asked(work, program, emulator, settings):
    board = work / "ten.yaml"
    board.write_bytes(TEN.read_bytes())
    before = files(work)
    ran = program("plan", board.name, cwd=work, **settings)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("error: ten.yaml has 10 faults:\n")
    listed = re.findall(r"^ +(\d+)\. shot (\S+) \(line (\d+)\): (\S+) ?", ran.err, re.MULTILINE)
    assert [int(number) for number, *_ in listed] == list(range(1, 11))
    assert len({shot for _, shot, *_ in listed}) == 10
    lines = [int(line) for *_, line, _ in listed]
    assert lines == sorted(lines)
    assert (
        "shot length (line 12): seconds = 7: is not allowed here on wan-2-5; use 5 or 10" in ran.err
    )
    assert emulator.requests == []
    assert {name for name in files(work) - before if not name.startswith("prefect/")} == set()


def test_plan_for_a_studio_asks_no_vendor_and_writes_nothing(
    work, board, program, emulator, settings
):
    ran = program("plan", board.name, "--json", cwd=work, **settings)
    assert (ran.code, ran.err) == (0, "")
    plan = Plan.model_validate_json(ran.out)
    assert plan.sandbox
    assert {clip.vendor for clip in plan.clips} == {"apixo@sandbox"}
    assert plan.seconds == pytest.approx(180 / 600)
    assert emulator.requests == []
    assert list(Path(settings["VIDEOGEN_MEDIA_URL"].removeprefix("file://")).iterdir()) == []


def test_plan_without_a_studio_says_so_and_shows_the_film(cli, work, board):
    before = files(work)
    ran = cli("plan", board)
    assert ran.code == 0
    assert ran.err == ""
    assert "Planned without a studio: no key is set and none was named." in ran.out
    rows = {line.split()[0]: line for line in ran.out.splitlines() if "vidu-q3" in line}
    assert set(rows) == {"a", "02"}
    assert "at once" in rows["a"]
    assert re.search(r"to buy +unpriced +[0-9a-f]{12}$", rows["a"].rstrip())
    assert "after a" in rows["02"]
    assert rows["02"].rstrip().endswith("later")
    assert "2 of 2 clips to buy: nothing priced, 2 unpriced; about 180 s of waiting\n" in ran.out
    note = "note: the vendor has to reach the pictures of 02: keep media in S3, or set VIDEOGEN_"
    assert note in ran.out
    assert files(work) == before


def test_plan_without_a_studio_asks_for_no_address_that_nobody_needs(cli, work):
    board = work / "own.yaml"
    board.write_text(
        "shots:\n"
        "  - {prompt: x, model: vidu-q3}\n"
        "  - {prompt: y, model: vidu-q3, first_frame: 'vendor:https://h.example/x.png'}\n"
        "  - {prompt: z, model: wan2.5-image-to-video, first_frame: still.png}\n"
    )
    ran = cli("plan", board)
    assert ran.code == 0
    assert "note: " not in ran.out


def test_own_footage_is_shown_among_the_clips(cli, work):
    board = work / "own.yaml"
    board.write_text(
        "model: vidu-q3\n"
        "shots:\n"
        "  - {id: title, video: still.png, seconds: 3}\n"
        "  - {id: a, prompt: x, first_frame: previous}\n"
    )
    ran = cli("plan", board)
    assert ran.code == 0
    rows = {line.split()[0]: line.split() for line in ran.out.splitlines() if line.split()}
    assert rows["title"] == ["title", "card", "3", "s", "at", "once", "own", "footage"]
    assert rows["a"][-1] != "later"
    assert "1 of 1 clips to buy" in ran.out


def test_shots_are_listed_in_film_order_with_the_length_that_is_shown(cli, work):
    with VideoWriter(work / "own.mp4", 64, 64, 8) as writer:
        for _ in range(16):
            writer.write_rgb(np.zeros((64, 64, 3), np.uint8))
    board = work / "own.yaml"
    board.write_text(
        "model: vidu-q3\n"
        "shots:\n"
        "  - {id: a, prompt: x, seconds: 5, trim: [0.5, 4]}\n"
        "  - {id: own, video: own.mp4, trim: [0.5, 0]}\n"
        "  - {id: b, prompt: y, seconds: 5, takes: 2, pick: 2, trim: [0, 9]}\n"
        "  - {id: title, video: still.png, seconds: 3}\n"
    )
    ran = cli("plan", board)
    assert ran.code == 0
    rows = [re.split(r"  +", line) for line in ran.out.splitlines() if re.search(r"\d s  ", line)]
    assert [row[0] for row in rows] == ["a", "own", "b~1", "b", "title"]
    lengths = [next(cell for cell in row if cell.endswith(" s")) for row in rows]
    assert lengths == ["3.5 of 5 s", "1.5 of 2 s", "5 s", "5 s", "3 s"]


def test_plan_as_json_is_nothing_but_json(cli, board):
    ran = cli("plan", board, "--json")
    assert ran.code == 0
    data = json.loads(ran.out)
    plan = Plan.model_validate(data)
    assert "faults" not in data
    assert [clip.id for clip in plan.clips] == ["a", "02"]
    assert not plan.sandbox
    assert "Planned without a studio" in ran.err


def test_plan_as_json_holds_no_password_and_no_signature(cli, work):
    signed = "https://u:hidden@h.example/x?X-Amz-Signature=hidden"
    board = work / "signed.yaml"
    board.write_text(
        f"model: ltx-2-19b\nshots: [{{prompt: x, first_frame: 'vendor:{signed}', "
        f"loras: [{{path: '{signed}'}}]}}]"
    )
    ran = cli("plan", board, "--json")
    assert ran.code == 0
    (clip,) = Plan.model_validate_json(ran.out).clips
    assert clip.params["loras"][0]["path"] == clip.pictures[0].ref == "https://h.example/x"
    assert clip.key
    assert "hidden" not in ran.out + ran.err


def test_json_and_yaml_boards_have_the_same_keys(cli, work, board):
    other = work / "board.json"
    other.write_text(
        json.dumps(
            {
                "title": "Two",
                "model": "vidu-q3",
                "shots": [
                    {"id": "a", "prompt": "x"},
                    {"prompt": "y", "first_frame": "previous"},
                ],
            },
            indent="\t",
        )
    )
    assert cli("plan", board, "--json").out == cli("plan", other, "--json").out


def test_sample_film_plans_from_anywhere(cli):
    ran = cli("plan", sample("deep-field.yaml"))
    assert ran.code == 0
    assert "6 of 6 clips to buy" in ran.out


def test_notes_are_shown_as_they_are(cli, work):
    board = work / "noted.yaml"
    board.write_text("model: kling-2-1\nseed: 3\nshots: [{prompt: x, first_frame: still.png}]")
    assert (
        "note: shot 01: seed = 3 is left out, kling-2-1 does not have it" in cli("plan", board).out
    )


def test_variables_and_draft_change_the_plan(cli, work):
    board = work / "city.yaml"
    board.write_text(
        "model: vidu-q3\nvariables: {city: Oslo}\nshots: [{prompt: 'A tram in {city}'}]"
    )
    plain = json.loads(cli("plan", board, "--json").out)["clips"][0]
    other = json.loads(cli("plan", board, "--json", "--var", "city=Bergen=1").out)["clips"][0]
    draft = json.loads(cli("plan", board, "--json", "--draft").out)["clips"][0]
    assert other["params"]["prompt"] == "A tram in Bergen=1"
    assert draft["seconds"] == 1
    assert len({plain["key"], other["key"], draft["key"]}) == 3


@pytest.mark.parametrize("pair", ["city", "=Oslo", ""])
def test_variable_that_is_no_pair_is_refused(cli, board, pair):
    ran = cli("plan", board, "--var", pair)
    assert ran.code == 2
    assert f"--var {pair!r} is not name=value. Write for example --var city=Oslo." in ran.err


def test_override_of_an_unknown_variable_is_refused(cli, board):
    ran = cli("plan", board, "--var", "citty=Oslo")
    assert ran.code == 2
    assert "variables = citty: is set but stands nowhere in the storyboard" in ran.err


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("gone.yaml", None, ["gone.yaml: can't be read: No such file or directory"]),
        ("latin.yaml", b"title: \xff", ["can't be read: ", "check path and encoding"]),
        ("broken.yaml", b"title: a\nshots: [", ["(line 2)", "is neither YAML nor JSON"]),
        ("list.yaml", b"- a", ["is not a mapping; begin with `title:` and `shots:`"]),
        ("empty.yaml", b"", ["shots: is empty; add at least one shot with a prompt"]),
        ("https://[x", None, ["can't be read: ", "Invalid IPv6 URL"]),
        ("ftp://example.org/x", None, ["ftp:// can't be read"]),
    ],
)
def test_board_that_can_not_be_read_is_refused(cli, work, name, text, words):
    if text is not None:
        (work / name).write_bytes(text)
    ran = cli("plan", name)
    assert (
        ran.code,
        ran.out.replace("Planned without a studio: no key is set and none was named.\n", ""),
    ) == (2, "")
    for word in words:
        assert word in ran.err


def test_folder_as_a_board_is_refused(cli, work):
    ran = cli("plan", work)
    assert ran.code == 2
    assert "can't be read: Is a directory" in ran.err


def test_words_of_the_board_are_never_taken_for_markup(cli, work):
    board = work / "odd.yaml"
    board.write_text("title: '[bold]x[/] :smile:'\nmodel: vidu-q3\nshots: [{prompt: x}]")
    assert "[bold]x[/] :smile:" in cli("plan", board).out
    board.write_text("model: '[red]x'\nshots: [{prompt: x}]")
    assert "model = [red]x: is not a known model" in cli("plan", board).err
