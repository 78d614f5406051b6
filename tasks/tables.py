"""Plans, batches and what was collected as Markdown tables: pure text, without any URL.

A film's shots are `shot_table`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prefect_videogen.batching import Batch, BatchEntry
from prefect_videogen.collecting import Collected, Found
from prefect_videogen.plan import (
    Plan,
    PlannedClip,
    PlannedFootage,
    in_film_order,
    told_length,
)


def plan_table(plan: Plan) -> str:
    """A plan as Markdown: what each shot is, whether it is bought already, and what it costs."""
    rows = [_plan_row(shot) for shot in in_film_order(plan)]
    head = ("shot", "model", "mode", "length", "waits", "state", "price")
    costs = " + ".join(str(money) for money in plan.totals) or "nothing priced"
    lines = [
        f"# Plan: {plan.title or plan.slug}",
        "",
        *table_lines(head, rows),
        "",
        f"To buy: {len(plan.to_buy)} of {len(plan.clips)} clips, {costs}"
        + (f", {plan.unpriced} unpriced" if plan.unpriced else "")
        + f". Expected time: {plan.seconds:.0f} s.",
    ]
    if plan.notes:
        lines += ["", *(f"- {note}" for note in plan.notes)]
    return "\n".join(lines)


def _plan_row(shot: PlannedClip | PlannedFootage) -> tuple[str, ...]:
    length = told_length(shot)
    if isinstance(shot, PlannedFootage):
        return (shot.id, "", shot.kind, length, "", "own footage", "")
    return (
        shot.id,
        shot.model,
        shot.mode,
        length,
        "after " + ", ".join(shot.depends_on) if shot.depends_on else "",
        shot.standing,
        str(shot.price) if shot.price else "unpriced",
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
            f"`{entry.path}`" if entry.path else cell(f"{entry.reason}. {entry.next_step}"),
        )
        for outcome, entries in _by_outcome(collected)
        for entry in entries
    ]
    head = ("state", "shot", "model", "job", "billed", "key", "what")
    other = f"\n\n{collected.elsewhere} more of other accounts." if collected.elsewhere else ""
    runs = "".join(f"\n\nRun `{run}` was resumed." for run in collected.resumed)
    late = "".join(
        f"\n\nNobody has answered the review of run `{run}` in time; it goes on."
        for run in collected.answered
    )
    freed = "".join(
        f"\n\n{entry.amount} that run `{entry.run}` had set aside in the budget {entry.budget} "
        "are free again."
        for entry in collected.freed
    )
    return "# Collected\n\n" + "\n".join(table_lines(head, rows)) + runs + late + freed + other


def batch_table(batch: Batch) -> str:
    """A batch as Markdown: each storyboard's film or the reason, and what it cost."""
    rows = [
        (
            cell(entry.storyboard),
            entry.state,
            str(entry.bought),
            " + ".join(str(money) for money in entry.estimate),
            f"`{entry.run}`" if entry.run else "",
            cell(_film_of(entry)),
        )
        for entry in batch.entries
    ]
    head = ("storyboard", "state", "bought", "estimate", "run", "film")
    made = len(batch.entries) - len(batch.failed)
    table = "\n".join(table_lines(head, rows))
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


def table_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    ruler = ["---"] * len(head)
    return ["| " + " | ".join(row) + " |" for row in (head, ruler, *rows)]


def cell(text: str) -> str:
    """Text as it may stand in a table: in one line, and ending no cell."""
    return text.replace("|", "\\|").replace("\n", " ")
