"""Our flows inside users' flows: subflows of their caller, sync or async, wherever it runs."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.runtime import flow_run

from prefect_videogen import generate_clip, generate_clip_sync
from prefect_videogen.errors import StoryboardError
from prefect_videogen.fetching import Clip


def asked(prompt: str) -> dict[str, Any]:
    return {"prompt": prompt, "model": "wan-2-5", "studio": "env"}


@flow
def user_sync(prompt: str) -> tuple[str | None, Any]:
    return flow_run.get_id(), generate_clip_sync(**asked(prompt))


@flow
async def user_async(prompt: str) -> tuple[str | None, Any]:
    return flow_run.get_id(), await generate_clip(**asked(prompt))


@flow
async def user_async_calls_sync(prompt: str) -> tuple[str | None, Any]:
    return flow_run.get_id(), user_sync(prompt)


async def children_of(run_id: str | None) -> list[FlowRun]:
    parent = FlowRunFilterParentFlowRunId(any_=[UUID(str(run_id))])
    async with get_client() as client:
        return await client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))


async def check_subflow(run_id: str | None, clip: Clip) -> None:
    """The clip was made by a subflow that hangs on a task run of its caller."""
    (child,) = [run for run in await children_of(run_id) if run.parameters.get("model")]
    assert child.parent_task_run_id is not None
    assert child.state is not None
    assert child.state.is_completed()
    async with get_client() as client:
        parent = await client.read_task_run(child.parent_task_run_id)
        same = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[child.id]))
        )
    assert parent.flow_run_id == UUID(str(run_id))
    assert same[0].flow_id == child.flow_id
    assert clip.how == "bought"


async def test_sync_flow_of_a_user_runs_the_clip_as_its_subflow(stage):
    run_id, clip = await asyncio.to_thread(user_sync, "In a user's sync flow")
    await check_subflow(run_id, clip)
    assert len(stage.charges) == 1


async def test_async_flow_of_a_user_runs_the_clip_as_its_subflow(stage):
    run_id, clip = await user_async("In a user's async flow")
    await check_subflow(run_id, clip)
    assert len(stage.charges) == 1


async def test_sync_flow_called_from_an_async_flow_runs_the_clip_as_its_subflow(stage):
    outer, (inner, clip) = await user_async_calls_sync("In a sync flow in an async one")
    await check_subflow(inner, clip)
    (middle,) = await children_of(outer)
    assert str(middle.id) == inner
    assert len(stage.charges) == 1


async def test_clip_of_a_subflow_is_found_by_a_flow_of_its_own(stage):
    _, bought = await user_async("Shared by flows")
    found = await generate_clip(**asked("Shared by flows"))
    assert isinstance(found, Clip)
    assert (found.how, found.sha256) == ("reused", bought.sha256)
    assert len(stage.charges) == 1


def test_sync_flow_on_the_main_thread_runs_the_clip(stage):
    _, clip = user_sync("On the main thread")
    assert clip.how == "bought"


async def test_error_of_a_subflow_reaches_the_users_flow(stage):
    with pytest.raises(StoryboardError, match="prompt"):
        await user_async("")
    with pytest.raises(StoryboardError, match="prompt"):
        await user_async_calls_sync("")


async def test_users_task_runs_between_our_clips(stage):
    @task
    def worded(clip: Any) -> str:
        return f"After {clip.shot}"

    @flow
    async def user_story() -> list[Any]:
        first = await generate_clip(**asked("Before"))
        return [first, await generate_clip(**asked(worded(first)))]

    clips = await user_story()
    assert [charge.params["prompt"] for charge in stage.charges] == ["Before", "After clip"]
    assert [clip.how for clip in clips] == ["bought", "bought"]
