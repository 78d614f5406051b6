"""Takes: deliberate versions of a shot, and the models to fall back on."""

from __future__ import annotations

import pytest


def shots(model: str, fields: str, top: str = "") -> str:
    return f"model: {model}\n{top}\nshots: [{{id: a, prompt: x, {fields}}}]"


@pytest.mark.parametrize(
    ("model", "fields", "seed"),
    [
        ("vidu-q3", "seed: 7", 7),
        ("vidu-q3", "seed: 7, take: 1", 7),
        ("vidu-q3", "seed: 7, take: 3", 9),
        ("ltx-2-19b", "seed: 1, take: 2", 2),
        ("wan-2-5", "seed: 2147483647, take: 2", 2_147_483_648),
        ("vidu-q3", "take: 3", None),
    ],
)
def test_take_shifts_the_seed(planned, model, fields, seed):
    clip = planned(shots(model, fields)).clips[0]
    assert clip.params.get("seed") == seed
    assert planned(shots(model, fields)).notes == ()


def test_take_of_a_word_keeps_the_seed_and_says_so(planned):
    made = planned(shots("vidu-q3", "seed: 7, take: spring"))
    assert made.clips[0].params["seed"] == 7
    assert made.notes == (
        "shot a: a take that is a word keeps the seed, so the clip may look the same",
    )


@pytest.mark.parametrize("take", ["²", "-1", "1.5.2", "2026-01-05"])
def test_take_that_only_looks_like_a_number_is_a_word(planned, take):
    made = planned(shots("vidu-q3", f"seed: 7, take: '{take}'"))
    assert made.clips[0].params["seed"] == 7
    assert made.clips[0].take == take


def test_model_without_a_seed_notes_that_takes_differ_by_chance(planned):
    made = planned(shots("kling-2-1", "first_frame: f, take: 2"))
    assert made.notes == ("shot a: kling-2-1 has no seed, so takes differ by chance",)


def test_each_take_has_a_key_of_its_own(planned):
    keys = {
        planned(shots(model, f"first_frame: f, take: {take}")).clips[0].key
        for model in ("vidu-q3", "kling-2-1")
        for take in (1, 2, "spring")
    }
    assert len(keys) == 6


def test_takes_buys_all_and_films_the_first(planned):
    made = planned(shots("vidu-q3", "seed: 5, takes: 3"))
    assert [(c.id, c.take, c.params["seed"], c.in_film) for c in made.clips] == [
        ("a", "1", 5, True),
        ("a~2", "2", 6, False),
        ("a~3", "3", 7, False),
    ]
    assert [join.shot for join in made.joins] == ["a"]


def test_pick_chooses_the_take_in_the_film_and_what_is_chained_from(planned):
    made = planned(
        """
        model: vidu-q3
        shots:
          - {id: a, prompt: x, takes: 3, pick: 2}
          - {id: b, prompt: x, first_frame: previous}
        """
    )
    assert [(c.id, c.take, c.in_film) for c in made.clips] == [
        ("a~1", "1", False),
        ("a", "2", True),
        ("a~3", "3", False),
        ("b", "1", True),
    ]
    assert made.clip("b").depends_on == ("a",)
    assert made.joins[1].doubled == 1


def test_takes_at_the_top_are_for_every_shot(planned):
    made = planned("model: vidu-q3\ntakes: 2\nshots: [{prompt: x}, {prompt: y, takes: 1}]")
    assert [clip.id for clip in made.clips] == ["01", "01~2", "02"]


def test_takes_share_the_key_of_the_take_bought_alone(planned):
    alone = planned(shots("vidu-q3", "seed: 5, take: 2")).clips[0]
    among = planned(shots("vidu-q3", "seed: 5, takes: 3")).clip("a~2")
    assert alone.key == among.key


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("takes: 3, pick: 4", "shot a: pick = 4: is not among the takes; use 1 or 2 or 3"),
        ("pick: 2", "shot a: pick = 2: is not among the takes; use 1"),
        ("takes: 2, take: 2", "shot a: take = 2: stands beside `takes`; keep one of them"),
        (
            "seed: 2147483647, take: 2",
            "shot a: take = 2: makes the seed 2147483648; use a whole number from -1 to 2147483647",
        ),
        (
            "seed: 2147483646, takes: 3",
            "shot a: take = 3: makes the seed 2147483648; use a whole number from -1 to 2147483647",
        ),
    ],
)
def test_take_that_can_not_be_had_is_a_fault(faults_of, fields, fault):
    assert faults_of(shots("vidu-q3", fields)) == [fault]


def test_same_fault_of_several_takes_is_one(faults_of):
    assert faults_of(shots("vidu-q3", "seconds: 40, takes: 3")) == [
        "shot a: seconds = 40: is not allowed here on vidu-q3; use a whole number from 1 to 16"
    ]


def test_fallback_is_planned_in_order_with_keys_of_its_own(planned):
    made = planned(
        shots("wan-2-5", "first_frame: f", "fallback: [kling-2-1, wan2.5-image-to-video]\nseed: 3")
    )
    clip = made.clips[0]
    assert [(c.model, c.mode, c.vendor) for c in (clip, *clip.fallback)] == [
        ("wan-2-5", "image-to-video", "apixo"),
        ("kling-2-1", "standard-image-to-video", "apixo"),
        ("wan2.5-image-to-video", "image-to-video", "evolink"),
    ]
    assert all(other.fallback == () for other in clip.fallback)
    assert "shot a: seed = 3 is left out, kling-2-1 does not have it" in made.notes
    assert len(made.to_buy) == 1


def test_fallback_to_the_model_itself_is_left_out(planned):
    clip = planned(shots("vidu-q3", "fallback: [vidu-q3, wan-2-5, wan-2-5]")).clips[0]
    assert [other.model for other in clip.fallback] == ["wan-2-5"]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (
            "fallback: [wan-2-6]",
            "shot a: fallback = wan-2-6: is not a known model; did you mean `wan-2-5`?",
        ),
        (
            "seconds: 8, fallback: [wan-2-5]",
            "shot a: seconds = 8: is not allowed here on wan-2-5; use 5 or 10",
        ),
        (
            "first_frame: f, last_frame: g, fallback: [wan-2-5]",
            (
                "shot a: last_frame = g: wan-2-5: takes one picture at most, not 2; leave "
                "`last_frame` out, or use a model that takes 2"
            ),
        ),
    ],
)
def test_fallback_that_could_not_make_the_shot_is_a_fault(faults_of, fields, fault):
    assert faults_of(shots("vidu-q3", fields)) == [fault]


def test_model_of_a_vendor_without_credentials_is_a_fault(faults_of):
    text = shots("wan2.5-image-to-video", "first_frame: f")
    assert faults_of(text, labels={"apixo": "apixo"}) == [
        (
            "shot a: model = wan2.5-image-to-video: belongs to evolink, for which the studio has "
            "no credentials; add them to the studio test or use another vendor's model"
        )
    ]
