"""A job that is ready to be fetched, made by the emulator or written down by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from prefect_videogen.buying import Buyer, Job, wait_for
from prefect_videogen.emulator import Emulator
from prefect_videogen.records import Claimed, Ready, Submitted
from prefect_videogen.studio import OpenStudio

KEY = "cd" * 32


@pytest.fixture
async def ready(
    emulator: Callable[..., Emulator], open_studio: Callable[..., OpenStudio], ask: Any
) -> tuple[Emulator, OpenStudio, Job]:
    """A clip that was bought and is ready, but not fetched."""
    vendors = emulator()
    studio = open_studio(vendors)
    async with studio:
        job = await wait_for(studio, await Buyer(studio, await ask(studio)).buy())
    return vendors, studio, job


@pytest.fixture
def ready_at() -> Callable[..., Awaitable[Job]]:
    """Write down a job whose result lies at a URL of the test's own."""

    async def write(studio: OpenStudio, url: str) -> Job:
        now = studio.time.now()
        claimed = Claimed(
            at=now,
            owner="x",
            shot="kite",
            vendor="apixo@sandbox",
            model="wan-2-5",
            base_url="http://127.0.0.1",
            body="{}",
            idempotency_key="videogen-0123456789-1",
            window=4,
        )
        await studio.records.claim(KEY, 1, claimed)
        await studio.records.submitted(KEY, 1, Submitted(at=now, job_id="task_1"))
        record = Ready(at=now, result_urls=(url,), expires_at=now + 1000)
        await studio.records.ready(KEY, 1, record)
        return Job(
            shot="kite",
            key=KEY,
            attempt=1,
            vendor="apixo@sandbox",
            model="wan-2-5",
            mode="text-to-video",
            job_id="task_1",
            state="ready",
            how="resumed",
            submitted_at=now,
        )

    return write
