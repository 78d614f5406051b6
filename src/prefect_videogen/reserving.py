"""Setting money aside for purchases, in all budgets that have to agree or in none.

The plan's money is reserved before the first submission. A further job for a clip is covered right
before it is bought, from the records that it follows.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Literal

from pydantic import BaseModel, ConfigDict

from prefect_videogen.budgets import Budget, Entry, Hold, Ledger, exact
from prefect_videogen.errors import BudgetExceeded, StudioError
from prefect_videogen.plan import Money
from prefect_videogen.records import Attempt, History
from prefect_videogen.studio import OpenStudio


async def reserve(
    studio: OpenStudio,
    budgets: Sequence[Budget],
    holds: Sequence[Hold],
    currency: str,
    *,
    kind: Literal["reserve", "further job"] = "reserve",
    unbilled: Sequence[tuple[str, int]] = (),
) -> None:
    """Set money aside in every budget, or in none.

    Args:
        studio: The open studio.
        budgets: The budgets that all have to agree.
        holds: What is wanted; what is held already is not wanted twice.
        currency: Currency of the amounts.
        kind: What the entry says it is.
        unbilled: Purchases known not to be billed; they are given back in the same entry.

    Raises:
        BudgetExceeded: If a budget has not enough left; nothing is set aside then.
        StudioError: If a budget is kept in another currency.
        RecordError: If the media store does not answer as it must.
    """
    entries: list[tuple[Budget, Entry]] = []

    def propose(budget: Budget, ledger: Ledger) -> Entry | None:
        missing = tuple(hold for hold in holds if not ledger.has(studio.owner, hold))
        back = _held(ledger, unbilled)
        if not (missing or back):
            return None
        _check_currency(budget, ledger, currency)
        entry = _entry(studio, ledger, kind, currency, reserved=missing, unbilled=back)
        if missing and ledger.spent + entry.amount > budget.limit:
            raise _exceeded(budget, ledger, entry)
        return entry

    try:
        for budget in budgets:
            journal = studio.journal(budget.name)
            entry = await journal.append(partial(propose, budget))
            if entry:
                entries.append((budget, entry))
    except Exception:
        for budget, entry in entries:
            await release(studio, budget, [hold.purchase for hold in entry.reserved])
        raise


async def release(
    studio: OpenStudio,
    budget: Budget,
    purchases: Iterable[tuple[str, int]],
    *,
    unbilled: Iterable[tuple[str, int]] = (),
) -> None:
    """Give money back to a budget.

    Args:
        studio: The open studio.
        budget: The budget.
        purchases: What this owner needs no longer.
        unbilled: What turned out not to be billed, so that nobody needs it.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    wanted, gone = list(purchases), list(unbilled)

    def propose(ledger: Ledger) -> Entry | None:
        released = _held(ledger, (p for p in wanted if p in ledger.held_by(studio.owner)))
        back = _held(ledger, gone)
        if not (released or back):
            return None
        return _entry(studio, ledger, "credit", ledger.currency, released=released, unbilled=back)

    await studio.journal(budget.name).append(propose)


class Freed(BaseModel):
    """Money that a run which is over had set aside, and that is free again.

    Attributes:
        run: Id of the flow run.
        budget: Name of the budget.
        amount: How much of it.
    """

    model_config = ConfigDict(frozen=True)

    run: str
    budget: str
    amount: Money


IsOver = Callable[[str], Awaitable[bool]]
"""Says whether the flow run with an id has ended for good, so that it buys nothing any more."""


async def free_what_is_over(studio: OpenStudio, is_over: IsOver) -> list[Freed]:
    """Give back what killed runs had set aside, in all budgets, and led to no job.

    A run that ends settles by itself; a killed one's money would wait for a run of the same shots.

    Args:
        studio: The open studio.
        is_over: Says of a run whether it has ended.

    Returns:
        What was given back.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    freed = []
    names = {path.split("/")[1] for path in await studio.store.list("budgets")}
    known: dict[str, bool] = {}
    for name in sorted(names):
        ledger = await studio.journal(name).read()
        for owner, run in list(ledger.runs.items()):
            if not run or owner == studio.owner or not ledger.held_by(owner):
                continue
            if run not in known:
                known[run] = await is_over(run)
            entry = await _free(studio, name, owner, run) if known[run] else None
            if entry and entry.amount:
                amount = Money(amount=-entry.amount, currency=entry.currency)
                freed.append(Freed(run=run, budget=name, amount=amount))
    return freed


async def _free(studio: OpenStudio, name: str, owner: str, run: str) -> Entry | None:
    bought = await _bought_by(studio, owner, run)
    keys = {key for key, _ in bought}

    def is_spent(ledger: Ledger, purchase: tuple[str, int]) -> bool:
        # A clip that starts on another's frame is named by no key: its shot tells, or too many.
        shot = ledger.shots.get(purchase, "")
        return purchase in bought or (
            purchase[0] not in keys and any(shot.startswith(other) for other in bought.values())
        )

    def propose(ledger: Ledger) -> Entry | None:
        unspent = [p for p in ledger.held_by(owner) if not is_spent(ledger, p)]
        if not unspent:
            return None
        released = _held(ledger, unspent)
        return _entry(
            studio, ledger, "credit", ledger.currency, owner=owner, run=run, released=released
        )

    return await studio.journal(name).append(propose)


async def _bought_by(studio: OpenStudio, owner: str, run: str) -> dict[tuple[str, int], str]:
    """The purchases of a run's process that may be billed, with their shots."""
    noted = [path.rpartition("/")[2] for path in await studio.store.list(f"runs/{run}")]
    found = (name.rpartition("-") for name in noted)
    bought = {}
    for key in sorted({key for key, _, number in found if number.isdigit()}):
        for number, job in enumerate(jobs_of(await studio.records.history(key)), 1):
            claimed = job.claimed
            if claimed and claimed.owner.startswith(f"{owner}-") and not is_unbilled(job):
                bought[key, number] = claimed.shot
    return bought


def jobs_of(history: History) -> list[Attempt]:
    """The attempts at a clip that led to a job, or may have: its purchases, in order."""
    return [
        attempt
        for attempt in history.attempts
        if attempt.submitted or attempt.end is None or attempt.end.kind == "abandoned"
    ]


def is_unbilled(attempt: Attempt) -> bool:
    """Whether a purchase is known not to be billed."""
    return attempt.end is not None and attempt.end.billed == "no" and attempt.stored is None


class Purse(BaseModel):
    """What pays for a clip; `submit` opens it right before a purchase.

    Attributes:
        budgets: The budgets that all have to agree.
        clip: The clip's name in them (see `Hold`).
        shot: Id of the shot.
        price: Its price; None if it has none and that is allowed.
    """

    model_config = ConfigDict(frozen=True)

    budgets: tuple[Budget, ...]
    clip: str
    shot: str
    price: Money | None

    async def cover(self, studio: OpenStudio, history: History) -> None:
        """Make sure that the money for the clip's next job is set aside.

        The plan's reservation has it for the first; a further one is appended here, and an
        earlier one that is known to be unbilled is given back in the same entry.

        Args:
            studio: The open studio.
            history: The records that the next attempt follows.

        Raises:
            BudgetExceeded: If a budget has not enough left; nothing was sent.
            RecordError: If the media store does not answer as it must.
        """
        if self.price is None:
            return
        jobs = jobs_of(history)
        amount = self.price.amount
        hold = Hold(clip=self.clip, job=len(jobs) + 1, shot=self.shot, amount=amount)
        gone = [(self.clip, n) for n, job in enumerate(jobs, 1) if is_unbilled(job)]
        # Read again: a run that was taken for dead has lost what it had set aside.
        ledgers = [await studio.journal(budget.name).read() for budget in self.budgets]
        if all(ledger.has(studio.owner, hold) and not _held(ledger, gone) for ledger in ledgers):
            return
        try:
            await reserve(
                studio,
                self.budgets,
                [hold],
                self.price.currency,
                kind="further job",
                unbilled=gone,
            )
        except BudgetExceeded as error:
            error.shot = self.shot
            raise


def _held(ledger: Ledger, purchases: Iterable[tuple[str, int]]) -> tuple[Hold, ...]:
    """Those of the purchases that count in the sum, at what they count."""
    return tuple(
        Hold(clip=clip, job=job, amount=max(ledger.holds[clip, job].values()))
        for clip, job in purchases
        if (clip, job) in ledger.holds
    )


def _entry(
    studio: OpenStudio,
    ledger: Ledger,
    kind: Literal["reserve", "further job", "credit"],
    currency: str,
    *,
    owner: str = "",
    run: str = "",
    **holds: tuple[Hold, ...],
) -> Entry:
    entry = Entry(
        at=studio.time.now(),
        kind=kind,
        amount=Decimal(0),
        currency=currency,
        run=run or studio.run,
        owner=owner or studio.owner,
        token=uuid.uuid4().hex,
        **holds,
    )
    return entry.model_copy(update={"amount": ledger.change_by(entry)})


def _check_currency(budget: Budget, ledger: Ledger, currency: str) -> None:
    if ledger.currency and ledger.currency != currency:
        message = f"budget {budget.name} is kept in {ledger.currency}, the prices are in {currency}"
        raise StudioError(message, next_step="Give each currency a budget_name of its own.")


def _exceeded(budget: Budget, ledger: Ledger, entry: Entry) -> BudgetExceeded:
    left = max(budget.limit - ledger.spent, Decimal(0))
    named, raised = f"budget {budget.name}", "the budget"
    if budget.set_by:
        named = f"the studio's {budget.set_by.replace('_', ' ')} ({named})"
        raised = f"the studio's {budget.set_by} (VIDEOGEN_{budget.set_by.upper()})"
    message = (
        f"{named}: {exact(entry.amount)} {entry.currency} wanted, {exact(left)} left "
        f"of {exact(budget.limit)}; {exact(ledger.spent)} spent or set aside"
    )
    step = f"Nothing was sent. Raise {raised} or drop shots, and run again."
    return BudgetExceeded(message, next_step=step)
