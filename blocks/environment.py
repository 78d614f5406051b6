"""The studio made from the environment: `VIDEOGEN_...`, as the documentation lists them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from prefect.types import SecretDict
from pydantic import SecretStr, TypeAdapter, ValidationError

from prefect_videogen.blocks.callbacks import CallbackEndpoint
from prefect_videogen.blocks.credentials import ApixoCredentials, EvolinkCredentials, Sandbox
from prefect_videogen.blocks.media import MediaStore
from prefect_videogen.blocks.studio import Studio
from prefect_videogen.blocks.variables import unknown_variables
from prefect_videogen.errors import StudioError
from prefect_videogen.plan import Price
from prefect_videogen.vendors import APIXO_URL, EVOLINK_URL

DEFAULT_MEDIA = "videogen-media"
"""Folder under the current one, where `VIDEOGEN_MEDIA_URL` is not set."""


def studio_from_environment(environment: Mapping[str, str]) -> Studio:
    """Make a studio from environment variables.

    Args:
        environment: The variables, usually `os.environ`.

    Raises:
        StudioError: If a variable is wrong or misspelt, or there is no key at all.
    """
    for name, meant in unknown_variables(environment).items():
        if meant:  # a limit that nobody reads would cost money
            message = f"{name} is no setting"
            raise StudioError(message, next_step=f"Write {meant}, or remove it.")
    get = environment.get
    sandbox, speed = _sandbox(get("VIDEOGEN_SANDBOX", "")), _speed(get("VIDEOGEN_SPEED", ""))
    apixo = evolink = callbacks = None
    if get("VIDEOGEN_APIXO_API_KEY"):
        apixo = ApixoCredentials(
            api_key=SecretStr(environment["VIDEOGEN_APIXO_API_KEY"]),
            base_url=get("VIDEOGEN_APIXO_BASE_URL") or APIXO_URL,
            sandbox=sandbox,
            speed=speed,
        )
    if get("VIDEOGEN_EVOLINK_API_KEY"):
        evolink = EvolinkCredentials(
            api_key=SecretStr(environment["VIDEOGEN_EVOLINK_API_KEY"]),
            base_url=get("VIDEOGEN_EVOLINK_BASE_URL") or EVOLINK_URL,
            files_url=get("VIDEOGEN_EVOLINK_FILES_URL", ""),
            sandbox=sandbox,
            speed=speed,
        )
    if not (apixo or evolink):
        message = (
            "the studio env has no key: neither VIDEOGEN_APIXO_API_KEY nor "
            "VIDEOGEN_EVOLINK_API_KEY is set where this runs"
        )
        step = (
            "Set one there; or use a saved studio, as `prefect-videogen setup` makes; or try "
            "`prefect-videogen demo`, which needs no key."
        )
        raise StudioError(message, next_step=step)
    if get("VIDEOGEN_CALLBACK_URL"):
        callbacks = CallbackEndpoint(
            url=environment["VIDEOGEN_CALLBACK_URL"],
            secret=SecretStr(get("VIDEOGEN_CALLBACK_SECRET", "")),
        )
    return Studio(
        media=MediaStore(
            url=get("VIDEOGEN_MEDIA_URL") or (Path.cwd() / DEFAULT_MEDIA).as_uri(),
            public_url=get("VIDEOGEN_MEDIA_PUBLIC_URL", ""),
            view_url=get("VIDEOGEN_MEDIA_VIEW_URL", ""),
            options=_options(get("VIDEOGEN_MEDIA_OPTIONS", "")),
        ),
        apixo=apixo,
        evolink=evolink,
        callbacks=callbacks,
        prices=_prices(get("VIDEOGEN_PRICES", "")),
        allow_unpriced=_flag("VIDEOGEN_ALLOW_UNPRICED", get("VIDEOGEN_ALLOW_UNPRICED", "")),
        limit_per_run=_limit("VIDEOGEN_LIMIT_PER_RUN", get("VIDEOGEN_LIMIT_PER_RUN", "")),
        limit_per_month=_limit("VIDEOGEN_LIMIT_PER_MONTH", get("VIDEOGEN_LIMIT_PER_MONTH", "")),
        low_balance=_limit("VIDEOGEN_LOW_BALANCE", get("VIDEOGEN_LOW_BALANCE", "")),
    )


def _sandbox(value: str) -> Sandbox:
    if value.strip().lower() in {"", "auto"}:
        return "auto"
    return "yes" if _flag("VIDEOGEN_SANDBOX", value) else "no"


def _flag(name: str, value: str) -> bool:
    word = value.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"", "0", "false", "no", "off"}:
        return False
    message = f"{name} is {value!r}"
    raise StudioError(message, next_step="Use true or false, or leave it unset.")


def _limit(name: str, value: str) -> float:
    try:
        limit = float(value or 0)
    except ValueError:
        limit = -1
    if not (math.isfinite(limit) and limit >= 0):
        message = f"{name} is {value!r}"
        raise StudioError(message, next_step="Use an amount of money, or leave it unset.")
    return limit


def _speed(value: str) -> float:
    try:
        speed = float(value or 1)
    except ValueError:
        speed = 0
    if speed < 1:
        message = f"VIDEOGEN_SPEED is {value!r}"
        raise StudioError(message, next_step="Use a number of at least 1; 1 for real vendors.")
    return speed


def _options(value: str) -> SecretDict:
    """Options of s3fs as JSON; the message never quotes them, they hold secrets."""
    try:
        found = json.loads(value or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        message = "VIDEOGEN_MEDIA_OPTIONS is not a JSON object"
        raise StudioError(message, next_step='Write for example {"endpoint_url": "https://..."}.')
    return SecretDict(found)


def _first_fault(error: ValidationError) -> str:
    """The first fault of a list: in which entry and field, and why."""
    fault = error.errors(include_url=False, include_context=False)[0]
    if not fault["loc"]:
        return "it is no JSON list"
    entry, *fields = fault["loc"]
    place = ".".join(map(str, fields))
    return f"entry {int(entry) + 1}{', ' if place else ''}{place}: {fault['msg']}"


def _prices(value: str) -> list[Price]:
    """Prices as JSON, or as the path of a JSON file."""
    if not value.strip():
        return []
    try:
        is_json = value.lstrip().startswith(("[", "{"))
        found = json.loads(value if is_json else Path(value).read_text(encoding="utf-8"))
        return TypeAdapter(list[Price]).validate_python(found)
    except (OSError, ValueError, ValidationError) as error:
        message = f"VIDEOGEN_PRICES can't be used: {error}"
        if isinstance(error, ValidationError):
            message = f"VIDEOGEN_PRICES can't be used: {_first_fault(error)}"
        if isinstance(error, OSError):
            why = error.strerror or type(error).__name__
            message = f"VIDEOGEN_PRICES names {Path(value).absolute()}, which can't be read: {why}"
        step = 'Write a JSON list like [{"model": "wan-2-5", "amount": 0.08, "currency": "USD"}].'
        raise StudioError(message, next_step=step) from None
