"""What a film costs and how long it takes to make, before anything is spent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from prefect_videogen.capabilities import MODELS
from prefect_videogen.plan import Known, Money, Price, price_of, stray_prices
from prefect_videogen.plan.graph import critical_path, find_cycle


def price(amount: str, model: str = "vidu-q3", **more) -> Price:
    return Price(model=model, amount=Decimal(amount), **more)


def one_shot(model: str = "vidu-q3", fields: str = "seconds: 8") -> str:
    return f"model: {model}\nshots: [{{id: a, prompt: x, {fields}}}]"


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        ([price("0.07")], "0.56"),
        ([price("0.1", per="clip")], "0.1"),
        ([price("0.05", "wan-2-5"), price("0.07")], "0.56"),
        ([price("1"), price("0.07")], "8"),
        ([price("1", mode="image-to-video"), price("0.07", mode="text-to-video")], "0.56"),
        ([price("1", resolution="1080p"), price("0.07", resolution="720p")], "0.56"),
        ([price("1", routing="official"), price("0.07", routing="auto")], "0.56"),
        ([price("1", "wan-2-5")], None),
        ([price("1", mode="turbo-text-to-video")], None),
        ([], None),
    ],
)
def test_first_price_that_matches_counts(planned, prices, cost):
    made = planned(one_shot(), prices=tuple(prices))
    found = made.clips[0].price
    assert found == (Money(amount=Decimal(cost), currency="USD") if cost else None)
    assert made.unpriced == (0 if cost else 1)
    assert made.totals == ((found,) if found else ())


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"model": "wan-25"}, "there is no model wan-25; did you mean `wan-2-5`?"),
        ({"model": "sora"}, "there is no model sora; `prefect-videogen models` tells all"),
        ({"resolution": "1080"}, "vidu-q3 has no resolution 1080; did you mean `1080p`?"),
        ({"mode": "i2v"}, "vidu-q3 has no mode i2v; `prefect-videogen models` tells all"),
        (
            {"model": "kling-2-1", "resolution": "720p"},
            "kling-2-1 has no resolution 720p; `prefect-videogen models` tells all",
        ),
        (
            {"model": "wan-2-5", "routing": "oficial"},
            "wan-2-5 has no routing oficial; did you mean `official`?",
        ),
    ],
)
def test_price_that_no_clip_can_have_is_noted_once_with_the_nearest(planned, fields, what):
    stray = price("1", **fields)
    made = planned(one_shot(), prices=(stray, price("1"), stray))
    assert made.notes == (f"a price of the studio is for nothing: {what}",)


def test_prices_of_what_exists_are_not_noted(planned):
    prices = (
        price("1", mode="turbo-image-to-video", resolution="540p", routing="a channel of its own"),
        price("1", "wan2.5-image-to-video", routing="auto"),
        price("1", "kling-2-1", mode="master-text-to-video"),
        price("1"),
    )
    assert planned(one_shot(), prices=prices).notes == ()


def test_price_of_a_resolution_that_may_be_any_is_not_noted(planned):
    wan = MODELS["wan-2-5"]
    params = tuple(
        param.model_copy(update={"choices": ()}) if param.field == "resolution" else param
        for param in wan.params
    )
    models = {"wan-2-5": wan.model_copy(update={"params": params})}
    assert stray_prices([price("1", "wan-2-5", resolution="2160p")], models) == []


def test_length_that_was_left_out_is_priced_by_the_default(planned):
    made = planned(one_shot("ltx-2-19b", ""), prices=(price("0.1", "ltx-2-19b"),))
    assert made.totals[0].amount == Decimal(1)
    assert made.clips[0].seconds == 10


def test_price_by_resolution_counts_the_default_too(planned):
    clip = planned(one_shot()).clips[0]
    found = price_of(clip, [price("1", resolution="1080p"), price("2", resolution="720p")])
    assert found
    assert found.amount == 16


def test_sums_are_exact_and_kept_by_currency(planned):
    lines = "".join(f"  - {{prompt: x{n}, seconds: 1}}\n" for n in range(10))
    extra = "  - {prompt: y, model: wan-2-5}\n  - {prompt: z, model: ltx-2-19b}\n"
    made = planned(
        f"model: vidu-q3\nshots:\n{lines}{extra}",
        prices=(price("0.1"), price("5", "wan-2-5", per="clip", currency="credits")),
    )
    assert [str(total) for total in made.totals] == ["1.00 USD", "5.00 credits"]
    assert made.totals[0].amount == Decimal(1)
    assert made.unpriced == 1


def test_fallback_has_its_own_price_and_is_not_summed(planned):
    made = planned(
        one_shot("vidu-q3", "seconds: 5, fallback: [wan-2-5]"),
        prices=(price("0.1"), price("9", "wan-2-5", per="clip")),
    )
    fallback = made.clips[0].fallback[0].price
    assert fallback
    assert fallback.amount == 9
    assert made.totals[0].amount == Decimal("0.5")


@pytest.mark.parametrize(
    ("state", "bought"),
    [
        ("new", False),
        ("ended", False),
        ("claimed", True),
        ("submitted", True),
        ("ready", True),
        ("stored", True),
    ],
)
def test_what_is_bought_already_costs_nothing_more(planned, state, bought):
    text = one_shot()
    key = planned(text).clips[0].key
    made = planned(text, prices=(price("0.07"),), known={key: Known(state, job_id="j1")})
    assert made.clips[0].state == state
    assert made.clips[0].job_id == "j1"
    assert (made.to_buy == ()) == bought
    assert (made.totals == ()) == bought


@pytest.mark.parametrize(
    ("unknown", "said"), [(False, "a run is buying it, or died"), (True, "settle")]
)
def test_purchase_without_an_outcome_is_noted(planned, unknown, said):
    key = planned(one_shot()).clips[0].key
    (note,) = planned(one_shot(), known={key: Known("claimed", unknown=unknown)}).notes
    assert note.startswith("shot a: ")
    assert said in note


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("model: vidu-q3\nshots: [{prompt: x}]", 90),
        ("model: vidu-q3\nshots: [{prompt: x}, {prompt: y}, {prompt: z}]", 90),
        ("model: vidu-q3\nshots: [{prompt: x}, {prompt: y, first_frame: previous}]", 180),
        ("model: wan-2-5\nshots: [{prompt: x}, {prompt: y, resolution: 1080p}]", 80),
        (
            (
                "model: wan-2-5\nshots: [{prompt: x}, {prompt: y, first_frame: previous}, "
                "{prompt: z, model: vidu-q3}]"
            ),
            120,
        ),
        ("model: ltx-2-19b\nshots: [{prompt: x, loras: [{path: https://x/y}]}]", 90),
        ("shots: []", 0),
    ],
)
def test_wall_time_is_the_longest_way_through(plan_of, text, seconds):
    assert plan_of(text).seconds == seconds


@pytest.mark.parametrize(("shots", "seconds"), [(10, 90), (20, 180), (25, 225)])
def test_wall_time_knows_how_many_jobs_may_run(planned, shots, seconds):
    lines = "".join(f"  - {{prompt: x{n}}}\n" for n in range(shots))
    assert planned(f"model: vidu-q3\nshots:\n{lines}").seconds == seconds
    assert planned(f"model: wan-2-5\nshots:\n{lines}").seconds == 60


def test_wall_time_is_shorter_at_a_faster_vendor(planned):
    text = "model: vidu-q3\nshots: [{prompt: x}]"
    assert planned(text, speeds={"apixo": 60.0}).seconds == 1.5
    assert planned(text, speeds={"evolink": 60.0}).seconds == 90


@pytest.mark.parametrize(("state", "seconds"), [("submitted", 90), ("ready", 0), ("stored", 0)])
def test_clip_that_is_made_takes_no_time(planned, state, seconds):
    text = one_shot()
    key = planned(text).clips[0].key
    assert planned(text, known={key: Known(state)}).seconds == seconds


def test_board_that_waits_for_itself_has_no_time(plan_of):
    assert (
        plan_of("model: vidu-q3\nshots: [{id: a, prompt: x, first_frame: 'shot:a'}]").seconds == 0
    )


@pytest.mark.parametrize(
    ("graph", "cycle"),
    [
        ({}, None),
        ({"a": []}, None),
        ({"a": ["b"], "b": ["c"], "c": []}, None),
        ({"a": ["x"]}, None),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, None),
        ({"a": ["a"]}, {"a"}),
        ({"a": ["b"], "b": ["a"]}, {"a", "b"}),
        ({"z": ["a"], "a": ["b"], "b": ["c"], "c": ["b"]}, {"b", "c"}),
    ],
)
def test_cycle_is_found_where_there_is_one(graph, cycle):
    found = find_cycle(graph)
    assert (set(found) if found else None) == cycle


def test_long_chains_do_not_exhaust_the_stack():
    graph = {str(n): [str(n - 1)] for n in range(3_000)}
    assert find_cycle(graph) is None
    assert find_cycle({**graph, "0": ["2999"]})


def test_critical_path_adds_up_chains_and_ignores_strangers():
    graph = {"a": [], "b": ["a", "stranger"], "c": ["b"], "d": []}
    assert critical_path(graph, {"a": 1, "b": 2, "c": 3, "d": 5.5}) == 6
    assert critical_path({}, {}) == 0
