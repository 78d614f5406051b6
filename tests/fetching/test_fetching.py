"""Fetching a clip: what comes is checked, what is kept is whole, and nothing private is visited."""

from __future__ import annotations

import asyncio
import hashlib

import httpx
import pytest

from prefect_videogen import downloading, fetching
from prefect_videogen.buying import Buyer
from prefect_videogen.errors import DownloadError, UntrustedAddress
from prefect_videogen.fetching import fetch_clip
from prefect_videogen.media import first_frame, frame_rgb, last_frame_png, probe, psnr


def media_of(studio, job) -> list[str]:
    """List what is stored beside the records."""
    folder = studio.store.root / "clips" / job.key
    kept = (path for path in folder.rglob("*") if path.suffix in {".mp4", ".png"})
    return sorted(path.relative_to(folder).as_posix() for path in kept)


async def check_that_nothing_was_kept(studio, job) -> None:
    assert media_of(studio, job) == []
    attempt = await studio.records.attempt(job.key, job.attempt)
    assert attempt.state == "ready"
    assert not list(studio.store.root.rglob(".tmp-*"))


async def test_good_clip_is_stored_with_its_last_frame_and_facts(ready):
    vendors, studio, job = ready
    async with studio:
        clip = await fetch_clip(studio, job)
    path, frame = await studio.store.fetch(clip.path), await studio.store.fetch(clip.last_frame)
    assert media_of(studio, job) == ["clip.mp4", "last.png"]
    assert path.read_bytes() == vendors.job(job.job_id).clip.read_bytes()
    assert clip.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert clip.size == path.stat().st_size
    assert clip.probe == probe(path)
    assert frame.read_bytes() == last_frame_png(path)
    assert clip.last_frame_sha256 == hashlib.sha256(frame.read_bytes()).hexdigest()
    last = frame_rgb(path, clip.probe.frame_count - 1)
    assert psnr(frame.read_bytes(), last) == float("inf")
    assert psnr(frame.read_bytes(), first_frame(path).rgb) < 60


async def test_stored_clip_is_not_fetched_again(ready):
    vendors, studio, job = ready
    async with studio:
        first = await fetch_clip(studio, job)
        before = len(vendors.requests)
        assert await fetch_clip(studio, job) == first
    assert len(vendors.requests) == before


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("html-instead", "not a usable video"),
        ("wrong-length", "not a usable video"),
        ("truncated-body", "could not be fetched"),
        ("download-404", "HTTP 404"),
        ("download-403", "HTTP 403"),
        ("download-410", "HTTP 410"),
        ("refuse-500", "could not be fetched"),
        ("throttle", "could not be fetched"),
    ],
)
async def test_unusable_answer_is_a_download_error_and_nothing_is_kept(ready, fault, says):
    vendors, studio, job = ready
    vendors.faults.add(fault, at="download", times=None)
    async with studio:
        with pytest.raises(DownloadError, match=says) as caught:
            await fetch_clip(studio, job)
    error = caught.value
    assert (error.shot, error.job_id, error.billed) == ("kite", job.job_id, "yes")
    assert error.next_step
    await check_that_nothing_was_kept(studio, job)

    vendors.faults.clear()
    async with studio:
        assert (await fetch_clip(studio, job)).path.endswith("clip.mp4")
    assert len(vendors.charges) == 1


@pytest.mark.parametrize("fault", ["truncated-body", "refuse-503", "throttle", "download-404"])
async def test_passing_trouble_is_tried_again(ready, fault):
    vendors, studio, job = ready
    vendors.faults.add(fault, at="download", times=3)
    async with studio:
        assert (await fetch_clip(studio, job)).probe.frame_count == 40


@pytest.mark.parametrize("fault", ["stall-after-headers", "trickle"])
async def test_endless_wait_is_cut_off(ready, monkeypatch, fault):
    vendors, studio, job = ready
    monkeypatch.setattr(downloading, "TIMEOUT", httpx.Timeout(0.1))
    monkeypatch.setattr(fetching, "SHORTEST_PATIENCE", 0.2)
    monkeypatch.setattr(fetching, "LONGEST_DOWNLOAD", 0.2)
    monkeypatch.setattr(fetching, "TRIES", 2)
    vendors.faults.add(fault, at="download", times=None)
    async with studio:
        with pytest.raises(DownloadError, match="Time"):
            await fetch_clip(studio, job)
    await check_that_nothing_was_kept(studio, job)


@pytest.mark.parametrize("fault", ["", "endless-body"])
async def test_oversized_clip_is_refused_by_its_length_or_while_it_comes(ready, monkeypatch, fault):
    vendors, studio, job = ready
    monkeypatch.setattr(downloading, "LARGEST_CLIP", 1000)
    if fault:
        vendors.faults.add(fault, at="download", times=None)
    async with studio:
        with pytest.raises(DownloadError, match="larger than") as caught:
            await fetch_clip(studio, job)
    assert caught.value.job_id == job.job_id
    assert sum(seen.kind == "result" for seen in vendors.requests) == 1
    await check_that_nothing_was_kept(studio, job)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost/clip.mp4",
        "https://127.0.0.1:9/clip.mp4",
        "https://[::1]/clip.mp4",
        "https://10.0.0.7/clip.mp4",
        "http://clips.example.com/clip.mp4",
        "file:///etc/passwd",
        "//127.0.0.1:9/clip.mp4",
    ],
)
async def test_redirect_to_a_private_or_plain_address_is_refused(ready, location):
    vendors, studio, job = ready
    vendors.faults.add("redirect-private", times=None, location=location)
    async with studio:
        with pytest.raises(UntrustedAddress) as caught:
            await fetch_clip(studio, job)
    assert (caught.value.shot, caught.value.job_id) == ("kite", job.job_id)
    assert sum(seen.kind == "result" for seen in vendors.requests) == 1
    await check_that_nothing_was_kept(studio, job)


async def test_redirect_within_the_vendors_own_host_is_followed(ready):
    vendors, studio, job = ready
    attempt = await studio.records.attempt(job.key, 1)
    vendors.faults.add("redirect-private", location=attempt.ready.result_urls[0])
    async with studio:
        assert (await fetch_clip(studio, job)).probe.frame_count == 40


@pytest.mark.parametrize(
    "url",
    [
        "http://clips.example.com/clip.mp4",
        "https://192.168.1.1/clip.mp4",
        "https://[fd00::1]/clip.mp4",
        "https://[64:ff9b::7f00:1]/clip.mp4",
        "https://[2002:7f00:1::]/clip.mp4",
        "https://[::127.0.0.1]/clip.mp4",
        "https://2130706433/clip.mp4",
        "https://user:password@127.0.0.1/clip.mp4",
        "ftp://clips.example.com/clip.mp4",
        "file:///etc/passwd",
        "https:///clip.mp4",
        "clip.mp4",
    ],
)
async def test_result_at_an_untrusted_address_is_refused_without_asking(
    emulator, open_studio, ready_at, url
):
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200)

    studio = open_studio(emulator(), transport=httpx.MockTransport(answer))
    job = await ready_at(studio, url)
    async with studio:
        with pytest.raises(UntrustedAddress) as caught:
            await fetch_clip(studio, job)
    assert asked == []
    assert "password" not in str(caught.value)
    await check_that_nothing_was_kept(studio, job)


@pytest.mark.parametrize("address", ["10.0.0.7", "64:ff9b::7f00:1", "2002:7f00:1::", "100.64.0.1"])
async def test_public_name_that_resolves_to_a_private_address_is_refused(
    emulator, open_studio, ready_at, monkeypatch, address
):
    async def lookup(host, *_: object, **__: object):
        assert host == "clips.example.com"
        return [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", (address, 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    studio = open_studio(emulator())
    job = await ready_at(studio, "https://clips.example.com/clip.mp4")
    async with studio:
        with pytest.raises(UntrustedAddress, match="private"):
            await fetch_clip(studio, job)


async def test_own_host_is_not_trusted_any_more_after_a_detour(
    emulator, open_studio, ready_at, monkeypatch
):
    async def lookup(*_: object, **__: object):
        return [(2, 1, 6, "", ("93.184.216.34", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    vendors = emulator()
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        there = "https://clips.example.com/x" if len(asked) == 1 else f"{vendors.url}/secret"
        return httpx.Response(302, headers={"location": there})

    studio = open_studio(vendors, transport=httpx.MockTransport(answer))
    job = await ready_at(studio, f"{vendors.url}/results/1.mp4")
    async with studio:
        with pytest.raises(UntrustedAddress):
            await fetch_clip(studio, job)
    assert len(asked) == 2


async def test_circle_of_redirects_ends(emulator, open_studio, ready_at):
    vendors = emulator()
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(302, headers={"location": "/results/1.mp4"})

    studio = open_studio(vendors, transport=httpx.MockTransport(answer))
    job = await ready_at(studio, f"{vendors.url}/results/1.mp4")
    async with studio:
        with pytest.raises(DownloadError, match="redirects more than 3 times"):
            await fetch_clip(studio, job)
    assert len(asked) == 4


async def test_key_is_never_sent_to_where_results_lie(emulator, open_studio, ready_at, ready):
    vendors, _, bought = ready
    seen: list[httpx.Headers] = []
    clip = vendors.job(bought.job_id).clip.read_bytes()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, content=clip)

    studio = open_studio(vendors, transport=httpx.MockTransport(answer))
    job = await ready_at(studio, f"{vendors.url}/results/1.mp4")
    async with studio:
        await fetch_clip(studio, job)
    assert len(seen) == 1
    assert "authorization" not in seen[0]


# -- an earlier try that died ---------------------------------------------------------------------


@pytest.mark.parametrize("left", ["clip", "clip and frame"])
async def test_unfinished_earlier_try_is_completed_and_stored_once(ready, left):
    vendors, studio, job = ready
    folder = studio.store.root / "clips" / job.key
    made = vendors.job(job.job_id).clip
    await studio.store.put_file(f"clips/{job.key}/clip.mp4", made)
    if left == "clip and frame":
        (folder / "last.png").write_bytes(last_frame_png(made))
    async with studio:
        clip = await fetch_clip(studio, job)
    assert media_of(studio, job) == ["clip.mp4", "last.png"]
    assert clip.path == f"clips/{job.key}/clip.mp4"
    assert (folder / "last.png").read_bytes() == last_frame_png(made)


async def test_other_attempts_media_are_kept_and_ones_own_lie_under_the_attempt(ready, tmp_path):
    _, studio, job = ready
    folder = studio.store.root / "clips" / job.key
    (folder / "clip.mp4").write_bytes(b"an earlier attempt's clip")
    (folder / "last.png").write_bytes(b"and its last frame")
    async with studio:
        clip = await fetch_clip(studio, job)
    assert clip.path == f"clips/{job.key}/1/clip.mp4"
    assert clip.last_frame == f"clips/{job.key}/1/last.png"
    assert (folder / "clip.mp4").read_bytes() == b"an earlier attempt's clip"
    assert (folder / "last.png").read_bytes() == b"and its last frame"
    assert (folder / "1/last.png").read_bytes() == last_frame_png(folder / "1/clip.mp4")


async def test_recorded_digest_is_that_of_the_frame_that_lies_there(ready):
    """A frame kept by another version of the program may have other bytes; they are the truth."""
    vendors, studio, job = ready
    folder = studio.store.root / "clips" / job.key
    made = vendors.job(job.job_id).clip
    await studio.store.put_file(f"clips/{job.key}/clip.mp4", made)
    (folder / "last.png").write_bytes(last_frame_png(made) + b"\n")
    async with studio:
        clip = await fetch_clip(studio, job)
    kept = (await studio.store.fetch(clip.last_frame)).read_bytes()
    assert clip.last_frame_sha256 == hashlib.sha256(kept).hexdigest()


async def test_two_at_once_fetch_the_same_clip_into_one_place(ready):
    _, studio, job = ready
    async with studio:
        clips = await asyncio.gather(*(fetch_clip(studio, job) for _ in range(4)))
    assert len({(clip.path, clip.last_frame, clip.sha256) for clip in clips}) == 1
    assert media_of(studio, job) == ["clip.mp4", "last.png"]


async def test_job_without_a_result_is_not_fetched(emulator, open_studio, ask):
    vendors = emulator()
    vendors.faults.add("job-hangs")
    studio = open_studio(vendors)
    async with studio:
        job = await Buyer(studio, await ask(studio)).buy()
        with pytest.raises(DownloadError, match="no result yet"):
            await fetch_clip(studio, job)
