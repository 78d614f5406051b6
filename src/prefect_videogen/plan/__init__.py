"""The plan: what a run would do and cost, pure and free.

`plan()` sees only what its caller has read: stills and records. What it returns is what is run.
"""

from prefect_videogen.plan.footage import footage_references
from prefect_videogen.plan.inherited import told_once
from prefect_videogen.plan.joins import in_film_order, told_length
from prefect_videogen.plan.model import (
    LAST_FRAME,
    Because,
    ClipState,
    FootageFacts,
    FootageKind,
    Handing,
    Known,
    Money,
    Picture,
    PictureUse,
    Plan,
    PlannedClip,
    PlannedFootage,
    PlannedJoin,
    Price,
    StudioFacts,
    Unreadable,
    handing_of,
    slugify,
)
from prefect_videogen.plan.planning import plan, still_references
from prefect_videogen.plan.prices import price_of, stray_prices

__all__ = [
    "LAST_FRAME",
    "Because",
    "ClipState",
    "FootageFacts",
    "FootageKind",
    "Handing",
    "Known",
    "Money",
    "Picture",
    "PictureUse",
    "Plan",
    "PlannedClip",
    "PlannedFootage",
    "PlannedJoin",
    "Price",
    "StudioFacts",
    "Unreadable",
    "footage_references",
    "handing_of",
    "in_film_order",
    "plan",
    "price_of",
    "slugify",
    "still_references",
    "stray_prices",
    "told_length",
    "told_once",
]
