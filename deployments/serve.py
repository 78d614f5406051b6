"""Serve all flows from one process: `python -m prefect_videogen.deployments.serve`.

They can then be started in Prefect's UI, by schedules, or with `run_deployment`. What is served
stands in the `prefect.yaml` beside this file, the same that `prefect deploy` reads for workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import Flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Schedule
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.importtools import import_object
from ruamel.yaml import YAML

FILE = Path(__file__).with_name("prefect.yaml")


async def deployments(file: Path = FILE) -> list[RunnerDeployment]:
    """Make the deployments that a `prefect.yaml` lists; flows are named by their module path.

    Args:
        file: The `prefect.yaml`.

    Returns:
        One deployment for each entry, without its work pool: this process runs them.
    """
    return [await _deployment(entry) for entry in _entries(file)]


def _entries(file: Path) -> list[dict[str, Any]]:
    data = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    return list(data["deployments"])


async def _deployment(entry: Mapping[str, Any]) -> RunnerDeployment:
    flow = import_object(entry["entrypoint"])
    if not isinstance(flow, Flow):
        message = f"{entry['entrypoint']} in prefect.yaml is not a flow"
        raise TypeError(message)
    return await flow.ato_deployment(
        name=entry["name"],
        description=entry.get("description"),
        version=entry.get("version"),
        tags=entry.get("tags"),
        parameters=entry.get("parameters"),
        schedules=[_schedule(given) for given in entry.get("schedules", [])],
        concurrency_limit=_limit(entry.get("concurrency_limit")),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def _limit(given: int | Mapping[str, Any] | None) -> int | ConcurrencyLimitConfig | None:
    """A limit as `prefect.yaml` writes it: a number, or a mapping that says more."""
    return ConcurrencyLimitConfig(**given) if isinstance(given, Mapping) else given


def _schedule(given: Mapping[str, Any]) -> Schedule:
    """A schedule as `prefect.yaml` writes it; an interval stands there in seconds."""
    fields = dict(given)
    if "interval" in fields:
        fields["interval"] = timedelta(seconds=fields["interval"])
    return Schedule(**fields)


def main() -> None:
    """Serve until interrupted."""
    serve(*asyncio.run(deployments()))


if __name__ == "__main__":
    main()
