"""`emulator`: a local APIXO and EvoLink until Ctrl-C."""

from __future__ import annotations

import shlex
from pathlib import Path

from prefect_videogen.cli.terminal import terminal
from prefect_videogen.emulator import Emulator, run_forever


def run_emulator(emulator: Emulator, media: Path) -> None:
    """Run an emulator and print how to use it.

    Args:
        emulator: The emulator, not yet started.
        media: The folder that it serves.
    """
    console = terminal()

    def ready(running: Emulator) -> None:
        console.print(f"APIXO and EvoLink at {running.url}, key {running.api_key}")
        console.print(f"{media} is served at {running.media_url}")
        console.print("To use it from another shell:\n")
        settings = {**running.environment(), "VIDEOGEN_MEDIA_URL": media.absolute().as_uri()}
        for name, value in settings.items():
            console.print(f"  export {name}={shlex.quote(value)}")
        console.print("\nCtrl-C ends it.")

    run_forever(emulator, ready=ready)
    console.print(f"{len(emulator.charges)} clips were charged.")
