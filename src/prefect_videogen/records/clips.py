"""Reading and writing the records of clips.

The state of a clip is the furthest record present. Reading fails closed: only a clear "does not
exist" counts as absent; an empty or unparsable record is an error, and nothing is bought on it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from prefect_videogen.errors import RecordError
from prefect_videogen.records.model import (
    Attempt,
    Claimed,
    End,
    History,
    Opened,
    Ready,
    Record,
    Repeated,
    Stored,
    Submitted,
)
from prefect_videogen.records.store import Store

_R = TypeVar("_R", bound=Record)

NAMES = {
    "claimed": "1-claimed.json",
    "submitted": "2-submitted.json",
    "repeated": "repeated.json",
    "ready": "3-ready.json",
    "stored": "4-stored.json",
    "end": "end.json",
}
_LATER: dict[str, type[Record]] = {
    "submitted": Submitted,
    "ready": Ready,
    "stored": Stored,
    "end": End,
}


class ClipRecords:
    """The records of all clips in a media store.

    Args:
        store: The media store.
        clock: Gives the time in seconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self.store = store
        self.clock = clock

    async def history(self, key: str) -> History:
        """Read everything known about a key.

        Raises:
            RecordError: If a record can't be read or makes no sense.
        """
        attempts: list[Attempt] = []
        while attempt := await self.attempt(key, len(attempts) + 1):
            attempts.append(attempt)
        return History(key=key, attempts=tuple(attempts))

    async def attempt(self, key: str, number: int) -> Attempt | None:
        """Read one attempt; None if it was never claimed.

        Raises:
            RecordError: If a record can't be read or makes no sense.
        """
        claimed = await self._read(key, number, "claimed", Claimed)
        if claimed is None:
            return None
        paths = {name: _path(key, number, name) for name in _LATER}
        found = await self.store.read_all(tuple(paths.values()))
        later = {
            name: _parsed(path, data, _LATER[name])
            for (name, path), data in zip(paths.items(), found, strict=True)
            if data is not None
        }
        return Attempt.model_validate({"number": number, "claimed": claimed, **later})

    async def claim(self, key: str, number: int, claimed: Claimed) -> bool:
        """Claim an attempt; False means that somebody else has.

        A store may report a lost race for a write of ours that had won: the owner token decides.

        Raises:
            RecordError: If the claim could not be written or read back.
        """
        if await self._create(key, number, "claimed", claimed):
            return True
        found = await self._read(key, number, "claimed", Claimed)
        return found is not None and found.owner == claimed.owner

    async def submitted(self, key: str, number: int, record: Submitted) -> Submitted:
        """Note the job id; returns what is recorded, which another process may have written."""
        return await self._note(key, number, "submitted", record)

    async def repeated(self, key: str, number: int, record: Repeated) -> bool:
        """Note who sends the attempt's bytes again; False means that somebody has."""
        return await self._create(key, number, "repeated", record)

    async def repetition(self, key: str, number: int) -> Repeated | None:
        """Read who sent the attempt's bytes again, if somebody has."""
        return await self._read(key, number, "repeated", Repeated)

    async def job_ids(self) -> frozenset[str]:
        """The ids of all jobs that any record knows. Reads much: for rare questions only."""
        name = NAMES["submitted"]
        found = [path for path in await self.store.list("clips") if path.endswith(f"/{name}")]
        reading = asyncio.Semaphore(16)

        async def job_id(path: str) -> str:
            _, key, number, _ = path.split("/")
            async with reading:
                record = await self._read(key, int(number), "submitted", Submitted)
            return record.job_id if record else ""

        return frozenset(await asyncio.gather(*(job_id(path) for path in found)))

    async def ready(self, key: str, number: int, record: Ready) -> Ready:
        """Note the result's URLs; returns what is recorded."""
        return await self._note(key, number, "ready", record)

    async def stored(self, key: str, number: int, record: Stored) -> Stored:
        """Note that the media are stored; returns what is recorded."""
        return await self._note(key, number, "stored", record)

    async def end(self, key: str, number: int, record: End) -> End:
        """Note that the attempt is over; returns what is recorded."""
        return await self._note(key, number, "end", record)

    async def describe(self, key: str, asked: dict[str, Any]) -> None:
        """Write, for people, what was asked for; once."""
        data = json.dumps(asked, indent=2, ensure_ascii=False).encode()
        await self.store.create(f"clips/{key}/request.json", data)

    async def open(
        self, vendor: str, model: str, key: str, number: int, *, account: str = ""
    ) -> bool:
        """Note that a job may be running; from before the POST until its end.

        Args:
            vendor: Vendor's label.
            model: Model id.
            key: Key of the clip.
            number: Number of the attempt.
            account: Fingerprint of the account that pays for it.

        Returns:
            Whether the entry is new; False means that it was there.
        """
        entry = Opened(at=self.clock(), account=account)
        path = open_path(vendor, model, key, number)
        return await self.store.create(path, entry.model_dump_json().encode())

    async def opened(self, vendor: str, model: str, key: str, number: int) -> Opened | None:
        """Read an open entry; None if there is none (any more).

        Raises:
            RecordError: If it can't be read or makes no sense.
        """
        return await self._parsed(open_path(vendor, model, key, number), Opened)

    async def close(self, vendor: str, model: str, key: str, number: int) -> None:
        """Note that the job runs no longer."""
        await self.store.remove(open_path(vendor, model, key, number))

    async def note_run(self, run: str, key: str, number: int) -> None:
        """Note that a flow run bought, or waits for, an attempt."""
        if run:
            await self.store.create(f"runs/{run}/{key}-{number}", b"{}")

    async def _note(self, key: str, number: int, name: str, record: _R) -> _R:
        if await self._create(key, number, name, record):
            return record
        found = await self._read(key, number, name, type(record))
        if found is None:
            message = f"clips/{key}/{number}/{NAMES[name]} was refused, yet does not exist"
            raise RecordError(message)
        return found

    async def _create(self, key: str, number: int, name: str, record: BaseModel) -> bool:
        data = record.model_dump_json(indent=2).encode()
        return await self.store.create(_path(key, number, name), data)

    async def _read(self, key: str, number: int, name: str, kind: type[_R]) -> _R | None:
        return await self._parsed(_path(key, number, name), kind)

    async def _parsed(self, path: str, kind: type[_R]) -> _R | None:
        data = await self.store.read(path)
        return None if data is None else _parsed(path, data, kind)


def open_path(vendor: str, model: str, key: str, number: int) -> str:
    """Path of the entry that says a job may be running."""
    return f"open/{vendor}/{model}/{key}-{number}"


def _path(key: str, number: int, name: str) -> str:
    return f"clips/{key}/{number}/{NAMES[name]}"


def _parsed(path: str, data: bytes, kind: type[_R]) -> _R:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        fields = ", ".join(
            ".".join(map(str, e["loc"])) or e["type"]
            for e in error.errors(include_url=False, include_input=False)
        )
        message = f"{path} is not a usable record ({len(data)} bytes; {fields})"
        step = "Look at it by hand; until it makes sense nothing is bought for this clip."
        raise RecordError(message, next_step=step) from None
