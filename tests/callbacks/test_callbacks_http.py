"""What the receiver answers to whom: tokens, sizes, types, repeats."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlsplit

import httpx
import pytest

from prefect_videogen.buying import Buyer
from prefect_videogen.callbacks.app import LARGEST_BODY
from prefect_videogen.callbacks.deliveries import address_of, job_id_in
from prefect_videogen.checking import NOBODY, callback_checks

KEY = "0123456789abcdef" * 4
TOKEN = "fedcba9876543210" * 4


@pytest.fixture
async def bought(emulator, studio_with_callbacks, receiver, ask, until):
    """A finished job whose callback never came, its URL, and the vendors."""
    vendors = emulator()
    vendors.faults.add("callback-lost")
    receiver.start(studio_with_callbacks(vendors))
    async with studio_with_callbacks(vendors) as studio:
        job = await Buyer(studio, await ask(studio)).buy()
    await until(lambda: vendors.deliveries)  # noted as lost, once the job has ended
    return vendors, job, receiver.endpoint.job_url(job.key, job.attempt, sandbox=True)


def looks(vendors) -> int:
    return sum(seen.kind == "status" for seen in vendors.requests)


async def test_forged_token_is_not_found_and_logged_without_it(
    bought, receiver, deliver, until, caplog
):
    vendors, job, url = bought
    forged = url[:-8] + "00000000"
    with caplog.at_level(logging.WARNING):
        answer = deliver(forged, json={"data": {"taskId": job.job_id}})
    assert (answer.status_code, answer.content) == (404, b"")
    assert f"Refused a callback for {job.key[:12]} from 127.0.0.1" in caplog.text
    assert forged[-64:] not in caplog.text
    assert forged[-40:] not in caplog.text
    # The genuine one after it is the only one that asks.
    assert deliver(url).status_code == 200
    await until(lambda: receiver.wakes.told)
    assert looks(vendors) == 1


async def test_what_doctor_tries_is_no_warning(bought, receiver, until, caplog):
    with caplog.at_level(logging.DEBUG, logger="prefect_videogen.callbacks"):
        (check,) = await callback_checks(receiver.endpoint, sandbox=True)
        await until(lambda: receiver.inbox.open_cases == 0)
    assert check.ok == "yes"
    said = {record.levelno for record in caplog.records if NOBODY[:12] in record.getMessage()}
    assert said == {logging.DEBUG}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/hooks",
        f"/hooks/{KEY}/1",
        f"/hooks/{KEY}/1/",
        f"/hooks/{KEY}/0/{TOKEN}",
        f"/hooks/{KEY}/x/{TOKEN}",
        f"/hooks/{KEY}/1234567/{TOKEN}",
        f"/hooks/{KEY[:-1]}/1/{TOKEN}",
        f"/hooks/{KEY}/1/{TOKEN}/more",
        f"/hooks/{KEY}/1/{TOKEN}",
        f"/hooks/{KEY}/1/é",
        "/hooks/../../etc/passwd",
    ],
)
async def test_any_other_path_is_not_found(bought, receiver, deliver, path):
    answer = deliver(receiver.root + path, content=b"{}")
    assert answer.status_code == 404
    assert receiver.inbox.open_cases == 0


async def test_token_of_one_attempt_opens_no_other(bought, receiver, deliver):
    _, job, url = bought
    token = url.rpartition("/")[2]
    for key, attempt in ((job.key, 2), (KEY, 1)):
        answer = deliver(f"{receiver.endpoint.url}/{key}/{attempt}/{token}")
        assert answer.status_code == 404


@pytest.mark.parametrize("prefix", ["", "/hooks", "/some/where/else"])
async def test_path_that_a_proxy_puts_before_it_does_not_matter(
    bought, receiver, deliver, until, prefix
):
    _, job, url = bought
    own = "/".join(url.rsplit("/", 3)[1:])
    assert deliver(f"{receiver.root}{prefix}/{own}").status_code == 200
    await until(lambda: receiver.wakes.told)
    assert receiver.wakes.told[0].job_id == job.job_id


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"content": b""},
        {"content": b"done", "headers": {"content-type": "text/plain"}},
        {"data": {"taskId": "x"}},
        {"content": b'{"data": ', "headers": {"content-type": "application/json"}},
        {"content": b"[1, 2]", "headers": {"content-type": "application/json; charset=utf-16"}},
        {"content": bytes(range(256)), "headers": {"content-type": "video/mp4"}},
        {"files": {"body": b"{}"}},
        {"json": {"data": {"taskId": "task_of_another", "state": "pending"}}},
        {"json": {"data": None, "id": {"not": "a text"}}},
        {"content": b"null", "headers": {"content-type": "nonsense"}},
    ],
)
async def test_any_body_of_any_type_will_do(bought, receiver, deliver, until, sent):
    vendors, job, url = bought
    assert deliver(url, **sent).status_code == 200
    await until(lambda: receiver.wakes.told)
    assert receiver.wakes.told[0].job_id == job.job_id
    assert looks(vendors) == 1


async def test_oversize_body_is_refused_however_it_comes(bought, receiver, deliver, until):
    vendors, _, url = bought
    most = b" " * LARGEST_BODY

    def in_chunks():
        yield most
        yield b" "

    assert deliver(url, content=most + b" ").status_code == 413
    assert deliver(url, content=in_chunks()).status_code == 413
    assert receiver.inbox.open_cases == 0
    assert looks(vendors) == 0
    assert deliver(url, content=most).status_code == 200
    await until(lambda: receiver.wakes.told)


async def test_ten_thousand_repeats_cost_one_question(bought, receiver, until):
    vendors, _, url = bought
    parts = urlsplit(url)
    request = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode()

    async def repeat(times: int) -> int:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        good = 0
        for _ in range(times // 100):
            writer.write(request * 100)
            for _ in range(100):
                head = await reader.readuntil(b"\r\n\r\n")
                good += head.startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
        return good

    answered = await asyncio.gather(*(repeat(1000) for _ in range(10)))
    assert sum(answered) == 10_000
    await until(lambda: receiver.inbox.open_cases == 0)
    assert looks(vendors) == 1
    assert len(receiver.wakes.told) == 1


async def test_health_says_how_much_is_open(bought, receiver):
    async with httpx.AsyncClient(trust_env=False) as client:
        told = await client.get(f"{receiver.root}/health")
        assert told.json() == {"status": "ok", "open": 0}
        assert (await client.get(bought[2])).status_code == 405


@pytest.mark.parametrize(
    ("body", "job_id"),
    [
        (b'{"code": 200, "data": {"taskId": "task_1", "state": "success"}}', "task_1"),
        (b'{"id": "task-unified-1", "status": "completed"}', "task-unified-1"),
        (b'{"data": {"taskId": 12}}', "12"),
        (b'{"data": {"taskId": "../.."}}', "../.."),
        (b'{"data": {"taskId": ".."}}', None),
        (b'{"data": {"taskId": "a b"}}', None),
        (b'{"data": []}', None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_job_id_is_read_from_either_vendors_body(body, job_id):
    assert job_id_in(body) == job_id


def test_address_is_read_from_the_end_of_a_path():
    assert address_of(f"/a/b/{KEY}/12/{TOKEN}") == (KEY, 12, TOKEN)
    assert address_of(f"/{KEY}/1/{TOKEN}") == (KEY, 1, TOKEN)
    assert address_of(f"/x{KEY}/1/{TOKEN}") is None
    assert address_of(f"/{KEY}/1/{TOKEN}\n") is None
