"""What `doctor` looks at beside the studio: versions, the Prefect server, block types, deployments.

Read-only. Each finding is a `Check`; nothing is raised.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import DeploymentStatus
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL

from prefect_videogen.blocks import BLOCK_TYPES
from prefect_videogen.blocks.variables import unknown_variables
from prefect_videogen.blocks.wakes import server_is_shared
from prefect_videogen.checking import Check, failed
from prefect_videogen.cli.reaching import why_away

FLOWS: Final = (
    "generate-clip",
    "generate-chain",
    "generate-keyframes",
    "generate-storyboard",
    "generate-batch",
    "collect-results",
)
COLLECTING: Final = "collect-results"

OLDEST, BEYOND = (3, 8), (4,)
"""Prefect versions that this package works with: from the first, below the second."""

BREAKING_FASTAPI, MENDED_PREFECT = (0, 151), (3, 9)
"""From this FastAPI on, Prefect servers older than this do not start."""

BREAKING_SQLALCHEMY = (2, 1)
"""From this SQLAlchemy on, a server of Prefect 3.8.8 runs no schedule."""

SETUP = "`prefect-videogen setup` registers them."
SERVE = (
    "`python -m prefect_videogen.deployments.serve` serves all flows; `prefect-videogen setup "
    "--deployments DIR` writes a prefect.yaml for workers."
)
_DISTRIBUTIONS: Final = ("prefect-videogen", "prefect", "fastapi", "sqlalchemy")


def version_checks(versions: dict[str, str] | None = None) -> list[Check]:
    """Say which versions there are, and which do not go together.

    Args:
        versions: Versions of distributions by name; those installed by default.
    """
    found = versions or {n: version(n) for n in _DISTRIBUTIONS}
    prefect, fastapi = numbers(found["prefect"]), numbers(found["fastapi"])
    python = ".".join(map(str, sys.version_info[:3]))
    said = f"prefect-videogen {found['prefect-videogen']}, Prefect {found['prefect']}"
    checks = [Check(name="versions", ok="yes", detail=f"{said}, Python {python}")]
    if not OLDEST <= prefect < BEYOND:
        step = 'Install one that does: pip install "prefect>=3.8,<4".'
        detail = f"Prefect {found['prefect']} does not go with this package"
        checks = [Check(name="versions", ok="no", detail=detail, remedy=step)]
    if fastapi >= BREAKING_FASTAPI and prefect < MENDED_PREFECT:
        detail = f"a server of Prefect {found['prefect']} does not start with {found['fastapi']}"
        step = 'Install an older one: pip install "fastapi<0.151".'
        elsewhere = server_is_shared()
        worst = Check(name="FastAPI", ok="warn" if elsewhere else "no", detail=detail, remedy=step)
        checks.append(worst)
    if numbers(found["sqlalchemy"]) >= BREAKING_SQLALCHEMY:
        detail = f"with {found['sqlalchemy']} here, a server of Prefect 3.8.8 runs no schedule"
        step = 'Install an older one where the server runs: pip install "sqlalchemy<2.1".'
        checks.append(Check(name="SQLAlchemy", ok="warn", detail=detail, remedy=step))
    return checks


def variable_checks(environment: Mapping[str, str]) -> list[Check]:
    """Name variables that look like settings and are none.

    Args:
        environment: The variables, usually `os.environ`.
    """
    return [
        Check(
            name="settings",
            ok="no" if meant else "warn",
            detail=f"{name} is set, but nothing reads it",
            remedy=f"Write {meant}, or remove it." if meant else "Remove it if it is meant for us.",
        )
        for name, meant in unknown_variables(environment).items()
    ]


def numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: `3.8.8` is (3, 8, 8)."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def font_check() -> Check:
    """Whether cards that stand for missing shots can be lettered."""
    from PIL import features

    if features.check("freetype2"):
        return Check(name="fonts", ok="yes", detail="cards for missing shots can be lettered")
    detail = "Pillow was built without FreeType, so `on_missing: slate` can't letter its cards"
    step = "Install Pillow from its wheel: pip install --force-reinstall pillow."
    return Check(name="fonts", ok="warn", detail=detail, remedy=step)


# -- the server -----------------------------------------------------------------------------------


async def server_checks(client: PrefectClient) -> list[Check]:
    """Whether the server answers, how old it is, and who may ask it.

    Args:
        client: An open client.
    """
    name, url = "Prefect server", str(PREFECT_API_URL.value() or "")
    try:
        found = await client.api_version()
        await client.read_block_types()  # the version alone needs no password
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        detail, step = why_away(error, url)
        return [Check(name=name, ok="no", detail=detail, remedy=step)]
    except Exception as error:  # noqa: BLE001 - a check never raises
        return [failed(name, error)]
    return [_age_check(name, found, version("prefect")), *_openness(url)]


def _age_check(name: str, server: str, client: str) -> Check:
    if numbers(client) > numbers(server):
        detail = f"it is Prefect {server}, older than the Prefect {client} here"
        step = "Bring the server up to date first: clients may be older, not newer."
        return Check(name=name, ok="warn", detail=detail, remedy=step)
    if server_is_shared():
        return Check(name=name, ok="yes", detail=f"Prefect {server} answers")
    detail = "PREFECT_API_URL is not set, so each process starts a server of its own"
    step = "Run `prefect server start` and set it, so that runs share limits and events."
    return Check(name=name, ok="warn", detail=detail, remedy=step)


def _openness(url: str) -> list[Check]:
    if not url or PREFECT_API_AUTH_STRING.value() or PREFECT_API_KEY.value():
        return []
    if (urlsplit(url).hostname or "") in {"127.0.0.1", "localhost", "::1"}:
        return []
    detail = "the server asks for no password, and gives vendors' keys to whoever reaches it"
    step = "Set PREFECT_SERVER_API_AUTH_STRING there, and PREFECT_API_AUTH_STRING here."
    return [Check(name="authentication", ok="warn", detail=detail, remedy=step)]


# -- block types and deployments ------------------------------------------------------------------


async def block_checks(client: PrefectClient) -> list[Check]:
    """Whether the server knows the block types, in the form they have now.

    Args:
        client: An open client.
    """
    missing, older = [], []
    for kind in BLOCK_TYPES:
        standing = await _standing(client, kind)
        if standing == "missing":
            missing.append(kind.get_block_type_slug())
        elif standing == "older":
            older.append(kind.get_block_type_slug())
    name = "block types"
    if missing:
        detail = f"not registered: {', '.join(missing)}"
        return [Check(name=name, ok="no", detail=detail, remedy=SETUP)]
    if older:
        detail = f"registered by another version: {', '.join(older)}"
        return [Check(name=name, ok="warn", detail=detail, remedy=SETUP)]
    return [Check(name=name, ok="yes", detail=f"all {len(BLOCK_TYPES)} are registered")]


async def _standing(client: PrefectClient, kind: type[Block]) -> str:
    try:
        await client.read_block_type_by_slug(kind.get_block_type_slug())
    except ObjectNotFound:
        return "missing"
    try:
        await client.read_block_schema_by_checksum(kind._calculate_schema_checksum())  # noqa: SLF001 - the only name there is for it
    except ObjectNotFound:
        return "older"
    return "there"


async def deployment_checks(client: PrefectClient) -> list[Check]:
    """Which flows are deployed, whether anybody runs them, and whether collecting is scheduled.

    Args:
        client: An open client.
    """
    found: dict[str, Sequence[Any]] = {}
    for flow in FLOWS:
        wanted = FlowFilter(name=FlowFilterName(any_=[flow]))
        found[flow] = await client.read_deployments(flow_filter=wanted)
    missing = [flow for flow, there in found.items() if not there]
    if len(missing) == len(FLOWS):
        detail = "none: runs start from the command line and from your own flows only"
        return [Check(name="deployments", ok="warn", detail=detail, remedy=SERVE)]
    idle = sorted(
        f"{flow}/{deployment.name}"
        for flow, there in found.items()
        for deployment in there
        if deployment.status != DeploymentStatus.READY
    )
    return [_deployed(missing), *_idle(idle), _collecting(found[COLLECTING])]


def _deployed(missing: Sequence[str]) -> Check:
    if missing:
        detail = f"not deployed: {', '.join(missing)}"
        return Check(name="deployments", ok="warn", detail=detail, remedy=SERVE)
    return Check(name="deployments", ok="yes", detail=f"all {len(FLOWS)} flows are deployed")


def _idle(idle: Sequence[str]) -> list[Check]:
    if not idle:
        return [Check(name="workers", ok="yes", detail="every deployment has somebody to run it")]
    detail = f"nobody runs {', '.join(idle)}"
    step = "Start `prefect worker start --pool NAME` for its pool, or the process that serves it."
    return [Check(name="workers", ok="warn", detail=detail, remedy=step)]


def _collecting(deployments: Sequence[Any]) -> Check:
    name = "collecting"
    schedules = [entry for deployment in deployments for entry in deployment.schedules]
    if any(entry.active for entry in schedules):
        return Check(name=name, ok="yes", detail="collect-results has an active schedule")
    detail = "collect-results has no active schedule, so what dead runs bought may expire"
    step = "Switch its schedule on in the UI, or run `prefect-videogen collect` by cron."
    return Check(name=name, ok="warn", detail=detail, remedy=step)
