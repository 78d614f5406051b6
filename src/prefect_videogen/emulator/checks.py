"""Whether a submission fits a model, asked of the capability table and of nothing else.

Fields that a mode does not use are ignored, and so are unknown ones: the vendors' own sample bodies
send them (section 2 of the contracts). No I/O but the look-up of a host's address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from prefect_videogen.capabilities import Mode, Model, Param
from prefect_videogen.emulator.world import Refusal

_LONGEST_CALLBACK = 2048  # [seed: EvoLink]
_PRIVATE_NAMES = (".localhost", ".local", ".internal")


class Submission(NamedTuple):
    """What a valid submission asks for."""

    mode: Mode
    params: dict[str, Any]
    image_urls: tuple[str, ...]


def check_input(model: Model, given: Mapping[str, Any], *, strict: bool = False) -> Submission:
    """Check a model's input fields.

    Args:
        model: The model asked for.
        given: The fields as they came: APIXO's `input`, EvoLink's whole body.
        strict: Whether a required field that has a documented default must be sent.

    Returns:
        Mode, parameters with defaults filled in, and pictures.

    Raises:
        Refusal: 400, naming the first field that does not fit.
    """
    mode = _mode(model, given)
    params: dict[str, Any] = {}
    for param in model.params_of(mode.name):
        value = given.get(param.name)
        if value is None:
            if _must_be_sent(param, strict=strict):
                raise _bad(param.name, "is required")
            value = param.default
        elif problem := param.check(value):
            raise _bad(param.name, f"{problem.problem}; {problem.remedy}")
        elif param.type == "string" and param.required and not value.strip():
            raise _bad(param.name, "must not be empty")
        elif param.type == "loras":
            _check_loras(param, value)
        if value is not None:
            params[param.name] = value
    return Submission(mode, params, _image_urls(model, mode, given))


def _mode(model: Model, given: Mapping[str, Any]) -> Mode:
    if not model.mode_field:
        # Without a mode field the pictures tell which of several modes is meant.
        count = sum(len(_urls_in(given.get(name))) for name in model.images.fields)
        fitting = (mode for mode in model.modes if mode.images[0] <= count <= mode.images[1])
        return next(fitting, model.modes[0])
    name = given.get(model.mode_field)
    if name is None:
        raise _bad(model.mode_field, "is required")
    mode = model.mode(name) if isinstance(name, str) else None
    if mode is None:
        known = ", ".join(mode.name for mode in model.modes)
        raise _bad(model.mode_field, f"must be one of {known}")
    return mode


def _must_be_sent(param: Param, *, strict: bool) -> bool:
    # Pages that call a field required and give it a default contradict themselves, and others leave
    # it optional; only one that single modes demand (kling-2-1's ratio) is beyond doubt [seed].
    return param.required and (strict or param.default is None or bool(param.modes))


def _check_loras(param: Param, loras: list[Any]) -> None:
    for number, lora in enumerate(loras):
        place = f"{param.name}[{number}]"
        if not isinstance(lora, Mapping):
            raise _bad(place, "must be an object with `path` and `scale`")
        if not isinstance(lora.get("path"), str) or not lora["path"].strip():
            raise _bad(f"{place}.path", "is required")
        scale = lora.get("scale", 1.0)
        # The hard range is not published, so any number is taken [inferred].
        if isinstance(scale, bool) or not isinstance(scale, int | float):
            raise _bad(f"{place}.scale", "must be a number")


def _image_urls(model: Model, mode: Mode, given: Mapping[str, Any]) -> tuple[str, ...]:
    least, most = mode.images
    if most == 0:
        return ()
    fields = model.images.fields
    urls: list[str] = []
    for name in fields:
        value = given.get(name)
        found = _urls_in(value)
        if value is not None and not found and value != []:
            wanted = "a list of URLs" if len(fields) == 1 else "a URL"
            raise _bad(name, f"must be {wanted}")
        urls += found
    if not least <= len(urls) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise _bad(fields[0], f"{mode.name} takes {wanted} image(s), not {len(urls)}")
    return tuple(urls)


def _urls_in(value: object) -> list[str]:
    values: list[object] = value if isinstance(value, list) else [value]
    urls = [url for url in values if isinstance(url, str) and url.strip()]
    return urls if len(urls) == len(values) else []


def check_callback_url(url: object, *, strict: bool) -> str:
    """Check where a callback is to go.

    Args:
        url: The field as it came.
        strict: Whether to enforce https and a public address, as the vendors document.

    Returns:
        The URL.

    Raises:
        Refusal: 400.
    """
    if not isinstance(url, str) or not url.startswith(("http://", "https://")) or not host_of(url):
        raise _bad("callback_url", "must be a URL")
    if len(url) > _LONGEST_CALLBACK:
        raise _bad("callback_url", f"must not be longer than {_LONGEST_CALLBACK} characters")
    if strict and not url.startswith("https://"):
        raise _bad("callback_url", "must be HTTPS")
    if strict and is_private(host_of(url)):
        raise _bad("callback_url", "must not be a private address")
    return url


def host_of(url: str) -> str:
    """Give the host of a URL, or an empty string if it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_private(host: str) -> bool:
    """Whether a host is a private address or name by its mere spelling."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(_PRIVATE_NAMES)
    return not address.is_global


async def leads_inside(host: str) -> bool:
    """Whether a host, looked up now, is or resolves to a private address."""
    if is_private(host):
        return True
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(is_private(str(entry[4][0])) for entry in found)


def _bad(field: str, problem: str) -> Refusal:
    return Refusal(400, f"Invalid parameter: {field} {problem}", param=field)
