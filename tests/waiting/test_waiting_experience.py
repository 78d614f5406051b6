"""When past jobs say that a first look is worth it, and which jobs are of one kind."""

from __future__ import annotations

import json

import pytest

from prefect_videogen.capabilities import MODELS
from prefect_videogen.waiting import kind_of, usual_first_look
from prefect_videogen.waiting.experience import ENOUGH

WAN, EVOLINK = MODELS["wan-2-5"], MODELS["wan2.5-image-to-video"]
EXPECTED = (50.0, 70.0)


def test_a_quarter_of_the_past_jobs_was_done_by_the_first_look():
    took = [54, 70, 52, 66, 58, 60, 62, 64]
    first = usual_first_look(WAN, EXPECTED, took)
    assert first == 58
    assert sum(seconds < first for seconds in took) == len(took) / 4


def test_few_past_jobs_say_nothing():
    assert usual_first_look(WAN, EXPECTED, [60] * (ENOUGH - 1)) is None
    assert usual_first_look(WAN, EXPECTED, [60] * ENOUGH) == 60


@pytest.mark.parametrize(("took", "first"), [(0.2, 25), (30, 30), (100, 100), (900, 140)])
def test_extremes_are_kept_within_bounds(took, first):
    assert usual_first_look(WAN, EXPECTED, [took] * 20) == first


def test_order_of_past_jobs_does_not_matter():
    took = [70, 50, 66, 58, 54, 62, 60, 64, 52]
    assert usual_first_look(WAN, EXPECTED, took) == usual_first_look(WAN, EXPECTED, sorted(took))


def test_kind_is_resolution_and_length_whatever_the_vendors_body():
    nested = {"request_type": "async", "input": {"resolution": "1080p", "duration": 10}}
    flat = {"model": EVOLINK.id, "quality": "720p", "duration": 5}
    assert kind_of(WAN, json.dumps(nested)) == "1080p-10"
    assert kind_of(EVOLINK, json.dumps(flat)) == "720p-5"


def test_kind_of_a_short_body_has_the_defaults():
    params = [WAN.param(field) for field in ("resolution", "seconds")]
    defaults = "-".join(str(param.default) for param in params if param)
    assert kind_of(WAN, json.dumps({"input": {}})) == defaults


def test_kind_is_a_plain_name_whatever_stands_in_the_body():
    odd = {"input": {"resolution": "../../x", "duration": 7.5}}
    assert kind_of(WAN, json.dumps(odd)) == "______x-7_5"
