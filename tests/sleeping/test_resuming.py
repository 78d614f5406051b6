"""Resuming through a Prefect server: what its answers mean."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.states import Cancelled, Crashed, Running, Scheduled, Suspended

from prefect_videogen.blocks import resume, resumer
from prefect_videogen.blocks.sleepers import is_over

pytestmark = pytest.mark.usefixtures("prefect_server")


@flow
def nothing() -> None:
    """A flow to have runs of."""


async def run_in(*states: State) -> UUID:
    """A deployment's run that went through some states."""
    async with get_client() as client:
        flow_id = await client.create_flow(nothing)
        deployment = await client.create_deployment(flow_id, name=f"n-{uuid4().hex[:6]}")
        run = await client.create_flow_run_from_deployment(deployment)
        for state in states:
            answer = await client.set_flow_run_state(run.id, state)
            assert answer.status == SetStateStatus.ACCEPT
    return run.id


async def state_of(run: UUID) -> str | None:
    async with get_client() as client:
        return (await client.read_flow_run(run)).state_name


async def test_suspended_run_is_resumed_once_and_a_repeated_call_does_no_harm():
    run = await run_in(Running(), Suspended(timeout_seconds=60))
    assert [await resume(str(run)) for _ in range(3)] == ["resumed", "not-asleep", "not-asleep"]
    assert await state_of(run) == "Resuming"


async def test_answer_that_is_not_accept_is_no_success_though_http_says_200(monkeypatch):
    run = await run_in(Running())

    async def suspended_just_now(self, _):
        return type("Run", (), {"state": State(type=StateType.PAUSED, name="Suspended")})

    monkeypatch.setattr(
        "prefect.client.orchestration.PrefectClient.read_flow_run", suspended_just_now
    )
    assert await resume(str(run)) == "not-asleep"


@pytest.mark.parametrize("states", [(), (Running(),), (Scheduled(),)])
async def test_run_that_is_not_suspended_is_left_alone(states):
    run = await run_in(*states)
    before = await state_of(run)
    assert await resume(str(run)) == "not-asleep"
    assert await state_of(run) == before


async def test_run_that_was_cancelled_is_over_and_one_of_another_server_is_left_alone():
    assert await resume(str(await run_in(Running(), Cancelled()))) == "over"
    assert await resume(str(uuid4())) == "not-asleep"


def test_only_a_shared_server_resumes(monkeypatch):
    assert resumer() is resume
    monkeypatch.setattr("prefect_videogen.blocks.sleepers.server_is_shared", lambda: False)
    assert resumer() is None


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], False),
        ([Running()], False),
        ([Running(), Suspended(timeout_seconds=60)], False),
        ([Running(), Crashed()], True),
        ([Cancelled()], True),
    ],
)
async def test_run_is_over_once_its_state_is_final(states, expected):
    assert await is_over(str(await run_in(*states))) is expected


@pytest.mark.parametrize("run", [str(UUID(int=1)), "by-hand"])
async def test_run_of_another_server_is_not_over(run):
    assert not await is_over(run)
