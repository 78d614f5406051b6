"""Finding clips by what lies in the media store: unfinished attempts, keys by their beginning.

Only names are read here, in one listing; what stands in the records is others' business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prefect_videogen.errors import StudioError
from prefect_videogen.records.clips import NAMES, ClipRecords
from prefect_videogen.records.store import Store

SHORTEST_PREFIX = 8
_KEY = re.compile(r"[0-9a-f]{8,64}")
_FULL_KEY = re.compile(r"[0-9a-f]{64}")
_RECORDS = {file: name for name, file in NAMES.items()}
_OVER = frozenset({"ready", "stored", "end"})


@dataclass(frozen=True, order=True)
class AttemptName:
    """Names one attempt.

    Attributes:
        key: Key of the clip.
        number: Number of the attempt.
    """

    key: str
    number: int


def looks_like_key(text: str) -> bool:
    """Whether a text may be a key or the beginning of one."""
    return bool(_KEY.fullmatch(text.lower()))


async def find_key(store: Store, beginning: str) -> str:
    """Find the one key that begins so.

    Args:
        store: The media store.
        beginning: A key, or its first 8 digits or more.

    Returns:
        The whole key.

    Raises:
        StudioError: If no clip's key begins so, or more than one does.
        RecordError: If the media store does not answer.
    """
    wanted = beginning.lower()
    if not looks_like_key(wanted):
        message = f"{beginning!r} is not a key"
        step = f"Give a clip's key, or its first {SHORTEST_PREFIX} digits or more."
        raise StudioError(message, next_step=step)
    below = f"clips/{wanted}" if _FULL_KEY.fullmatch(wanted) else "clips"
    keys = {path.split("/")[1] for path in await store.list(below)}
    found = sorted(key for key in keys if key.startswith(wanted))
    if not found:
        message = f"nothing is recorded of {beginning} in {store.url}"
        step = "`prefect-videogen plan` shows the keys of a storyboard; is it the right studio?"
        raise StudioError(message, next_step=step)
    if len(found) > 1:
        message = f"{len(found)} keys begin with {beginning}"
        raise StudioError(message, next_step="Give more digits.")
    return found[0]


async def recorded_attempts(store: Store) -> Mapping[AttemptName, frozenset[str]]:
    """Every attempt with the names of its records."""
    found: dict[AttemptName, set[str]] = {}
    for path in await store.list("clips"):
        match path.split("/"):
            case [_, key, number, file] if number.isdigit() and file in _RECORDS:
                found.setdefault(AttemptName(key, int(number)), set()).add(_RECORDS[file])
    return {name: frozenset(records) for name, records in found.items()}


def is_unfinished(records: frozenset[str]) -> bool:
    """Whether an attempt was claimed, and has neither a stored clip nor an end."""
    return "claimed" in records and not records & {"stored", "end"}


async def open_entries(store: Store, vendor: str, model: str) -> list[AttemptName]:
    """The attempts of a model whose jobs may be running, in one listing.

    Args:
        store: The media store.
        vendor: Vendor's label.
        model: Model id.
    """
    found = (_attempt_of(path) for path in await store.list(f"open/{vendor}/{model}"))
    return [name for name in found if name]


async def tidy(
    records: ClipRecords,
    attempts: Mapping[AttemptName, frozenset[str]],
    undecided: Callable[[str], float],
) -> int:
    """Remove entries of jobs that do not run, which a killed process left behind.

    Args:
        records: The records.
        attempts: What `recorded_attempts` found.
        undecided: Gives, for a vendor's label, the seconds after which an entry that nobody has
            claimed for is nobody's.

    Returns:
        How many were removed.
    """
    removed = 0
    for path in await records.store.list("open"):
        match path.split("/"):
            case [_, vendor, model, _]:
                name = _attempt_of(path)
                if name is None:
                    continue
                known = attempts.get(name, frozenset())
                if known & _OVER or (
                    not known and await _is_orphan(records, vendor, model, name, undecided(vendor))
                ):
                    await records.close(vendor, model, name.key, name.number)
                    removed += 1
    return removed


async def _is_orphan(
    records: ClipRecords, vendor: str, model: str, name: AttemptName, undecided: float
) -> bool:
    entry = await records.opened(vendor, model, name.key, name.number)
    if entry is None or records.clock() - entry.at <= undecided:
        return False
    return await records.attempt(name.key, name.number) is None


def _attempt_of(path: str) -> AttemptName | None:
    """The attempt that an entry's path ends on."""
    key, _, number = path.rpartition("/")[2].rpartition("-")
    return AttemptName(key, int(number)) if number.isdigit() else None
