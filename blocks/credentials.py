"""Credentials for the two vendors.

The keys live here only: in no parameter, log, artifact, event, result or record. Prefect's API
gives them out to `include_secrets=true`, so switch its authentication on.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field, HttpUrl, SecretStr

from prefect_videogen.vendors import (
    APIXO_URL,
    EVOLINK_FILES_URL,
    EVOLINK_URL,
    Account,
    ApixoClient,
    EvolinkClient,
    default_sandbox,
    open_client,
)

DOCUMENTATION = HttpUrl("https://github.com/prefect-videogen/prefect-videogen")
LOGO = HttpUrl(f"{DOCUMENTATION}/raw/main/docs/logo.png")

Sandbox = Literal["auto", "yes", "no"]
"""Whether clips are kept apart from bought ones; auto: for loopback and private hosts only."""

ApiKey = Annotated[SecretStr, Field(title="API key", description="The account's API key.")]
SandboxChoice = Annotated[
    Sandbox,
    Field(
        description="Whether its clips are kept apart from bought ones; auto does so for "
        "addresses on this machine or network only."
    ),
]
Speed = Annotated[
    float,
    Field(
        ge=1, description="How much faster than documented the endpoint runs; 1 for the real one."
    ),
]


def is_sandbox(sandbox: Sandbox, base_url: str) -> bool:
    """Decide whether an endpoint is a sandbox."""
    return default_sandbox(base_url) if sandbox == "auto" else sandbox == "yes"


class ApixoCredentials(CredentialsBlock):
    """Key and address of an APIXO account.

    Example:
        ```python
        from prefect_videogen import ApixoCredentials

        credentials = ApixoCredentials.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "APIXO Credentials"
    _block_type_slug = "apixo-credentials"
    _documentation_url = DOCUMENTATION
    _logo_url = LOGO

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

    def get_client(self, *_: Any, **__: Any) -> ApixoClient:
        """An asynchronous client; use it with `async with`."""
        client = open_client(self.account())
        if not isinstance(client, ApixoClient):
            raise TypeError(type(client))
        return client


class EvolinkCredentials(CredentialsBlock):
    """Key and addresses of an EvoLink account.

    Example:
        ```python
        from prefect_videogen import EvolinkCredentials

        credentials = EvolinkCredentials.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "EvoLink Credentials"
    _block_type_slug = "evolink-credentials"
    _documentation_url = DOCUMENTATION
    _logo_url = LOGO

    api_key: ApiKey
    base_url: str = Field(default=EVOLINK_URL, title="Base URL", description="Address of the API.")
    files_url: str = Field(
        default=EVOLINK_FILES_URL,
        title="Files URL",
        description="Address of the file upload, where pictures go if nothing else serves them.",
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

    def get_client(self, *_: Any, **__: Any) -> EvolinkClient:
        """An asynchronous client; use it with `async with`."""
        client = open_client(self.account())
        if not isinstance(client, EvolinkClient):
            raise TypeError(type(client))
        return client
