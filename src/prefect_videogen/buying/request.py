"""What is asked of a vendor, and the job that came of it: plain, picklable, without secrets."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from prefect_videogen.plan import PictureUse, PlannedClip

How = Literal["bought", "resumed", "reused"]
JobState = Literal["submitted", "ready", "stored"]
OnUnknown = Literal["stop", "resubmit"]
OnExpired = Literal["stop", "rebuy"]


class PictureInput(BaseModel):
    """A picture with its original's place in the media store.

    Attributes:
        use: How it is used.
        sha256: Digest of the original's bytes; empty for `vendor:` pictures.
        path: Where the original lies; empty for `vendor:` pictures.
    """

    model_config = ConfigDict(frozen=True)

    use: PictureUse
    sha256: str = ""
    path: str = ""


class ClipRequest(BaseModel):
    """A planned clip whose pictures are all known, and so its key."""

    model_config = ConfigDict(frozen=True)

    clip: PlannedClip
    key: str
    pictures: tuple[PictureInput, ...] = ()


class Job(BaseModel):
    """One accepted submission at a vendor.

    Attributes:
        shot: Id of the shot.
        key: Key of the clip.
        attempt: Number of the attempt.
        vendor: Vendor's label.
        model: Model id.
        mode: Mode's name.
        job_id: The vendor's job id.
        state: How far it has come.
        how: Whether this run bought it, resumed it or found it stored.
        submitted_at: When it was accepted, in seconds since 1970.
        expected: Shortest and longest expected time, in seconds.
    """

    model_config = ConfigDict(frozen=True)

    shot: str
    key: str
    attempt: int
    vendor: str
    model: str
    mode: str
    job_id: str
    state: JobState
    how: How
    submitted_at: float
    expected: tuple[float, float] = (0, 0)
