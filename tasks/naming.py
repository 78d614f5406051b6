"""Tasks whose states say why, by name and message: `Reused`, `Resumed`, `Refused`.

Prefect takes a state's name only from a state that the task's function returns, and then hands that
state to whoever awaits the task. These tasks give their callers the result, or raise the error,
like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, Unpack

from prefect import Task
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.states import Completed, Failed
from prefect.tasks import TaskOptions
from prefect.transactions import get_transaction

from prefect_videogen.buying import How, Job
from prefect_videogen.errors import Refused
from prefect_videogen.fetching import Clip

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", Job, Clip)

_NAMES: dict[How, str] = {"resumed": "Resumed", "reused": "Reused"}
_WHY: dict[How, str] = {
    "resumed": "Job {job} was bought before and is gone on with; nothing is bought again.",
    "reused": "Job {job} was bought before and its clip is stored; nothing is bought again.",
}


def named_task(
    **options: Unpack[TaskOptions],
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Task[P, Coroutine[Any, Any, R]]]:
    """Make a task of a function that gives a job or a clip; its states are named for what it was.

    Args:
        **options: Those of Prefect's `task`.
    """

    def decorate(
        function: Callable[P, Coroutine[Any, Any, R]],
    ) -> Task[P, Coroutine[Any, Any, R]]:
        return _NamedTask(fn=_telling(function), **options)

    return decorate


class _NamedTask(Task[P, T]):
    """A task whose function may return a state, which its callers never see unless they ask."""

    def __call__(  # type: ignore[override]  # one signature for all of Prefect's overloads
        self, *args: Any, return_state: bool = False, **kwargs: Any
    ) -> Any:
        call: Any = super().__call__
        running = call(*args, return_state=return_state, **kwargs)
        return running if return_state else _unwrapped(running)

    def with_options(self, **options: Any) -> Task[P, T]:
        made = super().with_options(**options)
        made.__class__ = _NamedTask  # Prefect makes a plain one; it has the same attributes
        return made


async def _unwrapped(running: Awaitable[Any]) -> Any:
    found = await running
    return await found.aresult() if isinstance(found, State) else found


def _telling(
    function: Callable[P, Coroutine[Any, Any, R]],
) -> Callable[P, Coroutine[Any, Any, R]]:
    """The function, with what it comes to as a named state inside a task run."""

    @functools.wraps(function)
    async def told(*args: P.args, **kwargs: P.kwargs) -> Any:
        run: Any = TaskRunContext.get()
        if getattr(run and run.task.fn, "__wrapped__", None) is not function:
            return await function(*args, **kwargs)  # called as a plain function
        try:
            result = await function(*args, **kwargs)
        except Refused as error:
            _keep_nothing()
            return Failed(name="Refused", message=str(error), data=error)
        name = _NAMES.get(result.how)
        if name is None:
            return result
        why = _WHY[result.how].format(job=result.job_id)
        return Completed(name=name, message=why, data=result)

    return told


def _keep_nothing() -> None:
    """Have Prefect not keep the error as what a later run finds under the cache key.

    It does that for every state that is returned, whereas what is raised is not kept.
    """
    transaction = get_transaction()
    if transaction is not None:
        transaction.write_on_commit = False
