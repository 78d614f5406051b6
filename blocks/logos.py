"""Pictures and documentation of the block types, as Prefect's UI shows them.

A block type's logo has to be an http address: Prefect's client refuses `data:` ones, and its API
serves no pictures. So these are the pictures of Prefect's own blocks, from the commit that Prefect
itself names: they load wherever its own do.
"""

from __future__ import annotations

from typing import Final

from pydantic import HttpUrl

DOCUMENTATION: Final = HttpUrl("https://docs.prefect.io/v3/concepts/blocks")
"""Prefect's page: this project has no public address yet, and a made-up one could be anybody's."""

_PICTURES = (
    "https://raw.githubusercontent.com/PrefectHQ/prefect/"
    "420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos"
)

KEYS_LOGO: Final = HttpUrl(f"{_PICTURES}/secret.png")
FOLDER_LOGO: Final = HttpUrl(f"{_PICTURES}/filesystem.png")
RECEIVER_LOGO: Final = HttpUrl(f"{_PICTURES}/webhook.png")
STUDIO_LOGO: Final = HttpUrl(f"{_PICTURES}/process.png")
