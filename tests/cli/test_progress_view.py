"""Progress: plain lines where nobody watches, a table on a terminal, both by a clock of our own."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from prefect_videogen.cli.progress_view import STYLES, ProgressView
from prefect_videogen.progress import Progress, tell


class Ticks:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Ticks()


def console(*, terminal: bool) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=100, highlight=False, color_system=None
    )


@pytest.fixture
def plain(clock):
    return ProgressView(console(terminal=False), clock)


def lines_of(view: ProgressView) -> list[str]:
    assert isinstance(view.console.file, io.StringIO)
    return view.console.file.getvalue().splitlines()


def cells_of(view: ProgressView) -> list[list[str]]:
    out = console(terminal=False)
    out.print(view.table())
    assert isinstance(out.file, io.StringIO)
    return [line.split() for line in out.file.getvalue().splitlines()]


def test_each_change_is_one_plain_line(plain, clock):
    with plain.showing():
        tell("launch", "waiting")
        clock.now += 1.25
        tell("launch", "buying", "vidu-q3")
        clock.now += 0.5
        tell("launch", "running", "job task-1", (60, 120))
        clock.now += 90
        tell("launch", "done", "bought")
        tell("", "stitching")
    assert lines_of(plain) == [
        "   0.0 s  launch          waiting",
        "   1.2 s  launch          buying  vidu-q3",
        "   1.8 s  launch          running  job task-1  (expected 60-120 s)",
        "  91.8 s  launch          done  bought",
        "  91.8 s  film            stitching",
    ]


def test_same_state_again_is_no_line(plain, clock):
    with plain.showing():
        for _ in range(3):
            tell("a", "running", "job 1")
            clock.now += 1
        tell("a", "running", "job 2")
    assert len(lines_of(plain)) == 2


@pytest.mark.parametrize(
    ("expected", "shown"),
    [((60, 120), "(expected 60-120 s)"), ((0.1, 0.25), "(expected 0.1-0.2 s)"), ((0, 0), "")],
)
def test_expected_time_is_shown_where_there_is_one(plain, expected, shown):
    plain.plain(Progress("a", "running", "", expected))
    assert lines_of(plain)[0].endswith(shown or "running")


def test_words_of_a_job_are_never_taken_for_markup(plain, clock):
    plain.plain(Progress("a", "failed", "[bold]no[/] [x]"))
    assert lines_of(plain)[0].endswith("failed  [bold]no[/] [x]")


def test_long_line_is_not_wrapped(plain):
    plain.plain(Progress("a", "failed", "x" * 300))
    assert len(lines_of(plain)) == 1


def test_terminal_shows_a_table_and_no_lines(clock):
    view = ProgressView(console(terminal=True), clock)
    with view.showing():
        tell("launch", "running", "job task-1", (60, 120))
        clock.now += 7
        shown = cells_of(view)
    assert shown == [
        ["shot", "state", "elapsed", "expected"],
        ["launch", "running", "7", "s", "60-120", "s", "job", "task-1"],
    ]
    assert isinstance(view.console.file, io.StringIO)
    assert "launch" in view.console.file.getvalue()


def test_table_counts_from_the_first_word_of_a_shot_to_its_end(clock):
    view = ProgressView(console(terminal=True), clock)
    view.live(Progress("a", "waiting"))
    clock.now += 10
    view.live(Progress("a", "running", "", (60, 120)))
    clock.now += 20
    view.live(Progress("a", "done", "bought"))
    clock.now += 500
    assert cells_of(view)[1] == ["a", "done", "30", "s", "bought"]


def test_table_keeps_the_order_in_which_shots_appeared(clock):
    view = ProgressView(console(terminal=True), clock)
    for shot in ("b", "a", "", "b"):
        view.live(Progress(shot, "waiting"))
    assert [row[0] for row in cells_of(view)[1:]] == ["b", "a", "film"]


@pytest.mark.parametrize("state", STYLES)
def test_every_state_can_be_shown(clock, state):
    view = ProgressView(console(terminal=True), clock)
    view.live(Progress("a", state))
    assert cells_of(view)[1][:2] == ["a", state]


def test_nothing_is_heard_once_the_view_has_ended(plain):
    with plain.showing():
        pass
    tell("a", "waiting")
    assert lines_of(plain) == []


@pytest.mark.parametrize("markup", [True, False])
def test_table_shows_every_word_as_it_is_whatever_the_console(clock, markup):
    """`render` has a console without markup, so that users' words stay what they are."""
    file = io.StringIO()
    view = ProgressView(Console(file=file, width=100, markup=markup, emoji=markup), clock)
    view.live(Progress("a", "failed", "[x] no [/]"))
    view.console.print(view.table())
    shown = file.getvalue().splitlines()[1].split()
    assert shown == ["a", "failed", "0", "s", "[x]", "no", "[/]"]
