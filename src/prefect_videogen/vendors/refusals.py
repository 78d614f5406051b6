"""Which error a vendor's no is: the rules that decide, with `codes` for the vendors' words.

Pure, and the same for both vendors, whose modules only say how their envelopes are read. In doubt
a submission counts as unknown, never as refused, and a no never as one that costs another job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from prefect_videogen.errors import (
    BadParameters,
    Billed,
    ContentRefused,
    InputUnreachable,
    JobFailed,
    JobNotFound,
    KeyRefused,
    ModelUnavailable,
    NoCredits,
    StatusUnavailable,
    SubmissionUnknown,
    Throttled,
    Unavailable,
    VendorError,
)
from prefect_videogen.vendors.account import VENDOR_NAMES, Vendor
from prefect_videogen.vendors.codes import Family, family_of_code, family_of_text
from prefect_videogen.vendors.reading import (
    excerpt,
    lower_headers,
    quotable,
    request_id,
    retry_after,
)

_OK, _REDIRECT, _CLIENT, _SERVER = 200, 300, 400, 500
_KEY, _PAY, _FORBIDDEN, _NOT_FOUND, _MANY = 401, 402, 403, 404, 429

# 408: the request may have been read; 409: the same request may have been taken before.
_UNCLEAR = frozenset({408, 409})

# A no by status alone, whoever says it and with whatever body: a proxy or firewall before the
# vendor has not passed the request on. Other 4xx need the vendor's own envelope to be believed.
_CLEAR_NO = frozenset({401, 402, 403, 404, 405, 413, 414, 415, 429, 431})

# 302 and 303 are also what a server says after obeying a POST.
_MOVED = frozenset({301, 307, 308})

# How long the vendor asks to wait before the same key is sent again [contracts 4.7].
_ASK_AGAIN = 60.0

_DOUBTS: Mapping[Family, str] = {
    "conflict": "says this Idempotency-Key came with another body before",
    "paid-unknown": "does not know yet whether it accepted the job",
}

_VAGUE: frozenset[Family] = frozenset({"", "parameters"})

NO_REASON = "no reason given"

_CHECK_KEY = "Check the API key, its rights at the vendor, and that it belongs to this base URL."
_TOP_UP = "Top up the account (or raise the key's limit), then run again."
_SETTLE = (
    "Look it up at the vendor, then `prefect-videogen settle KEY --job ID` or `--not-accepted`."
)

_NO_CREDITS = (NoCredits, "refused for lack of credits", _TOP_UP)

_REFUSALS: Mapping[Family, tuple[type[VendorError], str, str]] = {
    "throttle": (Throttled, "is at its limit", "Run again later: this clip was not bought."),
    "key": (KeyRefused, "refused the key", _CHECK_KEY),
    "credits": _NO_CREDITS,
    "quota": _NO_CREDITS,
    "model": (
        ModelUnavailable,
        "does not offer the model",
        "Check the model's id, that the key may use it, and the base URL; or use another model.",
    ),
    "input": (
        InputUnreachable,
        "could not fetch an input",
        "Make the picture or LoRA readable by its public URL, then run again.",
    ),
    "content": (ContentRefused, "refused the content", "Change the prompt or the picture."),
    "parameters": (
        BadParameters,
        "refused the parameters",
        "Change the parameter, or leave it out.",
    ),
}


@dataclass(frozen=True)
class Said:
    """What a vendor's answer says, before it is judged.

    Attributes:
        vendor: Which vendor.
        http: HTTP status.
        headers: Headers, names in lower case.
        body: The bytes.
        own: The status that the body itself states, where it states one.
        envelope: Whether the body has the vendor's own shape of an error.
        code: The vendor's error code.
        text: The vendor's message, fit for quoting.
        job_id: A job named in the body.
    """

    vendor: Vendor
    http: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    own: int | None = None
    envelope: bool = False
    code: str | None = None
    text: str = ""
    job_id: str | None = None

    @classmethod
    def nothing(cls, vendor: Vendor, status: int, headers: Mapping[str, str], body: bytes) -> Said:
        """Take down an answer whose body says nothing that can be understood."""
        return cls(vendor, status, lower_headers(headers), body)

    @property
    def fine(self) -> bool:
        """Whether the HTTP status is a 2xx."""
        return _OK <= self.http < _REDIRECT

    @property
    def status(self) -> int:
        """The status that counts: the body's where it is an error, for it is more exact."""
        if self.own is not None and self.own >= _CLIENT and self.http < _SERVER:
            return self.own
        return self.http

    @property
    def family(self) -> Family:
        """What kind of no it is, by its code; where that says little, by its wording."""
        by_code = family_of_code(self.code)
        # `invalid_request` and its kin are said of everything that is wrong with a request.
        return (family_of_text(self.text) or by_code) if by_code in _VAGUE else by_code

    def sentence(self, what: str) -> str:
        """Compose a message: what happened, the vendor's words, and where to find it again."""
        words = self.text or excerpt(self.body)
        facts = [f"HTTP {self.http}"]
        if self.own is not None and self.own != self.http:
            facts.append(f"code {self.own} in the body")
        if self.code and self.code != str(self.own):
            facts.append(self.code)
        if name := request_id(self.headers):
            facts.append(f"request {name}")
        return f"{VENDOR_NAMES[self.vendor]} {what}: {words} ({', '.join(facts)})"


class _Facts(TypedDict):
    vendor: str
    status: int | None
    code: str | None
    job_id: str | None


def submit_error(said: Said) -> VendorError:
    """Judge an answer to a submission that does not accept it.

    Args:
        said: The answer.

    Returns:
        `SubmissionUnknown` unless the answer leaves no doubt that nothing was accepted:

        * a 4xx in the vendor's own envelope, over HTTP or in the body of a 2xx, but 408 and 409;
        * a 4xx from whomever, if its status alone is clear (`_CLEAR_NO`);
        * a 2xx in the vendor's envelope that says "queue full", whatever its code;
        * 301, 307, 308: `Unavailable`, the base URL has moved; redirects are never followed.

        An answer that says no and names a job nevertheless is unknown, and carries the job id.
    """
    if doubt := _doubt(said):
        wait = _ASK_AGAIN if said.family == "paid-unknown" else None
        return SubmissionUnknown(
            said.sentence(doubt),
            vendor=said.vendor,
            status=said.http,
            code=said.code,
            retry_after=retry_after(said.headers) or wait,
            job_id=said.job_id,
            next_step=_SETTLE,
        )
    if said.http in _MOVED:
        message = said.sentence("redirects, so the base URL is not right")
        step = "Set the base URL to where the API is now."
        return Unavailable(message, vendor=said.vendor, status=said.http, next_step=step)
    return refusal(said)


def _doubt(said: Said) -> str:
    """Say why it is not clear whether a job was accepted; empty if it certainly was not."""
    if said.family in _DOUBTS:
        return _DOUBTS[said.family]
    if said.job_id is not None:
        return f"neither accepted nor refused, but names job {quotable(said.job_id, 80)}"
    if said.fine:
        refused = said.envelope and _is_no(said)
        return "" if refused else "gave an answer that does not say whether it accepted the job"
    client = _CLIENT <= said.http < _SERVER and said.http not in _UNCLEAR
    consistent = said.own is None or _CLIENT <= said.own < _SERVER
    believed = said.http in _CLEAR_NO or (said.envelope and consistent)
    if said.http in _MOVED or (client and believed):
        return ""
    return "failed after the request was sent"


def _is_no(said: Said) -> bool:
    """Say whether the vendor's envelope inside a 2xx is a definite no."""
    if said.own in _UNCLEAR:
        return False
    if said.family == "throttle":
        return True
    if said.own is not None and (said.own >= _SERVER or said.own < _REDIRECT):
        return False
    stated = said.own is not None and said.own >= _CLIENT
    return stated or said.family in _REFUSALS


def refusal(said: Said) -> VendorError:
    """Name the definite no of a vendor.

    Args:
        said: An answer that leaves no doubt that nothing was accepted.

    Returns:
        The error; a 403 without a word about content is about the key [contracts 1.4], since the
        other reading could buy from a fallback model.
    """
    kind, what, step = _REFUSALS[_reason_of(said.status, said.family)]
    throttled = kind is Throttled
    return kind(
        said.sentence(what),
        vendor=said.vendor,
        status=said.http,
        code=said.code,
        retry_after=retry_after(said.headers) if throttled else None,
        transient=throttled,
        next_step=step,
    )


def _reason_of(status: int, family: Family) -> Family:
    if status == _MANY and family == "credits":
        return "credits"
    by_status: Mapping[int, Family] = {_MANY: "throttle", _KEY: "key", _PAY: "credits"}
    if status in by_status:
        return by_status[status]
    if family in _REFUSALS:
        return family
    if status == _FORBIDDEN:
        return "key"
    return "model" if status == _NOT_FOUND or family == "transient" else "parameters"


def job_failure(said: Said, *, job_id: str, billed: Billed) -> VendorError:
    """Name the reason why an accepted job ended without a clip.

    Args:
        said: Code and message of the failed job.
        job_id: The job.
        billed: Whether this vendor bills failed jobs.

    Returns:
        `ContentRefused`, `BadParameters`, `InputUnreachable` or `NoCredits` where the code is of
        that family, else `JobFailed`; `transient` as the vendors' tables say [contracts 1.5, 4.5].
    """
    family = family_of_code(said.code) if said.code else family_of_text(said.text)
    kinds: Mapping[Family, tuple[type[VendorError], str]] = {
        "content": (ContentRefused, "Change the prompt or the picture."),
        "parameters": (BadParameters, "Change the parameters or the picture."),
        "input": (InputUnreachable, "Make the picture or LoRA readable by its public URL."),
        "credits": (NoCredits, _TOP_UP),
        "quota": (NoCredits, _TOP_UP),
        "cancelled": (JobFailed, "Somebody cancelled it at the vendor; ask for a new take."),
        "transient": (JobFailed, "The same request may succeed later."),
    }
    kind, step = kinds.get(family, (JobFailed, "Change the prompt or parameters."))
    return kind(
        said.sentence("cancelled the job" if family == "cancelled" else "failed the job"),
        vendor=said.vendor,
        status=said.http,
        code=said.code,
        transient=family == "transient",
        job_id=job_id,
        billed=billed,
        next_step=step,
    )


def query_error(
    said: Said, *, what: str, job_id: str | None = None, billed: Billed = "no"
) -> VendorError:
    """Judge an answer, to anything but a submission, that is not the answer asked for.

    Args:
        said: The answer.
        what: What was asked, for the message: "a status query".
        job_id: The job asked about, if it was one.
        billed: Whether money was spent on what was asked about.

    Returns:
        `KeyRefused`, `NoCredits`, `Throttled` or `JobNotFound` where the vendor says so, else
        `StatusUnavailable`, transient, with the first bytes.
    """
    status, family = said.status, said.family
    facts = _Facts(vendor=said.vendor, status=said.http, code=said.code, job_id=job_id)
    if said.http < _SERVER and (status == _MANY or family == "throttle"):
        return Throttled(
            said.sentence(f"is at its limit for {what}"),
            **facts,
            retry_after=retry_after(said.headers),
            transient=True,
            billed=billed,
        )
    if status in {_KEY, _FORBIDDEN} or (family == "key" and said.http < _SERVER):
        message = said.sentence(f"refused the key for {what}")
        return KeyRefused(message, **facts, billed=billed, next_step=_CHECK_KEY)
    if status == _PAY:
        message = said.sentence(f"refused {what} for lack of credits")
        return NoCredits(message, **facts, billed=billed, next_step=_TOP_UP)
    if job_id is not None and (status == _NOT_FOUND or family == "not-found"):
        message = said.sentence("does not know the job")
        return JobNotFound(message, **facts, transient=status == _NOT_FOUND)
    message = said.sentence(f"gave no usable answer to {what}")
    return StatusUnavailable(message, **facts, transient=True, billed=billed)
