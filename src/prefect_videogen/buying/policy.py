"""What the end of an attempt means for this run and for later ones: one table.

Pure. Money is only ever spent again where the vendor certainly did not accept, where its own
job failed for a passing reason, or where a person said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from prefect_videogen import errors
from prefect_videogen.errors import VendorError
from prefect_videogen.records import End, EndKind

MOST_JOBS = 3
"""Jobs that may be accepted for one key, in all runs together."""


class Next(Enum):
    """What happens after an attempt has ended."""

    AGAIN = "attempt n+1"
    STOP = "stop the shot and say what to do"
    FALLBACK = "the next fallback model, or stop"
    UNKNOWN = "unknown: nothing is bought until it is settled"
    IF_TOLD = "attempt n+1 only with on_expired=rebuy"


@dataclass(frozen=True)
class Verdict:
    """One row: the record that ends the attempt, then this run, then a later run.

    Attributes:
        end: Kind of the end record; None leaves the attempt open.
        now: What this run does.
        later: What a later run does.
    """

    end: EndKind | None
    now: Next
    later: Next


VERDICTS: Mapping[type[VendorError], Verdict] = {
    errors.NotSent: Verdict("not-sent", Next.AGAIN, Next.AGAIN),
    errors.Throttled: Verdict("throttled", Next.AGAIN, Next.AGAIN),
    errors.ContentRefused: Verdict("refused", Next.FALLBACK, Next.FALLBACK),
    errors.BadParameters: Verdict("refused", Next.FALLBACK, Next.FALLBACK),
    errors.NoCredits: Verdict("refused", Next.STOP, Next.AGAIN),
    errors.KeyRefused: Verdict("refused", Next.STOP, Next.AGAIN),
    errors.ModelUnavailable: Verdict("refused", Next.STOP, Next.AGAIN),
    errors.InputUnreachable: Verdict("refused", Next.STOP, Next.AGAIN),
    errors.Unavailable: Verdict("refused", Next.STOP, Next.AGAIN),
    errors.SubmissionUnknown: Verdict(None, Next.UNKNOWN, Next.UNKNOWN),
    errors.JobFailed: Verdict("failed", Next.STOP, Next.STOP),
    errors.ResultExpired: Verdict("expired", Next.STOP, Next.IF_TOLD),
}
"""By error class; `JobFailed` with a transient code is the one refinement, below."""

_STEPS: Mapping[Next, str] = {
    Next.AGAIN: "Once the reason is mended, run again: it is bought anew.",
    Next.STOP: "Change the shot, or raise its take to ask for the same again.",
    Next.FALLBACK: "Change the shot, or raise its take to ask for the same again.",
    Next.IF_TOLD: "It was paid; run again with on_expired=rebuy to buy it once more.",
}
"""What a person can do about an end, by what a later run does by itself."""

_PASSING = Verdict("failed", Next.AGAIN, Next.AGAIN)
_ABANDONED = Verdict("abandoned", Next.AGAIN, Next.AGAIN)


def verdict_on(error: VendorError) -> Verdict:
    """Look an error up; a class of its own counts as the nearest one above it."""
    if isinstance(error, errors.JobFailed) and error.transient:
        return _PASSING
    for kind in type(error).__mro__:
        if kind in VERDICTS:
            return VERDICTS[kind]
    return VERDICTS[errors.SubmissionUnknown]


def verdict_on_end(end: End) -> Verdict:
    """Look a recorded end up, for a later run."""
    if end.kind == "abandoned":
        return _ABANDONED
    return verdict_on(_plain_error_of(end))


def error_of(end: End, shot: str | None = None) -> VendorError:
    """Make the error of a recorded end again, with what a person can do about it."""
    error = _plain_error_of(end, shot)
    error.next_step = _STEPS.get(verdict_on_end(end).later, "")
    return error


def _plain_error_of(end: End, shot: str | None = None) -> VendorError:
    kind = getattr(errors, end.error, errors.JobFailed)
    if not (isinstance(kind, type) and issubclass(kind, VendorError)):
        kind = errors.JobFailed
    return kind(
        end.message or f"the attempt ended: {end.kind}",
        code=end.code,
        transient=end.transient,
        billed=end.billed,
        job_id=end.job_id,
        shot=shot,
    )


def end_of(error: VendorError, kind: EndKind, at: float, job_id: str | None = None) -> End:
    """Make the record that ends an attempt."""
    return End(
        at=at,
        kind=kind,
        error=type(error).__name__,
        message=error.message,
        code=error.code,
        transient=error.transient,
        billed=error.billed,
        job_id=job_id or error.job_id,
    )


def table_of_verdicts() -> str:
    """The policy as a Markdown table, for the documentation."""
    head = ("what happened", "error", "recorded as", "this run", "a later run")
    rows: list[tuple[str, ...]] = [head, ("---",) * len(head)]
    rows += [_row(kind, kind.__name__, verdict) for kind, verdict in VERDICTS.items()]
    rows.append(_row(errors.JobFailed, "JobFailed, passing reason", _PASSING))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _row(kind: type[VendorError], name: str, verdict: Verdict) -> tuple[str, ...]:
    meaning = (kind.__doc__ or "").strip().splitlines()[0]
    return (meaning, f"`{name}`", verdict.end or "-", verdict.now.value, verdict.later.value)
