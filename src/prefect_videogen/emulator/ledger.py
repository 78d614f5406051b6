"""What the emulator remembers: jobs, charges, requests and callback deliveries.

Plain data, written by the server's loop and read by tests from other threads; nothing is ever
removed, so a reader that copies a list sees a consistent past.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from prefect_videogen.capabilities import Mode, Model
from prefect_videogen.emulator.faults import Fault

Vendor = Literal["apixo", "evolink"]
State = Literal["pending", "processing", "completed", "failed", "cancelled"]
RequestKind = Literal[
    "submit", "status", "list", "batch", "balance", "pricing", "upload", "files", "result", "media"
]


@dataclass(frozen=True)
class Picture:
    """A picture that the emulator fetched.

    Attributes:
        url: Where it came from.
        sha256: Digest of its bytes.
        data: The bytes as they came.
        format: Pillow's name of the format, in lower case.
        size: Width and height in pixels, as displayed.
        alpha: Whether it has transparency.
    """

    url: str
    sha256: str
    data: bytes = field(repr=False)
    format: str
    size: tuple[int, int]
    alpha: bool


@dataclass
class Charge:
    """The money one accepted job took.

    Attributes:
        vendor: `apixo` or `evolink`.
        model: The model's id.
        job_id: The job that was paid.
        mode: The vendor's word for the mode; our own where the vendor has none.
        params: The parameters that the mode uses, defaults filled in.
        amount: US dollars at APIXO, credits at EvoLink.
        time: When, in Unix seconds.
        images: The pictures fetched for the job, in order; they come after the charge.
        refunded: Whether the money was given back.
    """

    vendor: Vendor
    model: str
    job_id: str
    mode: str
    params: Mapping[str, Any]
    amount: float
    time: float
    images: list[Picture] = field(default_factory=list)
    refunded: bool = False


@dataclass
class SeenRequest:
    """One HTTP request and what became of it; `status` stays None if no answer began."""

    time: float
    vendor: Vendor | None
    kind: RequestKind
    method: str
    path: str
    model: str = ""
    job_id: str = ""
    status: int | None = None


@dataclass(frozen=True)
class Delivery:
    """One try to deliver a callback; `status` is None if no answer came.

    `what` tells the genuine delivery from a `forged` one and from a `lost` one, never sent.
    """

    time: float
    vendor: Vendor
    job_id: str
    url: str
    attempt: int
    status: int | None
    what: Literal["genuine", "forged", "lost"] = "genuine"


class JobEnds(Exception):
    """Ends a job without a clip, in words that both vendors' codes can be made of.

    Args:
        reason: `content`, `picture`, `picture-format`, `picture-bytes`, `picture-sides`, `lora`,
            `transient`, `broken` or `cancelled`.
        message: What the vendor tells the customer.
        code: The vendor's code, where it is dictated.
    """

    def __init__(self, reason: str, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.code = code


@dataclass
class Job:
    """One accepted submission.

    Attributes:
        id: The vendor's id of it.
        vendor: `apixo` or `evolink`.
        model: The model asked for.
        mode: The mode asked for.
        params: Parameters that the mode uses, defaults filled in; LoRAs among them.
        image_urls: URLs of the pictures, first frame first.
        body: The body as it came.
        created: When it was accepted, in Unix seconds.
        seconds: How long it is to take, in clock seconds.
        charge: What it cost.
        callback_url: Where its end is announced, if anywhere.
        token: The secret part of its result's URL.
        state: How far it is, in neutral words.
        started: When processing began.
        finished: When it ended.
        failure: Why it ended without a clip.
        clip: The finished clip.
        expires: When the result's URL stops working.
        faults: Faults that concern the job itself or its callback, by name.
        told: Set once the first callback was tried; a hastened submit waits for it.
    """

    id: str
    vendor: Vendor
    model: Model
    mode: Mode
    params: dict[str, Any]
    image_urls: tuple[str, ...]
    body: dict[str, Any]
    created: float
    seconds: float
    charge: Charge
    callback_url: str
    token: str
    state: State = "pending"
    started: float | None = None
    finished: float | None = None
    failure: JobEnds | None = None
    clip: Path | None = None
    expires: float | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    told: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def running(self) -> bool:
        """Whether it still counts as a concurrent task (pending or processing, inferred)."""
        return self.state in {"pending", "processing"}


@dataclass(frozen=True)
class View:
    """What an answer says about a job, which a fault may make differ from the truth.

    Attributes:
        state: The state told, in neutral words.
        urls: The result URLs told.
        word: The vendor's state word, if it is to be a strange one.
        price: Whether fields about price and cost are told.
    """

    state: State
    urls: tuple[str, ...] = ()
    word: str = ""
    price: bool = True

    def bent(self, fault: Fault | None) -> View:
        """Apply a fault of kind `view`, if there is one."""
        if fault is None:
            return self
        if fault.name == "unknown-status":
            return replace(self, word=str(fault.options.get("word", "reviewing")))
        if fault.name == "status-backwards":
            return replace(self, state="pending")
        if fault.name == "success-without-url":
            return replace(self, urls=())
        return replace(self, price=False)
