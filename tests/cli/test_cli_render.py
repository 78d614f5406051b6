"""`render`: a film on this machine, its manifest for programs, plain lines where nobody watches."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

BOARD = """
title: Two
model: vidu-q3
resolution: 540p
seconds: 1
shots:
  - {id: a, prompt: x}
  - {id: b, prompt: y, first_frame: previous}
"""
THIRD = "  - {id: c, prompt: z}\n"
LINE = re.compile(r"^ *\d+\.\d s  (\S+) +(\w+)(?:  (.*))?$")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("render")
    (folder / "two.yaml").write_text(BOARD)
    (folder / "three.yaml").write_text(BOARD + THIRD)
    return folder


@pytest.fixture(scope="module")
def first(program, place, settings):
    """The first film; what is asked of it afterwards is already bought."""
    return program("render", "two.yaml", "--json", "-o", "film.mp4", cwd=place, **settings)


def changes_in(text: str) -> list[tuple[str, str, str]]:
    found = [LINE.match(line) for line in text.splitlines()]
    return [(match[1], match[2], match[3] or "") for match in found if match]


def test_render_as_json_prints_the_manifest_and_nothing_else(first, place, emulator):
    assert first.code == 0
    manifest = json.loads(first.out)
    assert [shot["id"] for shot in manifest["shots"]] == ["a", "b"]
    assert (place / "film.mp4").stat().st_size > 1000
    assert len(emulator.charges) == 2


def test_render_tells_each_change_in_a_plain_line(first):
    changes = changes_in(first.err)
    assert len(changes) == len(first.err.splitlines())
    states = [state for shot, state, _ in changes if shot == "b"]
    assert states[0] == "waiting"
    assert states[-1] == "done"
    assert ("a", "done", "bought") in changes
    assert any(shot == "film" and state == "stitching" for shot, state, _ in changes)
    order = [(shot, state) for shot, state, _ in changes]
    assert order.index(("a", "done")) < order.index(("b", "running"))
    assert "\x1b[" not in first.err


def test_shot_that_fails_costs_only_itself_and_exits_one(first, program, place, emulator, settings):
    assert first.code == 0
    emulator.faults.add("no-credits-402")
    ran = program("render", "three.yaml", cwd=place, **settings)
    assert ran.code == 1
    changes = changes_in(ran.out)
    assert ("a", "done", "reused") in changes
    assert ("b", "done", "reused") in changes
    assert [state for shot, state, _ in changes if shot == "c"][-1] == "failed"
    assert "missing: " not in ran.out  # the error says it
    assert re.match(r"incomplete: 1 of 3 shots is missing \(c\)\. c: .*credits", ran.err)
    assert ran.err.endswith("The other clips are kept; mend what is wrong and run it again.\n")
    assert len(emulator.charges) == 2


def test_shot_whose_answer_was_lost_is_shown_with_the_way_to_settle_it(
    program, place, emulator, settings
):
    (place / "lost.yaml").write_text("title: Lost\nmodel: wan-2-5\nshots: [{id: a, prompt: lost}]")
    emulator.faults.add("drop-after-accept")
    ran = program("render", "lost.yaml", cwd=place, **settings)
    assert ran.code == 1
    assert "missing: " not in ran.out
    told = re.search(
        r"^incomplete: .* \(a\)\. a: .* is not known \[billed: unknown\]\. (.*)$",
        ran.err,
        re.MULTILINE,
    )
    assert told
    assert re.search(r"`prefect-videogen settle [0-9a-f]{12} --job ID`", told[1])
    assert told[1].endswith(" Settle what became of a before the next run.")
    assert "clips are kept" not in ran.err  # there are none
    assert "mend what is wrong" not in ran.err
