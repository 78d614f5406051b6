"""docs/reference/events.md: the events as the program emits them, caught from its own functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple
from unittest.mock import patch

from tests.docs.reference.text import code, section, table

from prefect_videogen.blocks import balances
from prefect_videogen.blocks.balances import tell_balance
from prefect_videogen.callbacks import announcing
from prefect_videogen.callbacks.announcing import announce
from prefect_videogen.callbacks.clerk import Finished
from prefect_videogen.filming import Film
from prefect_videogen.tasks import films
from prefect_videogen.tasks.films import tell_finished
from prefect_videogen.vendors import Balance

JOB, VENDOR, STUDIO, SLUG = "JOB_ID", "VENDOR", "STUDIO", "SLUG"
"""What stands for the changing parts of a resource's id."""


class Event(NamedTuple):
    """An event in words, and how to have the program emit it."""

    when: str
    emit: Callable[[], None]
    module: Any
    payload: Mapping[str, str]


EVENTS = (
    Event(
        "A film is made, or was there already. An automation can start another deployment by it: "
        "[in production](../production.md#automations).",
        lambda: tell_finished(Film(title="TITLE", slug=SLUG, media="")),
        films,
        {
            "slug": "Name of the film's folder.",
            "title": "Its title.",
            "media": "Address of the media store.",
            "path": "The film, in the media store.",
            "page": "The page about it, in the media store.",
            "digest": "Digest of what it is made of: the same film, the same digest.",
            "frames": "Number of frames.",
            "seconds": "Length in seconds.",
            "bought": "How many clips this run bought.",
            "missing": "Ids of the shots without a clip.",
            "delivered": "Where it was copied to; empty if that was not asked for.",
            "sandbox": "Whether clips come from an emulator.",
            "run": "Id of the flow run.",
        },
    ),
    Event(
        "The callback receiver has recorded a job's end. Runs that wait are woken by it.",
        lambda: announce(Finished("KEY", 1, VENDOR, "MODEL", JOB, "ready")),
        announcing,
        {
            "key": "Key of the clip.",
            "attempt": "Number of the attempt, from 1.",
            "model": "The model's id.",
            "state": "`ready`, `failed`, or `given-up` for a job of an attempt that was abandoned.",
        },
    ),
    Event(
        "A run that has bought something ends with a balance below the studio's `low_balance`.",
        lambda: tell_balance(STUDIO, VENDOR, Balance(amount=1, unit="USD"), 2),
        balances,
        {
            "studio": "Name of the studio.",
            "vendor": "The account's label, such as `apixo` or `apixo@sandbox`.",
            "balance": "What is left.",
            "unit": "`USD` at APIXO, `credits` at EvoLink.",
            "low_balance": "The number that it is below.",
        },
    ),
)


def page() -> str:
    """The whole page.

    Raises:
        ValueError: If an event's payload is not what is said of it above.
    """
    return section(
        "Events",
        "For Prefect's automations. No event holds a key or a signed URL. They are only sent where "
        "`PREFECT_API_URL` names a server, except for the first one, which is always sent.",
        *(_event(event) for event in EVENTS),
        level=1,
    )


def _event(event: Event) -> str:
    caught = _caught(event)
    if set(caught["payload"]) != set(event.payload):
        message = f"{caught['event']} holds {sorted(caught['payload'])}"
        raise ValueError(message)
    resource = caught["resource"]["prefect.resource.id"]
    rows = ((code(name), event.payload[name]) for name in caught["payload"])
    return section(
        caught["event"],
        f"{event.when} Its resource is `{resource}`.",
        table(("payload", "what it is"), rows),
    )


def _caught(event: Event) -> dict[str, Any]:
    caught: dict[str, Any] = {}

    def catch(name: str, **given: Any) -> None:
        caught.update(event=name, **given)

    with ExitStack() as patches:
        patches.enter_context(patch.object(event.module, "emit_event", catch))
        if hasattr(event.module, "server_is_shared"):
            patches.enter_context(patch.object(event.module, "server_is_shared", lambda: True))
        patches.enter_context(patch.object(announcing.logger, "disabled", new=True))
        event.emit()
    return caught
