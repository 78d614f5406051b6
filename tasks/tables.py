"""Plans and films as Markdown tables: pure text, without URLs that carry a credential."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prefect_videogen.batching import Batch, BatchEntry
from prefect_videogen.collecting import Collected, Found
from prefect_videogen.filming import Film
from prefect_videogen.plan import Plan
from prefect_videogen.spending import money_lines


def plan_table(plan: Plan) -> str:
    """A plan as Markdown: what each shot is, whether it is bought already, and what it costs."""
    rows = [
        (
            clip.id,
            clip.model,
            clip.mode,
            f"{clip.seconds:g} s",
            "after " + ", ".join(clip.depends_on) if clip.depends_on else "",
            clip.standing,
            str(clip.price) if clip.price else "unpriced",
        )
        for clip in plan.clips
    ]
    rows += [
        (shot.id, "", shot.kind, f"{shot.seconds:g} s", "", "own footage", "")
        for shot in plan.footage
    ]
    head = ("shot", "model", "mode", "length", "waits", "state", "price")
    costs = " + ".join(str(money) for money in plan.totals) or "nothing priced"
    lines = [
        f"# Plan: {plan.title or plan.slug}",
        "",
        *_table(head, rows),
        "",
        f"To buy: {len(plan.to_buy)} of {len(plan.clips)} clips, {costs}"
        + (f", {plan.unpriced} unpriced" if plan.unpriced else "")
        + f". Expected time: {plan.seconds:.0f} s.",
    ]
    if plan.notes:
        lines += ["", *(f"- {note}" for note in plan.notes)]
    return "\n".join(lines)


def film_table(film: Film) -> str:
    """A film's shots as Markdown, with what is missing and why."""
    rows: list[Sequence[str]] = [
        (
            clip.shot,
            clip.how,
            clip.model,
            f"{clip.probe.seconds:.2f} s",
            f"{clip.ready_at - clip.submitted_at:.0f} s" if clip.ready_at else "",
            f"`{clip.job_id}`",
            f"`{clip.path}`",
        )
        for clip in film.clips
    ]
    rows += [
        (m.shot, m.error, "", "", "", f"`{m.job_id}`" if m.job_id else "", _cell(m.reason))
        for m in film.missing
    ]
    head = ("shot", "state", "model", "length", "wait", "job", "where")
    made = f"`{film.path}`, {film.frames} frames, {film.seconds:.2f} s" if film.path else "not made"
    sandbox = "\n\nMade with sandbox clips." if film.sandbox else ""
    table = "\n".join(_table(head, rows))
    money = "".join(f"\n\n{_cell(line)}." for line in money_lines(film.money))
    page = f" Its page: `{film.page}`." if film.page else ""
    warnings = "".join(f"\n\n{_cell(warning)}." for warning in film.warnings)
    return (
        f"# {film.title or film.slug}\n\n{table}\n\nFilm: {made}.{page}{warnings}{money}{sandbox}"
    )


def collected_table(collected: Collected) -> str:
    """What was collected as Markdown: each job, what became of it, and what to do."""
    rows = [
        (
            outcome,
            entry.shot,
            entry.model,
            f"`{entry.job_id}`" if entry.job_id else "",
            entry.billed,
            f"`{entry.key[:12]}`",
            f"`{entry.path}`" if entry.path else _cell(f"{entry.reason}. {entry.next_step}"),
        )
        for outcome, entries in _by_outcome(collected)
        for entry in entries
    ]
    head = ("state", "shot", "model", "job", "billed", "key", "what")
    other = f"\n\n{collected.elsewhere} more of other accounts." if collected.elsewhere else ""
    runs = "".join(f"\n\nRun `{run}` was resumed." for run in collected.resumed)
    return "# Collected\n\n" + "\n".join(_table(head, rows)) + runs + other


def batch_table(batch: Batch) -> str:
    """A batch as Markdown: each storyboard's film or the reason, and what it cost."""
    rows = [
        (
            _cell(entry.storyboard),
            entry.state,
            str(entry.bought),
            " + ".join(str(money) for money in entry.estimate),
            f"`{entry.run}`" if entry.run else "",
            _cell(_film_of(entry)),
        )
        for entry in batch.entries
    ]
    head = ("storyboard", "state", "bought", "estimate", "run", "film")
    made = len(batch.entries) - len(batch.failed)
    table = "\n".join(_table(head, rows))
    return f"# Batch {batch.name}\n\n{table}\n\n{made} of {len(batch.entries)} made."


def _film_of(entry: BatchEntry) -> str:
    film = f"`{entry.path}`, {entry.frames} frames" if entry.path else ""
    gaps = f"without {', '.join(entry.missing)}" if entry.missing else ""
    return ", ".join(text for text in (film, gaps, entry.reason) if text)


def _by_outcome(collected: Collected) -> list[tuple[str, tuple[Found, ...]]]:
    return [
        ("lost", collected.lost),
        ("unknown", collected.unknown),
        ("troubled", collected.troubled),
        ("failed", collected.failed),
        ("fetched", collected.fetched),
        ("running", collected.running),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    ruler = ["---"] * len(head)
    return ["| " + " | ".join(row) + " |" for row in (head, ruler, *rows)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
