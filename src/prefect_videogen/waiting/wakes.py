"""What a wait needs of callbacks: the address a vendor reports to, and being woken by a report.

Two small protocols, so that the library knows neither HTTP servers nor Prefect.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import Protocol


class CallbackAddresses(Protocol):
    """Gives each attempt a callback address of its own."""

    def job_url(self, key: str, attempt: int, *, sandbox: bool = False) -> str:
        """The address that is given to the vendor.

        Args:
            key: Key of the clip.
            attempt: Number of the attempt.
            sandbox: Whether the vendor is a sandbox, which reaches plain and private addresses.

        Raises:
            StudioError: If the vendor could not use it.
        """
        ...


class Wakes(Protocol):
    """Wakes waiters when something was recorded about their job."""

    def of(self, key: str, attempt: int) -> AbstractContextManager[asyncio.Event]:
        """Listen for one attempt.

        Args:
            key: Key of the clip.
            attempt: Number of the attempt.

        Returns:
            Enter it for an event that is set when the records may hold more than before. It may
            be set in vain; what it means stands in the records, so read them after entering.
        """
        ...
