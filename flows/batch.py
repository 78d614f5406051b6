"""generate-batch: many storyboards, each in a flow run of its own on a work pool, one report.

The runs are no subflows, since Prefect suspends none of those (`wait = suspend`). They go on when
the batch is cancelled or dies; a retry of it, or another batch of its name, finds them again.
"""

# No `from __future__ import annotations` here: what `serve()` offers runs in a child process of
# Prefect's, which then can't find what annotations written as text stand for.

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import (
    TERMINAL_STATES,
    DeploymentStatus,
    FlowRun,
    State,
    StateType,
)
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.logging.loggers import flow_run_logger
from prefect.runtime import flow_run as current_run

from prefect_videogen.batching import (
    Batch,
    BatchEntry,
    check_all,
    idempotency_key,
    storyboards_in,
)
from prefect_videogen.blocks import opened
from prefect_videogen.blocks.wakes import server_host
from prefect_videogen.buying import OnExpired, OnUnknown
from prefect_videogen.errors import BatchIncomplete, StudioError
from prefect_videogen.filming import Film
from prefect_videogen.flows.options import RunOptions, scheduled_start
from prefect_videogen.flows.twins import sync_twin
from prefect_videogen.flows.waiting_mode import Wait
from prefect_videogen.keys import without_queries
from prefect_videogen.plan import Plan
from prefect_videogen.progress import tell
from prefect_videogen.tasks import report

logger = logging.getLogger(__name__)

LOOK_EVERY = 2.0
"""Seconds between two looks at a run."""

PATIENCE = 600.0
"""Seconds that the Prefect server may be away or busy without the batch giving up."""

_BUSY = frozenset({408, 429, *range(500, 600)})

T = TypeVar("T")


async def tell_open_runs(flow: Any, flow_run: FlowRun, state: State) -> None:
    """Log which runs of a batch go on without it; never raises.

    Args:
        flow: The flow.
        flow_run: The batch's run, which was cancelled or has crashed.
        state: The state it entered.
    """
    del state  # Prefect names it, so it has to be there
    run_logger = flow_run_logger(flow_run, flow)
    name = str((flow_run.parameters or {}).get("batch") or flow_run.id)
    ended = [kind.value for kind in TERMINAL_STATES]
    wanted = {"tags": {"all_": [_tag(name)]}, "state": {"type": {"not_any_": ended}}}
    try:
        async with get_client() as client:
            runs = await client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(wanted))
    except Exception as error:  # noqa: BLE001 - a hook's trouble must not be the run's
        run_logger.warning("Which runs of this batch go on is not known (%s).", error)
        return
    for run in runs:
        run_logger.warning(
            "Run %s of this batch goes on without it; `prefect flow-run cancel %s` ends it.",
            run.name,
            run.id,
        )


@flow(
    name="generate-batch",
    persist_result=True,
    result_serializer="json",
    on_cancellation=[tell_open_runs],
    on_crashed=[tell_open_runs],
)
async def generate_batch(
    storyboard_files: list[str],
    deployment: str = "generate-storyboard/videogen",
    variables: dict[str, str] = {},  # noqa: B006 - the form needs a plain default, never changed
    concurrent: int = 4,
    batch: str = "",
    studio: str = "default",
    plan_only: bool = False,
    wait: Wait = "auto",
    budget: float = 0.0,
    budget_name: str = "",
    max_new_clips: int = 0,
    on_unknown: OnUnknown = "stop",
    on_expired: OnExpired = "stop",
) -> Batch:
    """Make films of many storyboards, each in a flow run of its own, and report on all of them.

    All storyboards are checked before the first run starts. A run that fails stops no other.
    Cancelling the batch leaves its runs alone: they are runs of their own, tagged with its name.
    While it waits for them, it holds a place of its own at its worker: keep more places than
    batches, or give batches a work pool of their own.
    The report names frames, gaps and money where it can read the runs' results, so on several
    machines Prefect's result storage has to be one that all of them share.

    Args:
        storyboard_files: Paths, s3:// or https:// addresses that the workers can read too. A folder
            or a pattern on local disk stands for the YAML and JSON files in it.
        deployment: The deployment of generate-storyboard that makes the films, as flow/deployment.
        variables: JSON with values that win over the storyboards' own, for example
            {"city": "Oslo"}.
        concurrent: Most runs at once; one that is suspended counts.
        batch: Name of the batch. Under one name each storyboard is run once: a second batch of this
            name starts nothing again, failed runs included (retry those). Empty: the run's id; a
            retry of the batch finds its runs, a new batch makes new ones.
        studio: Name of the Videogen Studio block: where and with whom to make it. env needs no
            block, it is made from the environment of the process that runs the flow.
        plan_only: Only plan: publish what would be bought and what it costs, and buy nothing.
        wait: How the runs wait for the vendors. auto: by callbacks if the studio has an endpoint,
            and by polling if not. suspend: as auto, but without a process while vendors work.
        budget: Most money for each run, or for all together if they have a budget name; in the
            currency of the studio's prices. 0: no limit.
        budget_name: Runs with the same budget name share one budget. Empty: each film has its own.
        max_new_clips: Most clips for each run to buy. 0: no limit.
        on_unknown: What to do if it is not known whether an earlier purchase was accepted: stop, or
            buy again (resubmit).
        on_expired: What to do if a clip was bought and its result has expired: stop, or buy it
            again (rebuy).

    Returns:
        What came of each storyboard.

    Raises:
        StoryboardError: With the faults of all storyboards, before anything is started.
        BatchIncomplete: If films were not made; carries the result.
        StudioError: If the studio, the deployment or a parameter is missing or wrong.
    """
    if concurrent < 1:
        message = f"concurrent = {concurrent} is below 1"
        raise StudioError(message, next_step="Use 1 or more.")
    options = RunOptions(
        studio=studio,
        plan_only=plan_only,
        wait=wait,
        budget=budget,
        budget_name=budget_name,
        max_new_clips=max_new_clips,
        on_unknown=on_unknown,
        on_expired=on_expired,
        variables=variables,
    )
    options.check()
    await _check_deployment(deployment)
    files = storyboards_in(storyboard_files)
    async with opened(studio) as place:
        plans = await check_all(place, files, variables=variables, scheduled=scheduled_start())
    name = batch or current_run.get_id() or ""
    runs = _Runs(name, deployment, _parameters(options), asyncio.Semaphore(concurrent))
    async with get_client() as client:
        entries = await asyncio.gather(
            *(runs.make(client, file, plan) for file, plan in zip(files, plans, strict=True))
        )
    result = Batch(name=name, deployment=deployment, entries=tuple(entries))
    await report(result)
    if result.failed:
        raise _incomplete(result)
    return result


def _parameters(options: RunOptions) -> dict[str, Any]:
    """What every run of the batch is told."""
    return {
        "variables": dict(options.variables),
        "studio": options.studio,
        "plan_only": options.plan_only,
        "wait": options.wait,
        "budget": options.budget,
        "budget_name": options.budget_name,
        "max_new_clips": options.max_new_clips,
        "on_unknown": options.on_unknown,
        "on_expired": options.on_expired,
    }


async def _check_deployment(name: str) -> None:
    async with get_client() as client:
        try:
            found = await client.read_deployment_by_name(name)
        except (ObjectNotFound, ValueError):  # ValueError: it has no slash
            host = server_host(client.api_url)
            message = f"deployment = {name} is not known to the Prefect server {host}"
            step = (
                "Run `python -m prefect_videogen.deployments.serve`, or deploy to a work pool, "
                "with the same PREFECT_API_URL as here."
            )
            raise StudioError(message, next_step=step) from None
    if found.status != DeploymentStatus.READY:
        logger.warning("%s: nothing serves it right now; its runs wait until a worker does.", name)


def _incomplete(result: Batch) -> BatchIncomplete:
    failed = result.failed
    reasons = "; ".join(f"{entry.storyboard}: {entry.reason}" for entry in failed)
    message = f"{len(failed)} of {len(result.entries)} films were not made. {reasons}"
    others = "The others are made. " if len(failed) < len(result.entries) else ""
    step = (
        f"{others}Mend what is wrong, then retry those runs in Prefect (`prefect flow-run retry "
        "ID`) or start a batch of another name; no clip is bought twice."
    )
    return BatchIncomplete(message, result=result, next_step=step)


@dataclass(frozen=True)
class _Runs:
    """The runs of one batch."""

    batch: str
    deployment: str
    parameters: dict[str, Any]
    places: asyncio.Semaphore

    async def make(self, client: PrefectClient, file: str, plan: Plan) -> BatchEntry:
        """Run one storyboard to its end, when there is a place for it."""
        shown = without_queries(file)
        tell(shown, "waiting")
        title = plan.title or plan.slug
        entry = BatchEntry(storyboard=shown, title=title, estimate=plan.totals)
        async with self.places:
            try:
                run = await self._start(file)
                tell(shown, "running", str(run.id))
                run = await _end_of(client, run.id)
            except (PrefectException, httpx.HTTPError, ValueError) as error:
                entry = entry.model_copy(
                    update={"state": "Unknown", "reason": f"{type(error).__name__}: {error}"}
                )
            else:
                entry = await self._read(entry, run)
        tell(shown, "done" if entry.made else "failed", entry.path or entry.reason)
        return entry

    async def _start(self, file: str) -> FlowRun:
        """Start the run, or find it; asking twice is safe under an idempotency key."""
        parameters = {"storyboard_file": file, **self.parameters}
        key = idempotency_key(self.batch, self.deployment, parameters)
        return await _patiently(
            lambda: arun_deployment(
                self.deployment,
                parameters=parameters,
                timeout=0,
                tags=[_tag(self.batch)],
                idempotency_key=key,
                as_subflow=False,
            )
        )

    async def _read(self, entry: BatchEntry, run: FlowRun) -> BatchEntry:
        """What a run that has ended came to."""
        state = run.state
        assert state is not None  # noqa: S101 - for the type; it has ended
        made = state.type == StateType.COMPLETED
        known = entry.model_copy(update={"run": str(run.id), "state": state.name, "made": made})
        if not made:
            return known.model_copy(update={"reason": state.message or f"ended {state.name}"})
        if self.parameters["plan_only"]:
            return known
        try:
            found = await state.aresult(raise_on_failure=False)
            return known.with_film(Film.model_validate(found))  # read elsewhere, it is a plain dict
        except Exception as error:  # noqa: BLE001 - whatever the storage of results raises
            reason = f"made, but its result can't be read here ({type(error).__name__})"
            return known.model_copy(update={"reason": reason})


def _tag(batch: str) -> str:
    return f"videogen-batch:{batch}"


async def _end_of(client: PrefectClient, run: UUID) -> FlowRun:
    while True:
        found = await _patiently(lambda: client.read_flow_run(run))
        if found.state is not None and found.state.is_final():
            return found
        await asyncio.sleep(LOOK_EVERY)


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask the Prefect server until it answers, for a while."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return await ask()
        except (httpx.TransportError, httpx.HTTPStatusError) as error:
            answer = error.response if isinstance(error, httpx.HTTPStatusError) else None
            if time.monotonic() > give_up or (answer and answer.status_code not in _BUSY):
                raise
            why = f"HTTP {answer.status_code}" if answer else type(error).__name__
            logger.warning("The Prefect server does not answer (%s).", why)
            await asyncio.sleep(LOOK_EVERY)


generate_batch_sync = sync_twin(generate_batch)
"""`generate_batch` for callers that are sync."""
