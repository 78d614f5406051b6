"""Where vendors report that a job has ended."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_videogen.blocks.checks import Checkable
from prefect_videogen.blocks.logos import DOCUMENTATION, RECEIVER_LOGO
from prefect_videogen.checking import CheckReport, callback_checks, gathered
from prefect_videogen.errors import StudioError
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import is_private_host

LONGEST_URL = 2048
"""Characters; EvoLink's limit [seed]."""


class CallbackEndpoint(Checkable, Block):
    """The public address of a callback receiver, and the secret that signs its paths.

    Vendors report there when a job has ended, so that runs need hardly ask. They do not sign
    what they send, so every job gets a path of its own that nobody can guess.

    Example:
        ```python
        from prefect_videogen import CallbackEndpoint

        endpoint = CallbackEndpoint.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Videogen Callback Endpoint"
    _block_type_slug = "videogen-callback-endpoint"
    _documentation_url = DOCUMENTATION
    _logo_url = RECEIVER_LOGO

    url: str = Field(
        title="URL",
        description="Public https address of the receiver, as `prefect-videogen callbacks` runs it "
        "behind a TLS proxy.",
    )
    secret: SecretStr = Field(
        title="Secret",
        description="Signs the path of each job: any long random text, the same for the receiver.",
    )

    async def acheck(self) -> CheckReport:
        """Deliver a callback of no clip, and a forged one, through the public address.

        Returns:
            Whether a receiver answers there, and knows this secret.
        """
        # On its own, an address for sandboxes only is taken for what it is.
        sandbox = is_private_host(self.url)
        return await gathered(callback_checks(self, sandbox=sandbox))

    def token(self, key: str, attempt: int) -> str:
        """The token in the path of one attempt's callback: an HMAC of key and attempt."""
        message = f"{key}-{attempt}".encode()
        secret = self.secret.get_secret_value().encode()
        return hmac.new(secret, message, hashlib.sha256).hexdigest()

    def verify(self, key: str, attempt: int, token: str) -> bool:
        """Whether a token is the one of this attempt; takes the same time either way."""
        return hmac.compare_digest(self.token(key, attempt).encode(), token.encode())

    def job_url(self, key: str, attempt: int, *, sandbox: bool = False) -> str:
        """The address that is given to a vendor for one attempt.

        Args:
            key: Key of the clip.
            attempt: Number of the attempt.
            sandbox: Whether the vendor is a sandbox, which reaches plain and private addresses.

        Raises:
            StudioError: If it is not public https, or longer than vendors accept, or there is no
                secret.
        """
        if not self.secret.get_secret_value():
            message = "the callback endpoint has no secret, so anybody could forge callbacks"
            step = "Set VIDEOGEN_CALLBACK_SECRET, or the block's secret, to a long random text."
            raise StudioError(message, next_step=step)
        if not _is_reachable(self.url, sandbox=sandbox):
            message = "the callback endpoint is not a public https address"
            raise StudioError(
                message, next_step="Put the receiver behind a public TLS proxy; give its URL."
            )
        url = f"{self.url.rstrip('/')}/{key}/{attempt}/{self.token(key, attempt)}"
        if len(url) >= LONGEST_URL:
            message = f"the callback address has {len(url)} characters"
            raise StudioError(message, next_step=f"Keep it under {LONGEST_URL}.")
        return url


def _is_reachable(url: str, *, sandbox: bool) -> bool:
    """Whether a vendor may be given an address below this one."""
    try:
        parts = urlsplit(url)
        port_is_one = parts.port != 0  # reading it refuses what is none
    except ValueError:
        return False
    if not (parts.hostname and port_is_one) or parts.query or parts.fragment:
        return False
    if sandbox:
        return parts.scheme in {"http", "https"}
    return parts.scheme == "https" and not is_private_host(url)


def check_addresses(studio: OpenStudio) -> None:
    """Refuse a callback endpoint that one of the studio's vendors could not use.

    Raises:
        StudioError: Naming what is wrong with it; before anything is bought.
    """
    if studio.callbacks is not None:
        for account in studio.accounts.values():
            studio.callbacks.job_url("0" * 64, 1, sandbox=account.sandbox)
