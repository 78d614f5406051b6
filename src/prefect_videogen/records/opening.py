"""Opening a media store by its address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from prefect_videogen.errors import StudioError
from prefect_videogen.records.store import Store, local_store


def open_store(
    url: str, *, options: Mapping[str, Any] | None = None, public_url: str = ""
) -> Store:
    """Open a media store by its address.

    Args:
        url: `file:///...`, a plain path, or `s3://bucket/prefix`.
        options: Options of s3fs: `key`, `secret`, `endpoint_url`, `client_kwargs` and so on.
        public_url: Base URL under which it is served, if it is.

    Raises:
        StudioError: For an address of another kind.
    """
    local = local_store(url, served_at=public_url)
    if local is not None:
        return local
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        from prefect_videogen.records.s3 import S3Store  # noqa: PLC0415 - s3fs loads slowly

        return S3Store(url, options=options, served_at=public_url)
    message = f"a media store at {parts.scheme or 'nowhere'}:// is not supported"
    raise StudioError(message, next_step="Use file:///some/folder or s3://bucket/prefix.")
