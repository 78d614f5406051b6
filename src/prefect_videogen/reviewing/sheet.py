"""A review's question for people, as Markdown. Pure; no address in it carries a credential."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from prefect_videogen.reviewing.model import Question, Shown

LONGEST_PROMPT = 160
MOST_SHOTS = 200
"""A form with more is slow to open; the film's page shows them all."""

_HEAD = ("shot", "first and last frame", "prompt", "take", "once more", "clip")


def review_sheet(
    question: Question, link: Callable[[str], str], media: str, strips: Mapping[str, str]
) -> str:
    """What the reviewer sees above the form: every shot with what there is to see and its price.

    Args:
        question: What is asked.
        link: Gives the lasting address of an object of the media store; empty where it has none.
        media: Address of the media store.
        strips: Path of a clip to the data URL of a small picture of it.
    """
    lines = [_opening(question, link), ""]
    if question.refused:
        quoted = question.refused.replace("\n", "\n> ")
        lines += ["**The answer before this could not be carried out:**", "", f"> {quoted}", ""]
    rows = [_row(shot, link, strips) for shot in question.shots[:MOST_SHOTS]]
    lines += ["| " + " | ".join(row) + " |" for row in (_HEAD, ["---"] * len(_HEAD), *rows)]
    if len(question.shots) > MOST_SHOTS:
        lines += ["", f"And {len(question.shots) - MOST_SHOTS} shots more."]
    lines += ["", *_closing(question, link, media)]
    return "\n".join(lines)


def _opening(question: Question, link: Callable[[str], str]) -> str:
    title = _text(question.title) or "The film"
    if question.kind == "shots":
        count = sum(bool(shot.key) and not shot.approved for shot in question.shots)
        clips = "1 clip waits" if count == 1 else f"{count} clips wait"
        return f"**{title}**: {clips} for approval. Nothing is joined or chained to them before."
    page, film = _see(question.page, "its page", link), _see(question.film, "the film", link)
    return f"**{title}** is made: {question.seconds:.1f} s. Look at {page} or {film}."


def _row(shot: Shown, link: Callable[[str], str], strips: Mapping[str, str]) -> Sequence[str]:
    if shot.instead:
        see = _text(shot.instead)
    else:
        see = _see(shot.path, "clip", link)
        see += "".join(f", {_see(path, f'take {n}', link)}" for n, path in shot.takes.items())
        see += " (approved)" if shot.approved else ""
    return (
        shot.shot,
        _pictures(shot, strips),
        _text(shot.prompt),
        _text(shot.take),
        _price(shot),
        see,
    )


def _pictures(shot: Shown, strips: Mapping[str, str]) -> str:
    """The clip, and the takes that may be used instead."""
    found = [f"![{shot.shot}]({strips[shot.path]})"] if shot.path in strips else []
    found += [
        f"take {_text(take)}: ![{shot.shot}, take {_text(take)}]({strips[path]})"
        for take, path in shot.takes.items()
        if path in strips
    ]
    return " ".join(found)


def _price(shot: Shown) -> str:
    """What another take costs, and a new prompt where that buys several."""
    if shot.price is None:
        return "unpriced"
    if shot.count == 1:
        return str(shot.price)
    every = shot.price.model_copy(update={"amount": shot.price.amount * shot.count})
    return f"{shot.price}, new prompt {every}"


def _closing(question: Question, link: Callable[[str], str], media: str) -> list[str]:
    lines = []
    if not link("x"):
        lines.append(f"All paths lie in `{media}`; a view URL on the media store makes them links.")
    if question.after:
        what = "approved" if question.then == "approve" else "rejected"
        minutes = f"{question.after / 60:g}"
        lines.append(f"If nobody answers within {minutes} minutes, this counts as {what}.")
    return ["", *lines] if lines else []


def _see(path: str, name: str, link: Callable[[str], str]) -> str:
    address = link(path)
    return f"[{name}]({address})" if address else f"{name} `{path}`"


def _text(text: str) -> str:
    """Text from elsewhere in a cell: on one line, not too long, and without meaning in Markdown."""
    line = " ".join(text.split())
    line = line if len(line) <= LONGEST_PROMPT else f"{line[: LONGEST_PROMPT - 3]}..."
    return re.sub(r"([\\`*_\[\]<>|!#~])", r"\\\1", line)
