"""What clips are estimated to cost: pure, exact, by the studio's price list."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from prefect_videogen.capabilities import Model
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


@dataclass(frozen=True)
class StrayPrice:
    """A price that no clip can have.

    Attributes:
        what: What is wrong: "there is no model wan-25", "wan-2-5 has no resolution 1080".
        near: The nearest that exists, or empty.
    """

    what: str
    near: str


def stray_prices(prices: Sequence[Price], models: Mapping[str, Model]) -> list[StrayPrice]:
    """The prices whose model does not exist, or has no such mode, resolution or routing."""
    return list(dict.fromkeys(stray for price in prices for stray in _strays(price, models)))


def _strays(price: Price, models: Mapping[str, Model]) -> Iterator[StrayPrice]:
    model = models.get(price.model)
    if model is None:
        yield StrayPrice(f"there is no model {price.model}", _nearest(price.model, models))
        return
    resolution = model.param("resolution")
    known = {
        "mode": [mode.name for mode in model.modes],
        "resolution": [str(choice) for choice in resolution.choices] if resolution else [],
        "routing": model.routing or ("auto",),
    }
    if resolution and not resolution.choices:
        del known["resolution"]  # any value may be asked for
    if model.routing_open:
        del known["routing"]
    for field, values in known.items():
        value = getattr(price, field)
        if value and value not in values:
            yield StrayPrice(f"{model.id} has no {field} {value}", _nearest(value, values))


def _nearest(name: str, names: Iterable[str]) -> str:
    return "".join(difflib.get_close_matches(name, sorted(names), n=1))


def price_notes(prices: Sequence[Price], models: Mapping[str, Model]) -> list[str]:
    """Say which prices no clip can have; a note, as another installation may know the model."""
    return [
        f"a price of the studio is for nothing: {stray.what}; "
        + (f"did you mean `{stray.near}`?" if stray.near else "`prefect-videogen models` tells all")
        for stray in stray_prices(prices, models)
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
