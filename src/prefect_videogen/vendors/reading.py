"""Careful reading of bytes that somebody else wrote: JSON, headers, times, and texts to quote.

Pure, and total: no input whatever makes these functions raise. What they quote is short, on one
line and without bearer keys, URL queries and the like. What it all means is left to the callers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

QUOTED = 120
"""Longest quotation of a body that is not what it should be, in characters."""

TEXT = 300
"""Longest quotation of a vendor's own message, in characters."""

_DEEPEST = 40
_LARGEST_INT = 10**9
_LONGEST_ID = 256
_LONGEST_URL = 8192
_LONGEST_WAIT = 86_400.0
_MILLISECONDS_FROM = 1e11
_LAST_SECOND = 253_402_300_799.0

_HIDDEN = (
    (re.compile(r"(?i)\bbearer\s+[^\s\"',;]+"), "Bearer ***"),
    (re.compile(r"\bsk-[A-Za-z0-9._-]{4,}"), "sk-***"),
    (re.compile(r"(https?:\\?/\\?/)[^\s\"'<>/@?#]{1,512}@"), r"\1"),
    (re.compile(r"(https?:\\?/\\?/[^\s\"'<>?#]+)[?#][^\s\"'<>]*"), r"\1?..."),
    (
        re.compile(
            r"(?i)((?:signature|token|secret|password|credential|api[_-]?key)[\w-]*"
            r"(?:=|%3d))[^\s&\"']+"
        ),
        r"\1***",
    ),
)


def json_object(body: bytes) -> dict[str, Any] | None:
    """Parse a JSON object.

    Args:
        body: Bytes as received.

    Returns:
        The object, free of what JSON allows but records can't hold (half characters, infinite
        numbers); None if this is no JSON object or one nested beyond reason.
    """
    try:
        value = _clean(json.loads(body, parse_constant=_no_constant), _DEEPEST)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        raise ValueError
    if isinstance(value, list):
        return [_clean(item, depth - 1) for item in value]
    return {_clean(name, 0): _clean(item, depth - 1) for name, item in value.items()}


def as_object(value: Any) -> dict[str, Any]:
    """Take a JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def lower_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Copy headers with names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def redacted(text: str) -> str:
    """Take out what must not stand in a message: keys, signatures, queries of URLs."""
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return text


def quotable(text: str, longest: int = TEXT) -> str:
    """Make a vendor's text fit for a message: one line, printable, redacted, short."""
    line = " ".join(text[: 8 * longest].split())
    line = redacted("".join(c if c.isprintable() else "?" for c in line))
    return line if len(line) <= longest else line[: longest - 3] + "..."


def excerpt(body: bytes) -> str:
    """Quote the beginning of a body."""
    if not body:
        return "an empty body"
    return f"`{quotable(body[: 8 * QUOTED].decode('utf-8', 'replace'), QUOTED)}`"


def as_text(value: Any) -> str:
    """Take a text for quoting; anything but a text is none."""
    return quotable(value) if isinstance(value, str) else ""


def as_code(value: Any) -> str | None:
    """Take an error code, which may be a string or an integer [contracts 4.4]."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        return quotable(str(value), 80) or None
    except ValueError:
        return None


def as_int(value: Any) -> int | None:
    """Take a small whole number, also one written as a string."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    small = isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_INT
    return value if small else None


def as_number(value: Any) -> float | None:
    """Take a finite number, also one written as a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_duration(value: Any) -> float | None:
    """Take a number that is not negative."""
    number = as_number(value)
    return number if number is not None and number >= 0 else None


def as_time(value: Any) -> float | None:
    """Take a moment: Unix seconds, Unix milliseconds or ISO 8601 with an offset.

    Args:
        value: What the vendor wrote. APIXO writes milliseconds, EvoLink seconds [contracts 5], its
            files API ISO 8601 [contracts 4.8]; 1e11 tells the first two apart until the year 5138.

    Returns:
        Unix seconds, or None if it is no moment between 1970 and 9999.
    """
    number = as_number(value)
    if number is None and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
            number = moment.timestamp() if moment.tzinfo else None
        except (ValueError, OverflowError):
            return None
    if number is None:
        return None
    seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
    return seconds if 0 < seconds <= _LAST_SECOND else None


def as_job_id(value: Any) -> str | None:
    """Take a job id: opaque [contracts 1.3], so nearly everything, but never a path of dots."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = as_code(value)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID:
        return None
    usable = value.isprintable() and not any(c.isspace() for c in value) and value.strip(".")
    return value if usable else None


def as_urls(value: Any) -> tuple[str, ...]:
    """Take the http and https URLs of a list, in order; anything else is left out."""
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, str) and _is_url(item))


def _is_url(text: str) -> bool:
    return (
        len(text) <= _LONGEST_URL
        and re.match(r"(?i)https?://[^/\s]", text) is not None
        and text.isprintable()
        and " " not in text
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After.

    Args:
        headers: Headers with names in lower case.

    Returns:
        Seconds to wait, at most a day. A date counts from the answer's own Date header, so that no
        clock is read here and none needs to agree; without one it says nothing.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        return min(float(value), _LONGEST_WAIT)
    until, now = _http_date(value), _http_date(headers.get("date", ""))
    if until is None or now is None:
        return None
    return min(max(until - now, 0.0), _LONGEST_WAIT)


def _http_date(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
        return moment.timestamp() if moment.tzinfo else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def request_id(headers: Mapping[str, str]) -> str:
    """Find the vendor's request id [contracts 4.4, doc: evolink-mcp]; empty if there is none."""
    value = headers.get("x-request-id") or headers.get("x-oneapi-request-id") or ""
    return quotable(value, 80)
