"""The seam sheet: the joins of a film on one picture, to be looked over in a minute.

Promises one row a join, its frames side by side with the cut between them and the numbers that
tell what the eye may miss; of more joins than a picture can hold those that tell the most, and
how many are left out. Leaves reading the film to `seams`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from prefect_videogen.media.colour import RGB
from prefect_videogen.media.matching import ColourDrift
from prefect_videogen.media.seams import Flag, FrameDifference, SeamFrames, flag_of

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]
At = tuple[float, float]

# Neutral and dark, so that the surroundings tint no picture.
_GROUND: Colour = (24, 24, 24)
_BAND: Colour = (32, 32, 32)
_TEXT: Colour = (236, 236, 236)
_QUIET: Colour = (150, 150, 150)
_FLAGS: dict[Flag, Colour] = {"": (112, 112, 112), "jump": (255, 138, 76), "repeat": (92, 180, 255)}
_WORDS: dict[Flag, str] = {
    "": "",
    "jump": "jump: differs far more than a step",
    "repeat": "repeat: the same frame again",
}

_MARGIN, _GAP, _PAD = 32, 4, 16
_CUT = 28
_NAMES, _NUMBERS = 280, 402
_HEAD = 84
_CAPTION = 22
_LINE = 24
_LEAST_ROW = 7 * _LINE
_COLUMNS = (96, 160, 228, 296, 370)

# At most about 8 MB: the sheet also lies in the film's page.
_HIGHEST = 12_000


@dataclass(frozen=True, eq=False)
class SeamRow:
    """One join on the sheet.

    Attributes:
        before: Name of the shot before it.
        after: Name of the shot after it.
        why: What the two share: `cut` for nothing, `chained` or `shared still`.
        transition: `cut`, `crossfade` or `dip`.
        doubled: Frames left out at the later shot's start.
        frames: What the film shows around it.
        anchor: Name of the shot its chain starts with; empty outside a chain.
        drift: How far the later shot has come from that one.
    """

    before: str
    after: str
    why: str
    transition: str
    doubled: int
    frames: SeamFrames
    anchor: str = ""
    drift: ColourDrift | None = None

    @property
    def seamless(self) -> bool:
        """Whether nobody should notice it."""
        return self.why != "cut" and self.transition == "cut"

    @property
    def flag(self) -> Flag:
        """What is wrong with the join; only one that should be seamless can be wrong."""
        if not self.seamless:
            return ""
        return flag_of(self.frames.shown, self.frames.step, self.frames.following)


def seam_sheet(rows: Sequence[SeamRow], title: str) -> bytes:
    """Draw the sheet.

    Args:
        rows: The joins in film order.
        title: The film's title.

    Returns:
        A PNG, about 2200 pixels wide for six frames of 240 pixels in a row and at most 12000 high.
        Where not all joins fit, those that are flagged go before those that should be seamless,
        and these before the others; the head says how many are left out.
    """
    pictures = [picture for row in rows for picture in (*row.frames.before, *row.frames.after)]
    wide = max((picture.shape[1] for picture in pictures), default=240)
    high = max((picture.shape[0] for picture in pictures), default=135)
    left = max((len(row.frames.before) for row in rows), default=3)
    right = max((len(row.frames.after) for row in rows), default=3)
    frames = (left + right) * (wide + _GAP) + _CUT
    row_height = max(high + _CAPTION, _LEAST_ROW) + 2 * _PAD
    drawn = _most_telling(rows, (_HIGHEST - _HEAD - _MARGIN) // (row_height + _GAP))
    size = (
        2 * _MARGIN + _NAMES + frames + _NUMBERS,
        _HEAD + max(len(drawn), 1) * (row_height + _GAP) + _MARGIN,
    )
    sheet = _Sheet(Image.new("RGB", size, _GROUND))
    sheet.head(title, rows, len(rows) - len(drawn))
    for number, row in enumerate(drawn):
        top = _HEAD + number * (row_height + _GAP)
        sheet.band(top, row_height)
        sheet.names((_MARGIN + _PAD, top + _PAD), row)
        cut = _MARGIN + _NAMES + left * (wide + _GAP) + _CUT // 2
        sheet.pictures((cut, top + _PAD), row, row_height - 2 * _PAD)
        sheet.numbers((_MARGIN + _NAMES + frames + _PAD, top + _PAD), row)
    return sheet.png()


def _most_telling(rows: Sequence[SeamRow], most: int) -> list[SeamRow]:
    """The joins that fit on the sheet, in film order."""
    ranked = sorted(range(len(rows)), key=lambda number: _rank(rows[number]))
    return [rows[number] for number in sorted(ranked[: max(most, 1)])]


def _rank(row: SeamRow) -> int:
    if row.flag:
        return 0
    return 1 if row.seamless else 2


class _Sheet:
    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self.draw = ImageDraw.Draw(image)
        self.large, self.body, self.small = (ImageFont.load_default(size) for size in (30, 18, 15))

    def png(self) -> bytes:
        buffer = io.BytesIO()
        self.image.save(buffer, format="PNG", optimize=False, compress_level=6)
        return buffer.getvalue()

    def head(self, title: str, rows: Sequence[SeamRow], left_out: int) -> None:
        flags = [row.flag for row in rows]
        facts = [f"{len(rows)} {'join' if len(rows) == 1 else 'joins'}"]
        facts += [
            f"{count} {name}{'s' if count > 1 else ''}"
            for name in ("jump", "repeat")
            if (count := flags.count(name))
        ]
        facts += [f"{left_out} left out here"] if left_out else []
        line = "   ".join(facts)
        room = self.image.width - 3 * _MARGIN - self.body.getlength(line)
        self.draw.text((_MARGIN, 24), self._cut_to(title, room, self.large), _TEXT, self.large)
        place = (self.image.width - _MARGIN, 34)
        self.draw.text(place, line, _QUIET, self.body, anchor="ra")

    def band(self, top: int, height: int) -> None:
        box = (_MARGIN, top, self.image.width - _MARGIN, top + height)
        self.draw.rounded_rectangle(box, radius=6, fill=_BAND)

    def names(self, at: At, row: SeamRow) -> None:
        room = _NAMES - 2 * _PAD
        lines = (
            (row.before, _QUIET, self.body),
            (row.after, _TEXT, self.body),
            (_kind(row), _TEXT, self.small),
            (_left_out(row), _QUIET, self.small),
        )
        for number, (text, colour, font) in enumerate(lines):
            place = (at[0], at[1] + number * _LINE)
            self.draw.text(place, self._cut_to(text, room, font), colour, font)

    def pictures(self, cut: At, row: SeamRow, height: int) -> None:
        x, y = cut
        for away, picture in enumerate(reversed(row.frames.before), 1):
            self._picture((x - _CUT / 2 - away * (picture.shape[1] + _GAP) + _GAP, y), picture)
        for away, picture in enumerate(row.frames.after):
            self._picture((x + _CUT / 2 + away * (picture.shape[1] + _GAP), y), picture)
        self._captions(cut, row)
        colour = _FLAGS[row.flag]
        self.draw.line((x, y - _PAD / 2, x, y + height + _PAD / 2), fill=colour, width=3)

    def numbers(self, at: At, row: SeamRow) -> None:
        x, y = at
        for name, right in zip(("luma", "red", "green", "blue", "dB"), _COLUMNS, strict=True):
            self.draw.text((x + right, y), name, _QUIET, self.small, anchor="ra")
        loud = _FLAGS[row.flag] if row.flag else _TEXT
        self._values((x, y + _LINE), "before", row.frames.step, _QUIET)
        self._values((x, y + 2 * _LINE), "join", row.frames.shown, loud)
        self._values((x, y + 3 * _LINE), "after", row.frames.following, _QUIET)
        self.draw.text((x, y + 4 * _LINE), _WORDS[row.flag], loud, self.small)
        if row.drift is not None:
            drift = row.drift
            text = f"drift from {row.anchor}: detail {drift.sharpness:.0%}"
            room = _COLUMNS[-1]
            place = (x, y + 5 * _LINE)
            self.draw.text(place, self._cut_to(text, room, self.small), _QUIET, self.small)
            self._levels((x, y + 6 * _LINE), "", drift, _QUIET)

    def _values(self, at: At, name: str, found: FrameDifference | None, colour: Colour) -> None:
        if found is None:
            self.draw.text(at, f"{name}  not known", colour, self.small)
            return
        self._levels(at, name, found, colour)
        place = (at[0] + _COLUMNS[-1], at[1])
        self.draw.text(place, f"{found.psnr:.1f}", colour, self.small, anchor="ra")

    def _levels(
        self, at: At, name: str, found: FrameDifference | ColourDrift, colour: Colour
    ) -> None:
        x, y = at
        self.draw.text(at, name, colour, self.small)
        sign = "+" if isinstance(found, ColourDrift) else ""
        texts = [f"{found.luma:{sign}.2f}"]
        texts += [f"{value:+.2f}" for value in (found.red, found.green, found.blue)]
        for text, right in zip(texts, _COLUMNS, strict=False):
            self.draw.text((x + right, y), text, colour, self.small, anchor="ra")

    def _picture(self, at: At, picture: RGB) -> None:
        self.image.paste(Image.fromarray(picture), (round(at[0]), round(at[1])))

    def _captions(self, cut: At, row: SeamRow) -> None:
        seam = row.frames
        below = cut[1] + seam.after[0].shape[0] + 5
        for text, away, anchor in (
            (f"frame {seam.cut - 1}", -_CUT / 2, "ra"),
            (f"{seam.cut}", _CUT / 2, "la"),
        ):
            self.draw.text((cut[0] + away, below), text, _QUIET, self.small, anchor=anchor)

    def _cut_to(self, text: str, room: float, font: Font) -> str:
        if font.getlength(text) <= room:
            return text
        while text and font.getlength(text + "...") > room:
            text = text[:-1]
        return text.rstrip() + "..."


def _left_out(row: SeamRow) -> str:
    if row.doubled:
        return f"{row.doubled} doubled frame{'s' if row.doubled > 1 else ''} left out"
    return "" if row.why == "cut" else "no frame left out"


def _kind(row: SeamRow) -> str:
    if row.why == "cut":
        return row.transition
    return row.why if row.transition == "cut" else f"{row.why}, {row.transition}"
