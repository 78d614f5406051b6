"""The blocks' "test connection": `check()` and `acheck()`, and what only Prefect knows of a studio.

Each finding is a `Check`; whatever is wrong, nothing is raised.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from prefect_videogen.apart import run_apart
from prefect_videogen.blocks.limits import setup_command
from prefect_videogen.blocks.wakes import server_is_shared
from prefect_videogen.checking import Check, CheckReport, failed
from prefect_videogen.waiting import Limit


class Checkable:
    """What blocks with a `check()` have in common; not a block itself."""

    async def acheck(self) -> CheckReport:
        """Try out whether what this describes works.

        Returns:
            What was tried, with what to do about each thing that does not work.
        """
        raise NotImplementedError

    def check(self) -> CheckReport:
        """`acheck` for callers that are sync.

        Returns:
            What was tried, with what to do about each thing that does not work.
        """
        return run_apart(self.acheck)


async def limit_checks(limits: Sequence[Limit], *, studio: str = "") -> list[Check]:
    """Compare the limits of the Prefect server with those that vendors document.

    Args:
        limits: The limits that there should be.
        studio: Name of the studio that they are for.
    """
    name = "limits"
    if not server_is_shared():
        detail = "PREFECT_API_URL is not set, so limits hold within each process only"
        step = "Set it to your Prefect server, so that all runs keep to the limits together."
        return [Check(name=name, ok="warn", detail=detail, remedy=step)]
    remedy = f"{setup_command(studio)} creates the limits and sets their size."
    try:
        async with get_client() as client:
            wrong = [await _wrong_with(client, limit, remedy) for limit in limits]
    except (httpx.HTTPError, OSError) as error:
        detail = f"the Prefect server could not be asked ({type(error).__name__})"
        step = "Check PREFECT_API_URL and PREFECT_API_AUTH_STRING, and that the server runs."
        return [Check(name=name, ok="no", detail=detail, remedy=step)]
    except Exception as error:  # noqa: BLE001 - a check never raises
        return [failed(name, error)]
    found = [check for check in wrong if check]
    return found or [Check(name=name, ok="yes", detail=f"all {len(limits)} are set up")]


async def _wrong_with(client: PrefectClient, limit: Limit, remedy: str) -> Check | None:
    try:
        found = await client.read_global_concurrency_limit_by_name(limit.name)
    except ObjectNotFound:
        detail = f"{limit.name} is not set up, so it holds within each process only"
        return Check(name="limits", ok="warn", detail=detail, remedy=remedy)
    if found.limit == 0:
        detail = f"{limit.name} is 0, so nothing can be bought"
        return Check(name="limits", ok="no", detail=detail, remedy=remedy)
    if found.limit > limit.most:
        detail = f"{limit.name} is {found.limit}, more than the vendor's {limit.most}"
        return Check(name="limits", ok="warn", detail=detail, remedy=remedy)
    if not found.active:
        detail = f"{limit.name} is switched off"
        return Check(name="limits", ok="warn", detail=detail, remedy="Switch it on in the UI.")
    return None  # a smaller one is somebody's choice: an account may be shared
