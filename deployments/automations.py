"""Automations as code: `python -m prefect_videogen.deployments.automations --help`.

Each has a name, under which it is created once and later updated. One that a person has switched
off stays off.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx
from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from prefect_videogen.blocks.balances import BALANCE_LOW
from prefect_videogen.blocks.wakes import server_host
from prefect_videogen.errors import StudioError
from prefect_videogen.tasks.films import FILM_FINISHED

ZOMBIES = "videogen: crash runs without heartbeat"
FILMS = "videogen: film finished, run "
BALANCES = "videogen: low balance, tell "

HEARTBEATS_MISSED = 540
"""Seconds: three times Prefect's default PREFECT_FLOWS_HEARTBEAT_FREQUENCY."""

LEAST_SILENCE = 90
"""Seconds: three times Prefect's shortest PREFECT_FLOWS_HEARTBEAT_FREQUENCY."""

TELL_AGAIN_AFTER = timedelta(hours=6)
"""Every film bought on a low balance says so again; one message in this time is enough."""


def crash_zombies(seconds: int = HEARTBEATS_MISSED) -> Automation:
    """A run whose process and worker are both gone becomes Crashed, so that it can be retried.

    Args:
        seconds: How long a running run may be silent; at least three times the frequency of
            heartbeats (PREFECT_FLOWS_HEARTBEAT_FREQUENCY, 180 by default), and 10 or more.
    """
    return Automation(
        name=ZOMBIES,
        description=f"A run that sent heartbeats and is silent for {seconds} s has no process any "
        "more. Clips that it bought are recorded: retry it, or let collect-results fetch them.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            # Any change of state ends the waiting: a suspended run sends no heartbeats either, and
            # the names of states are many.
            expect={"prefect.flow-run.*"},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=seconds),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"No heartbeat for {seconds} s: the process is gone. What was bought is "
                "recorded; run again or collect-results fetches it.",
            )
        ],
    )


def run_after_film(deployment: str, deployment_id: UUID, passed: Mapping[str, str]) -> Automation:
    """Every film that is finished starts a run of another deployment.

    Args:
        deployment: The deployment's full name, `flow/deployment`.
        deployment_id: Its id.
        passed: Its parameters: each one's name to the field of the event that it is given, such
            as `path`, `slug` or `frames`.
    """
    return Automation(
        name=f"{FILMS}{deployment}",
        description=f"Runs {deployment} for every film that is made.",
        trigger=EventTrigger(expect={FILM_FINISHED}, posture=Posture.Reactive, threshold=1),
        actions=[
            RunDeployment(
                deployment_id=deployment_id,
                parameters={name: _templated(field) for name, field in passed.items()},
            )
        ],
    )


def tell_low_balance(block: str, block_id: UUID) -> Automation:
    """A balance below the studio's `low_balance` is told to people, once in six hours.

    Each studio and vendor is counted for itself.

    Args:
        block: The notification block, `type/name`.
        block_id: Its id.
    """
    return Automation(
        name=f"{BALANCES}{block}",
        description=f"Sends {block} a message when a balance is below the studio's low_balance.",
        trigger=EventTrigger(
            expect={BALANCE_LOW},
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=TELL_AGAIN_AFTER,
        ),
        actions=[
            SendNotification(
                block_document_id=block_id,
                subject="Low balance at {{ event.payload.vendor }}",
                body="{{ event.payload.balance }} {{ event.payload.unit }} are left at "
                "{{ event.payload.vendor }}, below the {{ event.payload.low_balance }} that the "
                "studio {{ event.payload.studio }} sets. Top it up before the next film.",
            )
        ],
    )


async def ensure(automation: Automation) -> str:
    """Create an automation, or update the one of its name.

    Args:
        automation: What it should be.

    Returns:
        `created` or `updated`.
    """
    try:
        there = await Automation.aread(name=automation.name)
    except ValueError:
        await automation.acreate()
        return "created"
    wanted = automation.model_copy(update={"id": there.id, "enabled": there.enabled})
    await wanted.aupdate()
    return "updated"


async def wanted(options: argparse.Namespace) -> list[Automation]:
    """The automations that a command line asks for.

    Args:
        options: Its options.

    Raises:
        StudioError: If a deployment or block is not known to the Prefect server, or an option is
            wrong.
    """
    if options.silent < LEAST_SILENCE:
        message = f"--silent {options.silent} is below {LEAST_SILENCE} seconds"
        raise StudioError(message, next_step="Use three times the frequency of heartbeats.")
    found = [crash_zombies(options.silent)]
    if options.after_film:
        name = options.after_film
        found.append(run_after_film(name, await _deployment(name), _passed(options.give)))
    if options.notify:
        found.append(tell_low_balance(options.notify, await _block(options.notify)))
    return found


def main(arguments: list[str] | None = None) -> None:
    """Create or update what the command line asks for, and say so.

    Args:
        arguments: The command line's; None takes the process's own.

    Raises:
        SystemExit: If a deployment, a block or an option is wrong.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        lines = asyncio.run(_ensure_all(options))
    except StudioError as error:
        parser.exit(2, f"{error}\n")
    print(*lines, sep="\n")  # noqa: T201 - a command's answer


async def _ensure_all(options: argparse.Namespace) -> list[str]:
    try:
        return [f"{await ensure(found)}: {found.name}" for found in await wanted(options)]
    except httpx.HTTPStatusError as error:
        status, host = error.response.status_code, error.request.url.host
        message = f"the Prefect server {host} refuses with HTTP {status}"
        step = "Look at the server's log."
        if status == HTTPStatus.UNAUTHORIZED:
            step = "Set PREFECT_API_AUTH_STRING (or PREFECT_API_KEY) to what the server asks for."
        raise StudioError(message, next_step=step) from None
    except httpx.HTTPError as error:
        message = f"the Prefect server does not answer ({type(error).__name__})"
        step = "Start it with `prefect server start`, or correct PREFECT_API_URL; then run again."
        raise StudioError(message, next_step=step) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m prefect_videogen.deployments.automations",
        description="Create or update automations: runs without heartbeat become Crashed; a "
        "finished film starts another deployment; a low balance is told to people.",
    )
    parser.add_argument(
        "--silent",
        type=int,
        default=HEARTBEATS_MISSED,
        metavar="SECONDS",
        help="how long a running run may send no heartbeat (default: %(default)s); three times "
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY of the workers, which is 180 by default",
    )
    parser.add_argument(
        "--after-film",
        metavar="FLOW/DEPLOYMENT",
        help="what to run for every finished film; not one that makes films itself",
    )
    parser.add_argument(
        "--give",
        action="append",
        default=[],
        metavar="PARAMETER=FIELD",
        help="a parameter of that deployment and the field of the event that it is given: path, "
        "slug, frames and so on (default: film=path); may be repeated",
    )
    parser.add_argument(
        "--notify",
        metavar="TYPE/NAME",
        help="the notification block that is told of a low balance, such as slack-webhook/money",
    )
    return parser


def _passed(given: Iterable[str]) -> dict[str, str]:
    pairs = {}
    for pair in given or ["film=path"]:
        name, equals, field = pair.partition("=")
        if not (equals and name.isidentifier() and field.isidentifier()):
            message = f"--give {pair} is not of the form PARAMETER=FIELD"
            raise StudioError(message, next_step="Write for example --give film=path.")
        pairs[name] = field
    return pairs


def _templated(field: str) -> dict[str, Any]:
    """A field of the event as a parameter that keeps its type: a plain template makes text."""
    template = f"{{{{ event.payload.{field} | tojson }}}}"
    return {
        "__prefect_kind": "json",
        "value": {"__prefect_kind": "jinja", "template": template},
    }


async def _deployment(name: str) -> UUID:
    async with get_client() as client:
        try:
            return (await client.read_deployment_by_name(name)).id
        except (ObjectNotFound, ValueError):  # ValueError: it has no slash
            host = server_host(client.api_url)
            message = f"the deployment {name} is not known to the Prefect server {host}"
    raise StudioError(message, next_step="Deploy it first, or correct --after-film.")


async def _block(name: str) -> UUID:
    slug, _, document = name.partition("/")
    async with get_client() as client:
        try:
            return (await client.read_block_document_by_name(document, slug)).id
        except ObjectNotFound:
            host = server_host(client.api_url)
            message = f"the block {name} is not known to the Prefect server {host}"
    raise StudioError(message, next_step="Save it first, or correct --notify.")


if __name__ == "__main__":
    main()
