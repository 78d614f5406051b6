"""`open`: show a film, its page or a clip, by run, name, title, path or key.

What lies on this machine is opened as it is. Elsewhere it is a lasting link if the studio has one,
or else a signed URL of a short life, which is printed and written nowhere.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from prefect_videogen.cli.opening import quiet_console, studio_name
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.errors import StudioError
from prefect_videogen.plan import slugify
from prefect_videogen.records import ClipRecords, LocalStore, Store
from prefect_videogen.records.listing import find_key, looks_like_key
from prefect_videogen.studio import OpenStudio

LIVES_FOR = 900
"""Seconds that a signed URL works: enough to open it."""

_FILM = re.compile(r"films/[\w.-]+/[0-9a-f]+(?=/)")
_CLIP = re.compile(r"clips/[0-9a-f]{64}/[\w./-]*\.mp4")


@dataclass(frozen=True)
class Shown:
    """What can be shown.

    Attributes:
        film: Path of the film or clip in the media store.
        page: Path of the page about it; empty if there is none.
    """

    film: str
    page: str = ""


def run_open(target: str, *, studio: str, film: bool, only_print: bool) -> None:
    """Open what a run made, a film or a clip, or print where it is.

    Args:
        target: A flow run's id, a film's name, title or path, or a clip's key.
        studio: Name of the studio.
        film: Whether to open the film itself, not the page about it.
        only_print: Whether to print its address and open nothing.

    Raises:
        StudioError: If there is no such film or clip.
        RecordError: If the media store does not answer.
    """
    quiet_console()
    address = asyncio.run(_address(target, studio_name(studio), film=film))
    if only_print or not webbrowser.open(address):
        sys.stdout.write(address + "\n")
        return
    terminal().print("opened in the browser")


async def _address(target: str, name: str, *, film: bool) -> str:
    from prefect_videogen.blocks import opened

    async with opened(name) as studio:
        return address_of(studio, await find(studio, target), film=film)


def address_of(studio: OpenStudio, shown: Shown, *, film: bool) -> str:
    """Where a browser opens it.

    Args:
        studio: The open studio.
        shown: What to show.
        film: Whether to show the film itself, not the page about it.
    """
    path = shown.film if film or not shown.page else shown.page
    store = studio.store
    if isinstance(store, LocalStore):
        return store.root.joinpath(path).as_uri()
    if link := studio.link(path):
        return link
    return _signed(store, shown.film)


def _signed(store: Store, path: str) -> str:
    """A signed URL of a film; a signed page could not show its pictures, which are not signed."""
    from prefect_videogen.records.s3 import S3Store

    if not isinstance(store, S3Store):
        message = f"{store.url} can't be opened from here"
        raise StudioError(message, next_step="Give the media store a view URL.")
    return store.signed_url(path, LIVES_FOR)


async def find(studio: OpenStudio, target: str) -> Shown:
    """Find what a person means.

    Args:
        studio: The open studio.
        target: A flow run's id, a film's name, title or path, or a clip's key.

    Raises:
        StudioError: If there is no such film or clip.
        RecordError: If the media store does not answer.
    """
    store = studio.store
    path = _path_here(store, target) or target.removeprefix(f"{store.url}/")
    if run := _run_id(target):
        return await _of_run(studio, run)
    if "/" in path:
        return await _of_path(store, path)
    if newest := await _newest(store, slugify(target)):
        return await _of_path(store, newest)
    if looks_like_key(target):
        return await _of_key(studio, await find_key(store, target))
    message = f"there is no film {target!r} in {store.url}"
    step = "Give a film's name, title or path, a flow run's id, or a clip's key."
    raise StudioError(message, next_step=step)


def _path_here(store: Store, target: str) -> str:
    """The path in the store of what lies on this machine's disk; empty if it is none."""
    if not isinstance(store, LocalStore):
        return ""
    place, root = Path(target).resolve(), store.root.resolve()
    # A bare name is a film's or a key, even where a folder is called so.
    is_path = place.is_file() or ("/" in target and place.exists())
    return place.relative_to(root).as_posix() if is_path and place.is_relative_to(root) else ""


def _run_id(target: str) -> str:
    try:
        return str(UUID(target)) if "-" in target else ""
    except ValueError:
        return ""


async def _of_run(studio: OpenStudio, run: str) -> Shown:
    """The film or the clip that the run has reported; else the one clip that it bought."""
    if path := await _reported(run):
        return await _of_path(studio.store, path)
    names = [path.rpartition("/")[2] for path in await studio.store.list(f"runs/{run}")]
    keys = {name.rpartition("-")[0] for name in names if looks_like_key(name.rpartition("-")[0])}
    if len(keys) == 1:
        return await _of_key(studio, keys.pop())
    message = f"the run {run} has reported no film"
    step = "Has it ended? `prefect-videogen open NAME` opens the newest film of a name."
    raise StudioError(message, next_step=step)


async def _reported(run: str) -> str:
    """The film's folder or the clip that stands in the run's artifacts; empty if none does."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    from prefect_videogen.tasks.showing import CLIP_KEY

    wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run)]))
    async with get_client() as client:
        artifacts = await client.read_artifacts(artifact_filter=wanted)
    for artifact in sorted(artifacts, key=lambda entry: str(entry.created), reverse=True):
        pattern = _CLIP if artifact.key == CLIP_KEY else _FILM
        if named := pattern.search(str(artifact.data)):
            return named[0]
    return ""


async def _of_path(store: Store, path: str) -> Shown:
    there = set(await store.list(path if _is_folder(path) else path.rpartition("/")[0]))
    folder = path.rstrip("/") if _is_folder(path) else path.rpartition("/")[0]
    if f"{folder}/film.mp4" in there:
        page = f"{folder}/index.html"
        # A variant that was named is what is shown.
        film = path if path.endswith(".mp4") else f"{folder}/film.mp4"
        if film in there:
            return Shown(film, page if page in there else "")
    if path in there:
        return Shown(path)
    message = f"there is no {path} in {store.url}"
    raise StudioError(message, next_step="Is it the right studio?")


def _is_folder(path: str) -> bool:
    return "." not in path.rstrip("/").rpartition("/")[2]


async def _newest(store: Store, slug: str) -> str:
    """The folder of the newest film of a name; empty if there is none."""
    papers = [path for path in await store.list(f"films/{slug}") if path.endswith("/manifest.json")]
    found = [(_made_at(await store.read(path)), path) for path in papers]
    return max(found)[1].rpartition("/")[0] if found else ""


def _made_at(manifest: bytes | None) -> float:
    """When a film was made; 0 if its manifest, perhaps of another version, does not tell."""
    try:
        return float(json.loads(manifest or b"{}").get("made_at", 0))
    except (ValueError, AttributeError, TypeError):
        return 0.0


async def _of_key(studio: OpenStudio, key: str) -> Shown:
    records: ClipRecords = studio.records
    stored = (await records.history(key)).stored
    if stored is None or stored.stored is None:
        message = f"the clip {key[:12]} is not in the media store yet"
        raise StudioError(message, next_step=f"`prefect-videogen records {key[:12]}` says why.")
    return Shown(stored.stored.path)
