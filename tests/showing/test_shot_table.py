"""The table of a film's shots: what each cell says, and that it stays small."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from prefect_videogen.buying import Job
from prefect_videogen.filming import Film, Missing
from prefect_videogen.plan import Money
from prefect_videogen.progress import Progress
from prefect_videogen.tasks.shot_table import ShotLine, film_table, percent_done, running_table

PRICE = Money(amount=Decimal("0.4"), currency="USD")


def line(**more: Any) -> ShotLine:
    return ShotLine(**{"name": "kite", "model": "wan-2-5", "seconds": 5, "price": PRICE, **more})


def job(**more: Any) -> Job:
    fields: dict[str, Any] = {
        "shot": "kite",
        "key": "0" * 64,
        "attempt": 1,
        "vendor": "apixo@sandbox",
        "model": "wan-2-5",
        "mode": "text-to-video",
        "job_id": "task_7",
        "state": "submitted",
        "how": "bought",
        "submitted_at": 0,
    }
    return Job(**{**fields, **more})


def row(text: str) -> list[str]:
    """The cells of the first shot."""
    return [cell.strip() for cell in text.splitlines()[6].strip("|").split(" | ")]


def test_a_running_shot_shows_its_job_price_and_how_long_it_may_take():
    shot = line()
    shot.take(Progress("kite", "running", "job task_7", (50, 70), job()))
    text = running_table("Kites", [shot])
    assert text.startswith("# Kites\n\n0 of 1 clips are there, 1 running.\n")
    assert row(text) == [
        "kite",
        "running",
        "wan-2-5",
        "5 s",
        "0.40 USD",
        "expected 50 to 70 s",
        "`task_7`",
        "",
    ]


def test_a_shot_that_waits_says_for_what():
    shot = line()
    shot.take(Progress("kite", "waiting", "wan-2-5 has no room | for another job"))
    assert "wan-2-5 has no room \\| for another job" in running_table("Kites", [shot])


@pytest.mark.parametrize(
    ("billed", "cost"), [("no", ""), ("yes", "0.40 USD"), ("unknown", "may be billed")]
)
def test_a_missing_shot_says_why_and_whether_it_was_billed(billed, cost):
    gap = Missing(
        shot="kite", error="ContentRefused", reason="no\nkites", billed=billed, job_id="task_7"
    )
    shot = line()
    shot.take(Progress("kite", "failed", "no kites", None, gap))
    cells = row(running_table("Kites", [shot]))
    assert cells[1] == "ContentRefused"
    assert cells[4:] == [cost, "", "`task_7`", "no kites"]


@pytest.mark.parametrize("how", ["resumed", "reused"])
def test_what_an_earlier_run_bought_costs_nothing_now(how):
    shot = line()
    shot.take(Progress("kite", "running", "", None, job(how=how)))
    assert row(running_table("Kites", [shot]))[4] == "paid before"


def test_a_thousand_shots_make_a_bounded_table_with_the_failures_in_it():
    shots = [line(name=f"{number:04}") for number in range(1000)]
    for shot in shots[300:]:
        gap = Missing(shot=shot.name, error="JobFailed", reason="x" * 5000)
        shot.take(Progress(shot.name, "failed", "x" * 5000, None, gap))
    text = running_table("Kites", shots)
    assert "0 of 1000 clips are there, 300 waiting, 700 failed." in text
    assert text.count("\n| 0") == 150
    assert "| 0099 |" in text
    assert "| 0300 |" in text
    assert "| 0200 |" not in text
    assert "850 more are not shown." in text
    assert len(text) < 100_000


def test_progress_counts_every_shot_and_the_stitching():
    shots = [line(name=str(number)) for number in range(3)]
    assert percent_done(shots) == 0
    shots[0].state, shots[1].state = "done", "failed"
    assert percent_done(shots) == 50
    shots[2].state = "done"
    assert percent_done(shots) == 75
    not_made = Film(title="Kites", slug="kites", media="file:///m")
    assert percent_done(shots, not_made) == 75
    assert percent_done(shots, not_made.model_copy(update={"path": "films/a/film.mp4"})) == 100


def test_a_film_that_nobody_watched_is_told_from_its_result():
    gap = Missing(shot="kite", error="NoCredits", reason="the balance is too low")
    film = Film(title="Kites", slug="kites", media="file:///m", missing=(gap,), sandbox=True)
    text = film_table(film)
    assert "| kite | NoCredits |" in text
    assert "Film: not made." in text
    assert text.endswith("Made with sandbox clips.")
