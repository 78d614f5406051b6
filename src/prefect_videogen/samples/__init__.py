"""The sample storyboards and pictures that come with the package; all free to ship."""

from __future__ import annotations

from pathlib import Path

SAMPLES = Path(__file__).parent


def sample(name: str) -> Path:
    """The path of a sample, for example `deep-field.yaml` or `stills/rocket.jpg`."""
    return SAMPLES / name
