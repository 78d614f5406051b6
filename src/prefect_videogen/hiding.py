"""What no message may quote: users, passwords and queries of addresses, values of secret fields.

Pure, and total. A value goes through here before it is shortened: half an address no longer tells
where its password ends.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_SCHEME = r"[a-z][a-z0-9+.-]{0,31}://"  # bounded, so that a long text is searched in linear time
_FLAGS = re.ASCII | re.IGNORECASE | re.DOTALL
_REFERENCE = re.compile(rf"\s*(?:vendor:\s*)?(?={_SCHEME})", _FLAGS)
_IN_TEXT = re.compile(rf"{_SCHEME}.*?(?=[\s'\"]{_SCHEME}|\Z)", _FLAGS)
_SECRET = re.compile(
    r"key|token|secret|password|credential|signature|authorization",
    re.IGNORECASE,
)


def without_query(url: str) -> str:
    """Strip user, query and fragment, where links carry passwords and tokens.

    Keys of clips hang on it: what it makes of an address that works must never change.

    Returns:
        The address; no more than its scheme if it is broken, since nothing tells then where a
        password ends. A text that holds none of these is left as it is.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no port, but half a password
    except ValueError:
        scheme, slashes, rest = url.partition("://")
        return f"{scheme}{slashes}..." if re.search("[@:?#]", rest) else url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def plain_reference(text: str) -> str:
    """A text that is an address, or `vendor:` and one, without its query; any other as it is."""
    found = _REFERENCE.match(text)
    return text[: found.end()] + without_query(text[found.end() :]) if found else text


def discreet(value: Any) -> Any:
    """A value as messages may quote it: no address in it has a query, no secret field a value."""
    if isinstance(value, dict):
        return {
            name: "***" if is_secret(str(name)) else discreet(entry)
            for name, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [discreet(entry) for entry in value]
    if isinstance(value, str):
        return _IN_TEXT.sub(lambda found: without_query(found.group()), value)
    return value


def is_secret(field: str) -> bool:
    """Whether a field's name looks as if it held what nobody may see, such as a stray key."""
    return bool(_SECRET.search(field))
