"""What an answer makes of a storyboard, what it approves, and what a reviewer reads: pure rules."""

from __future__ import annotations

from decimal import Decimal

import pytest

from prefect_videogen.errors import StoryboardError
from prefect_videogen.plan import Money
from prefect_videogen.reviewing import (
    Answer,
    Approvals,
    Change,
    Question,
    Shown,
    changed_board,
    review_sheet,
)
from prefect_videogen.reviewing.applying import next_take
from prefect_videogen.storyboard import Shot, Storyboard

BOARD = Storyboard(
    title="Kites",
    shots=[
        Shot(prompt="A kite over {city}"),
        Shot(id="many", prompt="Many kites", takes=3, pick=2),
        Shot(id="own", video="own.mp4"),
        Shot(id="night", prompt="A kite at night", take="night"),
    ],
)


def answer(*changes: Change, decision="redo", kind="shots", shots=(), number=1, film="") -> Answer:
    question = Question(kind=kind, shots=tuple(Shown(shot=s, key=k) for s, k in shots), film=film)
    return Answer(at=0, number=number, question=question, decision=decision, changes=changes)


def changed(*changes: Change) -> Storyboard:
    return changed_board(BOARD, [answer(*changes)])


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        (Change(shot="01", prompt=" A red kite "), {"prompt": "A red kite", "take": "1"}),
        (Change(shot="01"), {"prompt": "A kite over {city}", "take": "2"}),
        (Change(shot="01", prompt="A kite over {city}"), {"take": "2"}),  # nothing new
        (Change(shot="01", take=7), {"take": "7"}),
        (Change(shot="01", prompt="A red kite", take=7), {"prompt": "A red kite", "take": "7"}),
        (Change(shot="many"), {"takes": 4, "pick": 4, "take": "1"}),
        (Change(shot="many", take=3), {"takes": 3, "pick": 3}),
        (Change(shot="many", prompt="Few kites"), {"prompt": "Few kites", "takes": 3, "pick": 2}),
        (Change(shot="night"), {"take": "night+2"}),
    ],
)
def test_change_becomes_what_the_storyboard_would_say(change, fields):
    (shot,) = [shot for shot in changed(change).shots if shot.id == change.shot]
    assert shot.model_dump() | fields == shot.model_dump()


def test_changes_of_several_answers_add_up_and_leave_the_others_alone():
    answers = [answer(Change(shot="01")), answer(Change(shot="01")), answer(decision="approve")]
    board = changed_board(BOARD, answers)
    assert [shot.take for shot in board.shots] == ["3", "1", "1", "night"]
    assert board.shots[1:] == BOARD.with_ids().shots[1:]


def test_rejection_changes_nothing():
    assert changed_board(BOARD, [answer(Change(shot="x"), decision="reject")]) == BOARD.with_ids()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((Change(shot="kite"),), "is no shot of the film; use one of 01, many, night"),
        ((Change(shot="own"),), "is own footage"),
        ((Change(shot="01"), Change(shot="01")), "stands there 2 times"),
        ((), "is empty; name a shot"),
    ],
)
def test_change_of_what_is_not_there_is_a_fault(changes, says):
    with pytest.raises(StoryboardError, match=says):
        changed(*changes)


def test_twentieth_take_is_the_last():
    board = Storyboard(takes=20, shots=[Shot(id="kite", prompt="A kite")])
    with pytest.raises(StoryboardError, match="20 takes already"):
        changed_board(board, [answer(Change(shot="kite"))])
    assert changed_board(board, [answer(Change(shot="kite", take=20))]).shots[0].pick == 20


@pytest.mark.parametrize(
    ("take", "following"), [("1", "2"), ("9", "10"), ("x", "x+2"), ("x+2", "x+3"), ("a+b", "a+b+2")]
)
def test_next_take_has_a_name_of_its_own(take, following):
    assert next_take(take) == following


def test_approval_holds_for_the_clips_that_were_shown():
    shown = [("a", "key-a"), ("b", "key-b"), ("c", "")]
    approvals = Approvals([answer(Change(shot="b"), shots=shown)])
    assert approvals.clip("a", "key-a")
    assert not approvals.clip("a", "another key")
    assert not approvals.clip("b", "key-b")
    assert not approvals.clip("c", "")


def test_change_along_with_an_approval_is_approved_unseen_until_it_is_redone():
    unseen = answer(Change(shot="b"), decision="approve", shots=[("b", "key-b")])
    assert Approvals([unseen]).clip("b", "whatever comes")
    redone = answer(Change(shot="b"), shots=[("b", "key-2")])
    assert not Approvals([unseen, redone]).clip("b", "key-3")


def test_film_is_approved_by_its_path_or_unseen():
    plain = answer(decision="approve", kind="film", film="films/a.mp4")
    assert Approvals([plain]).film("films/a.mp4")
    assert not Approvals([plain]).film("films/b.mp4")
    unseen = answer(Change(shot="b"), decision="approve", kind="film", film="films/a.mp4")
    assert Approvals([unseen]).film("films/b.mp4")
    redone = answer(Change(shot="b"), kind="film", film="films/b.mp4")
    assert not Approvals([unseen, redone]).film("films/c.mp4")


def test_sheet_shows_every_shot_and_keeps_strange_text_in_its_cell():
    price = Money(amount=Decimal("1.10"), currency="USD")
    shots = (
        Shown(shot="a", prompt="A | pipe\nand <b>`", key="k", path="clips/k.mp4", price=price),
        Shown(shot="b", prompt="x" * 500, instead="missing: refused"),
    )
    question = Question(kind="shots", title="Kites", shots=shots, after=3600, then="approve")
    strips = {"clips/k.mp4": "data:image/jpeg;base64,A"}
    sheet = review_sheet(question, lambda _: "", "file:///media", strips)
    rows = [line for line in sheet.splitlines() if line.startswith("| ")]
    assert len(rows) == 4
    assert rows[2] == (
        "| a | ![a](data:image/jpeg;base64,A) | A \\| pipe and \\<b\\>\\` | 1 | 1.10 USD "
        "| clip `clips/k.mp4` |"
    )
    assert "missing: refused" in rows[3]
    assert len(rows[3]) < 250
    assert "**Kites**: 1 clip waits for approval" in sheet
    assert "`file:///media`" in sheet
    assert "within 60 minutes, this counts as approved" in sheet


@pytest.mark.parametrize(
    ("price", "count", "cell"),
    [
        ("1.10", 1, "| 1.10 USD |"),
        ("1.10", 3, "| 1.10 USD, new prompt 3.30 USD |"),
        ("", 3, "| unpriced |"),
    ],
)
def test_sheet_tells_what_a_new_prompt_costs_where_that_buys_several_takes(price, count, cell):
    money = Money(amount=Decimal(price), currency="USD") if price else None
    question = Question(kind="shots", shots=(Shown(shot="a", key="k", price=money, count=count),))
    assert cell in review_sheet(question, lambda _: "", "file:///media", {})


def test_sheet_pictures_every_take_that_can_be_picked():
    shown = Shown(shot="a", key="k", path="c.mp4", takes={"2": "c2.mp4", "3": "c3.mp4"}, count=3)
    question = Question(kind="shots", title="Kites", shots=(shown,))
    strips = {"c.mp4": "data:image/jpeg;base64,A", "c2.mp4": "data:image/jpeg;base64,B"}
    sheet = review_sheet(question, lambda _: "", "file:///media", strips)
    one, two = "![a](data:image/jpeg;base64,A)", "![a, take 2](data:image/jpeg;base64,B)"
    assert f"| a | {one} take 2: {two} |" in sheet


def test_sheet_links_what_has_a_lasting_address():
    shown = Shown(shot="a", key="k", path="c.mp4", takes={"2": "c2.mp4"}, approved=True)
    question = Question(kind="film", title="Kites", shots=(shown,), film="f.mp4", page="f.html")
    sheet = review_sheet(question, lambda path: f"https://view/{path}", "s3://bucket", {})
    assert "[its page](https://view/f.html) or [the film](https://view/f.mp4)" in sheet
    assert "[clip](https://view/c.mp4), [take 2](https://view/c2.mp4) (approved)" in sheet
    assert "s3://bucket" not in sheet
