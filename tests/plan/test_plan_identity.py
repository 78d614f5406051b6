"""The keys a plan gives its clips: after filling in, as far as their pictures are known."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from prefect_videogen.capabilities import MODELS
from prefect_videogen.keys import FROZEN_DEFAULTS, FROZEN_MODES
from prefect_videogen.plan import Known, Picture, Plan, StudioFacts, plan
from prefect_videogen.samples import sample
from prefect_videogen.storyboard import fill_variables, read_storyboard

CHAIN = """
model: vidu-q3
shots:
  - {id: a, prompt: x, first_frame: p}
  - {id: b, prompt: y, first_frame: previous}
  - {id: c, prompt: z, first_frame: previous}
"""


def test_keys_of_a_chain_come_as_its_clips_are_known(planned):
    first = planned(CHAIN)
    assert [bool(clip.key) for clip in first.clips] == [True, False, False]
    known = {first.clips[0].key: Known("stored", last_frame="1" * 64)}
    second = planned(CHAIN, known=known)
    assert [bool(clip.key) for clip in second.clips] == [True, True, False]
    known[second.clips[1].key] = Known("stored", last_frame="2" * 64)
    third = planned(CHAIN, known=known)
    assert all(clip.key for clip in third.clips)
    assert [clip.state for clip in third.clips] == ["stored", "stored", "new"]
    assert [clip.id for clip in third.to_buy] == ["c"]


def test_new_start_makes_the_whole_chain_stale(planned):
    key = planned(CHAIN).clips[0].key
    known = {key: Known("stored", last_frame="1" * 64)}
    changed = planned(CHAIN.replace("prompt: x", "prompt: other"), known=known)
    assert len(changed.to_buy) == 3


def test_order_of_the_board_is_kept_where_chains_point_forward(planned):
    made = planned(
        """
        model: vidu-q3
        shots:
          - {id: a, prompt: x, first_frame: 'shot:b'}
          - {id: b, prompt: y, first_frame: p}
        """
    )
    assert [clip.id for clip in made.clips] == ["a", "b"]
    assert made.clip("b").key


def key_of(make, text: str, **more) -> str:
    key = make(f"model: vidu-q3\n{text}", **more).clips[0].key
    assert isinstance(key, str)
    return key


@pytest.mark.parametrize(
    "other",
    [
        "shots: [{prompt: x, first_frame: p, id: other}]",
        "title: Film\nshots: [{prompt: x, first_frame: p}]",
        "shots: [{prompt: ' x ', first_frame: p}]",
        "seconds: 5\nshots: [{prompt: x, first_frame: p}]",
        "resolution: 720p\nrouting: auto\ntier: standard\nshots: [{prompt: x, first_frame: p}]",
        "shots: [{prompt: x, first_frame: p, seconds: 5.0, options: {sound: true}}]",
        "shots: [{prompt: x, first_frame: p, options: {mode: image-to-video}, take: 1}]",
        "shots: [{prompt: x, first_frame: p, fallback: [wan-2-5]}]",
        "film: {sound: none}\nshots: [{prompt: x, first_frame: p}]",
        "variables: {v: x}\nshots: [{prompt: '{v}', first_frame: p}]",
        "aspect_ratio: 16:9\nshots: [{prompt: x, first_frame: p}]",
        "shots: [{prompt: x, first_frame: same}]",
    ],
)
def test_same_wish_in_other_words_has_the_same_key(planned, other):
    same = Picture("7" * 64, "jpeg", 1600, 900)
    stills = {"p": same, "same": same}
    plain = key_of(planned, "shots: [{prompt: x, first_frame: p}]", stills=stills)
    assert key_of(planned, other, stills=stills) == plain


@pytest.mark.parametrize(
    "other",
    [
        "shots: [{prompt: y, first_frame: p}]",
        "look: grainy\nshots: [{prompt: x, first_frame: p}]",
        "shots: [{prompt: x, first_frame: q}]",
        "shots: [{prompt: x, first_frame: p, last_frame: p}]",
        "shots: [{prompt: x}]",
        "shots: [{prompt: x, first_frame: p, take: 2}]",
        "shots: [{prompt: x, first_frame: p, seed: 0}]",
        "shots: [{prompt: x, first_frame: p, routing: value}]",
        "shots: [{prompt: x, first_frame: p, tier: turbo}]",
        "shots: [{prompt: x, first_frame: p, extra_input: {a: 1}}]",
        "shots: [{prompt: x, first_frame: p, options: {bgm: false}}]",
        "aspect_ratio: 1:1\nshots: [{prompt: x, first_frame: p}]",
        "shots: [{prompt: x, first_frame: 'vendor:https://x/p'}]",
        "draft: true\nshots: [{prompt: x, first_frame: p}]",
    ],
)
def test_another_wish_has_another_key(planned, other):
    plain = key_of(planned, "shots: [{prompt: x, first_frame: p}]")
    assert key_of(planned, other) != plain


def test_way_of_fitting_a_picture_counts(planned):
    tall = {"p": Picture("7" * 64, "jpeg", 900, 1600)}
    keys = {
        key_of(
            planned,
            f"aspect_ratio: {ratio}\npicture_fit: {fit}\nshots: [{{prompt: x, first_frame: p}}]",
            stills=tall,
        )
        for ratio in ("16:9", "1:1")
        for fit in ("crop", "pad", "keep")
    }
    assert len(keys) == 5  # kept is kept, whatever the board's shape


def test_sandbox_clips_are_never_taken_for_bought_ones(planned):
    text = "shots: [{prompt: x}]"
    real = key_of(planned, text)
    sandbox = key_of(planned, text, labels={"apixo": "apixo@sandbox"})
    assert real != sandbox
    assert planned(f"model: vidu-q3\n{text}", labels={"apixo": "apixo@sandbox"}).sandbox
    assert not planned(f"model: vidu-q3\n{text}").sandbox


@pytest.mark.parametrize(
    ("model", "mode"),
    [(model.id, mode.name) for model in MODELS.values() for mode in model.modes],
)
def test_default_left_out_and_written_have_the_same_key(planned, model, mode):
    known = MODELS[model].mode(mode)
    assert known
    fields = [f"options: {{mode: {mode}}}"]
    if known.images[1]:
        fields.append("first_frame: p")
    if known.loras:
        fields.append("loras: [{path: https://x/y}]")
    plain = f"model: {model}\nshots: [{{prompt: x, {', '.join(fields)}}}]"
    key = planned(plain).clips[0].key
    for name, value in FROZEN_DEFAULTS[model].items():
        if mode not in FROZEN_MODES.get(model, {}).get(name, {mode}):
            continue
        param = next(p for p in MODELS[model].params_of(mode) if p.name == name)
        if param.field:
            word = "on" if value is True else value
            text = plain.replace("prompt: x", f"prompt: x, {param.field}: {word}")
        else:
            shown = str(value).lower()
            text = plain.replace("options: {", f"options: {{{name}: {shown}, ")
        assert planned(text).clips[0].key == key, name


def filled_plan(scheduled: datetime, **variables: str) -> Plan:
    board = read_storyboard(
        "model: vidu-q3\nvariables: {city: Oslo}\n"
        "shots: [{prompt: 'A tram in {city}', take: '{scheduled:%Y-%m-%d}'}]"
    ).board
    made, faults = fill_variables(board, variables, scheduled)
    studio = StudioFacts(name="t", labels={"apixo": "apixo"}, publishes=frozenset())
    return plan(made, studio, {}, {}, faults=faults)


def test_keys_come_after_filling_in():
    night = datetime(2026, 1, 5, 3, tzinfo=UTC)
    retry, next_night = night.replace(hour=4), night.replace(day=6)
    key = filled_plan(night).clips[0].key
    assert filled_plan(retry).clips[0].key == key
    assert filled_plan(next_night).clips[0].key != key
    assert filled_plan(night, city="Bergen").clips[0].key != key
    assert filled_plan(night, city="Oslo").clips[0].key == key


def test_plan_survives_json_with_all_it_holds(planned):
    made = planned(
        "model: vidu-q3\nfallback: [wan-2-5]\nshots: [{prompt: x, seconds: 5, first_frame: p}]"
    )
    assert Plan.model_validate_json(made.model_dump_json()) == made


def test_planning_is_pure(planned):
    text = sample("deep-field.yaml").read_text(encoding="utf-8")
    assert planned(text) == planned(text)


def test_sample_film_is_what_it_says(planned):
    made = planned(sample("deep-field.yaml").read_text(encoding="utf-8"))
    assert [clip.id for clip in made.clips] == [
        "launch", "orbit", "drift", "visor", "deep-field", "breakfast",
    ]  # fmt: skip
    assert {clip.model for clip in made.clips} == {
        "vidu-q3", "kling-2-1", "wan2.5-image-to-video", "wan-2-5",
    }  # fmt: skip
    assert {clip.vendor for clip in made.clips} == {"apixo", "evolink"}
    assert [join.doubled for join in made.joins] == [0, 1, 1, 0, 1, 0]
    assert made.clip("drift").depends_on == ("orbit",)
