"""The deployment files that users of the wheel start from, as `setup --deployments` writes them."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

NAMES: Final = ("prefect.yaml", "serve.py", "automations.py")
"""Each stands on its own in any folder, beside the others."""


def templates() -> dict[str, str]:
    """The texts of the files, by name."""
    home = files("prefect_videogen.deployments")
    return {name: home.joinpath(name).read_text(encoding="utf-8") for name in NAMES}
