"""Slots as Prefect's global concurrency limits, so that they hold for a whole installation.

Prefect's own context manager is not used. It wants to be left by the task that entered it, while a
slot is taken by `submit` and given back by `wait`, and it would be released at the end of the task
run. Its waiters sleep as long as the server says, up to 30 s. So this keeps the leases itself: one
acquisition under way for each limit, short sleeps while all slots are taken, every lease renewed
by one task, all given back when the studio closes. A killed process's come back with their lease.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.context import SettingsContext
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, Settings

from prefect_videogen.blocks.wakes import server_is_shared
from prefect_videogen.errors import StudioError
from prefect_videogen.vendors.reading import retry_after
from prefect_videogen.waiting import Limit

logger = logging.getLogger(__name__)

LEASE = 60.0
"""Seconds after which a killed process's slots come back; the shortest Prefect allows."""

RENEW_EVERY = 15.0
RENEW_WITHIN = 15.0
"""Seconds after which a renewal is left to the next round; Prefect's client tries for minutes."""

TOLD_EVERY = 300.0
"""Seconds of waiting for a slot after which a log line says so."""

LONGEST_REST = 1.0
"""Seconds that closing waits for slots that may not be given back yet; else their lease ends."""

AWAY = 30.0
"""Seconds in which the server says nothing of use: if a try that begins later fails too, this
process keeps to its own limit; also the longest that the server is waited for at its request."""

SHARE_OF_WAITING = 4
"""A large limit's block grows to one share in so many of those who wait, so that a thousand at once
need a dozen acquisitions and not forty, on a server that their tasks keep busy."""

_LOCKED, _UNPROCESSABLE, _GONE = 423, 422, 410
_BUSY = frozenset({408, 429, *range(500, 600)})
_ACQUISITION = "/increment-with-lease"
_said: set[str] = set()


def installation_slots(studio: str = "") -> PrefectSlots | NoSlots:
    """The slots of the Prefect server that is configured; none if there is no server.

    A server that Prefect starts for one process, and ends with it, holds nothing together.

    Args:
        studio: Name of the studio that takes them, for messages.
    """
    return PrefectSlots(studio) if server_is_shared() else NoSlots()


def setup_command(studio: str) -> str:
    """The command that sets a studio's limits up."""
    named = studio not in {"", "default", "env"}
    return f"`prefect-videogen setup{f' --name {studio}' if named else ''}`"


async def create_limits(limits: Iterable[Limit]) -> None:
    """Create the limits, or set their size; as often as one likes."""
    async with get_client() as client:
        for limit in limits:
            try:
                await client.upsert_global_concurrency_limit_by_name(limit.name, limit.most)
            except ObjectAlreadyExists:  # somebody else sets up at the same time
                change = GlobalConcurrencyLimitUpdate(limit=limit.most)
                await client.update_global_concurrency_limit(limit.name, change)


class BusyError(Exception):
    """The server can't serve just now, or can't be reached.

    Args:
        why: What was met instead.
        wait: Seconds that the server asks to be left alone.
    """

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


@dataclass(eq=False)
class _Lease:
    """Slots that were acquired together.

    Attributes:
        id: The server's name for them.
        size: How many they are.
        renewed: When the lease was last renewed, on the monotonic clock.
        since: When it began.
        free: How many are not used by anybody here.
        lost: Whether the server knows it no longer.
    """

    id: UUID
    size: int
    renewed: float
    since: float
    free: int = 0
    lost: bool = False


@dataclass(eq=False)
class _Pool:
    """What this process has of one limit, and who waits for more."""

    limit: Limit
    leases: list[_Lease] = field(default_factory=list)
    waiting: deque[asyncio.Future[_Lease | None]] = field(default_factory=deque)
    filling: asyncio.Task[None] | None = None

    def hand_out(self, lease: _Lease) -> None:
        """Give free slots of a lease to those who wait."""
        while lease.free and self.waiting:
            future = self.waiting.popleft()
            if not future.done():
                lease.free -= 1
                future.set_result(lease)

    def drop(self, lease: _Lease) -> None:
        """Reckon with a lease no longer."""
        if lease in self.leases:
            self.leases.remove(lease)

    def refuse(self, error: BaseException | None) -> None:
        """Send away all who wait: to another source, or with an error."""
        while self.waiting:
            future = self.waiting.popleft()
            if future.done():
                continue
            if error:
                future.set_exception(error)
            else:
                future.set_result(None)


class NoSlots:
    """Knows no limit: without a server each process keeps to them by itself."""

    async def take(self, limit: Limit) -> None:
        """Say so, once for each limit."""
        why = "has no Prefect server to hold it (PREFECT_API_URL is not set)"
        _say(limit, why, logging.INFO)

    async def aclose(self) -> None:
        """Nothing to give back."""


@dataclass
class PrefectSlot:
    """A slot of a limit of the whole installation."""

    _slots: PrefectSlots
    _pool: _Pool
    _lease: _Lease

    async def give_back(self, rest: float = 0.0) -> None:
        """Give it back soon, in the background."""
        self._slots.put(self._pool, self._lease, rest)


class PrefectSlots:
    """Hands out slots of Prefect's global concurrency limits; belongs to one open studio.

    Args:
        studio: Its name, for messages.
    """

    def __init__(self, studio: str = "") -> None:
        self._setup = setup_command(studio)
        self._pools: dict[str, _Pool] = {}
        self._client: PrefectClient | None = None
        self._connecting = asyncio.Lock()
        self._exit = AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self._renewing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._settings: Settings | None = None

    async def take(self, limit: Limit) -> PrefectSlot | None:
        """Wait for a slot.

        Args:
            limit: The limit.

        Returns:
            The slot; None if Prefect has no such limit, or has not answered for a while.

        Raises:
            StudioError: If the limit was made smaller than what is asked for.
        """
        pool = self._pools.setdefault(limit.name, _Pool(limit))
        free = next((lease for lease in pool.leases if lease.free and not lease.lost), None)
        if free is not None:
            free.free -= 1
            return PrefectSlot(self, pool, free)
        future: asyncio.Future[_Lease | None] = asyncio.get_running_loop().create_future()
        pool.waiting.append(future)
        if pool.filling is None or pool.filling.done():
            pool.filling = asyncio.create_task(self._fill(pool))
        try:
            lease = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and (granted := future.result()):
                self.put(pool, granted, 0.0)
            raise
        return PrefectSlot(self, pool, lease) if lease else None

    def put(self, pool: _Pool, lease: _Lease, rest: float) -> None:
        """Take a slot back into the pool, once it has rested."""
        task = asyncio.create_task(self._put(pool, lease, rest))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Give everything back; what has to rest much longer is left to its lease."""
        self._closing.set()
        ending = [pool.filling for pool in self._pools.values() if pool.filling]
        ending += [self._renewing] if self._renewing else []
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._exit.aclose()

    # -- taking -------------------------------------------------------------------------------

    async def _fill(self, pool: _Pool) -> None:
        """Acquire slots as long as somebody waits for one."""
        await asyncio.sleep(0)  # all that ask at this moment are counted
        try:
            if why := await self._acquire_for_all(pool):
                _say(pool.limit, why)
                pool.refuse(None)
        except httpx.HTTPStatusError as error:
            pool.refuse(_refusal(pool.limit, error, self._setup))
        except Exception as error:  # noqa: BLE001 - raised where they wait, who would wait for ever
            pool.refuse(error)

    async def _acquire_for_all(self, pool: _Pool) -> str:
        """Acquire until nobody waits; says what is wrong if that is impossible here."""
        want, began, told = math.inf, time.monotonic(), 0
        answered = began
        while wanted := sum(1 for future in pool.waiting if not future.done()):
            slots = int(min(want, _block(pool.limit, wanted), wanted))
            asked = time.monotonic()
            try:
                granted = await self._acquire(pool, slots)
            except BusyError as error:
                # Not by when it failed: on SQLite a server may stand still for a minute, once.
                if asked - answered > AWAY:
                    return f"can't be asked for ({error})"
                await self._pause(pool, min(error.wait, AWAY))
                continue
            answered = time.monotonic()
            if granted is None:
                return f"is not set up ({self._setup} does that)"
            if granted:
                want, began, told = math.inf, time.monotonic(), 0
                continue
            want = max(slots // 2, 1)
            if time.monotonic() - began > TOLD_EVERY * (told + 1):
                told += 1
                _tell_long_wait(pool.limit, time.monotonic() - began)
            await self._pause(pool)
        return ""

    async def _pause(self, pool: _Pool, least: float = 0.0) -> None:
        jitter = 1 + random.random() / 2  # noqa: S311 - no secret
        await asyncio.sleep(least + pool.limit.retry * jitter)

    async def _acquire(self, pool: _Pool, slots: int) -> bool | None:
        """Try once to acquire slots: whether there were so many; None if there is no limit.

        Raises:
            BusyError: If the server can't say.
        """
        client = await self._connected()
        began = time.monotonic()
        try:
            with self._without_retries():
                response = await client.increment_concurrency_slots_with_lease(
                    names=[pool.limit.name], slots=slots, mode="concurrency", lease_duration=LEASE
                )
        except httpx.TransportError as error:
            raise BusyError(_brief(error)) from None
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status == _LOCKED:
                return False
            if status in _BUSY:
                raise _busy(error.response) from None
            if status == _UNPROCESSABLE and slots > 1:
                return False  # made smaller than a block; fewer are asked for next
            raise
        answer = response.json()
        if not answer["limits"]:
            return None
        lease = _Lease(UUID(answer["lease_id"]), slots, renewed=began, since=began, free=slots)
        pool.leases.append(lease)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())
        pool.hand_out(lease)
        if lease.free == lease.size:  # whoever waited has gone
            await self._release(pool, lease)
        return True

    def _without_retries(self) -> AbstractContextManager[object]:
        """Have Prefect's client ask once.

        It would answer a busy server (SQLite under load) with pauses of up to half a minute, while
        everybody waits; the next try here comes much sooner. The changed settings are kept, as
        making them takes longer than many an acquisition.
        """
        context = SettingsContext.get()
        if context is None:
            return nullcontext()
        if self._settings is None:
            self._settings = context.settings.copy_with_update({PREFECT_CLIENT_MAX_RETRIES: 0})
        return SettingsContext(profile=context.profile, settings=self._settings)

    async def _connected(self) -> PrefectClient:
        async with self._connecting:
            if self._client is None:
                hooks = {"event_hooks": {"response": [_refuse_if_busy]}}
                client = get_client(httpx_settings=hooks)
                self._client = await self._exit.enter_async_context(client)
            return self._client

    # -- keeping and giving back --------------------------------------------------------------

    async def _renew(self) -> None:
        """Renew all leases, as long as there are any."""
        while any(pool.leases for pool in self._pools.values()):
            await asyncio.sleep(RENEW_EVERY)
            held = [(pool, lease) for pool in self._pools.values() for lease in pool.leases]
            # All at once: one that the server is slow to answer must not let the others run out.
            await asyncio.gather(*(self._renewed(pool, lease) for pool, lease in held))

    async def _renewed(self, pool: _Pool, lease: _Lease) -> None:
        """Renew a lease, or say that it failed."""
        try:
            async with asyncio.timeout(RENEW_WITHIN):
                await self._renew_or_free(pool, lease)
        except Exception as error:  # noqa: BLE001 - raised, it would end the renewal of all others
            name, why = pool.limit.name, _brief(error)
            logger.warning("A slot of %s could not be renewed or freed: %s", name, why)

    async def _renew_or_free(self, pool: _Pool, lease: _Lease) -> None:
        """Renew a lease; one that the server has lost is no longer reckoned with.

        Jobs that it was taken for go on: they are paid, and their entries under `open/` count.
        """
        client = await self._connected()
        began = time.monotonic()
        try:
            await client.renew_concurrency_lease(lease.id, LEASE)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != _GONE:
                raise
            lease.lost = True
            pool.drop(lease)
            logger.warning("%s slots of %s were lost by the server", lease.size, pool.limit.name)
            now = time.monotonic()  # not when it was asked: the client may have tried for a minute
            if now - lease.renewed < LEASE:
                # It can't have run out, so the server was started anew and forgot the lease, but
                # not that its slots are taken: nobody else would ever give them back.
                await client.release_concurrency_slots(
                    [pool.limit.name], lease.size, max(now - lease.since, 1.0)
                )
        else:
            lease.renewed = began

    async def _put(self, pool: _Pool, lease: _Lease, rest: float) -> None:
        if rest > 0 and not await self._rest(rest):
            return
        lease.free += 1
        if pool.limit.block > 1 and not lease.lost:
            # One by one, others' turn comes too; of a block, slots are used again first.
            pool.hand_out(lease)
        if lease.free == lease.size:
            await self._release(pool, lease)

    async def _rest(self, seconds: float) -> bool:
        """Wait before a slot is given back; False if it is left to its lease instead."""
        until = time.monotonic() + seconds
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
        left = until - time.monotonic()
        if left > LONGEST_REST:
            return False
        await asyncio.sleep(max(left, 0.0))
        return True

    async def _release(self, pool: _Pool, lease: _Lease) -> None:
        """Give a lease back; without the server, it ends by itself."""
        pool.drop(lease)  # first, so that nobody here takes a slot of it meanwhile
        if not lease.lost:
            # Giving back a lease that the server has forgotten would do nothing.
            await self._renewed(pool, lease)
        if lease.lost:
            return
        client = await self._connected()
        try:
            await client.release_concurrency_slots_with_lease(lease.id)
        except (httpx.HTTPError, OSError) as error:
            name, why = pool.limit.name, _brief(error)
            logger.warning("A slot of %s is left to its lease: %s", name, why)


def _block(limit: Limit, wanted: int) -> int:
    """The most slots to acquire at once when so many are wanted."""
    return limit.block if limit.exact else max(limit.block, wanted // SHARE_OF_WAITING)


def _busy(response: httpx.Response) -> BusyError:
    return BusyError(f"HTTP {response.status_code}", retry_after(response.headers) or 0.0)


async def _refuse_if_busy(response: httpx.Response) -> None:
    """Raise what a busy server says to an acquisition.

    Prefect's client would sleep first, after its last try too, for all the time that it is told.
    """
    if response.status_code in _BUSY and response.request.url.path.endswith(_ACQUISITION):
        raise _busy(response)


def _brief(error: Exception) -> str:
    """Name an error of the server's without its address."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return type(error).__name__


def _refusal(limit: Limit, error: httpx.HTTPStatusError, setup: str) -> StudioError:
    status = error.response.status_code
    message = f"Prefect refuses slots of {limit.name} with HTTP {status}"
    if status == _UNPROCESSABLE:
        message = f"the limit {limit.name} is 0, so nothing can be bought"
    return StudioError(message, next_step=f"{setup} sets it to {limit.most}.")


def _say(limit: Limit, why: str, level: int = logging.WARNING) -> None:
    """Say once for each limit that it holds for this process only."""
    if limit.name not in _said:
        _said.add(limit.name)
        text = "The limit %s %s: this process alone keeps to %s jobs"
        logger.log(level, text, limit.name, why, limit.most)


def _tell_long_wait(limit: Limit, seconds: float) -> None:
    logger.warning(
        "Waiting for a slot of %s for %.0f s. If nothing is running any more, free them: "
        "`prefect gcl update %s --active-slots 0`",
        limit.name,
        seconds,
        limit.name,
    )
