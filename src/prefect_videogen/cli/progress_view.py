"""Progress on a terminal: a live line per shot; plain lines, one a change, anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from prefect_videogen.progress import Progress, ShotState, listening

STYLES: dict[ShotState, str] = {
    "waiting": "dim",
    "pictures": "cyan",
    "buying": "cyan",
    "running": "yellow",
    "downloading": "blue",
    "done": "green",
    "failed": "bold red",
    "stitching": "magenta",
}
ENDED = frozenset({"done", "failed"})
FILM = "film"


@dataclass
class _Line:
    """What is shown of one shot."""

    state: ShotState
    detail: str
    expected: tuple[float, float] | None
    began: float
    since: float
    ended: float | None = None


class ProgressView:
    """Shows progress as it is told.

    Args:
        console: Where to show it.
        clock: Gives seconds that only ever grow.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self.clock = clock
        self.lines: dict[str, _Line] = {}
        self.began = clock()

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Listen and show until the block ends."""
        self.began = self.clock()
        if not self.console.is_terminal:
            with listening(self.plain):
                yield
            return
        with (
            Live(get_renderable=self.table, console=self.console, refresh_per_second=4),
            listening(self.live),
        ):
            yield

    @property
    def running(self) -> list[str]:
        """What runs elsewhere and would go on without us: each shot with its job."""
        return [
            f"{name} ({line.detail})"
            for name, line in self.lines.items()
            if line.state == "running"
        ]

    def live(self, change: Progress) -> None:
        """Remember a change; the live table shows it."""
        self.note(change)

    def note(self, change: Progress) -> bool:
        """Remember a change; says whether it is one."""
        now, name = self.clock(), change.shot or FILM
        old = self.lines.get(name)
        if old and (old.state, old.detail) == (change.state, change.detail):
            return False
        self.lines[name] = _Line(
            state=change.state,
            detail=change.detail,
            expected=change.expected,
            began=old.began if old else now,
            since=now,
            ended=now if change.state in ENDED else None,
        )
        return True

    def plain(self, change: Progress) -> None:
        """Print a change as one line of text."""
        if not self.note(change):
            return
        name = change.shot or FILM
        line = self.lines[name]
        parts = [f"{line.since - self.began:6.1f} s", f"{name:<14}", change.state]
        if change.detail:
            parts.append(change.detail)
        if change.expected and any(change.expected):
            parts.append(f"(expected {_span(change.expected)})")
        self.console.print("  ".join(parts), markup=False, highlight=False, soft_wrap=True)

    def table(self) -> Table:
        """The state of all shots as a table."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("shot", "state", "elapsed", "expected", ""):
            table.add_column(title, justify="right" if title == "elapsed" else "left")
        for name, line in self.lines.items():
            elapsed = (line.ended or self.clock()) - line.began
            expected = _span(line.expected) if line.expected and line.ended is None else ""
            table.add_row(
                Text(name),
                Text(line.state, style=STYLES[line.state]),
                f"{elapsed:.0f} s",
                expected,
                Text(line.detail),
            )
        return table


def _span(expected: tuple[float, float]) -> str:
    low, high = expected
    return f"{low:.0f}-{high:.0f} s" if high >= 10 else f"{low:.1f}-{high:.1f} s"  # noqa: PLR2004
