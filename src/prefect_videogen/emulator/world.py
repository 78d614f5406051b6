"""What the endpoints of both vendors share: settings, time, ledger, faults, limits and money.

One `World` belongs to one running emulator and is written by its event loop only.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_videogen.capabilities import Mode, Model
from prefect_videogen.emulator.faults import Faults
from prefect_videogen.emulator.ledger import (
    Charge,
    Delivery,
    Job,
    JobEnds,
    SeenRequest,
    State,
    Vendor,
)
from prefect_videogen.emulator.timeline import Clock, Timeline

# Results and uploads of an accelerated vendor stay at least this long, in clock seconds: nobody
# fetches a clip in the 9 s that 24 hours are at a speed of 10,000.
RESULT_FLOOR = 60.0
CREDITS_PER_DOLLAR = 68  # about [doc: evolink-mcp]
MINUTE = 60.0

# US dollars. wan-2-5 is the vendor's old list price [doc: wan-2-5 legacy]; the prices of the others
# are on a page no copy holds, so these are the emulator's own.
_WAN_PRICES = {"720p": 0.08, "1080p": 0.13}
_PRICE_PER_SECOND = 0.05
_PRICE_PER_CLIP = 0.25
# EvoLink's sample reserves 5 credits for its default of 5 s [seed]; that it doubles with the length
# is inferred from "pre-charged by this value".
_CREDITS_PER_SECOND = 1.0


class Refusal(Exception):
    """Ends a request with a definite no, which every vendor words in its own shape.

    Args:
        status: HTTP status.
        message: What the vendor tells the customer.
        code: EvoLink's `error.code`.
        param: EvoLink's `error.param`: the field at fault.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "invalid_request",
        param: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Settings:
    """How an emulator was set up; see `Emulator` for the meaning of each."""

    models: Mapping[str, Model]
    api_key: str
    speed: float
    strict: bool
    media_dir: Path | None
    pixel_scale: float
    seed: int
    replay: bool
    balance: float
    fps: int
    result_floor: float


class World:
    """The shared state of one running emulator.

    Args:
        settings: How it was set up.
        clock: Another clock than the wall's.
    """

    def __init__(self, settings: Settings, clock: Clock | None) -> None:
        self.settings = settings
        self.scratch = Path()  # for the clips; set by the server, which deletes it
        self.timeline = Timeline(clock, settings.speed)
        # Only how long jobs take is drawn from the seed. Ids are not: a media store that outlives
        # one emulator must never meet its own old job id, with somebody else's clip, in the next.
        self.random = random.Random(settings.seed)  # noqa: S311 - durations, not secrets
        self.base_url = ""
        self.faults = Faults()
        self.jobs: dict[str, Job] = {}
        self.charges: list[Charge] = []
        self.requests: list[SeenRequest] = []
        self.deliveries: list[Delivery] = []
        self.stopping = asyncio.Event()
        self._admitted: dict[str, deque[float]] = {}
        self._running: Counter[str] = Counter()
        self._peaks: Counter[str] = Counter()
        self._spent = {"apixo": 0.0, "evolink": 0.0}

    def check_key(self, header: str | None) -> None:
        """Refuse a request whose Authorization header is not the emulator's key.

        Args:
            header: The header's value, if it was sent.

        Raises:
            Refusal: 401.
        """
        expected = f"Bearer {self.settings.api_key}"
        if not secrets.compare_digest((header or "").encode(), expected.encode()):
            message = "Invalid API key" if header else "Missing API key"
            raise Refusal(401, message, code="unauthorized")

    def find_model(self, vendor: Vendor, name: object) -> Model:
        """Find a vendor's model.

        Args:
            vendor: Whose it must be.
            name: What the request calls it.

        Returns:
            The model.

        Raises:
            Refusal: 404; EvoLink's code for it is inferred.
        """
        model = self.settings.models.get(name) if isinstance(name, str) else None
        if model is None or model.vendor != vendor:
            raise Refusal(404, f"Model not found: {name}", code="model_not_found", param="model")
        return model

    def admit(self, model: Model) -> None:
        """Count a submit or a poll against the model's requests a minute.

        Submits and polls share one budget, the stricter reading of the documents (section 1.6).
        Refused requests are not counted, so that a client that waits gets through.

        Args:
            model: The model concerned.

        Raises:
            Refusal: 429; no Retry-After is documented, so none is sent.
        """
        limit = model.limits.requests_per_minute
        if limit is None:
            return
        admitted = self._admitted.setdefault(model.id, deque())
        now = self.timeline.now()
        while admitted and admitted[0] <= now - self.timeline.scaled(MINUTE):
            admitted.popleft()
        if len(admitted) >= limit:
            message = f"Rate limit exceeded: {limit} requests per minute"
            raise Refusal(429, message, code="rate_limit_exceeded")
        admitted.append(now)

    def check_room(self, model: Model) -> None:
        """Refuse a submit when the model's concurrent tasks are all taken.

        Args:
            model: The model concerned.

        Raises:
            Refusal: 429.
        """
        limit = model.limits.concurrent
        if limit is not None and self.running(model.id) >= limit:
            message = f"Concurrency limit exceeded: {limit} tasks"
            raise Refusal(429, message, code="rate_limit_exceeded")

    def running(self, model: str) -> int:
        """How many jobs of a model count as concurrent tasks now."""
        return self._running[model]

    def peak_running(self, model: str) -> int:
        """The most jobs of a model that ever ran at once."""
        return self._peaks[model]

    def requests_per_minute(self, model: str) -> int:
        """The most submits and polls of a model, refused ones too, within any scaled minute."""
        window = self.timeline.scaled(MINUTE)
        recent: deque[float] = deque()
        most = 0
        for request in list(self.requests):
            if request.model != model or request.kind not in {"submit", "status"}:
                continue
            recent.append(request.time)
            while recent[0] <= request.time - window:
                recent.popleft()
            most = max(most, len(recent))
        return most

    def price(self, model: Model, params: Mapping[str, Any]) -> float:
        """Say what a job costs: US dollars at APIXO, credits at EvoLink.

        Args:
            model: The model asked for.
            params: Its parameters, defaults filled in.

        Returns:
            The amount.
        """
        seconds = float(params.get("duration", 5))
        if model.vendor == "evolink":
            return _CREDITS_PER_SECOND * seconds
        if model.billed_per == "clip":
            return _PRICE_PER_CLIP
        if model.id == "wan-2-5":
            return seconds * _WAN_PRICES.get(str(params.get("resolution")), _PRICE_PER_SECOND)
        return seconds * _PRICE_PER_SECOND

    def spent(self, vendor: Vendor) -> float:
        """Say how much was charged and not given back."""
        return self._spent[vendor]

    def balance(self, vendor: Vendor) -> float:
        """Say what is left: US dollars at APIXO, credits at EvoLink."""
        unit = CREDITS_PER_DOLLAR if vendor == "evolink" else 1
        return self.settings.balance * unit - self.spent(vendor)

    def accept(  # noqa: PLR0917 - one argument for each fact about a job
        self,
        job_id: str,
        model: Model,
        mode: Mode,
        params: dict[str, Any],
        image_urls: tuple[str, ...],
        body: dict[str, Any],
        *,
        callback_url: str,
    ) -> Job:
        """Take a job on and charge it; from here on the money is spent.

        Args:
            job_id: The vendor's id for it.
            model: The model asked for.
            mode: The mode asked for.
            params: The parameters that the mode uses, defaults filled in.
            image_urls: URLs of its pictures.
            body: The body as it came.
            callback_url: Where its end is to be announced, if anywhere.

        Returns:
            The job, pending.
        """
        vendor: Vendor = model.vendor
        now = self.timeline.now()
        charge = Charge(vendor, model.id, job_id, mode.name, params, self.price(model, params), now)
        shortest, longest = model.generation_seconds(mode.name, params)
        job = Job(
            id=job_id,
            vendor=vendor,
            model=model,
            mode=mode,
            params=params,
            image_urls=image_urls,
            body=body,
            created=now,
            seconds=self.timeline.scaled(self.random.uniform(shortest, longest)),
            charge=charge,
            callback_url=callback_url,
            token=secrets.token_hex(16),
        )
        job.faults = self.faults.take_all("submit", "job", vendor=vendor, model=model.id)
        if callback_url:
            job.faults |= self.faults.take_all(
                "callback", "callback", vendor=vendor, model=model.id
            )
        self.charges.append(charge)
        self.jobs[job_id] = job
        self._spent[vendor] += charge.amount
        self._running[model.id] += 1
        self._peaks[model.id] = max(self._peaks[model.id], self._running[model.id])
        return job

    def end(self, job: Job, state: State, failure: JobEnds | None) -> None:
        """Note a job's end: its place is free, its result begins to age.

        Args:
            job: The job.
            state: The state it ends in.
            failure: Why there is no clip, if there is none.
        """
        job.finished = self.timeline.now()
        job.failure = failure
        if failure is None:
            floor = self.settings.result_floor
            lifetime = self.timeline.scaled(job.model.result_seconds, floor=floor)
            job.expires = job.finished + lifetime
        elif job.vendor == "evolink":
            # "failed: not billed / refunded" [doc: evolink-mcp]; APIXO's pages say nothing.
            job.charge.refunded = True
            self._spent["evolink"] -= job.charge.amount
        self._running[job.model.id] -= 1
        # Last, as tests and answers in other threads go by it.
        job.state = state

    def result_url(self, job: Job) -> str:
        """Give the public URL of a job's clip; it needs no key."""
        return f"{self.base_url}/results/{job.id}/{job.token}.mp4"
