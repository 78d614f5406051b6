"""A chain of 40 links, each beginning on the last frame of the one before, beside a bare script.

Nothing can be done at once here, so every pause between a link's end and the next one's submission
adds up. The emulator is some times faster than a real vendor, which makes such pauses weigh that
much more than they would. Emulator, Prefect server and both sides are processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bare import MODEL, Bare, one_after_another, open_client
from benchmarks.beside import peak_memory, prefect_server, run_part, say, vendors

from prefect_videogen.filming import Film
from prefect_videogen.flows import generate_chain

ALLOWED_REQUESTS = 6.0
SECONDS_OF_A_JOB = 60.0


def prompts(links: int) -> list[str]:
    """One prompt for every link."""
    return [f"The kite flies on, {number}" for number in range(links)]


def draw(path: Path) -> Path:
    """Draw the picture that the chain begins on."""
    Image.linear_gradient("L").resize((640, 360)).convert("RGB").save(path)
    return path


async def be_bare(links: int, speed: float, folder: Path) -> None:
    """Be the bare script; says when the last clip was stored."""
    url, key = os.environ["VIDEOGEN_APIXO_BASE_URL"], os.environ["VIDEOGEN_APIXO_API_KEY"]
    served_at = os.environ["VIDEOGEN_MEDIA_PUBLIC_URL"]
    first = f"{served_at}/{draw(folder / 'first.png').name}"
    async with open_client(url, key) as client:
        bare = Bare(client, speed)
        await one_after_another(bare, prompts(links), folder, first=first, served_at=served_at)
    say({"ended": time.time(), "memory": peak_memory()})


async def be_flow(links: int, folder: Path) -> None:
    """Be the flow run."""
    made = await generate_chain(
        first_frame=str(draw(folder / "first.png")),
        prompts=prompts(links),
        model=MODEL,
        resolution="720p",
        seconds=5,
        studio="env",
        wait="poll",
    )
    clips = cast("Film", made).clips
    say({"clips": len(clips), "memory": peak_memory()})


def measure(part: str, links: int, speed: float, media: Path, more: dict[str, str]) -> float:
    """One side's wall time, from the first accepted request to the last stored clip."""
    media.mkdir()
    with vendors(speed, media) as there:
        environment = {
            **os.environ,
            **there.environment,
            "VIDEOGEN_MEDIA_URL": media.as_uri(),
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
            **more,
        }
        numbers = ("--links", str(links), "--speed", str(speed))
        said = run_part(__file__, part, environment, "--folder", str(media), *numbers)
        seen = there.seen()
    stored = [json.loads(path.read_text())["at"] for path in media.glob("clips/*/1/4-stored.json")]
    wall = float(max(stored, default=said.get("ended", 0.0)) - seen["first"])
    jobs = sum(seen["seconds"].values())
    requests = (seen["kinds"]["submit"] + seen["kinds"]["status"]) / links
    print(
        f"{part}: {wall:.1f} s, of which {jobs:.1f} s are the jobs' own; "
        f"{(wall - jobs) / links:.2f} s more a link; {requests:.2f} requests a link, "
        f"{seen['refused']} times 429, {said['memory']:.0f} MB",
        flush=True,
    )
    assert len(seen["finished"]) == links, "a link was bought twice, or not at all"
    assert part == "bare" or len(stored) == links, "a clip is missing"
    assert part == "bare" or requests <= ALLOWED_REQUESTS, "more requests than allowed"
    return wall


def compare(links: int, speed: float) -> None:
    """Measure both sides, one after the other."""
    print(
        f"{links} links of {MODEL} at {speed:g} times the speed; "
        f"load before: {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with prefect_server(folder / "server") as api:
            bare = measure("bare", links, speed, folder / "bare", {})
            more = {"PREFECT_API_URL": api, "PREFECT_HOME": str(folder / "prefect")}
            ours = measure("flow", links, speed, folder / "flow", more)
    added = (ours - bare) / links
    print(f"flow run / bare script: {ours / bare:.2f}, {added:.2f} s more a link")
    real = SECONDS_OF_A_JOB + bare / links - SECONDS_OF_A_JOB / speed
    print(f"with jobs of {SECONDS_OF_A_JOB:g} s the same pause would be {1 + added / real:.3f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--links", type=int, default=40)
    parser.add_argument("--speed", type=float, default=40.0)
    parser.add_argument("--part", choices=["bare", "flow"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked: Any = parser.parse_args()
    if asked.part == "bare":
        asyncio.run(be_bare(asked.links, asked.speed, asked.folder))
    elif asked.part == "flow":
        asyncio.run(be_flow(asked.links, asked.folder))
    else:
        compare(asked.links, asked.speed)


if __name__ == "__main__":
    main()
