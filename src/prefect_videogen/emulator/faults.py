"""The failure menu: everything that can be made to go wrong, and the script of what shall.

Each entry was seen in a public bug report (field notes, section d). A fault is taken by the first
fitting request, in the order of adding, and then used up; `MENU` can be iterated over.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

Place = Literal["submit", "status", "download", "callback", "upload"]
Kind = Literal["refuse", "answer", "view", "job", "callback"]

_BOTH = ("apixo", "evolink")
_API: tuple[Place, ...] = ("submit", "status")
_ANY: tuple[Place, ...] = ("submit", "status", "download")
_GET: tuple[Place, ...] = ("download",)
_CALL: tuple[Place, ...] = ("callback",)


@dataclass(frozen=True)
class Entry:
    """One line of the menu.

    Attributes:
        name: The word for `Faults.add`.
        kind: `refuse` answers without doing anything; `answer` does what was asked and spoils
            the answer; `view` tells something untrue about a job; `job` changes how a job ends;
            `callback` changes its announcement.
        at: Where it can happen; the first is the default.
        does: What it does, in one line.
        vendors: Which vendors it can happen at.
        states: States of the job (neutral words) in which it can happen; empty means any.
    """

    name: str
    kind: Kind
    at: tuple[Place, ...]
    does: str
    vendors: tuple[str, ...] = _BOTH
    states: tuple[str, ...] = ()


_ENTRIES = (
    # Nothing is accepted.
    Entry("refuse-500", "refuse", (*_ANY, "upload"), "500 with the vendor's own error body"),
    Entry("refuse-503", "refuse", (*_ANY, "upload"), "503 with the vendor's own error body"),
    Entry("throttle", "refuse", (*_ANY, "upload"), "429 without Retry-After"),
    Entry(
        "throttle-retry-after", "refuse", (*_ANY, "upload"), "429 with Retry-After (`seconds`, 1)"
    ),
    Entry("envelope-error", "refuse", _API, "HTTP 200 whose body holds error code 500"),
    Entry("envelope-queue-full", "refuse", _API, "HTTP 200 whose body says the queue is full"),
    Entry("no-credits-400", "refuse", ("submit",), "400 `Insufficient credits`", ("apixo",)),
    Entry("no-credits-402", "refuse", ("submit",), "402: the balance is too low"),
    Entry("key-refused-403", "refuse", _API, "403: the key may not do this"),
    Entry("not-found-at-first", "refuse", ("status",), "404 for a job that exists (first n polls)"),
    # The request is obeyed, its answer is spoilt.
    Entry("drop-after-accept", "answer", _API, "obeys, then closes the connection unanswered"),
    Entry("502-after-accept", "answer", _API, "obeys, then answers 502 with a gateway's HTML"),
    Entry("504-after-accept", "answer", _API, "obeys, then answers 504 with a gateway's HTML"),
    Entry("no-answer", "answer", _API, "obeys and never answers (until the client or we stop)"),
    Entry(
        "paid-outcome-unknown",
        "answer",
        ("submit",),
        "obeys, then answers 409 `paid_outcome_unknown`",
        ("evolink",),
    ),
    Entry("malformed-json", "answer", _API, "obeys, then answers 200 with cut JSON"),
    Entry("foreign-json", "answer", _API, "obeys, then answers 200 with somebody else's JSON"),
    Entry("html-instead", "answer", ("download", *_API), "obeys, then answers 200 with HTML"),
    Entry("truncated-body", "answer", ("download", *_API), "right length told, half of it sent"),
    Entry("wrong-length", "answer", ("download", *_API), "half the length told, all of it sent"),
    Entry("endless-body", "answer", ("download", *_API), "a body that never ends, quickly"),
    Entry("trickle", "answer", ("download", *_API), "the right body, a byte every 50 ms (`pause`)"),
    Entry(
        "stall-after-headers",
        "answer",
        ("download", *_API),
        "headers, then nothing until the client or the server stops",
    ),
    # An answer about a job is untrue or lacks something.
    Entry("unknown-status", "view", ("status", "callback"), "a state word nobody knows (`word`)"),
    Entry(
        "status-backwards",
        "view",
        ("status",),
        "says pending once more",
        states=("processing", "completed", "failed"),
    ),
    Entry(
        "success-without-url",
        "view",
        ("status", "callback"),
        "success with an empty list of URLs",
        states=("completed",),
    ),
    Entry(
        "price-absent", "view", ("status", "submit", "callback"), "no `usage`, no `costTime` field"
    ),
    # The result can't be had.
    Entry("download-403", "refuse", _GET, "the result's URL answers 403"),
    Entry("download-404", "refuse", _GET, "the result's URL answers 404"),
    Entry("download-410", "refuse", _GET, "the result's URL answers 410"),
    Entry("result-expired", "refuse", _GET, "the result's URL has expired for good"),
    Entry("redirect-private", "refuse", _GET, "302 to a private address (`location`)"),
    Entry("redirect-elsewhere", "refuse", _GET, "302 to another public-looking host (`location`)"),
    # The job ends otherwise than expected.
    Entry("job-fails", "job", ("submit",), "the job fails; `code`, else a transient one"),
    Entry("job-cancelled", "job", ("submit",), "the job ends as cancelled", ("evolink",)),
    Entry("job-hangs", "job", ("submit",), "the job stays processing for ever"),
    # Its announcement goes astray.
    Entry("callback-lost", "callback", _CALL, "never sent"),
    Entry("callback-doubled", "callback", _CALL, "delivered twice"),
    Entry("callback-early", "callback", _CALL, "delivered before the submit's answer"),
    Entry(
        "callback-forged",
        "callback",
        _CALL,
        "a stranger announces success with a clip of his (`result`) while the job still runs",
    ),
)

MENU: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


@dataclass
class Fault:
    """One scripted fault.

    Attributes:
        name: Its entry on the menu.
        at: Where it happens.
        times: How often it is still to happen; None means always.
        vendor: The only vendor it happens at, if set.
        model: The only model it happens at, if set.
        options: What the entry can be told beside that.
        taken: How often it has happened.
    """

    name: str
    at: Place
    times: int | None
    vendor: str | None = None
    model: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    taken: int = 0

    @property
    def entry(self) -> Entry:
        """Its line on the menu."""
        return MENU[self.name]

    def fits(self, vendor: str, model: str, state: str | None) -> bool:
        """Whether it may happen to a request of this vendor, model and state of the job."""
        return (
            self.times != 0
            and vendor in self.entry.vendors
            and self.vendor in {None, vendor}
            and self.model in {None, model}
            and (not self.entry.states or state in self.entry.states)
        )


class Faults:
    """The script: which faults are still to come. Safe to use from any thread.

    Example:
        >>> faults = Faults()
        >>> fault = faults.add("drop-after-accept", vendor="apixo")
        >>> fault.at, fault.times
        ('submit', 1)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._script: list[Fault] = []

    def add(
        self,
        name: str,
        *,
        times: int | None = 1,
        at: Place | None = None,
        vendor: str | None = None,
        model: str | None = None,
        **options: object,
    ) -> Fault:
        """Script a fault; it happens to the next requests that fit.

        Args:
            name: An entry of `MENU`.
            times: How often; None means until `clear`.
            at: Where; the entry's first place by default.
            vendor: Only at this vendor.
            model: Only with this model.
            **options: What the entry can be told, see its line.

        Returns:
            The fault; its `taken` counts how often it happened.

        Raises:
            ValueError: If the menu has no such entry, or not at this place or vendor.
        """
        entry = MENU.get(name)
        if entry is None:
            near = difflib.get_close_matches(name, MENU, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            message = f"the failure menu has no {name!r}{hint}"
            raise ValueError(message)
        if at is not None and at not in entry.at:
            message = f"{name} can't happen at {at}, only at {', '.join(entry.at)}"
            raise ValueError(message)
        if vendor is not None and vendor not in entry.vendors:
            message = f"{name} can't happen at vendor {vendor}, only at {', '.join(entry.vendors)}"
            raise ValueError(message)
        fault = Fault(name, at or entry.at[0], times, vendor, model, options)
        with self._lock:
            self._script.append(fault)
        return fault

    def take(
        self, at: Place, kind: Kind, *, vendor: str, model: str = "", state: str | None = None
    ) -> Fault | None:
        """Take the first fault of a kind that fits, and use it up by one.

        Args:
            at: Where the request is.
            kind: Kind of fault that could be applied now.
            vendor: The vendor asked.
            model: The model concerned.
            state: State of the job concerned, if there is one.

        Returns:
            The fault, or None if none fits.
        """
        with self._lock:
            for fault in self._script:
                if fault.at == at and fault.entry.kind == kind and fault.fits(vendor, model, state):
                    fault.taken += 1
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def take_all(self, at: Place, kind: Kind, *, vendor: str, model: str) -> dict[str, Fault]:
        """Take one fault of each name that fits, as a job can have several."""
        taken: dict[str, Fault] = {}
        with self._lock:
            for fault in self._script:
                if fault.name in taken or fault.at != at or fault.entry.kind != kind:
                    continue
                if fault.fits(vendor, model, None):
                    fault.taken += 1
                    if fault.times is not None:
                        fault.times -= 1
                    taken[fault.name] = fault
        return taken

    def clear(self) -> None:
        """Forget everything that was scripted."""
        with self._lock:
            self._script.clear()

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The faults that are still to happen."""
        with self._lock:
            return tuple(fault for fault in self._script if fault.times != 0)


PLACES: tuple[Place, ...] = get_args(Place)
