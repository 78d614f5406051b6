"""A batch of storyboards: which they are, all their faults at once, and what came of each.

What it leaves to the flow: starting a run for each, and waiting for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from prefect_videogen.errors import Fault, StoryboardError
from prefect_videogen.filming import Film
from prefect_videogen.plan import Money, Plan
from prefect_videogen.spending import RunMoney
from prefect_videogen.studio import OpenStudio
from prefect_videogen.survey import load_board, survey

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
"""Ends of the names that a folder's storyboards have."""

WILD = "*?["
"""What makes a path a pattern, where no file has that name."""

AT_ONCE = 8
"""Storyboards that are checked at the same time."""


class BatchEntry(BaseModel):
    """What came of one storyboard.

    Attributes:
        storyboard: Path or address of the storyboard.
        run: Id of its flow run; empty if none was started.
        state: Name of the state that the run ended in.
        made: Whether its film was made, or planned if only that was asked for.
        title: The film's title.
        path: Where the film lies in the media store; empty if it is not known.
        frames: Number of frames; 0 if not known.
        missing: Ids of the shots that are not in it.
        reason: Why there is no film, or why nothing more is known of it.
        bought: How many clips the run bought.
        estimate: Estimated price of what was planned to be bought.
        money: What the run set aside and was charged, as far as known.
    """

    model_config = ConfigDict(frozen=True)

    storyboard: str
    run: str = ""
    state: str = ""
    made: bool = False
    title: str = ""
    path: str = ""
    frames: int = 0
    missing: tuple[str, ...] = ()
    reason: str = ""
    bought: int = 0
    estimate: tuple[Money, ...] = ()
    money: RunMoney | None = None

    def with_film(self, film: Film) -> BatchEntry:
        """Add the film that its run made."""
        return self.model_copy(
            update={
                "path": film.path,
                "frames": film.frames,
                "missing": tuple(entry.shot for entry in film.missing),
                "bought": film.bought,
                "estimate": film.estimate,
                "money": film.money,
            }
        )


class Batch(BaseModel):
    """The result of a batch.

    Attributes:
        name: The batch's name, which its runs' idempotency keys are made from.
        deployment: The deployment that made the films.
        entries: What came of each storyboard, in the order they were given.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    deployment: str
    entries: tuple[BatchEntry, ...] = ()

    @property
    def failed(self) -> tuple[BatchEntry, ...]:
        """The storyboards without a film."""
        return tuple(entry for entry in self.entries if not entry.made)


def storyboards_in(references: Sequence[str]) -> list[str]:
    """Name the storyboards of a batch, each once.

    Args:
        references: Paths, s3:// and https:// addresses; a folder or a pattern (`boards/*-de`) on
            local disk stands for the YAML and JSON files in it, by name.

    Returns:
        Addresses, and absolute paths.

    Raises:
        StoryboardError: If one stands for nothing, or there are none.
    """
    found: dict[str, None] = {}
    faults = []
    for reference in references:
        names = [reference] if "://" in reference else _local(reference)
        if not names:
            problem = "there is no YAML or JSON file"
            faults.append(Fault("", "storyboard_files", reference, problem, "check the path"))
        found |= dict.fromkeys(names)
    if not references:
        remedy = "name files, folders or addresses"
        faults.append(Fault("", "storyboard_files", "", "is missing", remedy))
    if faults:
        raise StoryboardError(faults, source="the batch")
    return list(found)


def _local(reference: str) -> list[str]:
    path = Path(reference).absolute()
    if path.is_dir():
        return [str(file) for file in sorted(path.iterdir()) if file.suffix in SUFFIXES]
    if path.exists() or not any(sign in reference for sign in WILD):
        return [str(path)]  # one that is missing says so when it is read
    matches = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    return [str(file) for file in sorted(matches) if file.suffix in SUFFIXES]


async def check_all(
    studio: OpenStudio,
    references: Sequence[str],
    *,
    variables: Mapping[str, str],
    scheduled: datetime,
) -> list[Plan]:
    """Plan every storyboard, keeping and buying nothing.

    Args:
        studio: The open studio.
        references: The storyboards.
        variables: Values that win over the storyboards' own.
        scheduled: When the batch was to start.

    Returns:
        A plan for each, in their order.

    Raises:
        StoryboardError: With the faults of all of them.
    """
    turns = asyncio.Semaphore(AT_ONCE)

    async def check(reference: str) -> Plan | list[Fault]:
        async with turns:
            try:
                board = await load_board(reference)
                surveyed = await survey(
                    studio, board, variables=variables, scheduled=scheduled, keep=False
                )
                return surveyed.check()
            except StoryboardError as error:
                return [replace(fault, source=reference) for fault in error.faults]

    results = await asyncio.gather(*map(check, references))
    faults = [fault for found in results if isinstance(found, list) for fault in found]
    if faults:
        raise StoryboardError(faults, source=f"the batch of {len(references)} storyboards")
    return [found for found in results if isinstance(found, Plan)]


def idempotency_key(batch: str, deployment: str, parameters: Mapping[str, Any]) -> str:
    """The key under which Prefect starts one storyboard of a batch once.

    What is made counts, not within which limits. A plan is not a film, so a batch that was only
    planned can be made under the same name.
    """
    counted = ("storyboard_file", "variables", "studio", "plan_only")
    what = {"deployment": deployment, **{name: parameters[name] for name in counted}}
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    return f"{batch}-{digest[:32]}"
