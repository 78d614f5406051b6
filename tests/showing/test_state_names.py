"""States say why: `Reused`, `Resumed`, `Refused`; whoever awaits a task notices nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
from prefect import flow
from tests.asking import request_of
from tests.conftest import SCHEDULED

from prefect_videogen.blocks import opened
from prefect_videogen.buying import ClipRequest, Job
from prefect_videogen.errors import ContentRefused
from prefect_videogen.fetching import Clip
from prefect_videogen.storyboard import Shot, Storyboard
from prefect_videogen.survey import Board, survey
from prefect_videogen.tasks import download, submit, wait

BUY: Any = submit
AWAIT: Any = wait
FETCH: Any = download


async def asked(prompt: str) -> ClipRequest:
    """The request that a flow would hand to `submit`."""
    board = Board(Storyboard(shots=[Shot(id="kite", prompt=prompt, model="wan-2-5")]))
    async with opened("env") as studio:
        found = await survey(studio, board, variables={}, scheduled=SCHEDULED, keep=True)
    return request_of(found)


@flow(persist_result=True)
async def ask_for(request: ClipRequest) -> list[Any]:
    """The names of the three tasks' states, one after the other."""
    states: list[Any] = [await BUY(request, "env", return_state=True)]
    for task in (AWAIT, FETCH):
        states.append(await task(await states[-1].aresult(), "env", return_state=True))
    return [state.name for state in states]


async def test_a_stored_clip_is_reused_in_all_three_tasks(stage):
    request = await asked("Reuse me")
    assert await ask_for(request) == ["Completed"] * 3
    assert await ask_for(request) == ["Reused"] * 3
    # Prefect's own cache answers when the very same job is fetched once more.
    assert await ask_for(request) == ["Reused", "Reused", "Cached"]


async def test_a_job_of_an_earlier_run_is_resumed(stage):
    request = await asked("Resume me")

    @flow
    async def buys() -> Job:
        return await submit(request, "env")

    first = await buys()
    assert isinstance(first, Job)
    assert first.how == "bought"
    assert await ask_for(request) == ["Resumed"] * 3


async def test_what_was_bought_before_says_so_and_names_its_job(stage):
    request = await asked("Say why")

    @flow(persist_result=True)
    async def told() -> list[Any]:
        job = await submit(request, "env")
        resumed = await BUY(request, "env", return_state=True)
        await download(await wait(job, "env"), "env")
        reused = await BUY(request, "env", return_state=True)
        return [job.job_id, resumed.message, reused.message]

    job, resumed, reused = await told()
    assert resumed == f"Job {job} was bought before and is gone on with; nothing is bought again."
    assert reused.startswith(f"Job {job} was bought before and its clip is stored")


async def test_awaiting_gives_the_job_and_the_clip_whatever_the_state_is_called(stage):
    request = await asked("Just await me")

    @flow
    async def make() -> Clip:
        job = await submit(request, "env")
        assert isinstance(job, Job)
        job = await wait(job, "env")
        assert isinstance(job, Job)
        return await download(job, "env")

    once, again = await make(), await make()
    assert isinstance(once, Clip)
    assert isinstance(again, Clip)
    assert (once.how, again.how) == ("bought", "reused")
    assert len(stage.charges) == 1


async def test_futures_and_options_keep_name_and_result(stage):
    request = await asked("A future")

    @flow
    async def make() -> tuple[Any, Any, Any]:
        await submit(request, "env")
        future = submit.submit(request, "env")
        future.wait()
        other = submit.with_options(name="buy")
        return future.state.name, future.result(), await other(request, "env")

    name, result, other = await make()
    assert name == "Resumed"
    assert isinstance(result, Job)
    assert isinstance(other, Job)


async def test_a_refusal_is_named_and_raised_as_it_was(stage):
    request = await asked("Never [violation]")

    @flow
    async def refused() -> str:
        with pytest.raises(ContentRefused):
            await wait(await submit(request, "env"), "env")
        # From now on the records say it, and nothing is bought.
        with pytest.raises(ContentRefused) as caught:
            await submit(request, "env")
        assert caught.value.shot == "kite"
        state = await BUY(request, "env", return_state=True)
        assert state.is_failed()
        assert str(caught.value) == state.message
        return str(state.name)

    assert await refused() == "Refused"
    assert len(stage.charges) == 1


async def test_a_refused_job_is_named_so_and_is_not_what_a_later_run_finds_cached(stage):
    request = await asked("No [violation]")

    @flow(persist_result=True)
    async def refused() -> list[str]:
        job = await submit(request, "env")
        states = [await AWAIT(job, "env", return_state=True) for _ in range(2)]
        with pytest.raises(ContentRefused) as caught:
            await wait(job, "env")
        assert (caught.value.shot, caught.value.job_id) == ("kite", job.job_id)
        return [f"{state.type.value} {state.name}" for state in states]

    assert await refused() == ["FAILED Refused", "FAILED Refused"]


async def test_called_as_a_plain_function_a_task_gives_its_result(stage):
    request = await asked("Plainly")
    await submit.fn(request, "env")
    assert isinstance(await submit.fn(request, "env"), Job)
