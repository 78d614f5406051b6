"""The page a film leaves behind: one file that shows the film and how it was made.

Promises that it opens from disk, from any folder it is copied to together with its film, and
asks for nothing but the media beside it; every text in it is escaped, and its own policy
shuts out whatever it did not bring along. Leaves the words to `facts`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from importlib.resources import files
from itertools import zip_longest
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from prefect_videogen.filming import facts
from prefect_videogen.filming.facts import Fact, JoinWords
from prefect_videogen.filming.manifest import Manifest, ShotEntry

STORE = "../../.."
"""The media store, seen from a film's folder."""


def page(
    manifest: Manifest,
    *,
    frames: Mapping[str, bytes],
    seams: bytes | None,
    film: str = "film.mp4",
) -> str:
    """Write a film's page.

    Args:
        manifest: How the film was made.
        frames: JPEGs of the shots by `<shot id>/first` and `<shot id>/last`; a missing one
            leaves its place empty.
        seams: The seam sheet as PNG; None leaves it out.
        film: Path of the film as seen from the page.

    Returns:
        HTML.
    """
    cards = list(_cards(manifest, frames))
    style = _own("page.css") + _strip_columns(cards)
    script = _own("page.js")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_own("page.html.j2")).render(
        manifest=manifest,
        film=_address(film),
        variants=[(variant, _address(variant.path)) for variant in manifest.film.variants],
        cards=cards,
        facts=facts.film_facts(manifest),
        made_at=facts.moment(manifest.made_at),
        settings=json.dumps(manifest.film.settings, indent=2, ensure_ascii=False),
        seams=_data("png", seams),
        policy=_policy(style, script),
        style=Markup(style),  # noqa: S704 - the package's own file and whole numbers
        script=Markup(script),  # noqa: S704 - the package's own file
    )


@dataclass(frozen=True)
class _Card:
    """A shot as the page shows it.

    Attributes:
        shot: The shot.
        number: Its place in the film, from 1.
        begins: Where to start playing, in seconds: half a frame in, so that rounding can't
            show the frame before.
        ends: Where to stop, in seconds.
        place: Where it starts, in words.
        length: How long it is, in words.
        columns: Film frames until the next one starts.
        first: Its first picture as an address, or empty.
        last: Its last picture, likewise.
        address: Its file, or empty.
        facts: What everybody wants to know.
        details: The rest.
        join: How it follows the one before.
        warning: What is wrong with its end; empty if nothing.
    """

    shot: ShotEntry
    number: int
    begins: float
    ends: float
    place: str
    length: str
    columns: int
    first: str
    last: str
    address: str
    facts: list[Fact]
    details: list[Fact]
    join: JoinWords
    warning: str


def _cards(manifest: Manifest, frames: Mapping[str, bytes]) -> Iterator[_Card]:
    fps = Fraction(manifest.film.fps)
    shots = manifest.shots
    for number, (shot, following) in enumerate(zip_longest(shots, shots[1:]), 1):
        end = following.start_frame if following else manifest.film.frames
        yield _Card(
            shot=shot,
            number=number,
            begins=round(float((shot.start_frame + Fraction(1, 2)) / fps), 4),
            ends=round(float((shot.start_frame + shot.frames) / fps), 4),
            place=facts.clock(float(shot.start_frame / fps)),
            length=f"{float(shot.frames / fps):.2f} s",
            columns=max(end - shot.start_frame, 1),
            first=_data("jpeg", frames.get(f"{shot.id}/first")),
            last=_data("jpeg", frames.get(f"{shot.id}/last")),
            address=_address(f"{STORE}/{shot.path}") if shot.path else "",
            facts=facts.shot_facts(shot),
            details=facts.file_facts(shot),
            join=facts.join_words(shot.join, fps),
            warning=facts.tail_warning(shot),
        )


def _own(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _strip_columns(cards: list[_Card]) -> str:
    """Lay the strip out to scale; the policy allows no style attributes."""
    columns = " ".join(f"minmax(0,{card.columns}fr)" for card in cards)
    return f".strip{{grid-template-columns:{columns}}}\n"


def _policy(style: str, script: str) -> str:
    """Write what the page may load: itself, pictures in it, and media beside it.

    From disk `'self'` is not the same in every browser, hence `file:`; a page from a server
    can't load that anyway.
    """
    return (
        "default-src 'none'; img-src data:; media-src 'self' file:;"
        f" style-src {_hash(style)}; script-src {_hash(script)};"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _data(kind: str, picture: bytes | None) -> str:
    return f"data:image/{kind};base64,{b64encode(picture).decode()}" if picture else ""


def _address(path: str) -> str:
    """Write a relative path as a link that can't be taken for anything else."""
    return quote(path if path.startswith("../") else f"./{path}")
