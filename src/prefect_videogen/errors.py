"""Every error this package raises on purpose, in one tree.

Each carries what a person needs to act: the shot, the vendor's job id, whether money was
spent, and the next step. All of them survive pickling, since Prefect moves exceptions
between processes, and none of them ever holds a key or a signed URL.

* VideoGenError
  * StoryboardError          the storyboard is wrong; nothing was sent
  * StudioError              a setting, block or limit is wrong or missing; nothing was sent
  * BudgetExceeded           buying on would pass a limit that was set; nothing was sent
  * RecordError              the media store did not answer as it must; buying stops
    * JobNotRecorded         a job was accepted, and its id could not be written down
  * VendorError              a vendor's endpoint was involved
    * NotSent                the request never left (connect, DNS, pool)
    * Throttled              429 or "queue full": not accepted, later is fine
    * Refused                a definite no to this request
      * ContentRefused       the prompt or a picture breaks the vendor's rules
      * BadParameters        the vendor does not accept a value
    * Unavailable            a definite no that a person or time can mend
      * NoCredits            the balance is too low
      * KeyRefused           the key is missing, wrong or not allowed to do this
      * ModelUnavailable     the model is unknown or switched off at the vendor
      * InputUnreachable     the vendor could not fetch a picture or LoRA
    * SubmissionUnknown      sent, but whether it was accepted is not known
    * BadAnswer              an answer that is not what the contract says
      * StatusUnavailable    a status query got no usable answer; the job goes on
    * JobNotFound            the vendor does not know this job (yet)
    * JobFailed              an accepted job ended without a clip
    * ResultExpired          the clip was made, but its URL no longer serves it
    * WaitTimeout            the job is still running after the deadline; resumable
  * DownloadError            the clip could not be fetched or is not a video
    * UntrustedAddress       the vendor's URL leads where we don't go
  * MediaError               a picture or clip can't be read, made or joined
  * Rejected                 a reviewer, or nobody's answer in time, ended the run
  * FilmIncomplete           the run ended with shots missing; carries the result
  * BatchIncomplete          a batch ended with films missing; carries the result
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prefect_videogen.hiding import discreet, is_secret

Billed = Literal["yes", "no", "unknown"]


class VideoGenError(Exception):
    """Base of every error raised by prefect-videogen.

    Args:
        message: What happened, in one sentence.
        shot: Id of the shot concerned, if any.
        job_id: The vendor's id of the job concerned, if any.
        billed: Whether money was spent on what failed: `yes`, `no` or `unknown`.
        next_step: What to do about it, in one sentence.
    """

    billed_by_default: Billed = "no"

    def __init__(
        self,
        message: str,
        *,
        shot: str | None = None,
        job_id: str | None = None,
        billed: Billed | None = None,
        next_step: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.shot = shot
        self.job_id = job_id
        self.billed: Billed = billed if billed is not None else self.billed_by_default
        self.next_step = next_step

    def __str__(self) -> str:
        place = f"shot {self.shot}: " if self.shot else ""
        job = f" (job {self.job_id})" if self.job_id else ""
        # The error of a run elsewhere is made anew of its text, which says so already.
        said = self.billed == "no" or "[billed: " in self.message
        billed = "" if said else f" [billed: {self.billed}]"
        text = f"{place}{self.message}{job}{billed}"
        if not self.next_step:
            return text
        end = "" if text.endswith((".", "!", "?", "]")) else "."
        return f"{text}{end} {self.next_step}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the attributes: the default would drop keyword arguments."""
        return _rebuild, (type(self), self.args, dict(self.__dict__))

    def for_shot(self, shot: str) -> VideoGenError:
        """Name the shot, unless one is named already, and return the error itself."""
        self.shot = self.shot or shot
        return self


def _rebuild(
    cls: type[VideoGenError], args: tuple[Any, ...], state: dict[str, Any]
) -> VideoGenError:
    error = cls.__new__(cls)
    Exception.__init__(error, *args)
    error.__dict__.update(state)
    return error


@dataclass(frozen=True)
class Fault:
    """One mistake in a storyboard: where it is, what it says and what would do.

    Attributes:
        shot: Id of the shot, or an empty string for the storyboard as a whole.
        field: Name of the storyboard field.
        value: The value found, as text: an address without user and query, and nothing of a
            field that looks secret.
        problem: Why it can't be used.
        remedy: What would do.
        line: Line in the storyboard file (from 1), where known.
        source: Name of the storyboard, where several are checked at once.
    """

    shot: str
    field: str
    value: str
    problem: str
    remedy: str
    line: int | None = None
    source: str = ""

    def __post_init__(self) -> None:
        """Forget what must not be told: faults reach logs, states, results and databases."""
        object.__setattr__(self, "value", "" if is_secret(self.field) else discreet(self.value))
        object.__setattr__(self, "source", discreet(self.source))

    def __str__(self) -> str:
        where = f"shot {self.shot}" if self.shot else "storyboard"
        line = f" (line {self.line})" if self.line else ""
        value = f" = {self.value}" if self.value else ""
        source = f"{self.source}: " if self.source else ""
        return f"{source}{where}{line}: {self.field}{value}: {self.problem}; {self.remedy}"


class StoryboardError(VideoGenError):
    """The storyboard is wrong; all its faults are named and nothing was sent."""

    def __init__(self, faults: Sequence[Fault] | str, *, source: str = "storyboard") -> None:
        if isinstance(faults, str):  # Prefect makes the error of a run elsewhere of its text
            self.faults: tuple[Fault, ...] = ()
            super().__init__(faults)
            return
        self.faults = tuple(faults)
        count = f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}"
        lines = "\n".join(f"  {number}. {fault}" for number, fault in enumerate(self.faults, 1))
        super().__init__(f"{source} has {count}:\n{lines}")


class StudioError(VideoGenError):
    """A setting, block or limit is wrong or missing; nothing was sent."""


class BudgetExceeded(VideoGenError):
    """Buying on would pass a limit that was set; nothing was sent."""


class RecordError(VideoGenError):
    """The media store did not answer as it must, so nothing is bought on its word."""


class JobNotRecorded(RecordError):
    """A job was accepted and is paid for, but its id could not be written down."""

    billed_by_default: Billed = "yes"


class VendorError(VideoGenError):
    """Base of the errors that involve a vendor's endpoint.

    Args:
        message: What happened, in one sentence.
        vendor: `apixo` or `evolink`.
        status: HTTP status of the answer, if there was one.
        code: The vendor's own error code, if it gave one.
        retry_after: Seconds the vendor asked to wait, if it did.
        transient: Whether the same request may succeed later.
        **common: See `VideoGenError`.
    """

    def __init__(
        self,
        message: str,
        *,
        vendor: str = "",
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        transient: bool = False,
        shot: str | None = None,
        job_id: str | None = None,
        billed: Billed | None = None,
        next_step: str = "",
    ) -> None:
        super().__init__(message, shot=shot, job_id=job_id, billed=billed, next_step=next_step)
        self.vendor = vendor
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.transient = transient


class NotSent(VendorError):
    """The request never left this machine, so nothing was accepted."""


class Throttled(VendorError):
    """The vendor is at its limit and did not accept the request; later is fine."""


class Refused(VendorError):
    """The vendor said a definite no to this request."""


class ContentRefused(Refused):
    """The prompt, a picture or the result breaks the vendor's rules."""


class BadParameters(Refused):
    """The vendor does not accept a parameter's value."""


class Unavailable(VendorError):
    """The vendor said no for a reason that a person or time can mend."""


class NoCredits(Unavailable):
    """The account's balance is too low."""


class KeyRefused(Unavailable):
    """The API key is missing, wrong or not allowed to do this."""


class ModelUnavailable(Unavailable):
    """The model is unknown to the vendor or switched off."""


class InputUnreachable(Unavailable):
    """A picture or LoRA could not be fetched from its public URL."""


class SubmissionUnknown(VendorError):
    """The request was sent, but whether it was accepted is not known."""

    billed_by_default: Billed = "unknown"


def how_to_settle(key: str) -> str:
    """What a person does about a purchase of which nobody knows whether it was accepted.

    APIXO documents no list of jobs (vendor-contracts, section 8, 3), hence the balance.

    Args:
        key: The clip's key.
    """
    return (
        "Look for the job in the vendor's dashboard, or for its cost in the balance, then "
        f"`prefect-videogen settle {key[:12]} --job ID` or `--not-accepted`"
    )


class BadAnswer(VendorError):
    """The answer is not what the vendor's contract says; its first bytes are quoted."""


class StatusUnavailable(BadAnswer):
    """A status query got no usable answer; the job itself goes on."""

    billed_by_default: Billed = "yes"


class JobNotFound(VendorError):
    """The vendor does not know this job, or not yet."""

    billed_by_default: Billed = "unknown"


class JobFailed(VendorError):
    """An accepted job ended without a clip."""

    billed_by_default: Billed = "unknown"


class ResultExpired(VendorError):
    """The clip was made and paid, but its URL no longer serves it."""

    billed_by_default: Billed = "yes"


class WaitTimeout(VendorError):
    """The job was still running at the deadline; a later run goes on waiting for it."""

    billed_by_default: Billed = "yes"


class DownloadError(VideoGenError):
    """A finished clip could not be fetched, or what came is not a video."""

    billed_by_default: Billed = "yes"


class UntrustedAddress(DownloadError):
    """The vendor's URL leads into a private network, or is not https."""


class MediaError(VideoGenError):
    """A picture or clip can't be read, made or joined."""


class Rejected(VideoGenError):
    """A review ended the run; what was bought until then is kept."""


class FilmIncomplete(VideoGenError):
    """The run ended with shots missing; `result` is the film's result as far as it goes."""

    def __init__(self, message: str, *, result: Any = None, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.result = result


class BatchIncomplete(VideoGenError):
    """The batch ended with films missing; `result` is what came of each storyboard."""

    def __init__(self, message: str, *, result: Any = None, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.result = result
