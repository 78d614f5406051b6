"""What is known of clips, for people: states, attempts, jobs, money, times, files.

Read from the records alone. Bodies and result URLs, which may be signed, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from prefect_videogen.errors import Billed
from prefect_videogen.handing import handed_by_clip
from prefect_videogen.plan import ClipState, PlannedClip
from prefect_videogen.records import Attempt, History
from prefect_videogen.settling import undecided_for
from prefect_videogen.studio import OpenStudio
from prefect_videogen.survey import Survey


class AttemptReport(BaseModel):
    """One attempt; times are seconds since 1970.

    Attributes:
        number: Its number.
        state: How far it has come.
        unknown: Whether its submission got no answer, and nobody is about to settle that.
        run: The flow run that claimed it, if there was one.
        job_id: The vendor's job id, if it was accepted.
        billed: Whether money was spent on it.
        charge: The vendor's own figures, where it gives any.
        claimed_at: When it was about to be sent.
        submitted_at: When the vendor's acceptance was recorded.
        started_at: When the vendor says that it began.
        finished_at: When the vendor says that it ended.
        ready_at: When it was seen to be ready.
        expires_at: When its result is gone from the vendor.
        stored_at: When the clip was stored.
        ended_at: When it ended without a clip.
        end: How it ended without a clip.
        error: The kind of error it ended with.
        code: The vendor's code for it.
        message: What the vendor said, or what was noted.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    state: ClipState
    unknown: bool = False
    run: str = ""
    job_id: str | None = None
    billed: Billed
    charge: dict[str, Any] | None = None
    claimed_at: float | None = None
    submitted_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    ready_at: float | None = None
    expires_at: float | None = None
    stored_at: float | None = None
    ended_at: float | None = None
    end: str = ""
    error: str = ""
    code: str | None = None
    message: str = ""


class ClipReport(BaseModel):
    """Everything known of one clip.

    Attributes:
        shot: Id of the shot, or of the take in a plan.
        key: Its key; None as long as a shot before it has to be made first.
        vendor: Vendor's label.
        model: Model id.
        state: How far it has come.
        after: The shots that its key waits for, as it starts on a frame of theirs.
        attempts: Its attempts.
        files: Its objects in the media store, as paths.
    """

    model_config = ConfigDict(frozen=True)

    shot: str
    key: str | None
    vendor: str
    model: str
    state: ClipState
    after: tuple[str, ...] = ()
    attempts: tuple[AttemptReport, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def unknown(self) -> bool:
        """Whether nobody knows if the vendor made it."""
        return bool(self.attempts) and self.attempts[-1].unknown


async def inspect_key(studio: OpenStudio, key: str) -> ClipReport:
    """Read all that is known under a key.

    Args:
        studio: The open studio.
        key: The whole key.

    Raises:
        RecordError: If a record can't be read or makes no sense.
    """
    history = await studio.records.history(key)
    claimed = history.latest.claimed if history.latest else None
    return ClipReport(
        shot=claimed.shot if claimed else "",
        key=key,
        vendor=claimed.vendor if claimed else "",
        model=claimed.model if claimed else "",
        state=history.state,
        attempts=await _attempts(studio, history),
        files=tuple(await studio.store.list(f"clips/{key}")),
    )


async def inspect_board(studio: OpenStudio, surveyed: Survey) -> list[ClipReport]:
    """Read all that is known of a storyboard's clips, and of fallbacks that were tried.

    Args:
        studio: The open studio.
        surveyed: The storyboard's survey.

    Raises:
        StoryboardError: With all faults of the storyboard.
        RecordError: If a record can't be read or makes no sense.
    """
    reports: list[ClipReport] = []
    digests = surveyed.digests
    plan = surveyed.check()
    for clip in plan.clips:
        options: Sequence[PlannedClip] = (clip, *clip.fallback)
        for number, option in enumerate(options):
            key = option.key_with(digests, studio.model(option))
            report = await _planned(studio, clip.id, option, key)
            if number == 0 or report.attempts:
                reports.append(report)
            if key and report.state == "stored":
                stored = (await studio.records.history(key)).stored
                if stored and stored.stored and clip.id in plan.hands_over:
                    digests[clip.id] = (
                        await handed_by_clip(studio.store, stored.stored, clip.handing, keep=False)
                    ).sha256
    return reports


async def _planned(studio: OpenStudio, name: str, clip: PlannedClip, key: str | None) -> ClipReport:
    if key:
        found = await inspect_key(studio, key)
        about = {"shot": name, "vendor": clip.vendor, "model": clip.model}
        return found.model_copy(update=about)
    return ClipReport(
        shot=name,
        key=None,
        vendor=clip.vendor,
        model=clip.model,
        state="new",
        after=clip.depends_on,
    )


async def _attempts(studio: OpenStudio, history: History) -> tuple[AttemptReport, ...]:
    latest = history.latest
    unknown = latest is not None and await _is_unknown(studio, history.key, latest)
    found = (_attempt(attempt) for attempt in history.attempts)
    return tuple(
        report.model_copy(update={"unknown": True})
        if unknown and report.state == "claimed"
        else report
        for report in found
    )


async def _is_unknown(studio: OpenStudio, key: str, attempt: Attempt) -> bool:
    if attempt.claimed is None or attempt.state != "claimed":
        return False
    repeated = await studio.records.repetition(key, attempt.number)
    return undecided_for(studio, attempt.claimed, repeated) <= 0


def _attempt(attempt: Attempt) -> AttemptReport:
    claimed, submitted = attempt.claimed, attempt.submitted
    ready, stored, end = attempt.ready, attempt.stored, attempt.end
    return AttemptReport(
        number=attempt.number,
        state=attempt.state,
        run=claimed.run if claimed else "",
        job_id=attempt.job_id or (end.job_id if end else None),
        billed=billed_of(attempt),
        charge=ready.charge if ready else None,
        claimed_at=claimed.at if claimed else None,
        submitted_at=submitted.at if submitted else None,
        started_at=ready.started_at if ready else None,
        finished_at=ready.finished_at if ready else None,
        ready_at=ready.at if ready else None,
        expires_at=ready.expires_at if ready else None,
        stored_at=stored.at if stored else None,
        ended_at=end.at if end else None,
        end=end.kind if end else "",
        error=end.error if end else "",
        code=end.code if end else None,
        message=end.message if end else "",
    )


def billed_of(attempt: Attempt) -> Billed:
    """Whether money was spent on an attempt; one given up counts as paid once its job is known."""
    if attempt.end and not (attempt.end.kind == "abandoned" and attempt.submitted):
        return attempt.end.billed
    return "yes" if attempt.submitted else "unknown"
