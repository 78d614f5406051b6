"""Trying out what a studio stands on: keys, media store, callback endpoint, prices. Buys nothing.

Whatever is wrong is a finding with its remedy, never an exception, and no text holds a secret.
What only Prefect knows, as limits and deployments, is left to the blocks and to `doctor`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict

from prefect_videogen.capabilities import Model
from prefect_videogen.errors import Throttled, VendorError, VideoGenError, how_to_settle
from prefect_videogen.plan import Price, stray_prices
from prefect_videogen.records import ClipRecords, Store
from prefect_videogen.records.listing import is_unfinished, recorded_attempts
from prefect_videogen.settling import undecided_for
from prefect_videogen.studio import OpenStudio
from prefect_videogen.vendors import Account, Balance, Timeouts, is_private_host, open_client
from prefect_videogen.vendors.account import is_public_url
from prefect_videogen.waiting import CallbackAddresses, schedule_for

Verdict = Literal["yes", "warn", "no"]

QUICK = Timeouts(connect=5.0, read=10.0, total=15.0)
"""How long a vendor may take to answer a check."""

WITHIN = 15.0
"""Seconds that a callback endpoint or a media store's web server may take to answer."""

RACERS = 8
"""How many create the same object at once; exactly one may win."""

NOBODY, NEVER = "0" * 64, 999_999
"""Key and attempt that no clip ever has: a callback for them changes nothing."""

_OK, _NOT_FOUND, _FULL = 200, 404, 503
_NAMES: Mapping[str, str] = {"apixo": "APIXO", "evolink": "EvoLink"}


class Check(BaseModel):
    """One thing that was tried.

    Attributes:
        name: What was tried.
        ok: `yes`; `warn` if it works but a person should know; `no` if it does not.
        detail: What was found.
        remedy: What to do about it; empty if nothing is.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    ok: Verdict
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.ok:<4} {self.name}: {self.detail}.{remedy}"


class CheckReport(BaseModel):
    """Everything that was tried; `str()` of it is a line for each.

    Attributes:
        checks: The findings, in the order in which they matter.
    """

    model_config = ConfigDict(frozen=True)

    checks: tuple[Check, ...] = ()

    @property
    def ok(self) -> Verdict:
        """The worst of all: `no` if anything does not work."""
        found = {check.ok for check in self.checks}
        return "no" if "no" in found else "warn" if "warn" in found else "yes"

    def __str__(self) -> str:
        return "\n".join(map(str, self.checks))


async def gathered(*parts: Awaitable[Sequence[Check]]) -> CheckReport:
    """Make several checks at once; the report has them in the order given."""
    found = await asyncio.gather(*parts)
    return CheckReport(checks=tuple(check for checks in found for check in checks))


def failed(name: str, error: Exception) -> Check:
    """A check that an error has ended: in our own words, or by its type alone."""
    if isinstance(error, VideoGenError):
        return Check(name=name, ok="no", detail=error.message, remedy=error.next_step)
    detail = f"it failed with {type(error).__name__}"
    return Check(name=name, ok="no", detail=detail, remedy="This is a fault in the program.")


# -- accounts -------------------------------------------------------------------------------------


async def account_checks(account: Account) -> list[Check]:
    """Ask for the balance, which is free, and so find out about address, key and money.

    Args:
        account: The account.
    """
    vendor = _NAMES[account.vendor]
    key = f"{vendor} key"
    try:
        async with open_client(account, timeouts=QUICK) as client:
            balance = await client.balance()
    except Throttled as error:
        return [Check(name=key, ok="warn", detail=error.message, remedy="Check again later.")]
    except VendorError as error:
        remedy = error.next_step or "Check the base URL and the network; then check again."
        return [Check(name=key, ok="no", detail=error.message, remedy=remedy)]
    except Exception as error:  # noqa: BLE001 - a check never raises
        return [failed(key, error)]
    sandbox = ", a sandbox" if account.sandbox else ""
    taken = Check(name=key, ok="yes", detail=f"accepted by {account.base_url}{sandbox}")
    return [taken, _balance_check(vendor, balance)]


def _balance_check(vendor: str, balance: Balance) -> Check:
    limit = ", no limit for this key" if balance.unlimited else ""
    detail = f"{balance.amount:g} {balance.unit}{limit}"
    empty = balance.amount <= 0
    remedy = f"Nothing can be bought: add money at {vendor}." if empty else ""
    return Check(
        name=f"{vendor} balance", ok="no" if empty else "yes", detail=detail, remedy=remedy
    )


# -- media store ----------------------------------------------------------------------------------


async def store_checks(store: Store, *, sandbox: bool = True) -> list[Check]:
    """Write, read, remove, and race for one object, as purchases do.

    Args:
        store: The media store; objects under `probes/` are made and removed.
        sandbox: Whether only sandboxes fetch pictures from it, which reach private addresses.
    """
    folder = f"probes/{uuid.uuid4().hex}"
    remedy = f"Check that {store.url} exists and may be written to and listed from here."
    try:
        checks = [await _written_and_read(store, f"{folder}/one"), await _raced(store, folder)]
        return [*checks, await _served(store, f"{folder}/one", sandbox=sandbox)]
    except Exception as error:  # noqa: BLE001 - a check never raises
        found = failed("media store", error)
        return [found.model_copy(update={"remedy": found.remedy or remedy})]
    finally:
        await _swept(store, folder)


async def _written_and_read(store: Store, path: str) -> Check:
    made = await store.create(path, b"one")
    again = await store.create(path, b"two")
    right = made and not again and await store.read(path) == b"one"
    listed = path in await store.list(path.rpartition("/")[0])
    if right and listed:
        return Check(name="media store", ok="yes", detail=f"{store.url} is written and read")
    wrong = "an object was overwritten" if not right else "a new object is not listed"
    step = "Use another store: records must stay as they were written, and be found at once."
    return Check(name="media store", ok="no", detail=f"{store.url}: {wrong}", remedy=step)


async def _raced(store: Store, folder: str) -> Check:
    """Many create one object at the same time; one wins, and what it wrote stays."""
    name, path = "exclusive creation", f"{folder}/raced"
    data = [str(number).encode() for number in range(RACERS)]
    won = await asyncio.gather(*(store.create(path, entry) for entry in data))
    if won.count(True) == 1 and await store.read(path) == data[won.index(True)]:
        return Check(name=name, ok="yes", detail=f"of {RACERS} writers at once one wins")
    return Check(
        name=name,
        ok="no",
        detail=f"of {RACERS} writers at once {won.count(True)} were told that they won",
        remedy="Two runs at once could buy a clip twice there: use another store.",
    )


async def _served(store: Store, path: str, *, sandbox: bool) -> Check:
    """Whether an object can be fetched from where vendors are told to fetch pictures."""
    name, url = "picture addresses", store.public_url(path)
    if url is None:
        step = "Set the media store's public URL, or give pictures as https:// addresses."
        detail = "the media store is not served, so only EvoLink's file upload takes pictures"
        return Check(name=name, ok="warn", detail=detail, remedy=step)
    if not (sandbox or is_public_url(url)):
        where = urlsplit(url).hostname if is_private_host(url) else "what is no address"
        step = "Set the media store's public URL to an address on the internet, or use S3."
        detail = f"vendors can't fetch pictures from {where}; only EvoLink's file upload takes them"
        return Check(name=name, ok="no", detail=detail, remedy=step)
    host = httpx.URL(url).host
    try:
        async with _web(url) as web:
            answer = await web.get(url)
    except httpx.HTTPError as error:
        step = "Check the media store's public URL, and that its server runs."
        detail = f"{host} did not answer ({type(error).__name__})"
        return Check(name=name, ok="no", detail=detail, remedy=step)
    if answer.status_code == _OK and answer.content == b"one":
        return Check(name=name, ok="yes", detail=f"{host} serves the media store")
    step = "Check that the public URL leads to the media store's own folder."
    detail = f"{host} answers HTTP {answer.status_code} where the media store has an object"
    return Check(name=name, ok="no", detail=detail, remedy=step)


async def _swept(store: Store, folder: str) -> None:
    """Remove the probes; what can't be removed harms nobody."""
    for name in ("one", "raced"):
        try:
            await store.remove(f"{folder}/{name}")
        except VideoGenError:
            return


# -- callbacks ------------------------------------------------------------------------------------


async def callback_checks(addresses: CallbackAddresses, *, sandbox: bool) -> list[Check]:
    """Deliver two callbacks of no clip: one with its token, which is taken, and a forged one.

    Args:
        addresses: The callback endpoint.
        sandbox: Whether only sandboxes use it, which reach plain and private addresses.
    """
    name = "callback endpoint"
    try:
        url = addresses.job_url(NOBODY, NEVER, sandbox=sandbox)
        _ = urlsplit(url).port  # raises if it is none
        return [await _called_back(url)]
    except (httpx.InvalidURL, ValueError):
        detail = "its URL is no address that can be reached"
        step = "Correct the callback endpoint's URL."
        return [Check(name=name, ok="no", detail=detail, remedy=step)]
    except Exception as error:  # noqa: BLE001 - a check never raises
        return [failed(name, error)]


async def _called_back(url: str) -> Check:
    host = httpx.URL(url).host
    forged = url[: -len(NOBODY)] + NOBODY
    try:
        async with _web(url) as web:
            taken, refused = await web.post(url), await web.post(forged)
    except httpx.HTTPError as error:
        step = "Start `prefect-videogen callbacks`, with the public TLS proxy in front of it."
        detail = f"{host} did not answer ({type(error).__name__})"
        return Check(name="callback endpoint", ok="no", detail=detail, remedy=step)
    return _callback_check(host, taken.status_code, refused.status_code)


def _callback_check(host: str, taken: int, refused: int) -> Check:
    name = "callback endpoint"
    if (taken, refused) == (_OK, _NOT_FOUND):
        return Check(name=name, ok="yes", detail=f"{host} takes callbacks and refuses forged ones")
    if (taken, refused) == (_FULL, _NOT_FOUND):
        detail = f"{host} has no room for more callbacks just now"
        return Check(name=name, ok="warn", detail=detail, remedy="Check again later.")
    if taken == refused == _NOT_FOUND:
        detail = f"{host} does not know this studio's token"
        step = (
            "Start `prefect-videogen callbacks` with the same secret; the proxy must pass on the "
            "whole path."
        )
        return Check(name=name, ok="no", detail=detail, remedy=step)
    detail = f"{host} answers HTTP {taken}, and {refused} to a forged callback: no receiver"
    step = "Let the proxy pass callbacks on to `prefect-videogen callbacks`."
    return Check(name=name, ok="no", detail=detail, remedy=step)


def _web(url: str) -> httpx.AsyncClient:
    # A proxy of the environment can't reach what is at home.
    return httpx.AsyncClient(timeout=WITHIN, trust_env=not is_private_host(url))


# -- prices ---------------------------------------------------------------------------------------


def price_check(
    prices: Sequence[Price],
    models: Mapping[str, Model],
    vendors: Collection[str],
    *,
    limited: bool,
) -> Check:
    """Say which prices no clip can have and which models have none, and what that means.

    Args:
        prices: The studio's prices.
        models: The models that exist.
        vendors: The vendors that the studio has accounts of.
        limited: Whether a limit is set under which shots without a price are refused.
    """
    name = "prices"
    priced = {price.model for price in prices}
    usable = [model.id for model in models.values() if model.vendor in vendors]
    missing = [model for model in usable if model not in priced]
    if strays := stray_prices(prices, models):
        detail = "; ".join(stray.what for stray in strays)
        near = " or ".join(f"`{name}`" for name in dict.fromkeys(s.near for s in strays) if name)
        meant = f": did you mean {near}?" if near else ";"
        step = f"Correct the prices{meant} `prefect-videogen models` tells what there is."
        return Check(name=name, ok="warn", detail=detail, remedy=step)
    if not missing:
        return Check(name=name, ok="yes", detail="every model has one")
    step = "Add prices to the studio, so that plans show costs and budgets can hold."
    if limited:
        step = "A limit is set, so their shots are refused: add prices, or set allow_unpriced."
    detail = "there are none" if not prices else f"none for {', '.join(missing)}"
    worst: Verdict = "no" if limited and len(missing) == len(usable) else "warn"
    return Check(name=name, ok=worst, detail=detail, remedy=step)


# -- what is left over ----------------------------------------------------------------------------


async def leftover_checks(studio: OpenStudio) -> list[Check]:
    """Look for paid jobs that nobody has fetched, and submissions that nobody has an answer to.

    Args:
        studio: The open studio; jobs of other accounts are passed over.
    """
    try:
        return [await _overdue(studio), await _unknown(studio)]
    except Exception as error:  # noqa: BLE001 - a check never raises
        return [failed("records", error)]


async def _overdue(studio: OpenStudio) -> Check:
    late = 0
    for path in await studio.store.list("open"):
        match path.split("/"):
            case [_, vendor, model, name]:
                late += await _is_overdue(studio, vendor, model, name)
    if not late:
        return Check(name="open jobs", ok="yes", detail="none is older than its deadline")
    detail = f"{late} are open for longer than any job may take"
    step = "`prefect-videogen collect` fetches what is ready and clears away the rest."
    return Check(name="open jobs", ok="warn", detail=detail, remedy=step)


async def _is_overdue(studio: OpenStudio, vendor: str, model: str, name: str) -> bool:
    key, _, number = name.rpartition("-")
    if not (_is_ours(studio, vendor) and number.isdigit() and model in studio.models):
        return False
    entry = await studio.records.opened(vendor, model, key, int(number))
    schedule = schedule_for(studio.models[model], (0, 0), studio.account(vendor).speed)
    longest = schedule.deadline + schedule.queue_deadline
    return entry is not None and studio.time.now() - entry.at > longest


async def _unknown(studio: OpenStudio) -> Check:
    records: ClipRecords = studio.records
    keys = set()
    for name, known in (await recorded_attempts(studio.store)).items():
        if is_unfinished(known) and not known & {"submitted", "ready"}:
            attempt = await records.attempt(name.key, name.number)
            claimed = attempt.claimed if attempt else None
            if claimed and _is_ours(studio, claimed.vendor) and undecided_for(studio, claimed) <= 0:
                keys.add(name.key[:12])
    if not keys:
        return Check(name="unknown purchases", ok="yes", detail="there are none")
    detail = f"nobody knows whether the vendor accepted {', '.join(sorted(keys))}"
    step = f"{how_to_settle('KEY')}."
    return Check(name="unknown purchases", ok="warn", detail=detail, remedy=step)


def _is_ours(studio: OpenStudio, vendor: str) -> bool:
    account = studio.accounts.get(vendor.partition("@")[0])
    return account is not None and account.label == vendor
