"""The vendors behind one interface: what every client can do, and which one an account needs."""

from __future__ import annotations

from typing import Protocol, Self

import httpx

from prefect_videogen.capabilities import Model
from prefect_videogen.errors import StudioError
from prefect_videogen.vendors.account import VENDOR_NAMES, Account
from prefect_videogen.vendors.answers import Balance, JobStatus, Submitted
from prefect_videogen.vendors.apixo import ApixoClient
from prefect_videogen.vendors.evolink import EvolinkClient
from prefect_videogen.vendors.http import DEFAULT_TIMEOUTS, Timeouts


class VendorClient(Protocol):
    """What can be done at every vendor; see `ApixoClient` and `EvolinkClient`."""

    account: Account

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def aclose(self) -> None:
        """Close all connections."""

    async def submit(
        self, model: Model, body: bytes, *, idempotency_key: str | None = None
    ) -> Submitted:
        """Buy one clip: send exactly these bytes, once."""

    async def status(self, model_id: str, job_id: str) -> JobStatus:
        """Look at a job once."""

    async def balance(self) -> Balance:
        """Ask what the account can still spend."""


def open_client(
    account: Account,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> ApixoClient | EvolinkClient:
    """Make the client for an account.

    Args:
        account: The account.
        transport: Stands in for the network.
        timeouts: How long to wait.

    Returns:
        The client; close it, or use it as an async context manager.

    Raises:
        StudioError: If this machine's proxy or certificate settings allow no connection.

    Example:
        >>> async with open_client(account) as client:
        ...     print(await client.balance())
    """
    kind = EvolinkClient if account.vendor == "evolink" else ApixoClient
    try:
        return kind(account, transport=transport, timeouts=timeouts)
    except ImportError as error:
        problem = str(error)  # what to install; names no address
    except (OSError, ValueError, httpx.InvalidURL) as error:
        problem = type(error).__name__  # its text may quote the proxy's password
    message = f"no connection to {VENDOR_NAMES[account.vendor]} can be set up: {problem}"
    step = "Look at ALL_PROXY, HTTPS_PROXY and SSL_CERT_FILE of this process. Nothing was sent."
    raise StudioError(message, next_step=step)
