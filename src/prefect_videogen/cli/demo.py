"""`demo`: the emulator, a studio and the sample film, in one command, at no cost."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_videogen.cli.app import DEMO_KEY, DEMO_PORT
from prefect_videogen.cli.emulating import forget_jobs
from prefect_videogen.cli.opening import quiet_console
from prefect_videogen.cli.progress_view import ProgressView
from prefect_videogen.cli.rendering import RenderOptions, run_flow, show_film
from prefect_videogen.cli.stopping import run_until_stopped
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.emulator import Emulator
from prefect_videogen.filming import Film
from prefect_videogen.samples import sample

if TYPE_CHECKING:
    from prefect_videogen.blocks import Studio

SAMPLE = "deep-field.yaml"
STUDIO = "demo"


def run_demo(media: Path, *, port: int, speed: float) -> None:
    """Make the sample film against an emulator of our own.

    The studio that stays behind is for an emulator at the port that was asked for, whichever this
    one took.

    Args:
        media: Folder for clips and film; what is in it is not bought again.
        port: Port of the emulator; another one is taken if it is not free. 0 takes any, and leaves
            a studio for the port that `prefect-videogen emulator` has by default.
        speed: How much faster than real vendors the emulator is.

    Raises:
        VideoGenError: What went wrong.
        Exit: If it was told to stop.
    """
    quiet_console()
    console = terminal()
    media = media.absolute()
    media.mkdir(parents=True, exist_ok=True)
    emulator = Emulator(
        port=port if _is_free(port) else 0, speed=speed, media_dir=media, api_key=DEMO_KEY
    )
    lasting = f"http://127.0.0.1:{port or DEMO_PORT}"
    view = ProgressView(console)
    with emulator:
        console.print(
            f"Emulator of APIXO and EvoLink at {emulator.url}, {speed:g} times as fast as the "
            "real ones. Starting Prefect ...",
        )
        film = run_until_stopped(
            _make(emulator, media, lasting, view), lambda: _what_goes_on(emulator.url == lasting)
        )
        console.print(
            f"The emulator charged for {len(emulator.charges)} new clips; nothing was paid.",
        )
        if emulator.url != lasting:
            console.print(f"Other runs with the studio {STUDIO} need an emulator at {lasting}.")
    show_film(console, film)


def _what_goes_on(again: bool) -> str:
    ended = "Nothing was paid. Jobs that the emulator had begun have ended with it"
    if again:
        return f"{ended}; run it again, and it makes what is missing."
    return f"{ended}: begin again in a new folder, with --media."


async def _make(emulator: Emulator, media: Path, lasting: str, view: ProgressView) -> Film:
    from prefect.client.orchestration import get_client

    from prefect_videogen.blocks.limits import create_limits
    from prefect_videogen.blocks.wakes import server_is_shared
    from prefect_videogen.waiting import limits_of

    async with get_client() as client:
        await client.hello()
        studio = _studio(emulator, media, emulator.url)
        await studio.asave(STUDIO, overwrite=True)
        async with studio.open(name=STUDIO) as place:
            await forget_jobs(place.records, emulator.url)
            if server_is_shared():  # deployments use this studio, and would miss its limits
                await create_limits(limits_of(place.accounts.values(), place.models))
        try:
            return await run_flow(str(sample(SAMPLE)), RenderOptions(), STUDIO, view)
        finally:
            if emulator.url != lasting:  # deployments use this studio when the emulator is gone
                await _studio(emulator, media, lasting).asave(STUDIO, overwrite=True)


def _studio(emulator: Emulator, media: Path, url: str) -> Studio:
    """The studio for the emulator, or for another one like it."""
    from pydantic import SecretStr

    from prefect_videogen.blocks import ApixoCredentials, EvolinkCredentials, MediaStore, Studio

    key, speed = SecretStr(emulator.api_key), float(emulator.environment()["VIDEOGEN_SPEED"])
    return Studio(
        media=MediaStore(url=media.as_uri(), public_url=f"{url}/media"),
        apixo=ApixoCredentials(api_key=key, base_url=url, speed=speed),
        evolink=EvolinkCredentials(api_key=key, base_url=url, files_url=url, speed=speed),
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
