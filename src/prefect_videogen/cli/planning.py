"""`plan`: what a run would do and cost, or every fault, without asking any vendor anything."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console

from prefect_videogen.cli.opening import has_keys, quiet_console
from prefect_videogen.cli.tables import table_lines
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.plan import (
    Plan,
    PlannedClip,
    PlannedFootage,
    in_film_order,
    told_length,
)
from prefect_videogen.records import open_store
from prefect_videogen.studio import OpenStudio, known_models
from prefect_videogen.survey import load_board, shareable, survey
from prefect_videogen.vendors import APIXO_URL, EVOLINK_FILES_URL, EVOLINK_URL, Account

HEAD = ("shot", "model", "mode", "length", "starts", "state", "price", "key")


def run_plan(
    board: str, *, studio: str, variables: dict[str, str], draft: bool, as_json: bool
) -> None:
    """Plan a storyboard and show the plan.

    Raises:
        StoryboardError: With all its faults.
        StudioError: If the studio is missing or wrong.
    """
    console = terminal(stderr=as_json)
    plan = asyncio.run(_plan(board, studio, variables, draft=draft, console=console))
    if as_json:
        sys.stdout.write(shareable(plan).model_dump_json(indent=2, exclude={"faults"}) + "\n")
    else:
        show_plan(console, plan)


async def _plan(
    address: str, name: str, variables: dict[str, str], *, draft: bool, console: Console
) -> Plan:
    board = await load_board(address)
    async with await _studio(name, console) as studio:
        found = await survey(
            studio,
            board,
            variables=variables,
            scheduled=datetime.now(UTC),
            keep=False,
            draft=draft,
        )
    plan = found.check()
    return plan if _is_named(name) else plan.model_copy(update={"notes": _open_notes(plan)})


def _open_notes(plan: Plan) -> tuple[str, ...]:
    """A plan's notes without a studio: what asks more of one than a key comes last."""
    shots = dict.fromkeys(
        clip.shot
        for clip in plan.clips
        if clip.vendor != "evolink" and any(use.kind != "vendor" for use in clip.pictures)
    )
    if not shots:
        return plan.notes
    note = (
        f"the vendor has to reach the pictures of {', '.join(shots)}: keep media in S3, or set "
        "VIDEOGEN_MEDIA_PUBLIC_URL (the media store's public URL)"
    )
    return (*plan.notes, note)


def _is_named(name: str) -> bool:
    """Whether there is a studio to plan for."""
    return bool(name) or has_keys()


async def _studio(name: str, console: Console) -> OpenStudio:
    """The studio to plan for; without any, one that could reach every vendor."""
    if not _is_named(name):
        console.print("Planned without a studio: no key is set and none was named.", style="dim")
        return _anywhere()
    quiet_console()
    from prefect_videogen.blocks import load_studio

    name = name or "env"
    return (await load_studio(name)).open(name=name)


def _anywhere() -> OpenStudio:
    nothing = SecretStr("none")
    accounts = {
        "apixo": Account(vendor="apixo", api_key=nothing, base_url=APIXO_URL, sandbox=False),
        "evolink": Account(
            vendor="evolink",
            api_key=nothing,
            base_url=EVOLINK_URL,
            files_url=EVOLINK_FILES_URL,
            sandbox=False,
        ),
    }
    store = open_store(str(Path.cwd() / "videogen-media"), public_url="https://example.org")
    return OpenStudio(name="none", accounts=accounts, store=store, models=known_models())


def _row(shot: PlannedClip | PlannedFootage) -> tuple[str, ...]:
    length = told_length(shot)
    if isinstance(shot, PlannedFootage):
        return (shot.id, "", shot.kind, length, "at once", "own footage", "", "")
    after = ", ".join(shot.depends_on)
    return (
        shot.id,
        shot.model,
        shot.mode,
        length,
        f"after {after}" if after else "at once",
        shot.standing,
        str(shot.price) if shot.price else "unpriced",
        shot.key[:12] if shot.key else "later",
    )


def show_plan(console: Console, plan: Plan) -> None:
    """Show a plan as a table, with its notes and its sum."""
    console.print(plan.title or plan.slug, style="italic")
    rows = [HEAD, *map(_row, in_film_order(plan))]
    for number, line in enumerate(table_lines(rows, console.width)):
        console.print(line, style="bold" if number == 0 else None)
    costs = " + ".join(str(money) for money in plan.totals) or "nothing priced"
    unpriced = f", {plan.unpriced} unpriced" if plan.unpriced else ""
    console.print(
        f"{len(plan.to_buy)} of {len(plan.clips)} clips to buy: {costs}{unpriced}; "
        f"about {plan.seconds:.0f} s of waiting" + ("; sandbox" if plan.sandbox else ""),
    )
    for note in plan.notes:
        console.print(f"note: {note}")
