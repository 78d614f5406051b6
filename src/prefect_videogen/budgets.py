"""Budgets: journals of what is set aside for purchases, added up exactly.

A journal is `budgets/<name>/000001.json ...`: entries that are created one after the other and
never changed. Who wants money reads them all, adds up and creates the next number; who loses the
race for it reads on and adds up again. So the sum passes no limit, however many run at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefect_videogen.errors import RecordError
from prefect_videogen.plan import Money
from prefect_videogen.records import Store

READ_AT_ONCE = 16
CENT = Decimal("0.01")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Hold(_Frozen):
    """Money set aside for one purchase: the n-th job of a clip.

    A clip's n-th job is bought once, whoever buys it. So it counts once, however many runs hold
    it: a retried run takes over what it, or a run that died, had set aside.

    Attributes:
        clip: The clip's key. One that starts on a frame not made yet has no key; for it the key
            that it would have if the other clip's name were the digest of that frame.
        job: Which accepted job of this clip, from 1.
        shot: Id of the shot, for people.
        amount: Its price.
    """

    clip: str
    job: int = Field(1, ge=1)
    shot: str = ""
    amount: Decimal = Field(ge=0)

    @property
    def purchase(self) -> tuple[str, int]:
        """What it is for."""
        return self.clip, self.job


class Entry(_Frozen):
    """One entry of a journal.

    Attributes:
        at: When it was made, in seconds since 1970.
        kind: The whole plan, one further job, or money given back.
        amount: What it adds to the sum, for people; the sum is that of the holds.
        currency: Currency of all amounts.
        run: Id of the flow run.
        owner: Whose holds these are: one opening of a studio, so that twins of a run differ.
        token: Unique to the entry.
        reserved: What the owner sets aside.
        released: What the owner needs no longer, and others may.
        unbilled: What turned out not to be billed; nobody needs it any more.
    """

    at: float
    kind: Literal["reserve", "further job", "credit"]
    amount: Decimal
    currency: str
    run: str
    owner: str
    token: str
    reserved: tuple[Hold, ...] = ()
    released: tuple[Hold, ...] = ()
    unbilled: tuple[Hold, ...] = ()


@dataclass
class Ledger:
    """A journal, added up.

    Attributes:
        holds: Purchase to owner to amount.
        currency: The journal's one currency; empty as long as it has none.
        runs: Owner to the id of its flow run.
        shots: Purchase to the id of the shot it was set aside for last.
    """

    holds: dict[tuple[str, int], dict[str, Decimal]] = field(default_factory=dict)
    currency: str = ""
    runs: dict[str, str] = field(default_factory=dict)
    shots: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def spent(self) -> Decimal:
        """What is spent or set aside: each purchase once, at the highest price it is held at."""
        return sum((max(owners.values()) for owners in self.holds.values()), Decimal(0))

    def has(self, owner: str, hold: Hold) -> bool:
        """Whether an owner holds the money for a purchase already."""
        return self.holds.get(hold.purchase, {}).get(owner, Decimal(-1)) >= hold.amount

    def held_by(self, owner: str) -> list[tuple[str, int]]:
        """The purchases that an owner holds money for."""
        return [purchase for purchase, owners in self.holds.items() if owner in owners]

    def add(self, entry: Entry) -> None:
        """Count one more entry in."""
        self.currency = self.currency or entry.currency
        self.runs[entry.owner] = entry.run
        self.shots.update((hold.purchase, hold.shot) for hold in entry.reserved)
        for hold in entry.unbilled:
            self.holds.pop(hold.purchase, None)
        for hold in entry.released:
            owners = self.holds.get(hold.purchase, {})
            owners.pop(entry.owner, None)
            if not owners:
                self.holds.pop(hold.purchase, None)
        for hold in entry.reserved:
            self.holds.setdefault(hold.purchase, {})[entry.owner] = hold.amount

    def change_by(self, entry: Entry) -> Decimal:
        """What an entry would add to the sum."""
        after = Ledger({purchase: dict(owners) for purchase, owners in self.holds.items()})
        after.add(entry)
        return after.spent - self.spent


def add_up(entries: Iterable[Entry]) -> Ledger:
    """Add a journal up."""
    ledger = Ledger()
    for entry in entries:
        ledger.add(entry)
    return ledger


class Journal:
    """A budget's journal in a media store.

    Args:
        store: The media store.
        name: The budget's name.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.ledger = Ledger()
        self._read_so_far = 0
        self._readings = 0
        self._turn = asyncio.Lock()

    async def append(self, propose: Callable[[Ledger], Entry | None]) -> Entry | None:
        """Create the next entry, as `propose` makes it of the ledger as it is then.

        Args:
            propose: Makes the entry, or None if none is needed; asked again after a lost race.
                What it raises leaves the journal as it is.

        Returns:
            The entry, or None if none was needed.

        Raises:
            RecordError: If the media store does not answer as it must.
        """
        async with self._turn:
            while True:
                await self._read_on()
                entry = propose(self.ledger)
                if entry is None:
                    return None
                number = self._read_so_far + 1
                data = entry.model_dump_json(indent=2).encode()
                if await self.store.create(self._path(number), data):
                    self._add(entry)
                    return entry
                if await self._read(number) is None:
                    message = f"{self._path(number)} was refused, yet does not exist"
                    raise RecordError(message)

    async def read(self) -> Ledger:
        """Read what was added since, and return the ledger; who asks at once shares a reading.

        Raises:
            RecordError: If the media store does not answer as it must.
        """
        asked = self._readings
        async with self._turn:
            if self._readings == asked:  # none has begun since
                await self._read_on()
                self._readings += 1
            return self.ledger

    async def _read_on(self) -> None:
        """Read all new entries: those that are listed together, what follows one by one."""
        if not self._read_so_far:
            listed = len(await self.store.list(f"budgets/{self.name}"))
            limit = asyncio.Semaphore(READ_AT_ONCE)

            async def one(number: int) -> Entry | None:
                async with limit:
                    return await self._read(number)

            for entry in await asyncio.gather(*(one(n) for n in range(1, listed + 1))):
                if entry is None:
                    message = f"{self._path(self._read_so_far + 1)} is missing"
                    step = "Was it removed by hand? What follows it can't be trusted."
                    raise RecordError(message, next_step=step)
                self._add(entry)
        while entry := await self._read(self._read_so_far + 1):
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        self.ledger.add(entry)
        self._read_so_far += 1

    async def _read(self, number: int) -> Entry | None:
        data = await self.store.read(self._path(number))
        if data is None:
            return None
        try:
            return Entry.model_validate_json(data)
        except ValidationError:
            message = f"{self._path(number)} is not a usable entry ({len(data)} bytes)"
            step = "Look at it by hand; until it makes sense nothing is bought on this budget."
            raise RecordError(message, next_step=step) from None

    def _path(self, number: int) -> str:
        return f"budgets/{self.name}/{number:06}.json"


class Budget(_Frozen):
    """A limit, and the journal that is held against it.

    Attributes:
        name: The journal's name.
        limit: The most that may be spent or set aside.
        set_by: The studio's field that sets the limit; empty for the run's own budget.
    """

    name: str
    limit: Decimal
    set_by: Literal["", "limit_per_run", "limit_per_month"] = ""


def exact(amount: Decimal) -> str:
    """Write an amount with two decimals, or with as many more as it has."""
    cents = amount.quantize(CENT)
    return f"{cents:f}" if cents == amount else f"{amount.normalize():f}"


def sums(amounts: Iterable[Money]) -> tuple[Money, ...]:
    """Add amounts up, by currency."""
    found: dict[str, Decimal] = {}
    for money in amounts:
        found[money.currency] = found.get(money.currency, Decimal(0)) + money.amount
    return tuple(Money(amount=amount, currency=currency) for currency, amount in found.items())


def fold(budgets: Sequence[Budget]) -> tuple[Budget, ...]:
    """Budgets in one journal made one, with the lowest limit."""
    found: dict[str, Budget] = {}
    for budget in budgets:
        one = found.setdefault(budget.name, budget)
        if budget.limit < one.limit:
            found[budget.name] = budget
    return tuple(found.values())
