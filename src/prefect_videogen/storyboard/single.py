"""A storyboard of one shot, as those who ask for a single clip fill it in."""

from __future__ import annotations

from prefect_videogen.errors import Fault, StoryboardError
from prefect_videogen.storyboard.model import Shot, Storyboard

SINGLE = "clip"
"""The one shot's id, and the storyboard's title."""


def one_clip(shot: Shot, *, aspect_ratio: str = "") -> Storyboard:
    """Make the storyboard of a single shot.

    Args:
        shot: What is asked for; it is given the id that single shots have.
        aspect_ratio: For example `16:9`; empty is the model's default.

    Raises:
        StoryboardError: If a frame names another shot, for there is none.
    """
    for name in ("first_frame", "last_frame"):
        value = getattr(shot, name)
        if value in {"previous", "next"} or value.startswith("shot:"):
            fault = Fault(SINGLE, name, value, "there is no other shot", "name a picture")
            raise StoryboardError([fault])
    # At the top, so that it shapes the pictures of image modes, which have no such field.
    named = shot.model_copy(update={"id": SINGLE})
    return Storyboard(title=SINGLE, aspect_ratio=aspect_ratio, shots=[named])
