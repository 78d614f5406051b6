"""What clips are estimated to cost: pure, exact, by the studio's price list."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from prefect_videogen.plan.model import Money, PlannedClip, Price


def price_of(clip: PlannedClip, prices: Sequence[Price]) -> Money | None:
    """Estimate a clip's price: the first entry that matches, or None if none does."""
    for price in prices:
        matches = (
            price.model == clip.model
            and price.mode in {"", clip.mode}
            and price.resolution in {"", clip.resolution}
            and price.routing in {"", clip.routing or "auto"}
        )
        if matches:
            units = Decimal(str(clip.seconds)) if price.per == "second" else Decimal(1)
            return Money(amount=price.amount * units, currency=price.currency)
    return None


def unknown_models(prices: Sequence[Price], models: Collection[str]) -> Mapping[str, str]:
    """The models that have a price and do not exist, each with the nearest that does, or none."""
    found = sorted({price.model for price in prices} - set(models))
    near = {name: difflib.get_close_matches(name, sorted(models), n=1) for name in found}
    return {name: "".join(names) for name, names in near.items()}


def price_notes(prices: Sequence[Price], models: Collection[str]) -> list[str]:
    """Say which prices are for no known model; a note, as another installation may know it."""
    return [
        f"the studio has a price for {name}, which is no known model; "
        + (f"did you mean `{near}`?" if near else "`prefect-videogen models` names them")
        for name, near in unknown_models(prices, models).items()
    ]


class Priced(Protocol):
    """What may have a price."""

    @property
    def price(self) -> Money | None:
        """Its estimated price; None is unpriced."""
        ...


def totals_of(clips: Sequence[Priced]) -> tuple[Money, ...]:
    """Add the clips' prices up, one sum a currency; the unpriced count nothing."""
    sums: dict[str, Decimal] = {}
    for clip in clips:
        if clip.price:
            currency = clip.price.currency
            sums[currency] = sums.get(currency, Decimal(0)) + clip.price.amount
    return tuple(Money(amount=amount, currency=currency) for currency, amount in sums.items())
