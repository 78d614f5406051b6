"""`emulator`: a local APIXO and EvoLink until Ctrl-C."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console

from prefect_videogen.emulator import Emulator, run_forever


def run_emulator(emulator: Emulator, media: Path) -> None:
    """Run an emulator and print how to use it.

    Args:
        emulator: The emulator, not yet started.
        media: The folder that it serves.
    """
    console = Console(soft_wrap=True)

    def ready(running: Emulator) -> None:
        console.print(f"APIXO and EvoLink at {running.url}, key {running.api_key}", markup=False)
        console.print(f"{media} is served at {running.media_url}", markup=False)
        console.print("To use it from another shell:\n", markup=False)
        settings = {**running.environment(), "VIDEOGEN_MEDIA_URL": media.absolute().as_uri()}
        for name, value in settings.items():
            console.print(f"  export {name}={shlex.quote(value)}", markup=False, highlight=False)
        console.print("\nCtrl-C ends it.", markup=False)

    run_forever(emulator, ready=ready)
    console.print(f"{len(emulator.charges)} clips were charged.", markup=False)
