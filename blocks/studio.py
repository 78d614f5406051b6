"""The studio: where and with whom films are made, as one block.

Saved under a name that flows take as a parameter, so that no key ever is one.
"""

from __future__ import annotations

from decimal import Decimal

from prefect.blocks.core import Block
from pydantic import Field

from prefect_videogen.blocks.callbacks import CallbackEndpoint
from prefect_videogen.blocks.credentials import (
    DOCUMENTATION,
    LOGO,
    ApixoCredentials,
    EvolinkCredentials,
)
from prefect_videogen.blocks.limits import installation_slots
from prefect_videogen.blocks.media import MediaStore
from prefect_videogen.blocks.wakes import PrefectWakes, server_is_shared
from prefect_videogen.errors import StudioError
from prefect_videogen.plan import Price
from prefect_videogen.studio import OpenStudio, known_models


class Studio(Block):
    """Where and with whom films are made: credentials, media store, prices and limits.

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
    allow_unpriced: bool = Field(
        default=False,
        description="Whether shots without a price may be bought although a limit is set.",
    )
    limit_per_run: float = Field(
        0, ge=0, allow_inf_nan=False, description="Most money for one run; 0 is no limit."
    )
    limit_per_month: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        description="Most money for all runs scheduled in one month (UTC); 0 is no limit.",
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
            allow_unpriced=self.allow_unpriced,
            limit_per_run=Decimal(str(self.limit_per_run)),
            limit_per_month=Decimal(str(self.limit_per_month)),
            models=known_models(),
            callbacks=self.callbacks,
            wakes=PrefectWakes() if self.callbacks and server_is_shared() else None,
            slots=installation_slots(),
            run=run,
        )
