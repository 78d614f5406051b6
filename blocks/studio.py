"""The studio: where and with whom films are made, as one block.

Saved under a name that flows take as a parameter, so that no key ever is one.
"""

from __future__ import annotations

from decimal import Decimal

from prefect.blocks.core import Block
from pydantic import Field

from prefect_videogen.blocks.balances import tell_balance
from prefect_videogen.blocks.callbacks import CallbackEndpoint
from prefect_videogen.blocks.checks import Checkable, limit_checks
from prefect_videogen.blocks.credentials import ApixoCredentials, EvolinkCredentials
from prefect_videogen.blocks.limits import installation_slots
from prefect_videogen.blocks.logos import DOCUMENTATION, STUDIO_LOGO
from prefect_videogen.blocks.media import MediaStore
from prefect_videogen.blocks.wakes import PrefectWakes, server_is_shared
from prefect_videogen.checking import (
    Check,
    CheckReport,
    account_checks,
    callback_checks,
    failed,
    gathered,
    price_check,
    store_checks,
)
from prefect_videogen.errors import StudioError, VideoGenError
from prefect_videogen.plan import Price
from prefect_videogen.studio import OpenStudio, known_models
from prefect_videogen.waiting import limits_of


class Studio(Checkable, Block):
    """Where and with whom films are made: credentials, media store, prices and limits.

    Flows take the name of a studio as a parameter, so that no key ever is one.

    Example:
        ```python
        from prefect_videogen import Studio

        studio = Studio.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Videogen Studio"
    _block_type_slug = "videogen-studio"
    _documentation_url = DOCUMENTATION
    _logo_url = STUDIO_LOGO

    media: MediaStore = Field(
        title="Media store", description="Where clips, films and the records of purchases lie."
    )
    apixo: ApixoCredentials | None = Field(
        None, title="APIXO", description="The APIXO account; none if it is not used."
    )
    evolink: EvolinkCredentials | None = Field(
        None, title="EvoLink", description="The EvoLink account; none if it is not used."
    )
    callbacks: CallbackEndpoint | None = Field(
        None,
        title="Callback endpoint",
        description="Where vendors report a job's end; without one, jobs are asked for.",
    )
    prices: list[Price] = Field(
        default_factory=list,
        title="Prices",
        description="What the vendors charge; the first entry that matches counts.",
    )
    allow_unpriced: bool = Field(
        default=False,
        title="Allow unpriced shots",
        description="Whether shots without a price may be bought although a limit is set.",
    )
    limit_per_run: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        title="Limit per run",
        description="Most money for one run, in the prices' currency; 0 is no limit.",
    )
    limit_per_month: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        title="Limit per month",
        description="Most money for all runs scheduled in one month (UTC); 0 is no limit.",
    )
    low_balance: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        title="Low balance",
        description="Below this balance, in the vendor's own unit, a run that has bought something "
        "warns and sends the event videogen.balance.low; 0 never does.",
    )

    async def acheck(self) -> CheckReport:
        """Try out keys, balances, media store, callback endpoint, prices and limits; buys nothing.

        Returns:
            What was tried, with what to do about each thing that does not work.
        """
        try:
            opened = self.open()
        except VideoGenError as error:
            return CheckReport(checks=(failed("studio", error),))
        accounts = opened.accounts.values()
        parts = [account_checks(account) for account in accounts]
        sandbox = all(account.sandbox for account in accounts)
        parts.append(store_checks(opened.store, sandbox=sandbox))
        if self.callbacks:
            parts.append(callback_checks(self.callbacks, sandbox=sandbox))
        parts.append(self._price_checks(opened))
        limits = limits_of(accounts, opened.models)
        parts.append(limit_checks(limits, studio=self._block_document_name or ""))
        return await gathered(*parts)

    async def _price_checks(self, opened: OpenStudio) -> list[Check]:
        limited = bool(self.limit_per_run or self.limit_per_month) and not self.allow_unpriced
        return [price_check(self.prices, opened.models, opened.accounts, limited=limited)]

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
            view_url=self.media.view_url or self.media.public_url,
            prices=tuple(self.prices),
            allow_unpriced=self.allow_unpriced,
            limit_per_run=Decimal(str(self.limit_per_run)),
            limit_per_month=Decimal(str(self.limit_per_month)),
            low_balance=self.low_balance,
            tell_balance=tell_balance,
            models=known_models(),
            callbacks=self.callbacks,
            wakes=PrefectWakes() if self.callbacks and server_is_shared() else None,
            slots=installation_slots(name),
            run=run,
        )
