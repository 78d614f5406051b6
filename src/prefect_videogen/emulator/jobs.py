"""A job's life: pending, processing, an end, and its announcement.

The job fetches its pictures and renders its clip for real, and is over when its documented time has
passed and the clip is there; at a high speed that is when the clip is rendered.

A prompt can ask for a failure: `[violation]` is refused by the content rules, `[fail:CODE]` fails
with that code.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from concurrent.futures import Executor
from pathlib import Path

from prefect_videogen.emulator import clips
from prefect_videogen.emulator.callbacks import Announcer
from prefect_videogen.emulator.ledger import Job, JobEnds, Picture
from prefect_videogen.emulator.pictures import Fetcher
from prefect_videogen.emulator.world import World

log = logging.getLogger(__name__)

VIOLATION = "[violation]"
_FAIL = re.compile(r"\[fail:([A-Za-z_]+)\]")
# How much of its time a job waits before it is processed; no document says.
PENDING_SHARE = 0.05
_TEXT_RATIO = "16:9"
_DURATION = 5
# Models with sound and no switch for it [inferred: ltx-2-19b makes picture and sound in one].
_ALWAYS_SOUND = {"ltx-2-19b"}
_TIER_RESOLUTION = {"standard": "720p"}
_BEST_RESOLUTION = "1080p"


class Workshop:
    """Runs all jobs of one emulator.

    Args:
        world: The emulator's shared state.
        fetcher: Fetches pictures.
        announcer: Delivers callbacks.
        renderers: A small pool of threads, since rendering takes all of a core.
    """

    def __init__(
        self, world: World, fetcher: Fetcher, announcer: Announcer, renderers: Executor
    ) -> None:
        self._world = world
        self._fetcher = fetcher
        self._announcer = announcer
        self._renderers = renderers
        self._tasks: set[asyncio.Task[None]] = set()
        self._clips: dict[str, asyncio.Future[Path]] = {}

    def begin(self, job: Job) -> None:
        """Start a job and return at once."""
        task = asyncio.create_task(self._live(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Drop whatever still runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _live(self, job: Job) -> None:
        timeline = self._world.timeline
        # An early callback can only be early if the job does not take its time.
        hasty = "callback-early" in job.faults
        if not hasty:
            await timeline.sleep_until(job.created + PENDING_SHARE * job.seconds)
        job.started = timeline.now()
        job.state = "processing"
        try:
            await self._announcer.forge(job)
            job.clip = await self._make(job)
            if not hasty:
                await timeline.sleep_until(job.created + job.seconds)
        except JobEnds as end:
            self._world.end(job, "cancelled" if end.reason == "cancelled" else "failed", end)
        except Exception as error:
            # Whatever broke, the job has to end, or its clients would wait for ever.
            log.exception("job %s broke", job.id)
            self._world.end(job, "failed", JobEnds("broken", f"Internal error: {error}"))
        else:
            self._world.end(job, "completed", None)
        await self._announcer.announce(job)

    async def _make(self, job: Job) -> Path:
        self._fail_as_scripted(job)
        if "job-hangs" in job.faults:
            await self._world.stopping.wait()
        for lora in job.params.get("loras", ()):
            await self._fetcher.lora(lora["path"])
        pictures: list[Picture] = []
        for url in job.image_urls:
            picture = await self._fetcher.picture(url, job.model.images)
            pictures.append(picture)
            job.charge.images.append(picture)
        return await self._clip(self._scene(job, pictures))

    def _fail_as_scripted(self, job: Job) -> None:
        prompt = str(job.params.get("prompt", ""))
        if VIOLATION in prompt:
            raise JobEnds("content", "Content does not meet safety guidelines")
        if wanted := _FAIL.search(prompt):
            raise JobEnds("broken", "Failed as the prompt asked", code=wanted[1])
        if fault := job.faults.get("job-fails"):
            code = str(fault.options.get("code", ""))
            raise JobEnds("transient", "Please try again later", code=code)
        if "job-cancelled" in job.faults:
            raise JobEnds("cancelled", "The task was cancelled")

    def _scene(self, job: Job, pictures: list[Picture]) -> clips.Scene:
        settings = self._world.settings
        params = {name: value for name, value in job.params.items() if name != "prompt"}
        return clips.Scene(
            prompt=str(job.params.get("prompt", "")),
            look=json.dumps([job.model.id, job.mode.name, params], sort_keys=True),
            seconds=max(int(job.params.get("duration", _DURATION)), 1),
            fps=settings.fps,
            short_side=_short_side(job),
            ratio=_ratio(job),
            scale=settings.pixel_scale,
            sound=_has_sound(job),
            pictures=tuple(picture.data for picture in pictures),
        )

    async def _clip(self, scene: clips.Scene) -> Path:
        """Render a clip, or wait for the same one that is being rendered already."""
        name = scene.digest()
        if name not in self._clips:
            path = self._world.scratch / f"{name}.mp4"
            self._clips[name] = asyncio.ensure_future(self._render(scene, path))
            # Read here too: at a stop nobody may be left to hear that the clip was dropped.
            self._clips[name].add_done_callback(lambda clip: clip.cancelled() or clip.exception())
        # Shielded: a job that is dropped must not take the clip of another with it.
        return await asyncio.shield(self._clips[name])

    async def _render(self, scene: clips.Scene, path: Path) -> Path:
        loop = asyncio.get_running_loop()
        dropped = self._world.stopping.is_set
        await loop.run_in_executor(self._renderers, clips.render, scene, path, dropped)
        return path


def _short_side(job: Job) -> int:
    name = next((param.name for param in job.model.params if param.field == "resolution"), "")
    # kling-2-1 has no such field; its cheap tier is 720p, the others 1080p.
    default = _TIER_RESOLUTION.get(job.mode.tier, _BEST_RESOLUTION)
    return int(str(job.params.get(name, default)).removesuffix("p"))


def _ratio(job: Job) -> float:
    # Users' own models may have words such as `auto` for it.
    asked = str(job.params.get("aspect_ratio", _TEXT_RATIO))
    width, _, height = (asked if ":" in asked else _TEXT_RATIO).partition(":")
    return float(width) / float(height)


def _has_sound(job: Job) -> bool:
    switched_on = job.params.get("sound") or job.params.get("bgm")
    return bool(switched_on) or job.model.id in _ALWAYS_SOUND
