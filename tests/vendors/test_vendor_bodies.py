"""Request bodies: the vendors' own samples, rebuilt; and the bytes they become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefect_videogen.capabilities import MODELS, Images
from prefect_videogen.errors import BadParameters, JobNotFound
from prefect_videogen.vendors import encode_body, request_body, submit_path
from prefect_videogen.vendors.bodies import usable_job_id

REQUESTS = json.loads((Path(__file__).parent / "data" / "requests.json").read_text())
COMPLETE = [
    sample
    for sample in REQUESTS
    if "schematic" not in sample["name"] and sample["status_at_submit"] == 200
]


def _rebuilt(sample):
    body = sample["body"]
    asked = dict(body.get("input", body))
    name = asked.pop("model", None) or sample["path"].rsplit("/", 1)[1]
    model = MODELS[name]
    mode = model.mode(asked.pop("mode", "image-to-video"))
    assert mode is not None
    images = asked.pop("image_urls", [])
    asked.pop("callback_url", None)
    return model, request_body(
        model,
        mode,
        asked,
        images,
        routing=body.get("provider", ""),
        callback_url=body.get("callback_url", ""),
    )


@pytest.mark.parametrize("sample", COMPLETE, ids=lambda sample: sample["name"])
def test_vendors_own_sample_is_rebuilt_exactly(sample):
    model, body = _rebuilt(sample)
    assert body == sample["body"]
    assert submit_path(model) == sample["path"]


def test_every_model_has_a_sample():
    assert {_rebuilt(sample)[0].id for sample in COMPLETE} == set(MODELS)


def test_two_image_fields_take_first_and_last_frame():
    wan = MODELS["wan2.5-image-to-video"]
    model = wan.model_copy(update={"images": Images(fields=("image_start", "image_end"))})
    first, last = "https://a.example/1.png", "https://a.example/2.png"
    one = request_body(model, model.modes[0], {}, [first])
    two = request_body(model, model.modes[0], {}, [first, last])
    assert one == {"model": wan.id, "image_start": first}
    assert two == {"model": wan.id, "image_start": first, "image_end": last}
    with pytest.raises(BadParameters, match="2 pictures"):
        request_body(model, model.modes[0], {}, [first, last, first])


def test_mode_fields_and_extra_are_merged_extra_last():
    vidu, wan = MODELS["vidu-q3"], MODELS["wan2.5-image-to-video"]
    mode = vidu.modes[0].model_copy(update={"extra": {"a": 1, "b": 1}})
    nested = request_body(vidu, mode, {"prompt": "x"}, [], extra={"b": 2, "prompt": "y"})
    assert nested == {
        "request_type": "async",
        "input": {"mode": "text-to-video", "prompt": "y", "a": 1, "b": 2},
    }
    flat = request_body(wan, wan.modes[0], {"prompt": "x"}, [], extra={"beta": True})
    assert flat == {"model": wan.id, "prompt": "x", "beta": True}


def test_encoding_is_compact_ordered_utf8():
    assert encode_body({"b": "Ålesund ✨", "a": [1, 0.5, True]}) == (
        '{"b":"Ålesund ✨","a":[1,0.5,true]}'.encode()
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", object(), {1, 2}])
def test_value_that_is_no_json_is_a_bad_parameter(value):
    with pytest.raises(BadParameters) as caught:
        encode_body({"url": "https://s3.example/x?Signature=s3cret", "value": value})
    assert caught.value.__context__ is None
    assert "s3cret" not in str(caught.value)


def test_model_id_is_quoted_in_the_path():
    model = MODELS["wan-2-5"].model_copy(update={"id": "a/b?c"})
    assert submit_path(model) == "/api/v1/generateTask/a%2Fb%3Fc"


@pytest.mark.parametrize("job_id", ["", "..", ".", "a b", "a\nb", "x" * 300, "\ud800"])
def test_impossible_job_id_is_not_found(job_id):
    with pytest.raises(JobNotFound):
        usable_job_id("apixo", job_id)
