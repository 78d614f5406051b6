"""What a vendor's answer means, in one vocabulary for both vendors.

Plain frozen values, safe to pickle; times are Unix seconds, durations seconds. `apixo_answers` and
`evolink_answers` make them from bytes. Result URLs may be signed: keep them out of logs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from prefect_videogen.errors import VendorError

JobState = Literal["queued", "running", "succeeded", "failed", "unknown"]


@dataclass(frozen=True)
class Submitted:
    """The vendor accepted the job.

    Attributes:
        job_id: The vendor's id of the job.
        answer: The whole answer, for the record.
        replayed: Whether the vendor says that it knew this Idempotency-Key already.
    """

    job_id: str
    answer: dict[str, Any] = field(default_factory=dict)
    replayed: bool = False


@dataclass(frozen=True)
class JobStatus:
    """What the vendor says about a job.

    Attributes:
        state: Our word; `unknown` means a word that nobody has documented, so keep waiting.
        word: The vendor's own word.
        result_urls: Where the clip lies; not empty when `succeeded`.
        failure: Why there is no clip; set when `failed`, and not raised.
        started_at: When the vendor created the job.
        finished_at: When it ended.
        cost_seconds: How long the vendor worked on it.
        charge: The vendor's own figures (EvoLink's `usage`).
        estimated_seconds: The vendor's own guess of the time from start to end.
        answer: The whole answer, for the record.
    """

    state: JobState
    word: str
    result_urls: tuple[str, ...] = ()
    failure: VendorError | None = None
    started_at: float | None = None
    finished_at: float | None = None
    cost_seconds: float | None = None
    charge: dict[str, Any] | None = None
    estimated_seconds: float | None = None
    answer: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Balance:
    """What can still be spent.

    Attributes:
        amount: How much, for this key.
        unit: `USD` at APIXO, `credits` at EvoLink.
        unlimited: Whether the key has no limit of its own; `amount` is then the account's.
    """

    amount: float
    unit: str
    unlimited: bool = False


@dataclass(frozen=True)
class UploadedFile:
    """A picture that the vendor serves for a while.

    Attributes:
        url: Its public URL.
        expires_at: When it stops serving, if the vendor said so.
    """

    url: str
    expires_at: float | None = None


@dataclass(frozen=True)
class TaskSummary:
    """One line of EvoLink's task list, for finding a job whose submit answer was lost.

    Attributes:
        job_id: The vendor's id of the job.
        model: Its model.
        state: Our word for its state.
        word: The vendor's own word.
        created_at: When it was created.
        credits_used: What it cost, once settled.
    """

    job_id: str
    model: str
    state: JobState
    word: str
    created_at: float | None = None
    credits_used: float | None = None
