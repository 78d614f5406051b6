"""Where vendors report that a job has ended."""

from __future__ import annotations

import hashlib
import hmac

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_videogen.blocks.credentials import DOCUMENTATION, LOGO
from prefect_videogen.errors import StudioError
from prefect_videogen.vendors import is_private_host

LONGEST_URL = 2048
"""Characters; EvoLink's limit [seed]."""


class CallbackEndpoint(Block):
    """The public address of a callback receiver, and the secret that signs its paths.

    Vendors do not sign callbacks, so every job gets a path of its own that nobody can guess.

    Example:
        ```python
        from prefect_videogen import CallbackEndpoint

        endpoint = CallbackEndpoint.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Videogen Callback Endpoint"
    _block_type_slug = "videogen-callback-endpoint"
    _documentation_url = DOCUMENTATION
    _logo_url = LOGO

    url: str = Field(
        title="URL", description="Public https address under which the receiver is reached."
    )
    secret: SecretStr = Field(description="Signs the path of each job; any long random text.")

    def token(self, key: str, attempt: int) -> str:
        """The token in the path of one attempt's callback: an HMAC of key and attempt."""
        message = f"{key}-{attempt}".encode()
        secret = self.secret.get_secret_value().encode()
        return hmac.new(secret, message, hashlib.sha256).hexdigest()

    def verify(self, key: str, attempt: int, token: str) -> bool:
        """Whether a token is the one of this attempt; takes the same time either way."""
        return hmac.compare_digest(self.token(key, attempt), token)

    def job_url(self, key: str, attempt: int) -> str:
        """The address that is given to a vendor for one attempt.

        Raises:
            StudioError: If it is not public https, or longer than vendors accept.
        """
        url = f"{self.url.rstrip('/')}/{key}/{attempt}/{self.token(key, attempt)}"
        if not url.startswith("https://") or is_private_host(url):
            message = "the callback endpoint is not a public https address"
            raise StudioError(message, next_step="Put the receiver behind a public TLS proxy.")
        if len(url) >= LONGEST_URL:
            message = f"the callback address has {len(url)} characters"
            raise StudioError(message, next_step=f"Keep it under {LONGEST_URL}.")
        return url
