"""An open studio: accounts with their clients, the media store, prices and the pace.

Made by the `Studio` block or from the environment; lives as long as a run. Slots come from the
whole installation's limits, where those are set up. Otherwise, as the pace, they are shared by all
studios open in one event loop, so that two flows on one key count together.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote
from weakref import WeakKeyDictionary

import httpx
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from prefect_videogen.budgets import Journal
from prefect_videogen.capabilities import MODELS, Model, parse_models
from prefect_videogen.downloading import open_client as open_download_client
from prefect_videogen.errors import StudioError
from prefect_videogen.plan import PlannedClip, Price, StudioFacts
from prefect_videogen.records import ClipRecords, Store
from prefect_videogen.vendors import Account, Balance, Timeouts, VendorClient, open_client
from prefect_videogen.waiting import (
    CallbackAddresses,
    Gate,
    LocalSlots,
    Pace,
    Slot,
    SlotSource,
    Tally,
    Time,
    Wakes,
    fair_interval,
    limit_of,
    rest_after,
    room_for_fetching,
    spacing,
)

if TYPE_CHECKING:
    from prefect_videogen.media.arrival import Arrival
    from prefect_videogen.media.inspectors import Inspectors

MOST_SENDING = 50
"""Submissions under way at one model; fewer than a client has connections."""


MOST_DECODED_HERE = 4
"""Clips that wait to be decoded, or are, beyond which processes are started for it."""

CROWD = 50
"""Jobs that are polled, or more, beside which no clip is decoded here, as it would hold them up,
and not every change of their status is worth a line in the log."""


@dataclass
class _Shared:
    slots: LocalSlots = field(default_factory=LocalSlots)
    decoding: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(os.cpu_count() or 1)
    )
    arrived: int = 0
    paces: dict[tuple[str, str], Pace] = field(default_factory=dict)
    gates: dict[tuple[str, str], asyncio.Semaphore] = field(default_factory=dict)


@dataclass
class _Held:
    """A slot in use: since when, and how many requests its holder has made."""

    slot: Slot
    tally: Tally
    since: float
    interval: float
    requests: int = 0


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = WeakKeyDictionary()


@dataclass
class OpenStudio:
    """Where and with whom films are made, ready for use.

    Attributes:
        name: The studio's name, for messages.
        accounts: Vendor to account.
        store: The media store.
        view_url: Where people open the media store in a browser; empty is nowhere.
        prices: Price list.
        allow_unpriced: Whether shots without a price may be bought although a limit is set.
        limit_per_run: Most money for one run; 0 is no limit.
        limit_per_month: Most money for all runs scheduled in one month (UTC); 0 is no limit.
        low_balance: A run that has bought warns of balances below it, each in the vendor's unit.
        tell_balance: Tells automations of such a balance: studio, vendor, balance, low_balance.
        models: The models that exist.
        callbacks: Where vendors report a job's end; None is nowhere, so jobs are polled.
        wakes: Wakes waiters when such a report was recorded, if anything does.
        time: Clock, sleep and chance.
        transport: For tests: how HTTP goes out.
        timeouts: For tests: how long a vendor may take to answer.
        slots: Where slots of the whole installation come from; None keeps to this process.
        run: Id of the flow run, if there is one.
        owner: Who claims, unique to this opening.
    """

    name: str
    accounts: Mapping[str, Account]
    store: Store
    view_url: str = ""
    prices: tuple[Price, ...] = ()
    allow_unpriced: bool = False
    limit_per_run: Decimal = Decimal(0)
    limit_per_month: Decimal = Decimal(0)
    low_balance: float = 0
    tell_balance: Callable[[str, str, Balance, float], None] | None = None
    models: Mapping[str, Model] = field(default_factory=lambda: MODELS)
    callbacks: CallbackAddresses | None = None
    wakes: Wakes | None = None
    time: Time = field(default_factory=Time)
    transport: httpx.AsyncBaseTransport | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    slots: SlotSource | None = None
    run: str = ""
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        """Prepare what is opened on first use."""
        self.records = ClipRecords(self.store, self.time.now)
        self._clients: dict[str, VendorClient] = {}
        self.fetching = Gate(lambda: room_for_fetching(self._looking()))
        """Held by a flow while it downloads a clip."""
        self._inspectors: Inspectors | None = None
        self._downloads: httpx.AsyncClient | None = None
        self._journals: dict[str, Journal] = {}
        self._held: dict[str, _Held] = {}
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open; clients connect when they are first used."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give back all slots and close all clients."""
        for key in list(self._held):
            await self.give_back(key)
        if self.slots:
            await self.slots.aclose()
        await self._exit.aclose()
        self._clients.clear()
        self._downloads = None
        done, self._inspectors = self._inspectors, None
        if done:
            await asyncio.to_thread(done.end)

    def facts(self, publishes: frozenset[str] = frozenset()) -> StudioFacts:
        """What planning must know; without keys.

        Args:
            publishes: The vendors that pictures can be published for, see `pictures.publishes`.
        """
        return StudioFacts(
            name=self.name,
            labels={vendor: account.label for vendor, account in self.accounts.items()},
            publishes=publishes,
            prices=self.prices,
            speeds={vendor: account.speed for vendor, account in self.accounts.items()},
            models=self.models,
        )

    def link(self, path: str) -> str:
        """Where people open an object in a browser: an address that lasts; empty without one."""
        return f"{self.view_url.rstrip('/')}/{quote(path)}" if self.view_url else ""

    def model(self, clip: PlannedClip) -> Model:
        """The model of a clip.

        Raises:
            StudioError: If this studio does not know it.
        """
        return self.model_named(clip.model)

    def model_named(self, name: str) -> Model:
        """A model by its id.

        Raises:
            StudioError: If this studio does not know it.
        """
        try:
            return self.models[name]
        except KeyError:
            message = f"model {name} is not known to the studio {self.name}"
            raise StudioError(message, next_step="Is VIDEOGEN_MODELS set here too?") from None

    def account(self, vendor: str) -> Account:
        """The account at a vendor (`apixo`, with or without `@sandbox`).

        Raises:
            StudioError: If the studio has none.
        """
        name = vendor.partition("@")[0]
        try:
            return self.accounts[name]
        except KeyError:
            message = f"the studio {self.name} has no credentials for {name}"
            raise StudioError(message, next_step=f"Add {name} credentials to it.") from None

    async def client(self, vendor: str) -> VendorClient:
        """The client of a vendor, opened once."""
        name = vendor.partition("@")[0]
        if name not in self._clients:
            client = open_client(
                self.account(name), transport=self.transport, timeouts=self.timeouts
            )
            self._clients[name] = await self._exit.enter_async_context(client)
        return self._clients[name]

    async def downloads(self) -> httpx.AsyncClient:
        """The client that fetches results, opened once."""
        if self._downloads is None:
            self._downloads = open_download_client(self.transport)
            await self._exit.enter_async_context(self._downloads)
        return self._downloads

    def journal(self, name: str) -> Journal:
        """The journal of a budget, opened once."""
        return self._journals.setdefault(name, Journal(self.store, name))

    async def take_slot(self, key: str, model: Model) -> None:
        """Hold one of the model's slots for a clip, from submit until its job has ended."""
        account = self.account(model.vendor)
        limit = limit_of(account, model)
        if limit is None or key in self._held:
            return
        slot = await self.slots.take(limit) if self.slots else None
        slot = slot or await self._share().slots.take(limit)
        if key in self._held:  # another shot asks for the very same clip, and was first
            await slot.give_back()
            return
        # Where a limit is large, the requests a minute are far from being used up.
        interval = fair_interval(model) / account.speed if limit.exact else 0.0
        self._held[key] = _Held(slot, self.tally(model), self.time.monotonic(), interval)

    async def give_back(self, key: str) -> None:
        """Give a clip's slot back; one that is not held is no error."""
        held = self._held.pop(key, None)
        if held:
            held.tally.own.discard(key)
            seconds = self.time.monotonic() - held.since
            await held.slot.give_back(rest_after(seconds, held.requests, held.interval))

    def holds(self, key: str) -> bool:
        """Whether a clip's slot is held here, because its job is bought or waited for."""
        return key in self._held

    def count_request(self, key: str) -> None:
        """Note a submit or a poll that a clip's slot is used for; without a slot, nothing."""
        if held := self._held.get(key):
            held.requests += 1

    def tally(self, model: Model) -> Tally:
        """What is known of the model's open jobs."""
        return self._tallies.setdefault(self._limit_name(model), Tally())

    def _looking(self) -> int:
        return sum(tally.looking for tally in self._tallies.values())

    def pace(self, model: Model) -> Pace:
        """The pace of requests on the model's key."""
        speed = self.account(model.vendor).speed
        paces = self._share().paces
        return paces.setdefault(self._limit_name(model), Pace(spacing(model, speed), self.time))

    def sending(self, model: Model) -> asyncio.Semaphore:
        """Held from before a claim until its answer, so that no claim waits for a connection."""
        gates = self._share().gates
        return gates.setdefault(self._limit_name(model), asyncio.Semaphore(MOST_SENDING))

    async def look_over(self, path: Path) -> Arrival:
        """Look a clip over that has arrived: here, or apart from here if many have.

        Args:
            path: A video file.

        Raises:
            MediaError: If it is none, or damaged.
        """
        # PyAV loads slowly, and planning needs none of it.
        from prefect_videogen.media.arrival import look_over  # noqa: PLC0415
        from prefect_videogen.media.inspectors import Inspectors  # noqa: PLC0415

        shared = self._share()
        inspectors = self._inspectors = self._inspectors or Inspectors()
        shared.arrived += 1
        try:
            async with shared.decoding:
                crowded = shared.arrived > MOST_DECODED_HERE or self._looking() >= CROWD
                many = crowded or inspectors.started
                how = inspectors.look_over if many else look_over
                return await asyncio.to_thread(how, path)
        finally:
            shared.arrived -= 1

    def _limit_name(self, model: Model) -> tuple[str, str]:
        return self.account(model.vendor).fingerprint, model.id

    def _share(self) -> _Shared:
        return _shared.setdefault(asyncio.get_running_loop(), _Shared())


def known_models() -> Mapping[str, Model]:
    """The built-in models and those of the file that `VIDEOGEN_MODELS` names.

    Raises:
        StudioError: If the file can't be read or an entry is wrong.
    """
    path = os.environ.get("VIDEOGEN_MODELS", "")
    if not path:
        return MODELS
    try:
        data = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except (OSError, YAMLError, UnicodeDecodeError) as error:
        message = f"VIDEOGEN_MODELS names {path}, which can't be read: {type(error).__name__}"
        raise StudioError(message, next_step="Correct the path or the file.") from None
    return parse_models(data, source=path)
