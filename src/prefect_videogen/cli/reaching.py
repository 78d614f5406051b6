"""A Prefect server that does not answer, said in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import httpx
from prefect.settings import PREFECT_API_URL

from prefect_videogen.blocks.wakes import server_host
from prefect_videogen.errors import StudioError

_UNAUTHORIZED: Final = 401
_UNREACHED: Final = "Failed to reach API at"  # how Prefect's RuntimeError begins


def why_away(error: Exception, url: object) -> tuple[str, str]:
    """What is wrong with a Prefect server, and what to do about it.

    Args:
        error: What asking it raised.
        url: The address of its API.
    """
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        step = "Set PREFECT_API_AUTH_STRING (or PREFECT_API_KEY) to what the server asks for."
        if status != _UNAUTHORIZED:
            step = "Look at the server's log."
        return f"{server_host(url)} refuses with HTTP {status}", step
    detail = f"{server_host(url)} does not answer ({type(error).__name__})"
    return detail, "Start it with `prefect server start`, or correct PREFECT_API_URL."


def server_fault(error: BaseException) -> StudioError | None:
    """The fault in words, if an error comes from the Prefect server that is set; else None.

    Args:
        error: What ended a command.
    """
    url = str(PREFECT_API_URL.value() or "")
    host = urlsplit(url).netloc.rpartition("@")[2]
    if not host:
        return None
    for cause in _causes(error):
        if _asked(cause) == host or (
            isinstance(cause, RuntimeError) and str(cause).startswith(_UNREACHED)
        ):
            detail, step = why_away(cause, url)
            return StudioError(f"Prefect server: {detail}", next_step=step)
    return None


def _asked(error: Exception) -> str:
    """The host and port that a failed request went to; empty if it was none."""
    if not isinstance(error, httpx.TransportError | httpx.HTTPStatusError):
        return ""
    try:
        return error.request.url.netloc.decode()
    except RuntimeError:  # raised outside of a request
        return ""


def _causes(error: BaseException | None) -> Iterator[Exception]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, Exception):
            yield error
        error = error.__cause__ or error.__context__
