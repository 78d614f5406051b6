"""Pictures against a model: how they are brought to shape, and why one can't be had.

Pure. Sizes follow the rule by which pictures are changed when they are published.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from fractions import Fraction

from prefect_videogen.capabilities import Model, Problem
from prefect_videogen.capabilities.sizes import allowed_size, shaped_size
from prefect_videogen.plan.model import Picture, PictureUse, Unreadable
from prefect_videogen.vendors.account import is_public_url

Stills = Mapping[str, Picture | Unreadable]

_SAME_SHAPE = 0.01
_RATIO = re.compile(r"[1-9]\d{0,3}:[1-9]\d{0,3}", re.ASCII)


def is_ratio(text: str) -> bool:
    """Whether a text is a shape that a picture can be brought to, such as `16:9`."""
    return bool(_RATIO.fullmatch(text))


def fitted(
    pictures: tuple[PictureUse, ...], stills: Stills, *, fit: str, ratio: str
) -> tuple[PictureUse, ...]:
    """Say of every picture how it must be brought to the board's shape, if at all.

    Args:
        pictures: The pictures of a shot.
        stills: What is known of every still, by its reference.
        fit: `crop`, `pad` or `keep`.
        ratio: The board's shape; anything but width:height brings no picture to a shape.
    """
    if fit == "keep" or not is_ratio(ratio):
        return pictures
    wanted = float(_shape(ratio))
    changed = []
    for use in pictures:
        still = stills.get(use.ref)
        shape = still.width / still.height if isinstance(still, Picture) else 0
        if use.kind == "still" and shape and abs(shape / wanted - 1) > _SAME_SHAPE:
            changed.append(use.model_copy(update={"fit": f"{fit} {ratio}"}))
        else:
            changed.append(use)
    return tuple(changed)


def remedy_of(use: PictureUse, still: Unreadable) -> str:
    """Say what would do for a still that can't be read: it may be a misspelt word, and no path."""
    word = "previous" if use.role == "first" else "next"
    bare = not any(sign in use.ref for sign in "./:")
    meant = bare and difflib.get_close_matches(use.ref.lower(), [word])
    return f"did you mean `{word}`?" if meant else still.remedy


def size_problem(model: Model, use: PictureUse, still: Picture) -> Problem | None:
    """Say why a still can't be brought to a size that a model takes; None if it can.

    Args:
        model: The model.
        use: How the still is used, and brought to shape before.
        still: The still.
    """
    images, size = model.images, (still.width, still.height)
    remedy = "crop it, or set `aspect_ratio` at the top and `picture_fit` to crop or pad"
    brought = ""
    if use.fit:
        fit, _, ratio = use.fit.partition(" ")
        size = shaped_size(size, _shape(ratio), pad=fit == "pad")
        brought, remedy = f", and {size[0]}x{size[1]} as {ratio}", "use another `aspect_ratio`"
    if allowed_size(size, images.min_side, images.max_side):
        return None
    problem = (
        f"is {still.width}x{still.height}{brought}: it can't be scaled to the sides of"
        f" {images.min_side} to {images.max_side} pixels that {model.id} takes"
    )
    return Problem(problem, remedy)


def reach_problem(vendor: str, label: str, url: str) -> Problem | None:
    """Say why a vendor can't fetch what the storyboard gives it the URL of; None if it may.

    Args:
        vendor: The vendor.
        label: Its account's label; a sandbox may be anywhere, and reaches everything.
        url: The URL.
    """
    if "@" in label or is_public_url(url):
        return None
    problem = f"leads to no address that {vendor} can reach"
    return Problem(problem, "use an https:// address on the internet")


def _shape(ratio: str) -> Fraction:
    width, height = ratio.split(":")
    return Fraction(int(width), int(height))
