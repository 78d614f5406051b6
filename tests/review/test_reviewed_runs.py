"""Films that wait for a person, on a real server and a real work pool: no process meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefect_videogen.errors import Rejected

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="lists processes in /proc"),
]


async def test_film_with_one_shot_redone_buys_just_that_shot_again(theatre, tmp_path):
    """One test, as every round of a run takes a process."""
    shots = [{"id": name, "prompt": f"{name} in the morning"} for name in ("sea", "sky", "sand")]
    delivered = tmp_path / "film.mp4"
    run = await theatre.start(
        "Morning", shots, review="film", budget=4.4, max_new_clips=4, deliver_to=str(delivered)
    )
    sheet = await theatre.asks(run, 1)
    assert "sea in the morning" in sheet
    assert "data:image/jpeg;base64," in sheet
    assert sorted(theatre.bought()) == [f"{n} in the morning" for n in ("sand", "sea", "sky")]
    assert not delivered.exists()

    # What the form can't say, and a wake-up without an answer, leave it asleep.
    assert await theatre.answer(run) == "REJECT"
    assert await theatre.answer(run, decision="redo", changes=[{"shot": "dune"}]) == "REJECT"

    changes = [{"shot": "sky", "prompt": "sky in the evening"}]
    assert await theatre.answer(run, decision="redo", changes=changes) == "ACCEPT"
    assert await theatre.answer(run, decision="approve") == "ABORT"  # a second click
    sheet = await theatre.asks(run, 2)
    assert "sky in the evening" in sheet
    assert theatre.bought(3) == ["sky in the evening"]

    # Two more do not fit: told, and asked again.
    changes = [{"shot": "sea"}, {"shot": "sand"}]
    assert await theatre.answer(run, decision="approve", changes=changes) == "ACCEPT"
    sheet = await theatre.asks(run, 3)
    assert "could not be carried out" in sheet
    assert "max_new_clips is 4" in sheet

    assert await theatre.answer(run, decision="approve", note="Fine.") == "ACCEPT"
    film = await theatre.film(run)
    assert (film.bought, len(film.clips), film.missing) == (4, 3, ())
    assert len(theatre.bought()) == 4
    assert delivered.exists()
    answers = sorted(path.name for path in (theatre.media / f"runs/{run.id}").glob("review-*"))
    assert answers == ["review-1.json", "review-2-refused.json", "review-2.json", "review-3.json"]
    # What was redone counts too, and what was not wanted after all does not.
    money = json.loads((theatre.media / f"runs/{run.id}/money-2.json").read_text())
    assert money["estimate"] == [{"amount": "4.40", "currency": "USD"}]


async def test_rejected_run_ends_as_rejected_and_keeps_what_was_bought(theatre):
    before = len(theatre.bought())
    run = await theatre.start("Never", [{"id": "no", "prompt": "Nothing good"}], review="shots")
    assert "1 clip waits for approval" in await theatre.asks(run, 1)
    assert await theatre.answer(run, decision="reject", note="Too dull.") == "ACCEPT"
    state = await theatre.state(run)
    assert (state.name, state.type.value) == ("Rejected", "FAILED")
    assert "Too dull." in (state.message or "")
    with pytest.raises(Rejected, match=r"Too dull\."):
        await state.aresult()
    assert theatre.bought(before) == ["Nothing good"]
    assert not list(theatre.media.glob("films/never/*"))
