"""Serve all flows from one process: `python -m prefect_videogen.deployments.serve`.

They can then be started in Prefect's UI, by schedules, or with `run_deployment`.
"""

from __future__ import annotations

import asyncio

from prefect import serve
from prefect.deployments.runner import RunnerDeployment
from prefect.types.entrypoint import EntrypointType

from prefect_videogen.flows import (
    generate_chain,
    generate_clip,
    generate_keyframes,
    generate_storyboard,
)

NAME = "videogen"


async def deployments() -> list[RunnerDeployment]:
    """One deployment per flow, all named `videogen`; none has a schedule."""
    flows = (generate_clip, generate_chain, generate_keyframes, generate_storyboard)
    return [
        await flow.ato_deployment(
            name=NAME, tags=["videogen"], entrypoint_type=EntrypointType.MODULE_PATH
        )
        for flow in flows
    ]


def main() -> None:
    """Serve until interrupted."""
    serve(*asyncio.run(deployments()))


if __name__ == "__main__":
    main()
