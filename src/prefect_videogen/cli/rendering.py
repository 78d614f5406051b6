"""`render`: make a film here, in this process, with progress."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rich.console import Console

from prefect_videogen.buying import OnExpired, OnUnknown
from prefect_videogen.cli.opening import quiet_console, studio_name
from prefect_videogen.cli.progress_view import ProgressView
from prefect_videogen.cli.stopping import run_until_stopped
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.errors import FilmIncomplete
from prefect_videogen.filming import Film
from prefect_videogen.filming.delivering import told
from prefect_videogen.spending import money_lines
from prefect_videogen.storyboard import Storyboard
from prefect_videogen.survey import load_board, standalone


@dataclass(frozen=True)
class RenderOptions:
    """What `render` was told beside the storyboard."""

    studio: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    draft: bool = False
    deliver_to: str = ""
    max_new_clips: int = 0
    budget: float = 0.0
    budget_name: str = ""
    on_unknown: str = "stop"
    on_expired: str = "stop"


def run_render(board: str, options: RenderOptions, *, as_json: bool) -> None:
    """Make the film and show it.

    Raises:
        VideoGenError: What went wrong; decides the exit code.
        Exit: If it was told to stop.
    """
    quiet_console()
    console = terminal(stderr=as_json)
    view = ProgressView(console)
    try:
        film, manifest = run_until_stopped(
            _render(board, options, view), lambda: _what_goes_on(view)
        )
    except FilmIncomplete as error:
        if as_json:
            sys.stdout.write(error.result.model_dump_json(indent=2) + "\n")
        show_account(console, error.result, said=str(error))
        raise
    if as_json:
        sys.stdout.write(manifest + "\n")
    else:
        show_film(console, film)


def _what_goes_on(view: ProgressView) -> str:
    running = f" Running: {', '.join(view.running)}." if view.running else ""
    said = "Jobs that were bought go on and are billed; the same command again fetches them."
    return said + running


async def _render(board: str, options: RenderOptions, view: ProgressView) -> tuple[Film, str]:
    from prefect_videogen.blocks import opened

    name = studio_name(options.studio)
    async with opened(name) as studio:
        film = await run_flow(board, options, name, view)
        manifest = await studio.store.read(film.manifest)
    return film, (manifest or b"{}").decode()


async def run_flow(board: str, options: RenderOptions, studio: str, view: ProgressView) -> Film:
    """Run generate-storyboard with progress.

    Raises:
        VideoGenError: What went wrong.
    """
    from prefect_videogen.flows import generate_storyboard

    file, storyboard = board, Storyboard()
    if options.draft:
        file, storyboard = "", standalone(await load_board(board), draft=True)
    with view.showing():
        result = await generate_storyboard(
            storyboard_file=file,
            storyboard=storyboard,
            variables=options.variables,
            deliver_to=options.deliver_to,
            studio=studio,
            max_new_clips=options.max_new_clips,
            budget=options.budget,
            budget_name=options.budget_name,
            on_unknown=cast("OnUnknown", options.on_unknown),
            on_expired=cast("OnExpired", options.on_expired),
        )
    return cast("Film", result)


def show_film(console: Console, film: Film) -> None:
    """Say where the film is and what it is."""
    bought = f"{film.bought} bought, {len(film.clips) - film.bought} found"
    console.print(
        f"{film.frames} frames, {film.seconds:.2f} s, {film.width}x{film.height} at {film.fps}; "
        f"{len(film.clips)} clips: {bought}" + (" (sandbox)" if film.sandbox else ""),
    )
    show_account(console, film)
    console.print(film.delivered or local_path(film))


def show_account(console: Console, film: Film, *, said: str = "") -> None:
    """Say what was spent, and what is missing, but for what an error says anyway."""
    for line in money_lines(film.money):
        console.print(line)
    for gap in map(told, film.missing):
        if gap not in said:
            console.print(f"missing: {gap}")


def local_path(film: Film) -> str:
    """The film's path on this machine, or its address."""
    address = f"{film.media}/{film.path}"
    parts = urlsplit(address)
    return url2pathname(parts.path) if parts.scheme == "file" else address
