"""What a run shows of its film in Prefect's UI: the shot table, how far it is, and pictures.

Artifacts of stable keys: `film-<slug>`, `progress-<slug>`, and, where the media store is served to
browsers, `seams-<slug>` and `picture-<slug>`; `generate-clip` where a single clip is made. A run
keeps one of each, also over retries and sleeps. They are brought up to date when something has
changed, and not often. It is a convenience: nothing waits for it, and its trouble is logged once
and never the run's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from uuid import UUID

from prefect.artifacts import Artifact, ImageArtifact, MarkdownArtifact, ProgressArtifact
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.context import FlowRunContext
from prefect.exceptions import Pause

from prefect_videogen.filming import Film
from prefect_videogen.plan import Plan
from prefect_videogen.progress import Progress, listening
from prefect_videogen.studio import OpenStudio
from prefect_videogen.tasks.shot_table import (
    ShotLine,
    film_table,
    percent_done,
    running_table,
)

logger = logging.getLogger(__name__)

LEAST_PAUSE = 2.0
"""Seconds between two updates."""

PAUSE_A_SHOT = 0.01
"""Seconds more for every shot, where that is longer: a large film's table takes longer to send."""

WITHIN = 90.0
"""Seconds that the Prefect server may take for one update: a busy one is not given up on. On SQLite
it waits up to 60 s for a lock."""

AT_PAUSE = 5.0
"""Seconds that a run that is suspended stays for its last update."""

CLIP_KEY = "generate-clip"
"""Key of the artifact of a run that makes a single clip, and no film."""

PICTURES = {"seams": "seams.png", "picture": "first.jpg"}
"""Key to the file beside the film."""


class Showing:
    """The artifacts of one run of one film.

    Args:
        studio: The run's open studio.
        title: The film's title.
        slug: The film's name; empty for a single clip.
        lines: Its shots.
    """

    def __init__(
        self, studio: OpenStudio, title: str, slug: str, lines: Mapping[str, ShotLine]
    ) -> None:
        self.studio = studio
        self.title = title
        self.slug = slug
        self.lines = lines
        self.film: Film | None = None
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._ids: dict[str, UUID] | None = None
        self._written: dict[str, object] = {}
        self._warned = False

    def hear(self, change: Progress) -> None:
        """Take over a change; the artifacts follow."""
        line = self.lines.get(change.shot)
        if line:
            line.take(change)
            self._changed.set()

    async def keep_current(self) -> None:
        """Bring the artifacts up to date whenever something has changed; until cancelled."""
        pause = max(LEAST_PAUSE, PAUSE_A_SHOT * len(self.lines))
        while True:
            await self._changed.wait()
            await self.write()
            await self.studio.time.sleep(pause)

    async def finish(self, film: Film) -> None:
        """Show the film as the run has made it; never raises."""
        self.film = film
        await self.write()

    async def catch_up(self) -> None:
        """Show what has changed since the last update, at the run's end; never raises."""
        async with self._writing:  # an update that is under way is waited for
            changed = self._changed.is_set()
        if changed:
            await self.write()

    async def write(self) -> None:
        """Write what has changed since it was written last; never raises."""
        async with self._writing:
            self._changed.clear()
            try:
                async with asyncio.timeout(WITHIN), get_client() as client:
                    await self._write(client)
            except Exception as error:  # noqa: BLE001 - whatever it is, the film is made
                level = logging.DEBUG if self._warned else logging.WARNING
                text = "What Prefect's UI shows of this film is not up to date (%s)"
                logger.log(level, text, type(error).__name__)
                self._warned = True
                self._ids = None  # what was sent may have arrived nevertheless
                self._changed.set()

    async def _write(self, client: PrefectClient) -> None:
        for artifact in await self._artifacts():
            key, data = str(artifact.key), await artifact.aformat()
            if self._written.get(key) == data:
                continue
            if self._ids is None:
                self._ids = await self._of_this_run(client)
            if known := self._ids.get(key):
                await client.update_artifact(known, ArtifactUpdate(data=data))
            else:
                self._ids[key] = (await artifact.acreate(client)).id
            self._written[key] = data

    async def _artifacts(self) -> list[Artifact]:
        title, lines, link = self.title, list(self.lines.values()), self.studio.link
        if not self.slug:
            table = running_table(title, lines, link)
            return [MarkdownArtifact(key=CLIP_KEY, description="The clip", markdown=table)]
        if self.film:
            table = film_table(self.film, lines, link)
        else:
            table = running_table(title, lines, link)
        return [
            MarkdownArtifact(
                key=f"film-{self.slug}", description=f"Shots of {title}", markdown=table
            ),
            ProgressArtifact(
                key=f"progress-{self.slug}",
                description=f"How far {title} is",
                progress=percent_done(lines, self.film),
            ),
            *await self._pictures(),
        ]

    async def _pictures(self) -> list[Artifact]:
        """Pictures beside the film, where addresses that last lead to them."""
        if not (self.film and self.film.path and self.studio.view_url):
            return []
        folder = self.film.path.rpartition("/")[0]
        there = await self.studio.store.list(folder)
        described = {"seams": "Joins of", "picture": "First picture of"}
        return [
            ImageArtifact(
                key=f"{kind}-{self.slug}",
                description=f"{described[kind]} {self.title}",
                image_url=self.studio.link(f"{folder}/{name}"),
            )
            for kind, name in PICTURES.items()
            if f"{folder}/{name}" in there
        ]

    async def _of_this_run(self, client: PrefectClient) -> dict[str, UUID]:
        """The artifacts that this run has left before: it was retried, or it slept."""
        context = FlowRunContext.get()
        if context is None or context.flow_run is None:
            return {}
        kinds = ("film", "progress", *PICTURES)
        wanted = ArtifactFilter(
            key=ArtifactFilterKey(any_=[CLIP_KEY, *(f"{kind}-{self.slug}" for kind in kinds)]),
            flow_run_id=ArtifactFilterFlowRunId(any_=[context.flow_run.id]),
        )
        found = await client.read_artifacts(artifact_filter=wanted)
        return {str(artifact.key): artifact.id for artifact in found}


_current: ContextVar[Showing | None] = ContextVar("videogen_showing", default=None)


@asynccontextmanager
async def shown(studio: OpenStudio, plan: Plan, *, only_clip: bool = False) -> AsyncIterator[None]:
    """Show in Prefect's UI what is told of a plan's shots while the block runs, in a flow run.

    Args:
        studio: The run's open studio.
        plan: What is made.
        only_clip: Whether that is a single clip, and no film.
    """
    if FlowRunContext.get() is None:
        yield
        return
    lines = {clip.id: ShotLine.planned(clip) for clip in plan.clips}
    slug = "" if only_clip else plan.slug
    showing = Showing(studio, plan.title or plan.slug, slug, lines)
    token = _current.set(showing)
    keeping = asyncio.create_task(showing.keep_current(), name="videogen-showing")
    try:
        try:
            with listening(showing.hear):
                yield
        except Pause:
            with suppress(TimeoutError):
                async with asyncio.timeout(AT_PAUSE):
                    await showing.catch_up()
            raise
        except Exception:
            await showing.catch_up()
            raise
        await showing.catch_up()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        _current.reset(token)


async def show_film(film: Film) -> bool:
    """Show a film by the artifacts of the run that makes it; never raises.

    Args:
        film: The film.

    Returns:
        Whether there is such a run; else nobody shows it.
    """
    showing = _current.get()
    if showing is None:
        return False
    await showing.finish(film)
    return True
