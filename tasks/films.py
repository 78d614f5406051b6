"""The tasks of a whole film: stitch it, and report on it; and what tells others of it.

A film is an asset of Prefect's, `<media>/films/<slug>`, and its end an event. What is shown while
it is made is `showing`'s.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

from prefect import Task, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.assets import Asset, AssetProperties, add_asset_metadata, materialize
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.runtime import flow_run
from pydantic import ValidationError

from prefect_videogen.batching import Batch
from prefect_videogen.blocks import opened
from prefect_videogen.collecting import Collected
from prefect_videogen.filming import Film, FilmPart, make_film
from prefect_videogen.footage import Music
from prefect_videogen.plan import Plan
from prefect_videogen.plan.prices import totals_of
from prefect_videogen.storyboard import FilmOptions
from prefect_videogen.studio import OpenStudio
from prefect_videogen.tasks.shot_table import film_table
from prefect_videogen.tasks.showing import show_film
from prefect_videogen.tasks.tables import batch_table, collected_table, plan_table

logger = logging.getLogger(__name__)

FILM_FINISHED = "videogen.film.finished"
"""Name of the event that a run emits when its film is made, approved and delivered."""


@task(name="stitch", task_run_name="stitch {slug}", cache_policy=NO_CACHE)
async def stitch(
    parts: Sequence[FilmPart],
    *,
    title: str,
    slug: str,
    options: FilmOptions | None = None,
    music: Music | None = None,
    asked: dict[str, dict[str, object]] | None = None,
    missing: Sequence[str] = (),
    studio: str = "default",
) -> Film:
    """Join clips into a film, or find it made already.

    Args:
        parts: The film's parts in order; `FilmPart.of(clip)` makes one of a clip.
        title: The film's title.
        slug: Name of its folder.
        options: How it is made.
        music: The music that `options` names, kept in the media store.
        asked: What was asked of the vendors, by key, for the manifest.
        missing: Ids of the shots that are not in it, for the manifest.
        studio: Name of the studio.

    Returns:
        The film.

    Raises:
        MediaError: If the clips can't be joined.
        RecordError: If the media store does not answer.
    """
    async with opened(studio, run=flow_run.get_id() or "") as place:
        return await make_film(
            place,
            title=title,
            slug=slug,
            parts=parts,
            options=options or FilmOptions(),
            music=music,
            asked=asked,
            missing=missing,
        )


def stitch_asset(
    studio: OpenStudio, *, title: str, slug: str
) -> Task[..., Coroutine[Any, Any, Film]]:
    """The task `stitch`, as one that materialises the film as an asset of Prefect's.

    Args:
        studio: The open studio; its media store and the slug name the asset.
        title: The film's title.
        slug: Name of its folder.

    Returns:
        The task; plain `stitch` where Prefect's assets can't be named like that.
    """
    key = f"{studio.store.url}/films/{slug}"
    try:
        asset = Asset(key=key, properties=AssetProperties(name=title or slug))
    except ValidationError:  # of the characters that a path may have, it allows not all
        logger.info("The film is no asset of Prefect's, which allows no such name: %s", key)
        return stitch

    @functools.wraps(stitch.fn)
    async def stitched(parts: Sequence[FilmPart], **options: Any) -> Film:
        film = await stitch.fn(parts, **options)
        add_asset_metadata(asset, _metadata(film, parts))
        return film

    named: Task[..., Coroutine[Any, Any, Film]] = materialize(
        asset,
        by="prefect-videogen",
        name=stitch.name,
        task_run_name=stitch.task_run_name,
        cache_policy=NO_CACHE,
    )(stitched)
    return named


def _metadata(film: Film, parts: Sequence[FilmPart]) -> dict[str, Any]:
    return {
        "path": film.path,
        "digest": film.digest,
        "frames": film.frames,
        "seconds": film.seconds,
        "estimate": [str(money) for money in totals_of(parts)],
        "clips": len(film.clips),
        "sandbox": film.sandbox,
    }


def tell_finished(film: Film) -> None:
    """Emit the event that a film is finished; no URL that is signed, and no secret, is in it.

    It is the last that a run does, and never raises: the film is made.

    Args:
        film: The film, as the run returns it.
    """
    try:
        _emit_finished(film)
    except Exception as error:  # noqa: BLE001 - whatever it is
        logger.warning("The event %s is not sent: %s", FILM_FINISHED, type(error).__name__)


def _emit_finished(film: Film) -> None:
    emit_event(
        FILM_FINISHED,
        resource={
            "prefect.resource.id": f"videogen.film.{film.slug}",
            "prefect.resource.name": film.title or film.slug,
        },
        payload={
            "slug": film.slug,
            "title": film.title,
            "media": film.media,
            "path": film.path,
            "page": film.page,
            "digest": film.digest,
            "frames": film.frames,
            "seconds": film.seconds,
            "bought": film.bought,
            "missing": [entry.shot for entry in film.missing],
            "delivered": film.delivered,
            "sandbox": film.sandbox,
            "run": flow_run.get_id() or "",
        },
    )


@task(name="report", task_run_name="report", cache_policy=NO_CACHE)
async def report(result: Plan | Film | Collected | Batch) -> None:
    """Leave a plan, a film's shots, a batch or what was collected as a table in Prefect's UI.

    Trouble with that is logged, and fails no run; only a plan is nothing but its table.

    Args:
        result: What to report on.
    """
    if isinstance(result, Plan):
        await _publish(f"plan-{result.slug}", plan_table(result), f"Plan of {_name(result)}")
        return
    try:
        await _report(result)
    except Exception as error:  # noqa: BLE001 - whatever it is, what it tells of is done
        logger.warning("The report is not in Prefect's UI (%s)", type(error).__name__)


async def _report(result: Film | Collected | Batch) -> None:
    if isinstance(result, Collected):
        await _publish("collect-results", collected_table(result), "Jobs of runs that died")
    elif isinstance(result, Batch):
        description = f"Films of the batch {result.name}"
        await _publish("generate-batch", batch_table(result), description)
    elif not await show_film(result):
        await _publish(f"film-{result.slug}", film_table(result), f"Shots of {_name(result)}")


async def _publish(key: str, text: str, description: str) -> None:
    await acreate_markdown_artifact(markdown=text, key=key, description=description)


def _name(result: Plan | Film) -> str:
    return result.title or result.slug
