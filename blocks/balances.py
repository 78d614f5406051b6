"""Telling automations that a vendor's balance is low: a Prefect event."""

from __future__ import annotations

from prefect.events import emit_event

from prefect_videogen.blocks.wakes import server_is_shared
from prefect_videogen.vendors import Balance

BALANCE_LOW = "videogen.balance.low"
"""Name of the event that a run emits at its end, if a balance is below the studio's number."""


def tell_balance(studio: str, vendor: str, balance: Balance, low: float) -> None:
    """Emit the event of a low balance, if there is a Prefect server that others share.

    Args:
        studio: Name of the studio.
        vendor: The vendor.
        balance: What is left.
        low: The number that it is below.
    """
    if server_is_shared():
        emit_event(
            BALANCE_LOW,
            resource={"prefect.resource.id": f"videogen.balance.{studio}.{vendor}"},
            payload={
                "studio": studio,
                "vendor": vendor,
                "balance": balance.amount,
                "unit": balance.unit,
                "low_balance": low,
            },
        )
