"""A run's money: set aside before the first submission, settled at the run's end.

Who only waits for clips, or finds them stored, needs no money. What the vendors say of money is
written down, and never fails a run.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from prefect_videogen.budgets import Budget, Hold, exact, fold, sums
from prefect_videogen.errors import StudioError, VideoGenError
from prefect_videogen.fetching import Clip
from prefect_videogen.forecasting import Forecast, Purchase, name_of
from prefect_videogen.plan import Money, PlannedClip, slugify
from prefect_videogen.reserving import Purse, is_unbilled, jobs_of, release, reserve
from prefect_videogen.sleeping import Sleep
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import Balance

logger = logging.getLogger(__name__)

BALANCE_WITHIN = 15.0
"""Seconds that a run waits for a vendor's balance."""


def budgets_of(
    studio: OpenStudio, *, amount: float, name: str, slug: str, scheduled: datetime
) -> tuple[Budget, ...]:
    """The budgets that a run has to keep to.

    Args:
        studio: The open studio, which may have limits of its own.
        amount: The run's budget; 0 is none.
        name: Its name; empty is the film's.
        slug: The film's name.
        scheduled: The run's scheduled start, which decides the month.

    Raises:
        StudioError: If the amount or the name can't be used.
    """
    if not (math.isfinite(amount) and amount >= 0):
        message = f"budget = {amount} is no amount of money"
        raise StudioError(message, next_step="Use an amount in the currency of the prices, or 0.")
    if name and not amount:
        message = f"budget_name = {name} has no budget"
        raise StudioError(message, next_step="Say with budget how much may be spent under it.")
    if name and not re.search("[a-z0-9]", name.lower()):
        message = f"budget_name = {name} has no letter or digit to name a folder with"
        raise StudioError(message, next_step="Use letters from a to z, digits and dashes.")
    budgets = []
    if amount:
        budgets.append(Budget(name=slugify(name or slug), limit=Decimal(str(amount))))
    if studio.limit_per_run:
        run = f"run-{studio.run or studio.owner}"
        budgets.append(Budget(name=run, limit=studio.limit_per_run, set_by="limit_per_run"))
    if studio.limit_per_month:
        month = f"studio-{slugify(studio.name)}-{scheduled.astimezone(UTC):%Y-%m}"
        monthly = Budget(name=month, limit=studio.limit_per_month, set_by="limit_per_month")
        budgets.append(monthly)
    return fold(budgets)


async def purse_of_limits(
    studio: OpenStudio, clip: PlannedClip, key: str, scheduled: datetime
) -> Purse | None:
    """What pays for a clip that is bought by itself, outside of a plan; None without limits.

    Args:
        studio: The open studio, which may have limits of its own.
        clip: The clip.
        key: Its key.
        scheduled: The run's scheduled start, which decides the month.

    Raises:
        StudioError: If it has to be bought without a price under a limit, which is not allowed.
        RecordError: If the media store does not answer as it must.
    """
    budgets = budgets_of(studio, amount=0, name="", slug="", scheduled=scheduled)
    if not budgets:
        return None
    if clip.price is None and not studio.allow_unpriced:
        history = await studio.records.history(key)
        if history.state not in {"submitted", "ready", "stored"}:
            raise _unpriced(f"{clip.id} ({clip.model})")
    return Purse(budgets=budgets, clip=key, shot=clip.id, price=clip.price)


def _unpriced(named: str) -> StudioError:
    message = f"a limit is set, and the studio has no price for {named}"
    step = "Add prices to the studio, or set its allow_unpriced. Nothing was bought."
    return StudioError(message, next_step=step)


# -- what a run did with money --------------------------------------------------------------------


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class BudgetState(_Frozen):
    """A budget at the end of a run: its limit, and what is spent or set aside by all runs."""

    name: str
    limit: Decimal
    spent: Decimal
    currency: str


class ClipCharge(_Frozen):
    """The vendor's own figures for a clip; None where it gives none."""

    shot: str
    key: str
    attempt: int
    vendor: str
    model: str
    job_id: str
    how: str
    charge: dict[str, object] | None


class BalanceChange(_Frozen):
    """An account's balance before and after a run; None where the vendor did not say.

    Whatever else uses the account shows up in it too.
    """

    vendor: str
    unit: str
    before: float | None
    after: float | None


class RunMoney(_Frozen):
    """What a run estimated, set aside and was charged.

    Attributes:
        run: Id of the flow run.
        at: When it was written, in seconds since 1970.
        estimate: Estimated price of what had to be bought.
        unpriced: How many clips to be bought had no price.
        budgets: The budgets it kept to.
        clips: The vendors' own figures.
        balances: The accounts that something was to be bought from.
    """

    run: str
    at: float
    estimate: tuple[Money, ...] = ()
    unpriced: int = 0
    budgets: tuple[BudgetState, ...] = ()
    clips: tuple[ClipCharge, ...] = ()
    balances: tuple[BalanceChange, ...] = ()


def money_lines(money: RunMoney | None) -> list[str]:
    """A run's money for people: the estimate, each budget, each balance."""
    if money is None:
        return []
    costs = " + ".join(str(amount) for amount in money.estimate) or "nothing priced"
    lines = [f"estimate: {costs}" + (f", {money.unpriced} unpriced" if money.unpriced else "")]
    lines += [
        f"budget {budget.name}: {exact(budget.spent)} of {exact(budget.limit)} {budget.currency} "
        "spent or set aside"
        for budget in money.budgets
    ]
    lines += [
        f"balance at {change.vendor}: {change.before:g} {change.unit} before"
        + (f", {change.after:g} after" if change.after is not None else "")
        for change in money.balances
        if change.before is not None
    ]
    return lines


class Spending:
    """A run's money, from before its first submission to its end.

    Args:
        studio: The open studio.
        budgets: The budgets it has to keep to.
        forecast: What it will have to buy.
        before: The sleep that it has woken from; its estimate is from before that.

    Attributes:
        estimate: Estimated price of what had to be bought when the run began.
        unpriced: How many clips of that had no price.
    """

    def __init__(
        self,
        studio: OpenStudio,
        budgets: Sequence[Budget],
        forecast: Forecast,
        before: Sleep | None = None,
    ) -> None:
        self.studio = studio
        self.budgets = tuple(budgets)
        self.forecast = forecast
        self.slept = before is not None
        self.estimate = before.estimate if before else forecast.estimate
        self.unpriced = before.unpriced if before else forecast.unpriced
        if before and before.review:  # what is ahead is what the answer to it asks for
            self.estimate = sums([*self.estimate, *forecast.estimate])
            self.unpriced += forecast.unpriced
        self._keys: dict[str, str] = dict(before.keys) if before else {}
        self._before: dict[str, Balance | None] = {}

    def leave(self, shots: Collection[str]) -> None:
        """Count shots out of the estimate that the run leaves to its next process.

        Args:
            shots: Their names in the plan.
        """
        left = [p.clip.price for p in self.forecast.purchases if p.shot in shots]
        less = [Money(amount=-price.amount, currency=price.currency) for price in left if price]
        self.estimate = tuple(money for money in sums([*self.estimate, *less]) if money.amount)
        self.unpriced -= left.count(None)

    async def begin(self) -> None:
        """Set the money for all purchases aside, in one entry per budget, and ask for balances.

        Raises:
            BudgetExceeded: If a budget has not enough left; nothing is set aside then.
            StudioError: If a shot has no price, or prices are in different currencies.
            RecordError: If the media store does not answer as it must.
        """
        try:
            if self.budgets:
                await self._reserve()
            vendors = sorted({purchase.clip.vendor for purchase in self.forecast.purchases})
            self._before = await self._balances(vendors)
        except VideoGenError:
            raise  # nothing is set aside
        except BaseException:
            await self.settle()  # stopped: nobody else would give it back
            raise

    async def _reserve(self) -> None:
        purchases = self.forecast.purchases
        currency = self._currency()
        await self._give_up()
        holds = [_hold(purchase) for purchase in purchases if purchase.clip.price]
        unbilled = [(p.name, job) for p in purchases for job in p.unbilled]
        await reserve(self.studio, self.budgets, holds, currency, unbilled=unbilled)

    @property
    def keys(self) -> dict[str, str]:
        """Key of every clip that was submitted or found, by its name in a budget."""
        return dict(self._keys)

    async def _give_up(self) -> None:
        """Give back what was set aside before a sleep and is neither spent nor wanted any more."""
        if not self.slept:
            return
        wanted = {(purchase.name, purchase.job) for purchase in self.forecast.purchases}
        for budget in self.budgets:
            ledger = await self.studio.journal(budget.name).read()
            held = ledger.held_by(self.studio.owner)
            # What is planned and not wanted was bought since: `settle` judges it by the records.
            kept = self._keys.keys() | self.forecast.planned
            unwanted = [p for p in held if p not in wanted and p[0] not in kept]
            await release(self.studio, budget, unwanted)

    def purse(self, clip: PlannedClip, key: str) -> Purse | None:
        """What pays for a clip whose key is known by now; None without any budget."""
        if not self.budgets:
            return None
        name = name_of(self.studio, clip, self.forecast.names)
        self._keys[name] = key
        return Purse(budgets=self.budgets, clip=name, shot=clip.id, price=clip.price)

    async def settle(self, clip: PlannedClip | None = None) -> None:
        """Give back what was set aside and not spent, as the records tell; never raises.

        Args:
            clip: Only this one; None is all, at the end of the run.
        """
        only = name_of(self.studio, clip, self.forecast.names) if clip else None
        for budget in self.budgets:
            try:
                held = (await self.studio.journal(budget.name).read()).held_by(self.studio.owner)
                wanted = [purchase for purchase in held if only in {None, purchase[0]}]
                await self._settle(budget, wanted)
            except Exception as error:  # noqa: BLE001 - what stays set aside is only caution
                logger.warning("Budget %s: nothing is given back: %s", budget.name, error)

    async def end(self, clips: Iterable[Clip]) -> RunMoney | None:
        """Settle, and write down what the run did with money; never raises.

        Returns:
            What was written; None if nothing had to be bought.
        """
        await self.settle()
        if not (self.forecast.purchases or self.slept):
            return None
        money = RunMoney(
            run=self.studio.run,
            at=self.studio.time.now(),
            estimate=self.estimate,
            unpriced=self.unpriced,
            budgets=tuple(self._states()),
            clips=tuple(_charge(clip) for clip in clips),
            balances=await self._changes(),
        )
        try:
            await self._write(money)
            self._warn(money.balances)
        except Exception as error:  # noqa: BLE001 - the clips are bought, the film is to be made
            logger.warning("The run's money is not recorded, or not told: %s", error)
        return money

    def _warn(self, changes: Iterable[BalanceChange]) -> None:
        """Say which balances are below what the studio wants to be told of."""
        low = self.studio.low_balance
        if not low:
            return
        for change in changes:
            left = change.before if change.after is None else change.after
            if left is None or left >= low:
                continue
            logger.warning(
                "The balance at %s is %g %s, below the %g that the studio %s sets as low_balance",
                *(change.vendor, left, change.unit, low, self.studio.name),
            )
            if self.studio.tell_balance:
                balance = Balance(amount=left, unit=change.unit)
                self.studio.tell_balance(self.studio.name, change.vendor, balance, low)

    def _currency(self) -> str:
        options = [o for p in self.forecast.purchases for o in (p.clip, *p.others)]
        unpriced = [option for option in options if option.price is None]
        if unpriced and not self.studio.allow_unpriced:
            raise _unpriced(", ".join(f"{option.id} ({option.model})" for option in unpriced))
        if unpriced:
            logger.warning("No price for %s clips; they count as nothing", len(unpriced))
        currencies = sorted({option.price.currency for option in options if option.price})
        if len(currencies) > 1:
            message = f"a limit is set, and the prices are in {' and '.join(currencies)}"
            step = "A budget has one currency; give the studio's prices in one. Nothing was bought."
            raise StudioError(message, next_step=step)
        return currencies[0] if currencies else ""

    async def _settle(self, budget: Budget, held: Sequence[tuple[str, int]]) -> None:
        unneeded, unbilled = [], []
        for name, number in held:
            key = self._keys.get(name)
            jobs = jobs_of(await self.studio.records.history(key)) if key else []
            job = jobs[number - 1] if number <= len(jobs) else None
            if job is not None and is_unbilled(job):
                unbilled.append((name, number))
            elif job is None or not (job.claimed and self._is_ours(job.claimed.owner)):
                unneeded.append((name, number))
        await release(self.studio, budget, unneeded, unbilled=unbilled)

    def _is_ours(self, owner: str) -> bool:
        return owner.startswith(self.studio.owner)

    def _states(self) -> Iterator[BudgetState]:
        for budget in self.budgets:
            ledger = self.studio.journal(budget.name).ledger
            yield BudgetState(
                name=budget.name,
                limit=budget.limit,
                spent=ledger.spent,
                currency=ledger.currency,
            )

    async def _write(self, money: RunMoney) -> None:
        """Write `money.json`; a retried run's next to that of its earlier try."""
        folder = f"runs/{self.studio.run or self.studio.owner}"
        data = money.model_dump_json(indent=2).encode()
        number = 1
        while not await self.studio.store.create(
            f"{folder}/money{f'-{number}' if number > 1 else ''}.json", data
        ):
            number += 1

    # -- balances -----------------------------------------------------------------------------

    async def _balances(self, vendors: Sequence[str]) -> dict[str, Balance | None]:
        found = await asyncio.gather(*(self._balance(vendor) for vendor in vendors))
        return dict(zip(vendors, found, strict=True))

    async def _balance(self, vendor: str) -> Balance | None:
        try:
            async with asyncio.timeout(BALANCE_WITHIN):
                client = await self.studio.client(vendor)
                return await client.balance()
        except Exception as error:  # noqa: BLE001 - a figure for people must not stop a film
            reason = getattr(error, "message", "") or type(error).__name__
            logger.warning("The balance at %s is not known: %s", vendor, reason)
            return None

    async def _changes(self) -> tuple[BalanceChange, ...]:
        after = await self._balances([v for v, balance in self._before.items() if balance])
        return tuple(
            BalanceChange(
                vendor=vendor,
                unit=before.unit if before else "",
                before=before.amount if before else None,
                after=now.amount if (now := after.get(vendor)) else None,
            )
            for vendor, before in self._before.items()
        )


def _hold(purchase: Purchase) -> Hold:
    price = purchase.clip.price
    amount = price.amount if price else Decimal(0)
    return Hold(clip=purchase.name, job=purchase.job, shot=purchase.shot, amount=amount)


def _charge(clip: Clip) -> ClipCharge:
    return ClipCharge.model_validate(clip.model_dump(include=set(ClipCharge.model_fields)))
