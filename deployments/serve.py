"""Serve all flows from one process: `python -m prefect_videogen.deployments.serve`.

They can then be started in Prefect's UI, by schedules, or with `run_deployment`.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from prefect import serve
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Interval
from prefect.types.entrypoint import EntrypointType

from prefect_videogen.flows import (
    collect_results,
    generate_batch,
    generate_chain,
    generate_clip,
    generate_keyframes,
    generate_storyboard,
)

NAME = "videogen"
COLLECT_EVERY = timedelta(minutes=15)
COLLECT_OLDER_THAN = 30
"""Minutes; live runs wait so long for a job of theirs."""


async def deployments() -> list[RunnerDeployment]:
    """One deployment per flow, all named `videogen`; only collecting has a schedule, inactive."""
    flows = (generate_clip, generate_chain, generate_keyframes, generate_storyboard, generate_batch)
    made = [
        await flow.ato_deployment(
            name=NAME, tags=["videogen"], entrypoint_type=EntrypointType.MODULE_PATH
        )
        for flow in flows
    ]
    collecting = await collect_results.ato_deployment(
        name=NAME,
        tags=["videogen"],
        parameters={"older_than": COLLECT_OLDER_THAN},
        schedule=Interval(COLLECT_EVERY, active=False),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return [*made, collecting]


def main() -> None:
    """Serve until interrupted."""
    serve(*asyncio.run(deployments()))


if __name__ == "__main__":
    main()
