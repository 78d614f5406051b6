"""The tasks of a whole film: stitch it, and report on it."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from prefect_videogen.batching import Batch
from prefect_videogen.blocks import opened
from prefect_videogen.collecting import Collected
from prefect_videogen.filming import Film, FilmPart, make_film
from prefect_videogen.footage import Music
from prefect_videogen.plan import Plan
from prefect_videogen.storyboard import FilmOptions
from prefect_videogen.tasks.tables import batch_table, collected_table, film_table, plan_table


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


@task(name="report", cache_policy=NO_CACHE)
async def report(result: Plan | Film | Collected | Batch) -> None:
    """Leave a plan, a film's shots, a batch or what was collected as a table in Prefect's UI.

    Args:
        result: What to report on.
    """
    if isinstance(result, Plan):
        key, text = f"plan-{result.slug}", plan_table(result)
        description = f"Plan of {result.title or result.slug}"
    elif isinstance(result, Collected):
        key, text = "collect-results", collected_table(result)
        description = "Jobs of runs that died"
    elif isinstance(result, Batch):
        key, text = "generate-batch", batch_table(result)
        description = f"Films of the batch {result.name}"
    else:
        key, text = f"film-{result.slug}", film_table(result)
        description = f"Shots of {result.title or result.slug}"
    await acreate_markdown_artifact(markdown=text, key=key, description=description)
