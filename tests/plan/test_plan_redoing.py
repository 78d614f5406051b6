"""Redoing a shot: why each clip has to be bought, what a change makes stale, and its price."""

from __future__ import annotations

from decimal import Decimal

from prefect_videogen.plan import Known, Price

CHAIN = """
title: Chain
model: vidu-q3
seconds: 4
shots:
  - {id: one, prompt: a, first_frame: f}
  - {id: two, prompt: b, first_frame: previous}
  - {id: three, prompt: c, first_frame: previous}
  - {id: four, prompt: d, first_frame: previous}
  - {id: five, prompt: e, first_frame: previous}
  - {id: apart, prompt: g}
"""
PRICES = (Price(model="vidu-q3", amount=Decimal("0.1")),)


def made_before(planned):
    """Buy the whole chain: what the records know, and what the film was made of."""
    known: dict[str, Known] = {}
    while True:
        made = planned(CHAIN, known=known)
        new = [clip for clip in made.clips if clip.key and clip.key not in known]
        if not new:
            return known, {clip.shot: frozenset({clip.key}) for clip in made.clips}
        for clip in new:
            known[clip.key] = Known("stored", last_frame=(clip.shot[:2] + "0" * 64)[:64])


def reasons(made) -> dict[str, str]:
    return {clip.id: clip.because for clip in made.clips}


def test_first_film_is_all_new_and_nothing_is_called_stale(planned):
    made = planned(CHAIN)
    assert set(reasons(made).values()) == {"new"}
    assert not [note for note in made.notes if "stale" in note]


def test_film_that_is_all_there_needs_no_reason(planned):
    known, earlier = made_before(planned)
    assert set(reasons(planned(CHAIN, known=known, earlier=earlier)).values()) == {""}


def test_take_two_in_a_chain_names_what_goes_stale_and_its_price(planned):
    known, earlier = made_before(planned)
    text = CHAIN.replace("prompt: c,", "prompt: c, take: 2,")
    made = planned(text, known=known, earlier=earlier, prices=PRICES)
    assert reasons(made) == {
        "one": "",
        "two": "",
        "three": "changed",
        "four": "stale",
        "five": "stale",
        "apart": "",
    }
    assert "take 2 of shot three makes four and five stale: 3 clips, 1.20 USD" in made.notes
    assert [clip.id for clip in made.to_buy] == ["three", "four", "five"]
    assert [clip.standing for clip in made.clips][2:4] == ["to buy, changed", "to buy, stale"]


def test_new_prompt_is_a_change_and_what_has_no_price_is_said(planned):
    known, earlier = made_before(planned)
    made = planned(CHAIN.replace("prompt: d", "prompt: other"), known=known, earlier=earlier)
    assert reasons(made)["four"] == "changed"
    assert "the change of shot four makes five stale: 2 clips, unpriced" in made.notes


def test_change_at_the_end_of_a_chain_makes_nothing_stale(planned):
    known, earlier = made_before(planned)
    made = planned(CHAIN.replace("prompt: g", "prompt: h"), known=known, earlier=earlier)
    assert reasons(made)["apart"] == "changed"
    assert not [note for note in made.notes if "stale" in note]


def test_shot_put_into_a_chain_is_new_and_says_what_it_makes_stale(planned):
    known, earlier = made_before(planned)
    text = CHAIN.replace(
        "  - {id: four", "  - {id: more, prompt: m, first_frame: previous}\n  - {id: four"
    )
    made = planned(text, known=known, earlier=earlier, prices=PRICES)
    assert [reasons(made)[name] for name in ("more", "four", "five")] == ["new", "stale", "stale"]
    assert "the new shot more makes four and five stale: 3 clips, 1.20 USD" in made.notes


def test_shot_new_behind_a_change_is_not_stale(planned):
    known, earlier = made_before(planned)
    text = CHAIN.replace("prompt: e,", "prompt: e2, take: 2,") + (
        "  - {id: last, prompt: z, first_frame: 'shot:five'}\n"
    )
    made = planned(text, known=known, earlier=earlier)
    assert (reasons(made)["five"], reasons(made)["last"]) == ("changed", "new")
    assert not [note for note in made.notes if "stale" in note]


def test_further_takes_are_new_and_change_nothing_about_the_film(planned):
    known, earlier = made_before(planned)
    made = planned(CHAIN.replace("prompt: g", "prompt: g, takes: 2"), known=known, earlier=earlier)
    assert reasons(made)["apart"] == ""
    assert reasons(made)["apart~2"] == "new"


def test_picked_take_is_the_one_that_the_chain_hangs_on(planned):
    known, earlier = made_before(planned)
    text = CHAIN.replace("prompt: c,", "prompt: c, takes: 2, pick: 2,")
    made = planned(text, known=known, earlier=earlier)
    assert (made.clip("three").take, made.clip("three~1").state) == ("2", "stored")
    assert (reasons(made)["three"], reasons(made)["four"]) == ("changed", "stale")
    assert made.clip("four").depends_on == ("three",)
