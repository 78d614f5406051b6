"""Who pays and where: one account at one vendor, with its key kept out of sight.

Checks what can be checked without a network; nothing here resolves a name or opens a connection.
Reading the environment and blocks is left to the callers.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from typing import Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from prefect_videogen.errors import StudioError

Vendor = Literal["apixo", "evolink"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

APIXO_URL = "https://api.apixo.ai"
EVOLINK_URL = "https://api.evolink.ai"
EVOLINK_FILES_URL = "https://files-api.evolink.ai"

VENDOR_NAMES: dict[Vendor, str] = {"apixo": "APIXO", "evolink": "EvoLink"}

_FINGERPRINT_LENGTH = 12

# Prefixes before the 32 bits of an IPv4 address: translated (NAT64), and the old compatible form.
_EMBEDDING = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


def is_private_host(url: str) -> bool:
    """Say whether a URL points at this machine or a private network, without asking DNS.

    Args:
        url: An absolute URL.

    Returns:
        True for localhost and for literal addresses that are private only; a name that may
        resolve to such an address counts as public.
    """
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return is_private_address(address)


def is_private_address(address: Address) -> bool:
    """Say whether an address can't be reached from everywhere: loopback, private, link-local.

    Args:
        address: The address; an IPv6 one that stands for an IPv4 one is what that one is.
    """
    inner = _embedded(address) if isinstance(address, ipaddress.IPv6Address) else None
    return not (inner or address).is_global


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address is translated to, or tunnelled to, on the way."""
    if any(address in network for network in _EMBEDDING):
        return ipaddress.IPv4Address(int(address) % 2**32)
    return address.ipv4_mapped or address.sixtofour


def is_public_url(url: str) -> bool:
    """Say whether a vendor out in the world may be able to fetch a URL, without asking DNS.

    Args:
        url: Any text.

    Returns:
        False for what is no http(s) URL with a host, and for private hosts.
    """
    return _is_web_url(url) and not is_private_host(url)


def default_sandbox(base_url: str) -> bool:
    """Say whether credentials for this endpoint are a sandbox unless they say otherwise."""
    return is_private_host(base_url)


class Account(BaseModel):
    """One account at one vendor.

    Attributes:
        vendor: `apixo` or `evolink`.
        api_key: The key; shown by no repr, no dump and no error.
        base_url: Root of the API, without a trailing slash.
        files_url: Root of EvoLink's files API; empty means see `files_base`.
        sandbox: Whether the clips are make-believe: they get keys of their own.
        speed: How much faster than documented the endpoint runs; 1 outside a sandbox.

    Raises:
        StudioError: If a URL, the key or the speed can't be used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    vendor: Vendor
    api_key: SecretStr = Field(repr=False)
    base_url: str
    files_url: str = ""
    sandbox: bool
    speed: float = 1.0

    @field_validator("api_key")
    @classmethod
    def _usable_key(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value()
        if not text:
            message = "the API key is empty"
            raise StudioError(message, next_step="Put the vendor's key into the credentials.")
        # Anything else can't stand in a header, and the HTTP client's own complaint would quote it.
        if not all("!" <= character <= "~" for character in text):
            message = "the API key holds a blank, a line end or a character that is not ASCII"
            raise StudioError(message, next_step="Copy the key again, without quotes or blanks.")
        return key

    @field_validator("base_url", "files_url")
    @classmethod
    def _usable_url(cls, url: str) -> str:
        return _root_url(url) if url else ""

    @model_validator(mode="after")
    def _consistent(self) -> Account:
        if not self.base_url:
            message = f"the {self.vendor} account has no base URL"
            raise StudioError(message, next_step="Leave the setting out to get the vendor's own.")
        if not (math.isfinite(self.speed) and self.speed >= 1):
            message = f"a speed of {self.speed:g} makes no sense"
            raise StudioError(message, next_step="Use 1, or more for an emulator.")
        if self.speed != 1 and not self.sandbox:
            message = f"speed {self.speed:g} is for sandboxes; {self.label} is not one"
            step = "Unset VIDEOGEN_SPEED, or set VIDEOGEN_SANDBOX if this is an emulator."
            raise StudioError(message, next_step=step)
        return self

    @property
    def label(self) -> str:
        """The vendor as keys and records name it: `apixo` or `apixo@sandbox`."""
        return f"{self.vendor}@sandbox" if self.sandbox else self.vendor

    @property
    def fingerprint(self) -> str:
        """A short name for the key that gives nothing of it away; independent of the URL."""
        text = f"prefect-videogen {self.vendor} {self.api_key.get_secret_value()}"
        return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_LENGTH]

    @property
    def files_base(self) -> str:
        """Root of the files API: as set, the vendor's own for its own API, else the base URL.

        A gateway's or an emulator's key and pictures must not reach a third host unasked.
        """
        return self.files_url or (
            EVOLINK_FILES_URL if self.base_url == EVOLINK_URL else self.base_url
        )


def _root_url(url: str) -> str:
    root = url.strip().rstrip("/")
    step = "Use something like https://api.example.com."
    # No message quotes the whole URL: it may carry a password or a token.
    if not _is_web_url(root):
        message = "a vendor's base URL is not an http or https URL"
        raise StudioError(message, next_step=step)
    parts = urlsplit(root)
    if parts.username or parts.password or parts.query or parts.fragment:
        message = f"the base URL for {parts.hostname} holds a user, a query or a fragment"
        raise StudioError(message, next_step=step)
    if parts.scheme == "http" and not is_private_host(root):
        message = f"the base URL for {parts.hostname} would send the key over plain http"
        raise StudioError(message, next_step="Use https; http is for this machine and its network.")
    return root


def _is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
        return parts.scheme in {"http", "https"} and port_ok and bool(httpx.URL(url).host)
    except (ValueError, httpx.InvalidURL):
        return False
