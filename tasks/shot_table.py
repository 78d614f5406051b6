"""The table of a film's shots, while they are made and afterwards: pure text.

Addresses in it are paths in the media store or links that last, never signed ones. Its size is
bounded, however many shots there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from prefect_videogen.buying import Job
from prefect_videogen.fetching import Clip
from prefect_videogen.filming import Film, Missing
from prefect_videogen.plan import Money, PlannedClip
from prefect_videogen.progress import Progress, ShotState
from prefect_videogen.spending import money_lines
from prefect_videogen.tasks.tables import cell, table_lines

MOST_ROWS = 100
"""Shots that are always shown; of the others only those that failed."""

MOST_FAILED = 50
LONGEST_CELL = 300
HEAD = ("shot", "state", "model", "length", "cost", "wait", "job", "clip")

Link = Callable[[str], str]
"""Gives the address of a path in the media store, or nothing."""


def no_link(_path: str) -> str:
    """Link to nothing: the media store is not served to browsers."""
    return ""


@dataclass
class ShotLine:
    """What is known of a shot so far.

    Attributes:
        name: Its name in the plan.
        model: Model that makes it.
        seconds: Its length.
        price: Its estimated price; None is unpriced.
        state: What is happening to it.
        detail: More about that.
        expected: Shortest and longest expected seconds of that.
        job: Its job.
        clip: Its clip.
        missing: Why it has no clip.
    """

    name: str
    model: str = ""
    seconds: float = 0
    price: Money | None = None
    state: ShotState = "waiting"
    detail: str = ""
    expected: tuple[float, float] | None = None
    job: Job | None = None
    clip: Clip | None = None
    missing: Missing | None = None

    @classmethod
    def planned(cls, clip: PlannedClip) -> Self:
        """The line of a shot that nothing has happened to."""
        return cls(clip.id, model=clip.model, seconds=clip.seconds, price=clip.price)

    def take(self, change: Progress) -> None:
        """Take over what is told of the shot."""
        self.state, self.detail, self.expected = change.state, change.detail, change.expected
        if isinstance(change.about, Job):
            self.job, self.model = change.about, change.about.model
        elif isinstance(change.about, Clip):
            self.clip, self.model = change.about, change.about.model
        elif isinstance(change.about, Missing):
            self.missing = change.about

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in {"done", "failed"}

    def row(self, link: Link) -> tuple[str, ...]:
        """Its cells."""
        seconds = self.clip.probe.seconds if self.clip else self.seconds
        job = self._job_id()
        return (
            cell(self.name),
            self._state(),
            cell(self.model),
            f"{seconds:.2f} s" if self.clip else f"{seconds:g} s" if seconds else "",
            self._cost(),
            self._wait(),
            f"`{job}`" if job else "",
            self._where(link),
        )

    def _state(self) -> str:
        if self.clip:
            return self.clip.how
        return self.missing.error if self.missing else self.state

    def _job_id(self) -> str:
        if self.missing:
            return self.missing.job_id or ""
        known = self.clip or self.job
        return known.job_id if known else ""

    def _cost(self) -> str:
        price = str(self.price) if self.price else ""
        if self.missing:
            unsure = "may be billed"
            return {"no": "", "yes": price or "billed", "unknown": unsure}[self.missing.billed]
        known = self.clip or self.job
        if known and known.how != "bought":
            return "paid before"
        credit = (self.clip.charge or {}).get("credits_used") if self.clip else None
        return f"{credit:g} credits" if isinstance(credit, int | float) else price

    def _wait(self) -> str:
        clip = self.clip
        if clip and clip.ready_at and clip.how != "reused":
            return f"{clip.ready_at - clip.submitted_at:.0f} s"
        if self.ended or not self.expected or not self.expected[1]:
            return ""
        return "expected {:.0f} to {:.0f} s".format(*self.expected)

    def _where(self, link: Link) -> str:
        if self.clip:
            address = link(self.clip.path)
            return f"[clip]({address})" if address else f"`{self.clip.path}`"
        if self.missing:
            return cell(self.missing.reason[:LONGEST_CELL])
        shown = self.state in {"waiting", "failed"}
        return cell(self.detail[:LONGEST_CELL]) if shown else ""


def lines_of(film: Film) -> list[ShotLine]:
    """The lines of a finished film of which nothing else is known."""
    lines = [ShotLine(clip.shot, model=clip.model, state="done", clip=clip) for clip in film.clips]
    lines += [ShotLine(gap.shot, state="failed", missing=gap) for gap in film.missing]
    return lines


def running_table(title: str, lines: Sequence[ShotLine], link: Link = no_link) -> str:
    """The shots of a film that is being made, as Markdown."""
    return f"# {title}\n\n{_summary(lines)}\n\n" + "\n".join(_shown(lines, link))


def film_table(film: Film, lines: Sequence[ShotLine] | None = None, link: Link = no_link) -> str:
    """A film's shots as Markdown, with what is missing and why.

    Args:
        film: The film.
        lines: Its shots, as they were told of while it was made; else what the film says.
        link: Where an object of the media store is opened, if anywhere.
    """
    lines = lines_of(film) if lines is None else lines
    texts = [f"# {film.title or film.slug}", _summary(lines), "\n".join(_shown(lines, link))]
    texts.append(_made(film, link))
    texts += [f"{cell(warning)}." for warning in film.warnings]
    texts += [f"{cell(line)}." for line in money_lines(film.money)]
    if film.sandbox:
        texts.append("Made with sandbox clips.")
    return "\n\n".join(texts)


def percent_done(lines: Sequence[ShotLine], film: Film | None = None) -> float:
    """How far a film is, from 0 to 100: every shot counts the same, and so does the stitching."""
    if film and film.path:
        return 100.0
    return float(100 * sum(line.ended for line in lines) // (len(lines) + 1))


def _made(film: Film, link: Link) -> str:
    if not film.path:
        return "Film: not made."
    size = f"{film.frames} frames, {film.seconds:.2f} s"
    address, page = link(film.path), link(film.page)
    if address:
        return f"Film: [{film.slug}.mp4]({address}), {size}. [Its page]({page})."
    return f"Film: `{film.path}`, {size}. Its page: `{film.page}`."


def _summary(lines: Sequence[ShotLine]) -> str:
    counts = Counter(line.state for line in lines)
    others = [f"{count} {state}" for state, count in counts.items() if state != "done"]
    return ", ".join([f"{counts['done']} of {len(lines)} clips are there", *others]) + "."


def _shown(lines: Sequence[ShotLine], link: Link) -> list[str]:
    rest = lines[MOST_ROWS:]
    failed = [line for line in rest if line.state == "failed"][:MOST_FAILED]
    shown = [*lines[:MOST_ROWS], *failed]
    texts = table_lines(HEAD, [line.row(link) for line in shown])
    if len(shown) < len(lines):
        texts += ["", f"{len(lines) - len(shown)} more are not shown."]
    return texts
