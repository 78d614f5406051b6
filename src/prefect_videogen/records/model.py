"""What is written down about a clip: one small record for each step of each attempt.

Every record is created once and never changed. Times are seconds since 1970, UTC.
"""

from __future__ import annotations

import uuid
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prefect_videogen.errors import Billed
from prefect_videogen.plan import ClipState

EndKind = Literal["not-sent", "throttled", "refused", "failed", "expired", "abandoned"]


class Record(BaseModel):
    """Base of all records: unknown fields of a later version are kept out of the way."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: float = Field(description="When it was written.")


class Opened(Record):
    """From before the claim until the job's end: that a job may be running."""

    account: str = Field(default="", description="Fingerprint of the account that pays for it.")
    owner: str = Field(default_factory=lambda: uuid.uuid4().hex, description="Who wrote it.")


class Claimed(Record):
    """Before the POST: who is about to send what. Signed URLs stay in here."""

    owner: str
    run: str = ""
    shot: str
    vendor: str
    model: str
    base_url: str
    body: str
    idempotency_key: str
    window: float = Field(gt=0, description="Seconds in which the owner settles it.")


class Submitted(Record):
    """After the POST: the vendor accepted the job."""

    job_id: str = Field(min_length=1)
    answer: dict[str, Any] = Field(default_factory=dict)


class Repeated(Record):
    """Who sent an attempt's bytes again under its idempotency key; that happens once.

    Or its own owner, late, who says so that nobody sends them, since nothing was accepted.
    """

    owner: str


class Ready(Record):
    """The job has ended with a clip that can be fetched."""

    result_urls: tuple[str, ...] = Field(min_length=1)
    expires_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    charge: dict[str, Any] | None = None
    answer: dict[str, Any] = Field(default_factory=dict)


class Stored(Record):
    """The clip lies in the media store; written after the media.

    The last three say how it ends, see `TailFacts`; None if that was not measured.
    """

    path: str
    size: int
    sha256: str
    last_frame: str
    last_frame_sha256: str
    probe: dict[str, Any]
    black: int | None = None
    frozen: int | None = None
    steady: int | None = None


class End(Record):
    """An attempt is over without a clip."""

    kind: EndKind
    error: str = ""
    message: str = ""
    code: str | None = None
    transient: bool = False
    billed: Billed = "no"
    job_id: str | None = None


class Attempt(BaseModel):
    """The n-th POST for a clip and what became of it."""

    number: int
    claimed: Claimed | None = None
    submitted: Submitted | None = None
    ready: Ready | None = None
    stored: Stored | None = None
    end: End | None = None

    @property
    def job_id(self) -> str | None:
        """The vendor's job id, if the job was accepted."""
        return self.submitted.job_id if self.submitted else None

    @property
    def state(self) -> ClipState:
        """The furthest record present."""
        if self.stored:
            return "stored"
        if self.end:
            return "ended"
        if self.ready:
            return "ready"
        return "submitted" if self.submitted else "claimed"


class History(BaseModel):
    """Everything recorded about one key."""

    key: str
    attempts: tuple[Attempt, ...] = ()

    @property
    def latest(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def stored(self) -> Attempt | None:
        """The first attempt whose clip is stored."""
        return next((attempt for attempt in self.attempts if attempt.stored), None)

    @property
    def state(self) -> ClipState:
        """How far the clip has come."""
        if self.stored:
            return "stored"
        return self.latest.state if self.latest else "new"

    @property
    def jobs(self) -> int:
        """How many jobs the vendor has accepted."""
        return sum(1 for attempt in self.attempts if attempt.submitted)
