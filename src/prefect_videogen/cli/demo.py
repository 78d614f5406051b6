"""`demo`: the emulator, a studio and the sample film, in one command, at no cost."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from rich.console import Console

from prefect_videogen.cli.app import DEMO_KEY
from prefect_videogen.cli.opening import quiet_console
from prefect_videogen.cli.rendering import RenderOptions, run_flow, show_film
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.emulator import Emulator
from prefect_videogen.filming import Film
from prefect_videogen.samples import sample

SAMPLE = "deep-field.yaml"
STUDIO = "demo"


def run_demo(media: Path, *, port: int, speed: float) -> None:
    """Make the sample film against an emulator of our own.

    Args:
        media: Folder for clips and film; what is in it is not bought again.
        port: Port of the emulator; another one is taken if it is not free.
        speed: How much faster than real vendors the emulator is.

    Raises:
        VideoGenError: What went wrong.
    """
    quiet_console()
    console = terminal()
    media = media.absolute()
    media.mkdir(parents=True, exist_ok=True)
    emulator = Emulator(
        port=port if _is_free(port) else 0, speed=speed, media_dir=media, api_key=DEMO_KEY
    )
    with emulator:
        console.print(
            f"Emulator of APIXO and EvoLink at {emulator.url}, {speed:g} times as fast as the "
            "real ones. Starting Prefect ...",
        )
        film = asyncio.run(_make(emulator, media, sample(SAMPLE), console))
        console.print(
            f"The emulator charged for {len(emulator.charges)} new clips; nothing was paid.",
        )
    show_film(console, film)


async def _make(emulator: Emulator, media: Path, board: Path, console: Console) -> Film:
    from prefect.client.orchestration import get_client
    from pydantic import SecretStr

    from prefect_videogen.blocks import ApixoCredentials, EvolinkCredentials, MediaStore, Studio

    key, speed = SecretStr(emulator.api_key), float(emulator.environment()["VIDEOGEN_SPEED"])
    studio = Studio(
        media=MediaStore(url=media.as_uri(), public_url=emulator.media_url),
        apixo=ApixoCredentials(api_key=key, base_url=emulator.url, speed=speed),
        evolink=EvolinkCredentials(
            api_key=key, base_url=emulator.url, files_url=emulator.files_url, speed=speed
        ),
    )
    async with get_client() as client:
        await client.hello()
        await studio.asave(STUDIO, overwrite=True)
        return await run_flow(str(board), RenderOptions(), STUDIO, console)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
