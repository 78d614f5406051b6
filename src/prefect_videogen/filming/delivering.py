"""The end of a run: the film is copied out, and what is missing is said."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.request import url2pathname

import fsspec

from prefect_videogen.errors import FilmIncomplete, RecordError, StudioError, SubmissionUnknown
from prefect_videogen.filming.model import Film, Missing
from prefect_videogen.footage import VIDEO_SUFFIXES
from prefect_videogen.plan import Plan
from prefect_videogen.studio import OpenStudio

_SUFFIX = ".mp4"


def check_target(target: str) -> None:
    """Refuse what a film can't be copied out to, before there is one to copy.

    Args:
        target: A path, file:// or s3:// address of a folder or an MP4.

    Raises:
        StudioError: If it is neither, or is another kind of video.
    """
    scheme, _, rest = target.rpartition("://")
    host, _, path = rest.partition("/") if scheme else ("", "", rest)
    if not {"": True, "file": not host, "s3": bool(host)}.get(scheme, False):
        message = f"deliver_to = {target} is no place that films are copied to"
        raise StudioError(message, next_step="Use a path, file:///folder or s3://bucket/folder.")
    suffix = "" if path.endswith("/") else PurePosixPath(path).suffix.lower()
    if suffix.lstrip(".") in VIDEO_SUFFIXES and suffix != _SUFFIX:
        message = f"deliver_to = {target} ends in {suffix}, and films are MP4"
        raise StudioError(message, next_step="End it in .mp4; with a / at its end it is a folder.")
    try:
        _place(target, "film")
    except RuntimeError:
        message = f"deliver_to = {target} begins with a home folder that is not known here"
        raise StudioError(message, next_step="Write the whole path.") from None


async def deliver(studio: OpenStudio, film: Film, target: str) -> Film:
    """Copy a film out to where `check_target` allows it; a folder gets `<slug>.mp4`.

    Variants go beside it under `<name>-9x16.mp4`.

    Raises:
        RecordError: If the film can't be read or the target not be written.
    """
    place = _place(target, film.slug)
    stem, suffix = place[: -len(_SUFFIX)], place[-len(_SUFFIX) :]
    copies = {film.path: place}
    for shape, path in film.variants.items():
        copies[path] = f"{stem}-{shape.replace(':', 'x')}{suffix}"
    for path, copy in copies.items():
        source = await studio.store.fetch(path)
        try:
            await asyncio.to_thread(_copy, source, copy)
        except Exception as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            message = f"the film could not be delivered to {copy}: {reason}"
            step = f"It lies in {film.media}/{path}."
            raise RecordError(message, billed="yes", next_step=step) from error
    return film.model_copy(update={"delivered": place})


def _place(target: str, slug: str) -> str:
    """Where the film goes: to the MP4 that is named, else into the folder; `~` is the home.

    Raises:
        RuntimeError: If it is not known where that is.
    """
    is_film = target.lower().endswith(_SUFFIX)
    place = target if is_film else f"{target.rstrip('/')}/{slug}{_SUFFIX}"
    return str(Path(place).expanduser()) if place.startswith("~") else place


def _copy(source: Path, place: str) -> None:
    if place.startswith("s3://"):
        filesystem, path = fsspec.core.url_to_fs(place)
        filesystem.put_file(str(source), path)
        return
    local = Path(url2pathname(place.removeprefix("file://")) if "://" in place else place)
    local.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, local)


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
        reasons = " ".join(told(entry) for entry in gaps)
        are = "is" if len(gaps) == 1 else "are"
        message = f"{len(gaps)} of {len(plan.joins)} shots {are} missing ({names}). {reasons}"
        step = _before_another_run(gaps)
        if film.clips:
            step = f"The other clips are kept; {step[0].lower()}{step[1:]}"
        raise FilmIncomplete(message, result=film, next_step=step)
    return film


def told(entry: Missing) -> str:
    """Say of a missing shot why it is, whether it was billed, and what to do, in sentences."""
    billed = "" if entry.billed == "no" else f" [billed: {entry.billed}]"
    return f"{entry.shot}: {entry.reason.rstrip('.')}{billed}. {entry.next_step}".rstrip()


def _before_another_run(gaps: Sequence[Missing]) -> str:
    unknown = ", ".join(gap.shot for gap in gaps if gap.error == SubmissionUnknown.__name__)
    if unknown:
        return f"Settle what became of {unknown} before the next run."
    return "Mend what is wrong and run it again."
