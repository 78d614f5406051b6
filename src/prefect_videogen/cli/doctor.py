"""`doctor`: what is missing or wrong in an installation, and how to mend it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from prefect_videogen.checking import Check, CheckReport, failed, leftover_checks
from prefect_videogen.cli.opening import quiet_console, studio_name
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.errors import VideoGenError

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

    from prefect_videogen.blocks import Studio

SOMETHING_WRONG = 2
_MARKS = {"yes": ("ok", "green"), "warn": ("warn", "yellow"), "no": ("wrong", "bold red")}


def run_doctor(*, studio: str, as_json: bool) -> None:
    """Look at everything that films need here, and say what to do about what is wrong.

    Args:
        studio: Name of the studio.
        as_json: Whether to print JSON.

    Raises:
        Exit: With 2 if anything is wrong; warnings are no failure.
    """
    quiet_console()
    report = asyncio.run(examine(studio_name(studio)))
    if as_json:
        data = {"ok": report.ok, **report.model_dump(mode="json")}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        show_report(report)
    if report.ok == "no":
        raise typer.Exit(SOMETHING_WRONG)


async def examine(name: str) -> CheckReport:
    """Examine this installation.

    Args:
        name: Name of the studio.
    """
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    from prefect_videogen.blocks.opening import ENVIRONMENT
    from prefect_videogen.blocks.wakes import server_is_shared
    from prefect_videogen.cli.installation import font_check, variable_checks, version_checks

    checks = [*version_checks(), font_check(), *variable_checks(os.environ)]
    async with AsyncExitStack() as stack:
        # One answer is enough to know whether somebody answers.
        stack.enter_context(temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}))
        answers = True
        if server_is_shared() or name != ENVIRONMENT:
            try:
                client = await stack.enter_async_context(get_client())
            except Exception as error:  # noqa: BLE001 - told like everything else
                found, answers = [_away(error)], False
            else:
                found = await _server(client)
                answers = found[0].ok != "no"
            checks += found
        else:
            checks.append(_none_needed())
        if answers or name == ENVIRONMENT:
            checks += await _studio(name)
    return CheckReport(checks=tuple(checks))


async def _server(client: PrefectClient) -> list[Check]:
    from prefect_videogen.cli.installation import block_checks, deployment_checks, server_checks

    found = await server_checks(client)
    if found[0].ok == "no":
        return found
    for name, look in (("block types", block_checks), ("deployments", deployment_checks)):
        try:
            found += await look(client)
        except Exception as error:  # noqa: BLE001 - told like everything else
            found.append(failed(name, error))
    return found


def _away(error: Exception) -> Check:
    detail = f"it could not be reached or started ({type(error).__name__})"
    step = "Start it with `prefect server start`, or correct PREFECT_API_URL."
    return Check(name="Prefect server", ok="no", detail=detail, remedy=step)


def _none_needed() -> Check:
    detail = "PREFECT_API_URL is not set, so blocks, limits and deployments are not looked at"
    step = "Run `prefect server start` and set it, so that runs share limits and events."
    return Check(name="Prefect server", ok="warn", detail=detail, remedy=step)


async def _studio(name: str) -> list[Check]:
    from prefect_videogen.blocks import load_studio

    try:
        studio = await load_studio(name)
        opened = studio.open(name=name)
    except VideoGenError as error:
        return [failed("studio", error)]
    except Exception as error:  # noqa: BLE001 - told like everything else
        return [failed("studio", error)]
    report = await studio.acheck()
    return [_which(name, studio), *report.checks, *await leftover_checks(opened)]


def _which(name: str, studio: Studio) -> Check:
    blocks = {"APIXO": studio.apixo, "EvoLink": studio.evolink}
    vendors = " and ".join(vendor for vendor, block in blocks.items() if block)
    source = ", made from the environment" if name == "env" else ""
    return Check(name="studio", ok="yes", detail=f"{name}{source}, with {vendors}")


def show_report(report: CheckReport) -> None:
    """Show a report as a table, what to do below what was found."""
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("mark", "name"):
        table.add_column(column, no_wrap=True)
    table.add_column("found", overflow="fold")
    for check in report.checks:
        mark, style = _MARKS[check.ok]
        found = Text(check.detail)
        if check.remedy:
            found.append(f"\n{check.remedy}", style="dim" if check.ok == "yes" else "bold")
        table.add_row(Text(mark, style=style), Text(check.name), found)
    console = terminal()
    console.print(table, soft_wrap=False)
    console.print(_verdict(report))


def _verdict(report: CheckReport) -> str:
    counts = {word: sum(c.ok == word for c in report.checks) for word in ("no", "warn")}
    if not any(counts.values()):
        return "\nEverything is fine."
    wrong = f"{counts['no']} wrong" if counts["no"] else "Nothing is wrong"
    return f"\n{wrong}, {counts['warn']} to know about."
