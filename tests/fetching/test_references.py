"""What is read from the web: https, and no way from the world into this network."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from prefect_videogen.references import Folder, unreadable, web_client

START = "https://pictures.example.com/p.png"
INSIDE = {"nas.example.com": "10.0.0.7", "nat.example.com": "64:ff9b::7f00:1"}


@pytest.fixture(autouse=True)
def _names(monkeypatch) -> None:
    """Names of this network and of the world, without asking a server for them."""
    lookup = asyncio.BaseEventLoop.getaddrinfo

    async def answer(loop, host, *rest, **more):
        if host.endswith(".example.com"):
            return [(2, 1, 6, "", (INSIDE.get(host, "93.184.216.34"), 443))]
        return await lookup(loop, host, *rest, **more)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", answer)


async def fetched(start: str, location: str) -> list[str]:
    """Fetch what redirects once; gives the addresses that were asked."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        moved = {"location": location}
        return httpx.Response(302, headers=moved) if len(asked) == 1 else httpx.Response(200)

    try:
        async with web_client(start, httpx.MockTransport(answer)) as client:
            await client.get(start)
    except OSError as error:
        asked.append(str(error))
    return asked


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1/x",
        "http://169.254.169.254/latest",
        "https://127.1/x",
        "https://2130706433/x",
        "https://nas.example.com/x",
        "https://nat.example.com/x",
        "https://[64:ff9b::7f00:1]/x",
        "https://100.64.0.1/x",
    ],
)
async def test_redirect_from_the_world_into_this_network_is_refused(location):
    assert await fetched(START, location) == [START, "redirects to a private address"]


@pytest.mark.parametrize(
    ("start", "location"),
    [
        (START, "https://other.example.com/x"),
        ("https://nas.example.com/p.png", "https://nas.example.com/x"),
        ("http://127.0.0.1:9/p.png", "http://127.0.0.1:8/x"),
    ],
)
async def test_redirect_within_the_world_or_within_this_network_is_followed(start, location):
    assert await fetched(start, location) == [start, location]


async def test_redirect_to_plain_http_is_refused():
    assert await fetched(START, "http://other.example.com/x") == [START, "is not https"]


@pytest.mark.parametrize(
    ("base", "reference", "looked"),
    [
        ("/boards", "stills/a.jpg", "/boards/stills/a.jpg"),
        ("s3://bucket/boards", "a.jpg", "s3://bucket/boards/a.jpg"),
        ("https://u:hidden@h.example", "a.jpg?sig=hidden", "https://h.example/a.jpg"),
    ],
)
def test_relative_reference_that_is_not_found_says_where_it_was_looked_for(base, reference, looked):
    gone = FileNotFoundError(2, "No such file or directory")
    found = unreadable(gone, Folder(base), reference)
    assert found.problem == "can't be read: No such file or directory"
    assert found.remedy == (
        f"check the path: it is looked for from the storyboard's folder on, at {looked}"
    )
    whole = unreadable(gone, Folder(base), "/a.jpg")
    large = unreadable(OSError("is larger than 64 MiB"), Folder(base), reference)
    assert {whole.remedy, large.remedy} == {"check the path or address"}
