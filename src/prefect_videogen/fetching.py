"""Fetching a finished clip: streamed, checked, its last frame taken, then stored.

Only what decodes as video from its first frame to its last is kept, and its record is written
last. An URL that has died is asked for anew; a result whose life is over is recorded as expired.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict

from prefect_videogen.buying import ask
from prefect_videogen.buying.policy import end_of
from prefect_videogen.buying.request import How, Job
from prefect_videogen.downloading import BrokenError, Download, GoneError
from prefect_videogen.errors import (
    DownloadError,
    MediaError,
    RecordError,
    ResultExpired,
    VendorError,
)
from prefect_videogen.footage import file_digest
from prefect_videogen.handing import Handed, handed_by_clip
from prefect_videogen.keys import digest
from prefect_videogen.media import Probe
from prefect_videogen.media.arrival import Arrival
from prefect_videogen.media.tails import TailFacts
from prefect_videogen.plan import LAST_FRAME, Handing
from prefect_videogen.progress import tell
from prefect_videogen.records import Ready, Stored
from prefect_videogen.studio import OpenStudio

logger = logging.getLogger(__name__)

LONGEST_DOWNLOAD = 900.0
"""Seconds for one try of one clip, which a trickling body can't outlast."""

SHORTEST_PATIENCE = 30.0
TRIES = 4


class Clip(BaseModel):
    """A clip in the media store.

    Attributes:
        shot: Id of the shot.
        key: Key of the clip.
        attempt: Number of the attempt that it came of.
        vendor: Vendor's label.
        model: Model id.
        mode: Mode's name.
        job_id: The vendor's job id.
        how: Whether this run bought it, resumed it or found it stored.
        media: Address of the media store.
        path: Where it lies there.
        sha256: Digest of the vendor's own bytes.
        size: Its size in bytes.
        last_frame: Where its last frame lies, as PNG.
        last_frame_sha256: Digest of that PNG.
        handed: The frame that it hands over to what is chained to it.
        tail: How it ends, if a black or frozen end was looked for.
        probe: What it is: size, rate, frames, colour tags, sound.
        charge: The vendor's own figures, where it gives any.
        submitted_at: When the job was accepted, in seconds since 1970.
        ready_at: When it was seen to be ready.
    """

    model_config = ConfigDict(frozen=True)

    shot: str
    key: str
    attempt: int
    vendor: str
    model: str
    mode: str
    job_id: str
    how: How
    media: str
    path: str
    sha256: str
    size: int
    last_frame: str
    last_frame_sha256: str
    handed: Handed
    tail: TailFacts | None = None
    probe: Probe
    charge: dict[str, object] | None = None
    submitted_at: float
    ready_at: float | None = None

    @property
    def address(self) -> str:
        """Where its file is: `file:///...` or `s3://...`."""
        return f"{self.media}/{self.path}"


async def fetch_clip(studio: OpenStudio, job: Job, handing: Handing = LAST_FRAME) -> Clip:
    """Bring a ready job's clip into the media store, once, with the frame that it hands over.

    Args:
        studio: The open studio.
        job: A job that is `ready` or `stored`.
        handing: Which frame that is.

    Returns:
        The clip.

    Raises:
        ResultExpired: If the URL no longer serves it; recorded.
        DownloadError: If it could not be fetched, or what came is not a video.
        MediaError: If its trim leaves nothing of it.
        RecordError: If the media store does not answer as it must.
    """
    attempt = await studio.records.attempt(job.key, job.attempt)
    if attempt is None or (attempt.ready is None and attempt.stored is None):
        message = "the job has no result yet"
        raise DownloadError(
            message, shot=job.shot, job_id=job.job_id, next_step="Wait for it first."
        )
    stored = attempt.stored
    if stored is None and attempt.ready is not None:
        tell(job.shot, "downloading", about=job)
        stored = await _fetch_and_store(studio, job, attempt.ready)
    if stored is None:
        message = "the job's records are contradictory"
        raise RecordError(message, shot=job.shot, job_id=job.job_id, billed="yes")
    try:
        handed = await handed_by_clip(studio.store, stored, handing, keep=True)
    except MediaError as error:
        error.job_id, error.billed = job.job_id, "yes"
        raise error.for_shot(job.shot) from None
    tail = _tail(stored)
    if tail:
        _tell_tail(job, tail, handing)
    return Clip(
        **job.model_dump(exclude={"state", "expected"}),
        media=studio.store.url,
        path=stored.path,
        sha256=stored.sha256,
        size=stored.size,
        last_frame=stored.last_frame,
        last_frame_sha256=stored.last_frame_sha256,
        handed=handed,
        tail=tail,
        probe=Probe.model_validate(stored.probe),
        charge=attempt.ready.charge if attempt.ready else None,
        ready_at=attempt.ready.at if attempt.ready else None,
    )


def _tail(stored: Stored) -> TailFacts | None:
    if stored.black is None or stored.frozen is None or stored.steady is None:
        return None
    return TailFacts(stored.black, stored.frozen, stored.steady)


def _tell_tail(job: Job, tail: TailFacts, handing: Handing) -> None:
    """Warn of an end that shows nothing new."""
    kinds = [f"{n} {kind}" for n, kind in ((tail.frozen, "frozen"), (tail.black, "black")) if n]
    if kinds:
        does = "" if handing.steady else "; hand_over: steady starts the next shot before them"
        text = "Shot %s: job %s: the clip ends in %s frames%s"
        logger.warning(text, job.shot, job.job_id, " and ".join(kinds), does)


async def _fetch_and_store(studio: OpenStudio, job: Job, ready: Ready) -> Stored:
    async with _scratch() as place:
        sha256 = await _download(studio, job, ready, place)
        try:
            arrived = await studio.look_over(place)
        except MediaError as error:
            message = f"what came is not a usable video: {error.message}"
            step = "Run it again: the result is fetched anew."
            raise DownloadError(
                message, shot=job.shot, job_id=job.job_id, next_step=step
            ) from error
        return await _store(studio, job, place, sha256, arrived)


@asynccontextmanager
async def _scratch() -> AsyncIterator[Path]:
    """A file for a clip on its way; a folder around it would cost a thousand clips a second."""
    handle, name = tempfile.mkstemp(prefix="videogen-", suffix=".mp4")
    os.close(handle)
    place = Path(name)
    try:
        yield place
    finally:
        await asyncio.to_thread(place.unlink, missing_ok=True)


async def _store(
    studio: OpenStudio, job: Job, place: Path, sha256: str, arrived: Arrival
) -> Stored:
    found, frame, tail = arrived.probe, arrived.last_frame, arrived.tail
    # A later attempt's media stay under its attempt: what is there is never overwritten.
    folder = f"clips/{job.key}"
    if not await studio.store.put_file(f"{folder}/clip.mp4", place):
        # Of an earlier try that died before its record: the same bytes, or its attempt's folder.
        there = await studio.store.fetch(f"{folder}/clip.mp4")
        if await asyncio.to_thread(file_digest, there) != sha256:
            folder = f"clips/{job.key}/{job.attempt}"
            await studio.store.put_file(f"{folder}/clip.mp4", place)
    if not await studio.store.create(f"{folder}/last.png", frame):
        # Another version may have drawn other bytes; those that lie there count from now on.
        frame = await studio.store.read(f"{folder}/last.png") or frame
    record = Stored(
        at=studio.time.now(),
        path=f"{folder}/clip.mp4",
        size=found.size_bytes,
        sha256=sha256,
        last_frame=f"{folder}/last.png",
        last_frame_sha256=digest(frame),
        probe=found.model_dump(mode="json"),
        black=tail.black,
        frozen=tail.frozen,
        steady=tail.steady,
    )
    return await studio.records.stored(job.key, job.attempt, record)


async def _download(studio: OpenStudio, job: Job, ready: Ready, place: Path) -> str:
    """Download with a few tries, each going on where the last broke off; returns the digest."""
    account = studio.account(job.vendor)
    download = Download(place, urlsplit(account.base_url).netloc, await studio.downloads())
    patience = max(LONGEST_DOWNLOAD / account.speed, SHORTEST_PATIENCE)
    url, problem = ready.result_urls[0], ""
    for number in range(TRIES):
        if number:
            await studio.time.sleep(min(2.0**number, 10.0) / account.speed)
        try:
            async with asyncio.timeout(patience):
                await download.attempt(url)
            return await asyncio.to_thread(file_digest, place)
        except GoneError as gone:
            problem = f"HTTP {gone.status}"
            url = await _fresh_url(studio, job) or url
            if number == TRIES - 1:
                await _expired(studio, job, ready, gone.status)
        except DownloadError as error:
            error.job_id = job.job_id
            raise error.for_shot(job.shot) from None
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            problem = str(error) if isinstance(error, BrokenError) else type(error).__name__
        text = "Shot %s: job %s: download try %s: %s"
        logger.warning(text, job.shot, job.job_id, number + 1, problem)
    message = f"the clip could not be fetched: {problem}"
    step = "Run it again: it is fetched anew as long as its URL lives."
    raise DownloadError(message, shot=job.shot, job_id=job.job_id, next_step=step)


async def _fresh_url(studio: OpenStudio, job: Job) -> str | None:
    """Ask the job's status for a URL that may still live; None if it tells none."""
    try:
        status = await ask(studio, job.vendor, job.model, job.job_id)
    except VendorError as error:
        logger.warning("Shot %s: job %s: no fresh URL: %s", job.shot, job.job_id, error)
        return None
    return status.result_urls[0] if status.result_urls else None


async def _expired(studio: OpenStudio, job: Job, ready: Ready, status: int) -> None:
    """Record and raise `ResultExpired` if the result's documented life is over."""
    if ready.expires_at is None or studio.time.now() < ready.expires_at:
        return
    message = f"the result is gone (HTTP {status}); its documented life is over"
    error = ResultExpired(
        message,
        status=status,
        shot=job.shot,
        job_id=job.job_id,
        next_step="It was paid; run again with on_expired=rebuy to buy it once more.",
    )
    await studio.records.end(
        job.key, job.attempt, end_of(error, "expired", studio.time.now(), job.job_id)
    )
    raise error
