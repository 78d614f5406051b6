"""Slots as Prefect's global concurrency limits, at a real server."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import anyio
import pytest
from httpx import AsyncHTTPTransport, ReadTimeout, Request, Response
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_videogen.blocks import limits as limits_module
from prefect_videogen.blocks.limits import (
    AWAY,
    LEASE,
    PrefectSlots,
    _Pool,
    create_limits,
    installation_slots,
)
from prefect_videogen.errors import StudioError
from prefect_videogen.waiting import Limit

HOLDING = Path(__file__).with_name("holding.py")


@pytest.fixture
def acquisitions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many slots each acquisition asked for."""
    asked: list[int] = []
    real = PrefectClient.increment_concurrency_slots_with_lease

    async def counted(self: PrefectClient, *, slots: int, **more: Any) -> Any:
        asked.append(slots)
        return await real(self, slots=slots, **more)

    monkeypatch.setattr(PrefectClient, "increment_concurrency_slots_with_lease", counted)
    return asked


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Request]]:
    """Answer the first requests to a path in the server's place; gives those it has answered."""
    real = AsyncHTTPTransport.handle_async_request

    def at(path: str, status: int, times: int, **headers: str) -> list[Request]:
        refused: list[Request] = []

        async def handle(self: AsyncHTTPTransport, request: Request) -> Response:
            if request.url.path.endswith(path) and len(refused) < times:
                refused.append(request)
                return Response(status, headers=headers, request=request)
            return await real(self, request)

        monkeypatch.setattr(AsyncHTTPTransport, "handle_async_request", handle)
        return refused

    return at


def start_holding(limit: Limit, holders: int, seconds: float) -> subprocess.Popen[str]:
    size, count = str(limit.most), str(holders)
    return subprocess.Popen(
        [sys.executable, str(HOLDING), limit.name, size, count, str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())},
    )


async def take(slots: PrefectSlots, limit: Limit, count: int) -> list[Any]:
    async with asyncio.timeout(120):
        return await asyncio.gather(*(slots.take(limit) for _ in range(count)))


async def test_three_processes_never_hold_more_than_the_limit(limit):
    shared = await limit(3)
    processes = [start_holding(shared, 4, 0.2) for _ in range(3)]
    outputs = [await asyncio.to_thread(process.communicate) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    # A slot is given back after its `-`, so at equal times a `-` comes first.
    lines = [line.split() for out, _ in outputs for line in out.splitlines()]
    changes = sorted((float(at), sign == "+") for sign, at in lines)
    holding = most = 0
    for _, begins in changes:
        holding += 1 if begins else -1
        most = max(most, holding)
    assert len(changes) == 24
    assert 2 <= most <= 3


async def test_slots_of_a_small_limit_are_taken_one_by_one_and_all_come_back(
    limit, taken, acquisitions
):
    slots, small = PrefectSlots(), await limit(3)
    held = await take(slots, small, 3)
    assert acquisitions == [1, 1, 1]
    assert await taken(small) == 3
    waiting = asyncio.create_task(slots.take(small))
    await asyncio.sleep(0)
    await held[0].give_back()
    async with asyncio.timeout(120):
        held.append(await waiting)
    assert await taken(small) == 3
    for slot in held[1:]:
        await slot.give_back()
    await slots.aclose()
    assert await taken(small) == 0


async def test_freed_slots_of_a_block_are_used_before_another_is_taken(limit, taken, acquisitions):
    slots, large = PrefectSlots(), await limit(100)
    held = await take(slots, large, 60)
    assert acquisitions == [25, 25, 10]
    assert await taken(large) == 60
    for slot in held[:20]:
        await slot.give_back()
    await asyncio.sleep(0)
    held[:20] = await take(slots, large, 20)
    assert acquisitions == [25, 25, 10]
    for slot in held:
        await slot.give_back()
    await slots.aclose()
    assert await taken(large) == 0


async def test_many_who_wait_at_once_are_served_in_larger_blocks(limit, taken, acquisitions):
    slots, large = PrefectSlots(), await limit(400)
    held = await take(slots, large, 400)
    assert acquisitions[:3] == [100, 75, 56]
    assert len(acquisitions) == 9
    assert await taken(large) == 400
    for slot in held:
        await slot.give_back()
    await slots.aclose()
    assert await taken(large) == 0


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_server_that_is_busy_is_asked_again_soon_and_for_as_many(
    limit, acquisitions, refuse, status, monkeypatch
):
    slots, large = PrefectSlots(), await limit(100)
    refused = refuse("increment-with-lease", status, 4)
    # Prefect's client would sleep for about 2 s after each of these answers, by anyio's sleep.
    slept: list[float] = []
    real = anyio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    monkeypatch.setattr(anyio, "sleep", sleep)
    held = await asyncio.gather(*(slots.take(large) for _ in range(20)))
    assert slept == []
    assert len(refused) == 4
    assert acquisitions == [20] * 5
    for slot in held:
        assert slot
        await slot.give_back()
    await slots.aclose()


@pytest.mark.parametrize(("asked", "left_alone"), [("7.5", 7.5), ("86400", AWAY)])
async def test_busy_server_is_left_alone_as_long_as_it_asks_within_reason(
    limit, refuse, monkeypatch, asked, left_alone
):
    slots, small = PrefectSlots(), await limit(1)
    refuse("increment-with-lease", 429, 1, **{"Retry-After": asked})
    paused: list[float] = []

    async def pause(self: PrefectSlots, pool: _Pool, least: float = 0.0) -> None:
        paused.append(least)

    monkeypatch.setattr(PrefectSlots, "_pause", pause)
    (held,) = await take(slots, small, 1)
    assert held
    assert paused[0] == left_alone
    await held.give_back()
    await slots.aclose()


async def test_server_that_stood_still_for_a_minute_is_asked_once_more(limit, monkeypatch):
    """As Prefect's does on SQLite, while its event loop waits for a lock that it holds itself."""
    slots, small = PrefectSlots(), await limit(1)
    real, ahead = AsyncHTTPTransport.handle_async_request, [0.0]

    async def handle(self: AsyncHTTPTransport, request: Request) -> Response:
        if request.url.path.endswith("increment-with-lease") and not ahead[0]:
            ahead[0] = 60.0
            message = "the server stands still"
            raise ReadTimeout(message, request=request)
        return await real(self, request)

    monkeypatch.setattr(AsyncHTTPTransport, "handle_async_request", handle)
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead[0])
    monkeypatch.setattr(limits_module, "time", clock)
    (held,) = await take(slots, small, 1)
    assert held
    await held.give_back()
    await slots.aclose()


async def test_server_that_stays_busy_leaves_it_to_the_process_and_says_so(
    limit, refuse, monkeypatch, nothing_said, caplog
):
    slots, small = PrefectSlots(), await limit(1)
    monkeypatch.setattr(limits_module, "AWAY", 0.5)
    refuse("increment-with-lease", 500, 1000)
    with caplog.at_level(logging.WARNING, "prefect_videogen"):
        assert await take(slots, small, 3) == [None, None, None]
    assert f"{small.name} can't be asked for (HTTP 500)" in caplog.text
    await slots.aclose()


async def test_rest_of_a_limit_that_is_smaller_than_a_block_is_used(limit, taken):
    slots, large = PrefectSlots(), await limit(60)
    held = await take(slots, large, 60)
    assert await taken(large) == 60
    more = [asyncio.create_task(slots.take(large)) for _ in range(30)]
    for slot in held:
        await slot.give_back()
    async with asyncio.timeout(120):
        others: list[Any] = await asyncio.gather(*more)
    for slot in others:
        await slot.give_back()
    await slots.aclose()
    assert await taken(large) == 0


async def test_limit_that_nobody_set_up_leaves_it_to_the_process_and_says_so_once(
    prefect_server, nothing_said, caplog
):
    unknown = Limit("videogen-test-unknown", 10, 0.1)
    with caplog.at_level(logging.WARNING, "prefect_videogen"):
        for _ in range(2):
            slots = PrefectSlots("paris")
            assert await take(slots, unknown, 3) == [None, None, None]
            await slots.aclose()
    told = {id(line): line.getMessage() for line in caplog.records}
    lines = [line for line in told.values() if unknown.name in line]
    assert len(lines) == 1
    assert "`prefect-videogen setup --name paris`" in lines[0]


async def test_process_without_a_server_keeps_to_the_limit_by_itself_and_says_so_once(
    nothing_said, caplog
):
    alone = Limit("videogen-test-alone", 10)
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        caplog.at_level(logging.INFO, "prefect_videogen"),
    ):
        slots = installation_slots()
        assert [await slots.take(alone) for _ in range(2)] == [None, None]
        await slots.aclose()
    told = {id(line): line.getMessage() for line in caplog.records}
    lines = [line for line in told.values() if alone.name in line]
    assert len(lines) == 1
    assert "PREFECT_API_URL is not set): this process alone keeps to 10 jobs" in lines[0]


async def test_waiter_that_is_cancelled_takes_no_slot_with_it(limit, taken):
    slots, small = PrefectSlots(), await limit(1)
    (held,) = await take(slots, small, 1)
    waiting = [asyncio.create_task(slots.take(small)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await held.give_back()
    async with asyncio.timeout(120):
        second = await waiting[1]
    assert second is not None
    await second.give_back()
    async with asyncio.timeout(120):
        third = await waiting[2]
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    assert third is not None
    await third.give_back()
    await slots.aclose()
    assert await taken(small) == 0


async def test_waiter_that_is_cancelled_the_moment_it_gets_a_slot_gives_it_back(
    limit, taken, monkeypatch
):
    slots, small = PrefectSlots(), await limit(1)
    real = _Pool.hand_out

    def hand_out_and_cancel(pool: _Pool, lease: Any) -> None:
        real(pool, lease)
        waiting.cancel()

    monkeypatch.setattr(_Pool, "hand_out", hand_out_and_cancel)
    waiting = asyncio.create_task(slots.take(small))
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await slots.aclose()
    assert await taken(small) == 0


async def test_slot_rests_before_somebody_else_has_it(limit):
    slots, small = PrefectSlots(), await limit(1)
    (held,) = await take(slots, small, 1)
    began = asyncio.get_running_loop().time()
    await held.give_back(rest=0.5)
    (other,) = await take(slots, small, 1)
    assert asyncio.get_running_loop().time() - began >= 0.5
    await other.give_back()
    await slots.aclose()


async def test_slot_that_has_to_rest_long_is_left_to_its_lease_when_closing(limit, taken):
    slots, small = PrefectSlots(), await limit(1)
    (held,) = await take(slots, small, 1)
    await held.give_back(rest=3600)
    async with asyncio.timeout(120):
        await slots.aclose()
    assert await taken(small) == 1


async def test_limit_of_zero_refuses_and_says_how_to_mend_it(limit):
    slots, closed = PrefectSlots(), await limit(5)
    async with get_client() as client:
        await client.update_global_concurrency_limit(
            closed.name, GlobalConcurrencyLimitUpdate(limit=0)
        )
    with pytest.raises(StudioError, match="is 0") as caught:
        await take(slots, closed, 2)
    assert "`prefect-videogen setup`" in caught.value.next_step
    await slots.aclose()


async def test_setting_up_again_sets_the_size_and_leaves_what_is_taken(limit, taken):
    slots, small = PrefectSlots(), await limit(2)
    await take(slots, small, 2)
    wider = Limit(small.name, 3, small.retry)
    await asyncio.gather(*(create_limits([wider]) for _ in range(3)))
    assert await taken(small) == 2
    await take(slots, wider, 1)
    assert await taken(small) == 3
    await slots.aclose()


async def test_slots_that_a_new_server_has_forgotten_are_freed_by_their_holder(limit, taken):
    """As after a restart: the lease is gone, and what is taken stands in the database."""
    slots, small = PrefectSlots(), await limit(2)
    (held,) = await take(slots, small, 1)
    (lease,) = slots._pools[small.name].leases
    async with get_client() as client:
        await client.release_concurrency_slots_with_lease(lease.id)
        await client.increment_concurrency_slots(names=[small.name], slots=1, mode="concurrency")
    assert await taken(small) == 1
    await held.give_back()
    await slots.aclose()
    assert await taken(small) == 0


async def test_lease_that_ran_out_is_not_given_back_a_second_time(limit, taken):
    slots, small = PrefectSlots(), await limit(2)
    (held,) = await take(slots, small, 1)
    (lease,) = slots._pools[small.name].leases
    lease.renewed -= LEASE
    async with get_client() as client:
        await client.release_concurrency_slots_with_lease(lease.id)
        await client.increment_concurrency_slots(names=[small.name], slots=1, mode="concurrency")
    await held.give_back()
    await slots.aclose()
    assert await taken(small) == 1


async def test_lease_that_ran_out_while_its_renewal_took_long_is_not_given_back_a_second_time(
    limit, taken, monkeypatch
):
    """As when Prefect's client tries for a minute: meanwhile the slot is somebody else's."""
    slots, small = PrefectSlots(), await limit(2)
    (held,) = await take(slots, small, 1)
    (lease,) = slots._pools[small.name].leases
    real = PrefectClient.renew_concurrency_lease

    async def renew(self: PrefectClient, lease_id: UUID, seconds: float) -> Any:
        await self.release_concurrency_slots_with_lease(lease.id)
        await self.increment_concurrency_slots(names=[small.name], slots=1, mode="concurrency")
        now = time.monotonic() + LEASE
        monkeypatch.setattr(limits_module, "time", SimpleNamespace(monotonic=lambda: now))
        return await real(self, lease_id, seconds)

    monkeypatch.setattr(PrefectClient, "renew_concurrency_lease", renew)
    await held.give_back()
    await slots.aclose()
    assert await taken(small) == 1


async def test_limit_that_is_first_used_during_a_renewal_does_not_end_it(limit, monkeypatch):
    slots, limits = PrefectSlots(), [await limit(1) for _ in range(3)]
    for used in limits[:2]:
        await take(slots, used, 1)
    renewed = asyncio.Event()
    real = PrefectClient.renew_concurrency_lease

    async def renew(self: PrefectClient, lease_id: UUID, seconds: float) -> Any:
        monkeypatch.setattr(PrefectClient, "renew_concurrency_lease", real)
        await take(slots, limits[2], 1)
        monkeypatch.setattr(PrefectClient, "renew_concurrency_lease", note)
        return await real(self, lease_id, seconds)

    async def note(self: PrefectClient, lease_id: UUID, seconds: float) -> Any:
        renewed.set()
        return await real(self, lease_id, seconds)

    monkeypatch.setattr(PrefectClient, "renew_concurrency_lease", renew)
    monkeypatch.setattr(limits_module, "RENEW_EVERY", 0.01)
    renewing = asyncio.create_task(slots._renew())  # that of the slots sleeps too long
    async with asyncio.timeout(120):
        await asyncio.wait(
            [asyncio.create_task(renewed.wait()), renewing], return_when=asyncio.FIRST_COMPLETED
        )
    assert renewed.is_set()
    renewing.cancel()
    await slots.aclose()


async def test_renewal_that_gets_no_answer_does_not_keep_the_others_from_theirs(
    limit, monkeypatch, caplog
):
    slots, small = PrefectSlots(), await limit(2)
    await take(slots, small, 2)
    stuck, other = slots._pools[small.name].leases
    asked: list[UUID] = []
    twice = asyncio.Event()

    async def renew(self: PrefectClient, lease_id: UUID, seconds: float) -> None:
        asked.append(lease_id)
        if asked.count(other.id) == 2:
            twice.set()
        if lease_id == stuck.id:
            await asyncio.Event().wait()

    monkeypatch.setattr(PrefectClient, "renew_concurrency_lease", renew)
    monkeypatch.setattr(limits_module, "RENEW_EVERY", 0.01)
    monkeypatch.setattr(limits_module, "RENEW_WITHIN", 0.01, raising=False)
    renewing = asyncio.create_task(slots._renew())  # that of the slots sleeps too long
    with caplog.at_level(logging.WARNING, "prefect_videogen"):
        async with asyncio.timeout(120):
            await twice.wait()
    renewing.cancel()
    assert f"A slot of {small.name} could not be renewed or freed: TimeoutError" in caplog.text
    monkeypatch.undo()
    await slots.aclose()


async def test_forgotten_slots_that_cannot_be_freed_do_not_end_the_renewal_of_others(
    limit, refuse, monkeypatch, caplog
):
    slots, small = PrefectSlots(), await limit(2)
    await take(slots, small, 2)
    forgotten, other = slots._pools[small.name].leases
    async with get_client() as client:
        await client.release_concurrency_slots_with_lease(forgotten.id)
    refused = refuse("/decrement", 500, 1000)
    renewed = asyncio.Event()
    real = PrefectClient.renew_concurrency_lease

    async def renew(self: PrefectClient, lease_id: UUID, seconds: float) -> Any:
        answer = await real(self, lease_id, seconds)
        if lease_id == other.id:
            renewed.set()
        return answer

    monkeypatch.setattr(PrefectClient, "renew_concurrency_lease", renew)
    monkeypatch.setattr(limits_module, "RENEW_EVERY", 0.01)
    renewing = asyncio.create_task(slots._renew())  # that of the slots sleeps too long
    with caplog.at_level(logging.WARNING, "prefect_videogen"):
        async with asyncio.timeout(120):
            await renewed.wait()
    renewing.cancel()
    assert len(refused) == 1
    assert f"A slot of {small.name} could not be renewed or freed: HTTP 500" in caplog.text
    await slots.aclose()
