"""Plain tables: where one is too wide, its lines break between words or behind a dash.

What has no such place, as a key that is copied, stays whole even if the line gets too long.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

GAP = 2


def table_lines(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Lay a table out.

    Args:
        rows: Its rows, all of one length; the first is the head.
        width: How wide its lines may be, in characters.

    Yields:
        Its lines.
    """
    columns = list(zip(*rows, strict=True))
    widths = _widths(columns, width - GAP * (len(columns) - 1))
    for row in rows:
        cells = [_wrapped(cell, most) for cell, most in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            padded = (part.ljust(most) for part, most in zip(parts, widths, strict=True))
            yield (" " * GAP).join(padded).rstrip()


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """The columns' widths: the widest gives way first, as far as its words let it."""
    widths = [max(map(len, column)) for column in columns]
    least = [max(len(part) for cell in column for part in _wrapped(cell, 1)) for column in columns]
    while sum(widths) > room:
        pliant = [at for at, most in enumerate(widths) if most > least[at]]
        if not pliant:
            break
        widths[max(pliant, key=widths.__getitem__)] -= 1
    return widths


def _wrapped(cell: str, width: int) -> list[str]:
    return textwrap.wrap(cell, max(width, 1), break_long_words=False) or [""]
