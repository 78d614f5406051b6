"""The studio: where and with whom films are made, as one block.

Saved under a name that flows take as a parameter, so that no key ever is one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from prefect_videogen.blocks.callbacks import CallbackEndpoint
from prefect_videogen.blocks.credentials import (
    DOCUMENTATION,
    LOGO,
    ApixoCredentials,
    EvolinkCredentials,
)
from prefect_videogen.blocks.media import MediaStore
from prefect_videogen.capabilities import MODELS, Model, parse_models
from prefect_videogen.errors import StudioError
from prefect_videogen.plan import Price
from prefect_videogen.studio import OpenStudio


class Studio(Block):
    """Where and with whom films are made: credentials, media store and prices.

    Example:
        ```python
        from prefect_videogen import Studio

        studio = Studio.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Videogen Studio"
    _block_type_slug = "videogen-studio"
    _documentation_url = DOCUMENTATION
    _logo_url = LOGO

    media: MediaStore
    apixo: ApixoCredentials | None = None
    evolink: EvolinkCredentials | None = None
    callbacks: CallbackEndpoint | None = None
    prices: list[Price] = Field(
        default_factory=list,
        description="What the vendors charge; the first entry that matches counts.",
    )

    def open(self, *, name: str = "default", run: str = "") -> OpenStudio:
        """Open the studio for use; enter it with `async with`.

        Args:
            name: What to call it in messages.
            run: Id of the flow run that uses it.

        Raises:
            StudioError: If a setting is wrong, or there is no vendor at all.
        """
        accounts = [block.account() for block in (self.apixo, self.evolink) if block]
        if not accounts:
            message = f"the studio {name} has no credentials"
            raise StudioError(message, next_step="Give it ApixoCredentials or EvolinkCredentials.")
        return OpenStudio(
            name=name,
            accounts={account.vendor: account for account in accounts},
            store=self.media.open(),
            prices=tuple(self.prices),
            models=known_models(),
            run=run,
        )


def known_models() -> Mapping[str, Model]:
    """The built-in models and those of the file that `VIDEOGEN_MODELS` names.

    Raises:
        StudioError: If the file can't be read or an entry is wrong.
    """
    path = os.environ.get("VIDEOGEN_MODELS", "")
    if not path:
        return MODELS
    try:
        data = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except (OSError, YAMLError, UnicodeDecodeError) as error:
        message = f"VIDEOGEN_MODELS names {path}, which can't be read: {type(error).__name__}"
        raise StudioError(message, next_step="Correct the path or the file.") from None
    return parse_models(data, source=path)
