"""What is sent: the body that buys a clip, its exact bytes, its path, and job ids in URLs.

Pure. Everything is resolved before: `params` has the vendor's names and holds only what shall be
sent, pictures are public URLs. Nothing is validated here but what JSON can't carry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from prefect_videogen.capabilities import Mode, Model
from prefect_videogen.errors import BadParameters, JobNotFound
from prefect_videogen.vendors.account import VENDOR_NAMES, Vendor
from prefect_videogen.vendors.reading import as_job_id, json_object, quotable

JSON_BODY: Mapping[str, str] = MappingProxyType({"Content-Type": "application/json"})
NOTHING: Mapping[str, Any] = MappingProxyType({})


def request_body(
    model: Model,
    mode: Mode,
    params: Mapping[str, Any],
    images: Sequence[str],
    *,
    routing: str = "",
    callback_url: str = "",
    extra: Mapping[str, Any] = NOTHING,
) -> dict[str, Any]:
    """Build the body of a submission.

    Args:
        model: The model.
        mode: One of its modes.
        params: The vendor's own names and values, only those that shall be sent.
        images: Public URLs of the first and the last frame, as many as there are.
        routing: APIXO's `provider`; empty leaves it out (vendor default `auto`).
        callback_url: Where the vendor announces the end; empty means it is polled.
        extra: Fields passed through as they are; they overrule all others.

    Returns:
        APIXO: `{request_type, callback_url?, provider?, input}` [contracts 1.2, seed]. EvoLink: one
        flat object with `model` [contracts 3, seed].

    Raises:
        BadParameters: If there are more pictures than fields for them.
    """
    asked = {
        **({model.mode_field: mode.name} if model.mode_field else {}),
        **params,
        **_image_fields(model, images),
        **mode.extra,
    }
    if model.vendor == "evolink":
        callback = {"callback_url": callback_url} if callback_url else {}
        return {"model": model.id, **asked, **callback, **extra}
    body: dict[str, Any] = {"request_type": "callback" if callback_url else "async"}
    if callback_url:
        body["callback_url"] = callback_url
    if routing:
        body["provider"] = routing
    return {**body, "input": {**asked, **extra}}


def encode_body(body: Mapping[str, Any]) -> bytes:
    """Turn a body into the exact bytes that are recorded, sent and, if need be, sent again.

    Args:
        body: A body made by `request_body`.

    Returns:
        Compact JSON in UTF-8; keys keep their order, so equal bodies give equal bytes.

    Raises:
        BadParameters: If a value can't be written as JSON (not a number, half a character).
    """
    try:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        problem = type(error).__name__
    # Raised out here: the failure's own text quotes prompts and holds the signed URLs.
    message = f"a parameter can't be written as JSON ({problem})"
    raise BadParameters(message, next_step="Look for odd values under `options`.")


def asks_for_callback(body: str, key: str, attempt: int) -> bool:
    """Say whether a recorded body has the vendor announce the end at the attempt's own address."""
    url = (json_object(body.encode()) or {}).get("callback_url")
    # Not any address: a user's `extra_input` may send one of another receiver.
    return isinstance(url, str) and f"/{key}/{attempt}/" in url


def submit_path(model: Model) -> str:
    """Path of the endpoint that takes this model's submissions."""
    if model.vendor == "evolink":
        return "/v1/videos/generations"
    return f"/api/v1/generateTask/{quote(model.id, safe='')}"


def usable_job_id(vendor: Vendor, job_id: str) -> str:
    """Check an id that may come from a person's hand before it goes into a URL.

    Args:
        vendor: Whose job it is.
        job_id: The id.

    Returns:
        The id.

    Raises:
        JobNotFound: If no job has such an id; nothing was sent.
    """
    if as_job_id(job_id) is None:
        message = f"{VENDOR_NAMES[vendor]} has no job with an id like {quotable(job_id, 80)!r}"
        raise JobNotFound(message, vendor=vendor, next_step="Check the job id.")
    return job_id


def _image_fields(model: Model, images: Sequence[str]) -> dict[str, Any]:
    fields = model.images.fields
    if not images:
        return {}
    if len(fields) == 1:
        return {fields[0]: list(images)}
    if len(images) > len(fields):
        message = f"{model.id} has fields for {len(fields)} pictures, not {len(images)}"
        raise BadParameters(message, vendor=model.vendor, next_step="Leave `last_frame` out.")
    return dict(zip(fields, images, strict=False))
