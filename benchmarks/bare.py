"""The bare script that benchmarks compare with: asyncio and httpx, no Prefect, records or limits.

It makes the requests that a person makes who read the vendor's page: submit, a first look after
the documented time, then one every few seconds, download. Nothing is checked or kept but clips.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import httpx
from PIL import Image

MODEL = "wan-2-5"
FIRST, INTERVAL = 50.0, 5.0
"""Seconds before the first look and between two, as the vendor's page has them."""

CONNECTIONS = 100


@dataclass(frozen=True)
class Bare:
    """What the script knows of the vendor.

    Attributes:
        client: Speaks to it.
        speed: How much faster than a real one it is.
    """

    client: httpx.AsyncClient
    speed: float

    async def clip(self, asked: dict[str, Any], path: Path) -> None:
        """Submit, look until it is there, download."""
        answer = await self.client.post(
            f"/api/v1/generateTask/{MODEL}", json={"request_type": "async", "input": asked}
        )
        job = answer.raise_for_status().json()["data"]["taskId"]
        delay = FIRST / self.speed
        while True:
            await asyncio.sleep(delay)
            delay = INTERVAL / self.speed
            answer = await self.client.get(f"/api/v1/statusTask/{MODEL}", params={"taskId": job})
            data = answer.raise_for_status().json()["data"]
            if data["state"] == "success":
                break
        url = json.loads(data["resultJson"])["resultUrls"][0]
        media = (await self.client.get(url)).raise_for_status().content
        await asyncio.to_thread(path.write_bytes, media)


def open_client(url: str, api_key: str) -> httpx.AsyncClient:
    """A client as one makes it for a thousand requests at once."""
    return httpx.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {api_key}"},
        timeout=120,
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
    )


async def all_at_once(bare: Bare, prompts: list[str], folder: Path) -> None:
    """Make a clip of each prompt, all at once."""
    await asyncio.gather(
        *(
            bare.clip(asked(prompt), folder / f"{number}.mp4")
            for number, prompt in enumerate(prompts)
        )
    )


async def one_after_another(
    bare: Bare, prompts: list[str], folder: Path, *, first: str, served_at: str
) -> None:
    """Make a clip of each prompt, each beginning on the last frame of the one before.

    Args:
        bare: The vendor.
        prompts: The prompts.
        folder: Where clips and frames go; the vendor reads it at `served_at`.
        first: URL of the first picture.
        served_at: URL of the folder.
    """
    picture = first
    for number, prompt in enumerate(prompts):
        clip = folder / f"{number}.mp4"
        await bare.clip(asked(prompt, picture), clip)
        await asyncio.to_thread(save_last_frame, clip, clip.with_suffix(".png"))
        picture = f"{served_at}/{number}.png"


def asked(prompt: str, picture: str = "") -> dict[str, Any]:
    """The input of a request."""
    common = {"prompt": prompt, "resolution": "720p", "duration": 5}
    if picture:
        return {**common, "mode": "image-to-video", "image_urls": [picture]}
    return {**common, "mode": "text-to-video", "aspect_ratio": "16:9"}


def save_last_frame(clip: Path, picture: Path) -> None:
    """Decode a clip to its end and keep the last frame."""
    with av.open(str(clip)) as container:
        *_, last = container.decode(video=0)
    Image.fromarray(last.to_ndarray(format="rgb24")).save(picture)
