"""The plan: what a run would do and cost, pure and free.

`plan()` sees only what its caller has read: stills and records. What it returns is what is run.
"""

from prefect_videogen.plan.model import (
    ClipState,
    Known,
    Money,
    Picture,
    PictureUse,
    Plan,
    PlannedClip,
    PlannedJoin,
    Price,
    StudioFacts,
    Unreadable,
    slugify,
)
from prefect_videogen.plan.planning import plan, still_references
from prefect_videogen.plan.prices import price_of

__all__ = [
    "ClipState",
    "Known",
    "Money",
    "Picture",
    "PictureUse",
    "Plan",
    "PlannedClip",
    "PlannedJoin",
    "Price",
    "StudioFacts",
    "Unreadable",
    "plan",
    "price_of",
    "slugify",
    "still_references",
]
