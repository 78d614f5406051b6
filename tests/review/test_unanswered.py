"""Reviews that nobody answers: who answers them, when, and only the question that was meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.input import keyset_from_paused_state
from prefect.states import Running, Suspended
from rich.console import Console

from prefect_videogen.blocks import resume
from prefect_videogen.cli.collecting import show_collected
from prefect_videogen.collecting import collect
from prefect_videogen.flows.reviewing import form_for
from prefect_videogen.reviewing import Question, Shown
from prefect_videogen.sleeping import (
    Sleep,
    Standing,
    Unattended,
    get_up,
    lie_down,
    pause_key,
    wake,
)
from prefect_videogen.studio import OpenStudio
from prefect_videogen.tasks.tables import collected_table


@flow
def nothing() -> None:
    """A flow to have runs of."""


def question(minutes: float = 10) -> Question:
    return Question(
        kind="film", shots=(Shown(shot="a"), Shown(shot="b")), after=60 * minutes, then="approve"
    )


@dataclass
class Alarm:
    """Resumes runs; answers what the test says, or raises it."""

    answer: Standing | Exception = "resumed"
    rung: list[Any] = field(default_factory=list)

    async def __call__(self, run: str, answer: Unattended | None = None, /) -> Standing:
        self.rung.append((run, answer))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
async def studio(emulator: Callable[..., Any], open_studio: Callable[..., OpenStudio]) -> Any:
    """A run's studio, ten minutes after it has asked."""
    async with open_studio(emulator(), run="run-1") as opened:
        asked_at = opened.time.now() - 600
        await lie_down(opened, Sleep(at=asked_at, number=3, owner="me", review=question()))
        yield opened


async def test_overdue_review_is_answered_once_as_the_run_says(studio):
    alarm = Alarm()
    collected = await collect(studio, resume=alarm)
    assert (collected.answered, collected.resumed, collected.asleep) == (("run-1",), (), ())
    note = "Nobody answered within 10 minutes."
    assert alarm.rung == [("run-1", Unattended(3, "approve", note))]
    assert (await collect(studio, resume=alarm)).answered == ()
    assert len(alarm.rung) == 1
    assert "of run `run-1` in time" in collected_table(collected)
    console = Console(width=200)
    with console.capture() as shown:
        show_collected(console, collected)
    assert "answered  run run-1" in shown.get()


async def test_review_that_is_not_due_or_waits_for_a_person_is_left_alone(studio):
    alarm = Alarm()
    for run, minutes in (("run-2", 30), ("run-3", 0)):
        studio.run = run
        sleep = Sleep(at=studio.time.now(), number=1, owner="me", review=question(minutes))
        await lie_down(studio, sleep)
    await get_up(studio.store, "run-1", Sleep(at=0, number=3, owner="", review=question()))
    assert (await collect(studio, resume=alarm)).answered == ()
    assert alarm.rung == []
    assert await studio.store.list("reviews") == ["reviews/run-2"]


@pytest.mark.parametrize("trouble", ["not-asleep", OSError("the server is away")])
async def test_review_that_could_not_be_answered_is_tried_again(studio, trouble):
    alarm = Alarm(trouble)
    assert (await collect(studio, resume=alarm)).answered == ()
    alarm.answer = "resumed"
    assert (await collect(studio, resume=alarm)).answered == ("run-1",)


async def test_run_that_waits_for_a_person_is_not_woken_for_its_jobs(studio):
    assert not await wake(studio, Alarm(), "run-1")


async def asking(number: int) -> UUID:
    """A deployment's run that is suspended with a question."""
    async with get_client() as client:
        flow_id = await client.create_flow(nothing)
        deployment = await client.create_deployment(flow_id, name=f"n-{uuid4().hex[:6]}")
        run = await client.create_flow_run_from_deployment(deployment)
        await client.set_flow_run_state(run.id, Running())
        state: State[Any] = Suspended(timeout_seconds=60, pause_key=pause_key(number))
        keyset = keyset_from_paused_state(state)
        state.state_details.run_input_keyset = {str(name): key for name, key in keyset.items()}
        await client.set_flow_run_state(run.id, state)
        await form_for(question()).asave(keyset, run.id)
    return run.id


@pytest.mark.usefixtures("prefect_server")
async def test_only_an_answer_to_its_question_resumes_a_run():
    run = await asking(2)
    assert await resume(str(run)) == "not-asleep"  # as a receiver would, for its jobs
    late = Unattended(1, "approve", "Nobody answered.")
    assert await resume(str(run), late) == "not-asleep"
    due = Unattended(2, "approve", "Nobody answered.")
    assert [await resume(str(run), due) for _ in range(2)] == ["resumed", "not-asleep"]
    async with get_client() as client:
        found = await client.read_flow_run_input(run, "suspended-videogen-2-response")
    assert '"approve"' in found
    assert "Nobody answered." in found
