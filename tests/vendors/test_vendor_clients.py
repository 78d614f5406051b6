"""The clients: paths, headers, and which client an account gets."""

from __future__ import annotations

import json

import httpx
import pytest

import prefect_videogen.vendors as public
from prefect_videogen.capabilities import MODELS
from prefect_videogen.errors import BadParameters, JobNotFound, NoCredits, StudioError
from prefect_videogen.vendors import ApixoClient, EvolinkClient, VendorClient, open_client

pytestmark = pytest.mark.asyncio

WAN = MODELS["wan2.5-image-to-video"]


@pytest.fixture
def talk(account_at):
    """Open a client whose vendor gives one answer; gives the requests seen, too."""

    def start(vendor, answer, status=200, **account):
        seen = []

        def handle(request):
            seen.append((request, request.read()))
            return httpx.Response(status, json=answer)

        transport = httpx.MockTransport(handle)
        return open_client(account_at(vendor, **account), transport=transport), seen

    return start


async def test_account_gets_the_client_of_its_vendor(account_at):
    apixo: VendorClient = open_client(account_at("apixo"))
    evolink: VendorClient = open_client(account_at("evolink"))
    async with apixo, evolink:
        assert isinstance(apixo, ApixoClient)
        assert isinstance(evolink, EvolinkClient)
    with pytest.raises(StudioError):
        ApixoClient(account_at("evolink"))
    with pytest.raises(StudioError):
        EvolinkClient(account_at("apixo"))


async def test_apixo_status_quotes_model_and_job(talk):
    job = "a/b?c&d=ü"
    answer = {"code": 200, "message": "success", "data": {"taskId": job, "state": "pending"}}
    client, seen = talk("apixo", answer)
    assert (await client.status("wan-2-5", job)).state == "queued"
    assert str(seen[0][0].url) == (
        "https://vendor.example/api/v1/statusTask/wan-2-5?taskId=a%2Fb%3Fc%26d%3D%C3%BC"
    )


async def test_evolink_status_quotes_the_job(talk):
    client, seen = talk("evolink", {"id": "a/../b", "status": "pending"})
    await client.status("any", "a/../b")
    assert seen[0][0].url.raw_path == b"/v1/tasks/a%2F..%2Fb"


@pytest.mark.parametrize("vendor", ["apixo", "evolink"])
async def test_impossible_job_id_is_not_found_and_not_asked_for(talk, vendor):
    client, seen = talk(vendor, {})
    with pytest.raises(JobNotFound):
        await client.status("wan-2-5", "..")
    assert seen == []


async def test_gateway_with_a_path_keeps_its_path(talk):
    client, seen = talk(
        "apixo", {"code": 200, "message": "", "data": 3}, base_url="https://gateway.example/apixo"
    )
    assert (await client.balance()).amount == 3
    assert str(seen[0][0].url) == ("https://gateway.example/apixo/api/v1/apikeys/current-balance")


async def test_evolink_submit_sends_key_and_bytes(talk, samples):
    client, seen = talk("evolink", samples["evolink_submit_ok"])
    body = b'{"model":"wan2.5-image-to-video"}'
    key = "videogen-0123456789abcdef.1"
    for _ in range(2):
        await client.submit(WAN, body, idempotency_key=key)
    await client.submit(WAN, body)
    paths = {request.url.path for request, _ in seen}
    keys = [request.headers.get("idempotency-key") for request, _ in seen]
    assert paths == {"/v1/videos/generations"}
    assert keys == [key, key, None]
    assert {sent for _, sent in seen} == {body}


@pytest.mark.parametrize("key", ["short", "x" * 97, "with a blank 123456", "umlaut-ü-0123456789"])
async def test_malformed_idempotency_key_is_refused_before_sending(talk, key):
    client, seen = talk("evolink", {})
    with pytest.raises(StudioError):
        await client.submit(WAN, b"{}", idempotency_key=key)
    assert seen == []


async def test_evolink_task_list_asks_for_the_newest_of_a_model(talk):
    item = {"id": "task-unified-1-a", "status": "pending", "model": WAN.id}
    client, seen = talk("evolink", {"data": [item], "total": 1})
    (line,) = await client.list_tasks(WAN.id)
    assert line.state == "queued"
    assert dict(seen[0][0].url.params) == {"model": WAN.id, "page": "1", "page_size": "50"}


async def test_evolink_balance_is_read(talk):
    data = {"token": {"unlimited_credits": True}, "user": {"remaining_credits": 12}}
    client, seen = talk("evolink", {"success": True, "data": data})
    assert (await client.balance()).unlimited
    assert seen[0][0].url.path == "/v1/credits"


async def test_evolink_upload_sends_the_picture_as_multipart(talk, key):
    answer = {"success": True, "code": 200, "data": {"file_url": "https://files.example/f.png"}}
    client, seen = talk("evolink", answer, files_url="https://files.example")
    got = await client.upload(b"\x89PNG...", name="first frame.png", mime="image/png")
    request, body = seen[0]
    assert got.url == "https://files.example/f.png"
    assert str(request.url) == "https://files.example/api/v1/files/upload/stream"
    assert request.headers["authorization"] == f"Bearer {key}"
    assert b'name="file"; filename="first frame.png"' in body
    assert b"Content-Type: image/png" in body
    assert b"\x89PNG..." in body
    assert b'name="file_name"' in body


async def test_evolink_upload_of_a_bmp_is_refused_before_sending(talk):
    client, seen = talk("evolink", {})
    with pytest.raises(BadParameters, match="image/bmp"):
        await client.upload(b"BM", name="x.bmp", mime="image/bmp")
    assert seen == []


async def test_refusal_over_a_client_is_named(talk, samples):
    client, _ = talk("apixo", samples["apixo_submit_refused"], status=400)
    with pytest.raises(NoCredits):
        await client.submit(MODELS["kling-2-1"], json.dumps({}).encode())


async def test_public_names_exist_once():
    assert len(public.__all__) == len(set(public.__all__))
    assert all(hasattr(public, name) for name in public.__all__)
