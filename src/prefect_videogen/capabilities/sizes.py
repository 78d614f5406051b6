"""What size a picture gets on its way to a model: cut or padded to a shape, then scaled.

Pure: the plan asks whether a picture can be made to fit, `media.stills` how.
"""

from __future__ import annotations

from fractions import Fraction

Size = tuple[int, int]

# A shape this close to the one asked for is left alone: 1280x704 is 16:9 for every model.
ASPECT_TOLERANCE = Fraction(1, 100)


def has_shape(size: Size, shape: Fraction) -> bool:
    """Say whether a picture has a shape already, within 1 %.

    Args:
        size: Width and height in pixels.
        shape: Width over height.
    """
    return abs(Fraction(*size) / shape - 1) <= ASPECT_TOLERANCE


def shaped_size(size: Size, shape: Fraction, *, pad: bool) -> Size:
    """Say what size a picture has once it is brought to a shape, unscaled.

    Args:
        size: Width and height in pixels.
        shape: Width over height.
        pad: Whether bars are added; otherwise it is cropped.

    Returns:
        Width and height in pixels; the picture's own if it has the shape.
    """
    if has_shape(size, shape):
        return size
    width, height = size
    too_wide = Fraction(width, height) > shape
    if too_wide == pad:
        return width, max(round(width / shape), 1)
    return max(round(height * shape), 1), height


def allowed_size(size: Size, min_side: int | None, max_side: int | None) -> Size | None:
    """Say what size a picture is scaled to, so that both sides are within a model's range.

    Args:
        size: Width and height in pixels.
        min_side: Fewest pixels of the shorter side, or None.
        max_side: Most pixels of the longer side, or None.

    Returns:
        Width and height in pixels, the picture's own if they will do; None if its shape allows
        none.
    """
    least = min_side or 1
    short, long = min(size), max(size)
    factor = Fraction(1)
    if max_side and long > max_side:
        factor = Fraction(max_side, long)
    elif short < least:
        factor = Fraction(least, short)
    width, height = (max(round(side * factor), 1) for side in size)
    if min(width, height) < least or (max_side and max(width, height) > max_side):
        return None
    return width, height
