"""The end of a run: the film is copied out, and what is missing is said."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import fsspec
from botocore.exceptions import BotoCoreError

from prefect_videogen.errors import FilmIncomplete, RecordError
from prefect_videogen.filming.model import Film, Missing
from prefect_videogen.plan import Plan
from prefect_videogen.studio import OpenStudio


async def deliver(studio: OpenStudio, film: Film, target: str) -> Film:
    """Copy a film out to a path or s3:// address; a folder gets `<slug>.mp4`.

    Variants go beside it under `<name>-9x16.mp4`.

    Raises:
        RecordError: If the film can't be read or the target not be written.
    """
    place = target if target.endswith(".mp4") else f"{target.rstrip('/')}/{film.slug}.mp4"
    copies = {film.path: place}
    for shape, path in film.variants.items():
        copies[path] = f"{place.removesuffix('.mp4')}-{shape.replace(':', 'x')}.mp4"
    for path, copy in copies.items():
        source = await studio.store.fetch(path)
        try:
            await asyncio.to_thread(_copy, source, copy)
        except (OSError, BotoCoreError) as error:
            reason = getattr(error, "strerror", None) or error
            message = f"the film could not be delivered to {copy}: {reason}"
            step = f"It lies in {film.media}/{path}."
            raise RecordError(message, billed="yes", next_step=step) from error
    return film.model_copy(update={"delivered": place})


def _copy(source: Path, place: str) -> None:
    if "://" not in place:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
        return
    filesystem, path = fsspec.core.url_to_fs(place)
    filesystem.put_file(str(source), path)


def finish(film: Film, plan: Plan, missing: Sequence[Missing]) -> Film:
    """Add to a result what the plan estimated and what is missing, or say that it is incomplete.

    Raises:
        FilmIncomplete: If shots are missing and the storyboard says `on_missing: fail`.
    """
    film = film.model_copy(update={"missing": tuple(missing), "estimate": plan.totals})
    in_film = {join.shot for join in plan.joins}
    gaps = [entry for entry in missing if entry.shot in in_film]
    if gaps and (plan.film.on_missing == "fail" or not film.path):
        names = ", ".join(entry.shot for entry in gaps)
        reasons = "; ".join(f"{entry.shot}: {entry.reason}" for entry in gaps)
        message = f"{len(gaps)} of {len(plan.joins)} shots are missing ({names}). {reasons}"
        step = "The other clips are kept; mend what is wrong and run it again."
        raise FilmIncomplete(message, result=film, next_step=step)
    return film
