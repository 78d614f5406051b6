"""The vendors' own request bodies get the status that an honest endpoint gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SAMPLES = json.loads((Path(__file__).parent / "data" / "requests.json").read_text())


@pytest.fixture
def offline(monkeypatch):
    """The samples name real hosts; nobody listens at this proxy, so nothing leaves the machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample["name"] for sample in SAMPLES])
def test_sample_request_gets_documented_status(customer, offline, sample):
    answer = customer.http.post(sample["path"], json=sample["body"])

    assert answer.status_code == sample["status_at_submit"], answer.text


@pytest.mark.parametrize(
    "url", ["...", "https://...", "https://example.com/ref.jpg", "http://[", "http://127.0.0.1:9/a"]
)
def test_placeholder_picture_fails_the_apixo_job_later(customer, offline, url):
    answer = customer.apixo("wan-2-5", "image-to-video", image_urls=[url])
    task = customer.ended("wan-2-5", answer.json()["data"]["taskId"])

    assert (task["state"], task["failCode"]) == ("failed", "INVALID_IMAGE_URL")
