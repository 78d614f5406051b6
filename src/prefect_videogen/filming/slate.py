"""The card that stands for a missing shot: what it should have been, in plain letters."""

from __future__ import annotations

import textwrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from prefect_videogen.media.colour import RGB

_PAPER, _INK, _FAINT = (28, 30, 34), (232, 232, 228), (150, 152, 156)
_LINES = 4
_LAST_LETTER = "\u024f"  # the bundled font ends with Latin


def slate(width: int, height: int, title: str, text: str) -> RGB:
    """Draw a card; the same words give the same pixels.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        title: Large, at the top: the shot's id.
        text: Smaller, below: what the shot should have shown; cut after a few lines, and left
            out where the font lacks its letters.

    Returns:
        8 bit RGB array of (height, width, 3).
    """
    image = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(image)
    unit = min(width, height)
    margin = unit // 10
    large, small = ImageFont.load_default(unit // 10), ImageFont.load_default(max(unit // 24, 8))
    draw.rectangle((margin, margin, margin + unit // 60, height - margin), fill=_FAINT)
    left = margin + unit // 20
    draw.text((left, margin), title, font=large, fill=_INK)
    column = max(int((width - left - margin) / max(small.getlength("n"), 1)), 8)
    lines = textwrap.wrap(text, column) if max(text, default="") <= _LAST_LETTER else []
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], lines[_LINES - 1][: column - 3] + "..."]
    draw.multiline_text(
        (left, margin + unit // 5), "\n".join(lines), font=small, fill=_FAINT, spacing=unit // 60
    )
    draw.text((left, height - margin), "missing", font=small, fill=_INK, anchor="ls")
    return np.asarray(image)
