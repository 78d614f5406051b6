"""Credentials for the two vendors.

The keys live here only: in no parameter, log, artifact, event, result or record. Prefect's API
gives them out to `include_secrets=true`, so switch its authentication on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field, SecretStr

from prefect_videogen.blocks.checks import Checkable
from prefect_videogen.blocks.logos import DOCUMENTATION, KEYS_LOGO
from prefect_videogen.checking import CheckReport, account_checks, failed, gathered
from prefect_videogen.errors import StudioError
from prefect_videogen.vendors import (
    APIXO_URL,
    EVOLINK_URL,
    Account,
    ApixoClient,
    EvolinkClient,
    default_sandbox,
    open_client,
)

Sandbox = Literal["auto", "yes", "no"]
"""Whether clips are kept apart from bought ones; auto: for loopback and private hosts only."""

ApiKey = Annotated[
    SecretStr,
    Field(title="API key", description="The account's key, as its vendor's website shows it."),
]
SandboxChoice = Annotated[
    Sandbox,
    Field(
        title="Sandbox",
        description="Whether its clips are kept apart from bought ones; auto does so for "
        "addresses on this machine or network only.",
    ),
]
Speed = Annotated[
    float,
    Field(
        ge=1,
        title="Speed",
        description="How much faster than documented the endpoint runs; 1 for the real one.",
    ),
]


def is_sandbox(sandbox: Sandbox, base_url: str) -> bool:
    """Decide whether an endpoint is a sandbox."""
    return default_sandbox(base_url) if sandbox == "auto" else sandbox == "yes"


async def checked(account: Callable[[], Account]) -> CheckReport:
    """Check an account; settings that do not go together are a finding too."""
    try:
        made = account()
    except StudioError as error:
        return CheckReport(checks=(failed("account", error),))
    return await gathered(account_checks(made))


class ApixoCredentials(Checkable, CredentialsBlock):
    """Key and address of an APIXO account, which sells clips of Wan, Vidu, LTX and Kling models.

    Example:
        ```python
        from prefect_videogen import ApixoCredentials

        credentials = ApixoCredentials.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "APIXO Credentials"
    _block_type_slug = "apixo-credentials"
    _documentation_url = DOCUMENTATION
    _logo_url = KEYS_LOGO

    api_key: ApiKey
    base_url: str = Field(default=APIXO_URL, title="Base URL", description="Address of the API.")
    sandbox: SandboxChoice = "auto"
    speed: Speed = 1.0

    def account(self) -> Account:
        """The account as the library knows it.

        Raises:
            StudioError: If address, sandbox and speed do not go together.
        """
        return Account(
            vendor="apixo",
            api_key=self.api_key,
            base_url=self.base_url,
            sandbox=is_sandbox(self.sandbox, self.base_url),
            speed=self.speed,
        )

    async def acheck(self) -> CheckReport:
        """Ask for the account's balance, which is free.

        Returns:
            Whether address and key are right, and what can still be spent.
        """
        return await checked(self.account)

    def get_client(self, *_: Any, **__: Any) -> ApixoClient:
        """An asynchronous client; use it with `async with`."""
        client = open_client(self.account())
        if not isinstance(client, ApixoClient):
            raise TypeError(type(client))
        return client


class EvolinkCredentials(Checkable, CredentialsBlock):
    """Key and addresses of an EvoLink account, which sells clips of Wan models.

    Example:
        ```python
        from prefect_videogen import EvolinkCredentials

        credentials = EvolinkCredentials.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "EvoLink Credentials"
    _block_type_slug = "evolink-credentials"
    _documentation_url = DOCUMENTATION
    _logo_url = KEYS_LOGO

    api_key: ApiKey
    base_url: str = Field(default=EVOLINK_URL, title="Base URL", description="Address of the API.")
    files_url: str = Field(
        default="",
        title="Files URL",
        description="Address of the file upload, where pictures go if nothing else serves them. "
        "Empty: EvoLink's own for EvoLink's API, the base URL for any other.",
    )
    sandbox: SandboxChoice = "auto"
    speed: Speed = 1.0

    def account(self) -> Account:
        """The account as the library knows it.

        Raises:
            StudioError: If address, sandbox and speed do not go together.
        """
        return Account(
            vendor="evolink",
            api_key=self.api_key,
            base_url=self.base_url,
            files_url=self.files_url,
            sandbox=is_sandbox(self.sandbox, self.base_url),
            speed=self.speed,
        )

    async def acheck(self) -> CheckReport:
        """Ask for the account's balance, which is free.

        Returns:
            Whether address and key are right, and what can still be spent.
        """
        return await checked(self.account)

    def get_client(self, *_: Any, **__: Any) -> EvolinkClient:
        """An asynchronous client; use it with `async with`."""
        client = open_client(self.account())
        if not isinstance(client, EvolinkClient):
            raise TypeError(type(client))
        return client
