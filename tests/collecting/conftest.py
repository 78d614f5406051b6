"""Jobs whose runs died: bought, and then nobody was left to fetch them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from prefect_videogen.buying import Buyer, ClipRequest, Job
from prefect_videogen.emulator import Emulator
from prefect_videogen.records import Claimed
from prefect_videogen.studio import OpenStudio


@pytest.fixture
def buy() -> Callable[..., Awaitable[Job]]:
    """Buy a clip, and end without waiting for it."""

    async def run(studio: OpenStudio, request: ClipRequest) -> Job:
        async with studio:
            return await Buyer(studio, request).buy()

    return run


@pytest.fixture
def all_ended() -> Callable[[Emulator], Awaitable[None]]:
    """Wait until the vendors have ended all jobs."""

    async def wait(vendors: Emulator) -> None:
        while any(job.running for job in vendors.jobs):  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def claim_and_die() -> Callable[..., Awaitable[None]]:
    """Leave a claim without a job id, as a process does that is killed around its POST."""

    async def claim(studio: OpenStudio, request: ClipRequest, **more: Any) -> None:
        claimed = Claimed.model_validate(
            {
                "at": studio.time.now(),
                "owner": "somebody who died",
                "shot": "kite",
                "vendor": request.clip.vendor,
                "model": request.clip.model,
                "base_url": "http://127.0.0.1",
                "body": json.dumps({"model": request.clip.model, "prompt": "a kite"}),
                "idempotency_key": f"videogen-{request.key[:48]}-1",
                "window": 4,
                **more,
            }
        )
        await studio.records.open(claimed.vendor, claimed.model, request.key, 1)
        assert await studio.records.claim(request.key, 1, claimed)

    return claim
