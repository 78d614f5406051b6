"""Slots: how many jobs one account may have running at one model, whoever hands the slots out.

What a limit is called and how large it is, and what a source of slots promises. Handing them out
is left to others: within one process `LocalSlots`, for a whole installation Prefect's limits.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from prefect_videogen.capabilities import Model
from prefect_videogen.vendors import Account

SMALL = 50
"""Running jobs up to which a limit is kept exactly: slots one by one, counted at each purchase."""

BLOCK = 25
"""Most slots taken at once of a larger limit."""

RETRY = 1.0
"""Seconds between two tries while all slots are taken; little beside a job's minute."""

SHORTEST_RETRY = 0.25


@dataclass(frozen=True)
class Limit:
    """How many jobs one account may have running at one model.

    Attributes:
        name: Its name in the whole installation; gives nothing of the account's key away.
        most: The most running jobs; at least 1.
        retry: Seconds between two tries while all slots are taken.
    """

    name: str
    most: int
    retry: float = RETRY

    @property
    def exact(self) -> bool:
        """Whether it is small enough to be kept exactly."""
        return self.most <= SMALL

    @property
    def block(self) -> int:
        """The most slots to take at once."""
        return 1 if self.exact else BLOCK


class Slot(Protocol):
    """The right to one running job; held from before its submission until its end."""

    async def give_back(self, rest: float = 0.0) -> None:
        """Give it back, once; safe in a task that is being cancelled.

        Args:
            rest: Seconds for which nobody else may have it yet, so that the requests its holder
                has made are a slot's fair share of those a minute.
        """
        ...


class SlotSource(Protocol):
    """Hands out the slots of limits."""

    async def take(self, limit: Limit) -> Slot | None:
        """Wait for a slot; None if this source does not know the limit."""
        ...

    async def aclose(self) -> None:
        """Give back what is still held."""
        ...


@dataclass
class Tally:
    """What a process knows of a model's open jobs between two listings.

    Attributes:
        own: Keys of the jobs that this process has open.
        looking: How many jobs are polled by this process just now, past their first look.
        others: How many jobs others had open at the last listing.
        counted_at: When the others were counted, on the monotonic clock.
        next_sweep: When dead jobs may be looked for again.
        looked_at: When the job of another run was asked for last, by whatever names it.
        counting: Held while a listing is under way, so that one is enough.
    """

    own: set[str] = field(default_factory=set)
    looking: int = 0
    others: int = 0
    counted_at: float = -math.inf
    next_sweep: float = -math.inf
    looked_at: dict[Hashable, float] = field(default_factory=dict)
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def open(self) -> int:
        """How many jobs are open, as far as is known."""
        return self.others + len(self.own)

    def count(self, keys: Iterable[str], now: float) -> None:
        """Take a listing over."""
        self.others = sum(1 for key in keys if key not in self.own)
        self.counted_at = now


def limit_of(account: Account, model: Model) -> Limit | None:
    """The limit of an account's running jobs at a model; None where none is documented."""
    most = model.limits.concurrent
    if not most:
        return None
    label = account.label.replace("@", "-")
    # Prefect refuses some characters in names, and a model of a user's own may hold any.
    name = re.sub(r"[^\w.-]", "-", f"videogen-{label}-{account.fingerprint}-{model.id}")
    return Limit(name, most, max(RETRY / account.speed, SHORTEST_RETRY))


def limits_of(accounts: Iterable[Account], models: Mapping[str, Model]) -> list[Limit]:
    """All limits that accounts are under, sorted by name."""
    found = (
        limit_of(account, model)
        for account in accounts
        for model in models.values()
        if model.vendor == account.vendor
    )
    return sorted((limit for limit in found if limit), key=lambda limit: limit.name)


def rest_after(held: float, requests: int, interval: float) -> float:
    """Seconds for which a slot must stay unused after its holder has done with it.

    A holding of n requests lasts n intervals, and they are an interval apart within it; so any
    minute sees at most one request more of a slot than polling without end would make.

    Args:
        held: How long it was held, in seconds.
        requests: Submits and polls made with it.
        interval: Time in which a slot may make one request, in seconds.
    """
    return max(requests * interval - held, 0.0)
