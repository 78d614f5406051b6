"""Downloads that break off go on where they were, and never mix two versions."""

from __future__ import annotations

import httpx
import pytest

from prefect_videogen.downloading import BrokenError, Download, GoneError, open_client
from prefect_videogen.errors import UntrustedAddress

BODY = bytes(range(256)) * 40
URL = "https://results.example.org/clip.mp4"


class Server:
    """Serves a body that may break off; remembers which ranges were asked for."""

    def __init__(self, *, tag: str = '"one"', ranges: bool = True) -> None:
        self.body, self.tag, self.ranges = BODY, tag, ranges
        self.breaks: list[int] = []
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        asked = request.headers.get("range", "")
        self.asked.append(asked)
        start, status = 0, 200
        headers = {"etag": self.tag} if self.tag else {}
        if asked and self.ranges and request.headers.get("if-range") == self.tag:
            start, status = int(asked.removeprefix("bytes=").rstrip("-")), 206
            last = len(self.body) - 1
            headers["content-range"] = f"bytes {start}-{last}/{len(self.body)}"
        body = self.body[start:]
        headers["content-length"] = str(len(body))
        if self.breaks:
            body = body[: self.breaks.pop(0)]
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


def download(server, tmp_path) -> Download:
    client = open_client(httpx.MockTransport(server))
    return Download(tmp_path / "clip.mp4", "results.example.org", client)


async def test_a_broken_transfer_goes_on_where_it_was(tmp_path):
    server = Server()
    server.breaks = [1000, 3000]
    transfer = download(server, tmp_path)
    for _ in range(2):
        with pytest.raises(BrokenError):
            await transfer.attempt(URL)
    await transfer.attempt(URL)
    assert transfer.place.read_bytes() == BODY
    assert server.asked == ["", "bytes=1000-", "bytes=4000-"]


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
async def test_without_a_strong_tag_it_starts_anew(tmp_path, tag):
    server = Server(tag=tag)
    server.breaks = [1000]
    transfer = download(server, tmp_path)
    with pytest.raises(BrokenError):
        await transfer.attempt(URL)
    await transfer.attempt(URL)
    assert transfer.place.read_bytes() == BODY
    assert server.asked == ["", ""]


async def test_a_server_that_ignores_ranges_is_read_from_the_start(tmp_path):
    server = Server(ranges=False)
    server.breaks = [1000]
    transfer = download(server, tmp_path)
    with pytest.raises(BrokenError):
        await transfer.attempt(URL)
    await transfer.attempt(URL)
    assert transfer.place.read_bytes() == BODY


async def test_another_version_in_between_is_not_mixed_in(tmp_path):
    server = Server()
    server.breaks = [1000]
    transfer = download(server, tmp_path)
    with pytest.raises(BrokenError):
        await transfer.attempt(URL)
    server.body, server.tag = BODY[::-1], '"two"'
    await transfer.attempt(URL)
    assert transfer.place.read_bytes() == BODY[::-1]


async def test_another_part_than_asked_for_is_refused(tmp_path):
    def wrong(request: httpx.Request) -> httpx.Response:
        headers = {"content-range": f"bytes 5-9/{len(BODY)}", "etag": '"one"'}
        return httpx.Response(206, headers=headers, content=b"xxxxx")

    transfer = download(wrong, tmp_path)
    with pytest.raises(BrokenError):
        await transfer.attempt(URL)
    assert not transfer.place.exists()


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_url_that_no_longer_serves_it_is_gone(tmp_path, status):
    transfer = download(lambda _: httpx.Response(status), tmp_path)
    with pytest.raises(GoneError) as caught:
        await transfer.attempt(URL)
    assert caught.value.status == status


async def test_no_cookie_is_sent_back_on_a_later_download(tmp_path):
    sent = []

    def serve(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("cookie", ""))
        return httpx.Response(200, content=BODY, headers={"set-cookie": "who=we; Path=/"})

    transfer = download(serve, tmp_path)
    await transfer.attempt(URL)
    await transfer.attempt(URL)
    assert sent == ["", ""]


@pytest.mark.parametrize("status", [300, 302, 304])
async def test_redirect_that_leads_nowhere_is_a_broken_transfer(tmp_path, status):
    transfer = download(lambda _: httpx.Response(status), tmp_path)
    with pytest.raises(httpx.HTTPStatusError):
        await transfer.attempt(URL)


UNREADABLE = ["https://[bad/clip.mp4?sign=s3cret", "https://a.example:port/c.mp4?sign=s3cret"]


@pytest.mark.parametrize("address", UNREADABLE)
async def test_address_that_is_none_is_refused_without_quoting_it(tmp_path, address):
    transfer = download(lambda _: httpx.Response(200, content=BODY), tmp_path)
    with pytest.raises(UntrustedAddress, match="can't be read") as caught:
        await transfer.attempt(address)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("address", UNREADABLE)
async def test_redirect_to_an_address_that_is_none_is_no_accident(tmp_path, address):
    transfer = download(lambda _: httpx.Response(302, headers={"location": address}), tmp_path)
    with pytest.raises((UntrustedAddress, httpx.RemoteProtocolError)):
        await transfer.attempt(URL)
