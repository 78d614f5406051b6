"""What a vendor's delivery says at most: which attempt, and perhaps which job. Pure.

The path names the attempt, and its token proves that the path came from us. The body proves
nothing; only a job id is read from it, and that is checked with the vendor before it counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from prefect_videogen.vendors.reading import as_job_id, as_object, json_object

_ADDRESS = re.compile(r"(?:^|/)([0-9a-f]{64})/([1-9][0-9]{0,5})/([0-9a-f]{64})\Z")


class Address(NamedTuple):
    """The end of a callback's path.

    Attributes:
        key: Key of the clip.
        attempt: Number of the attempt.
        token: What proves that the path is one of ours; not checked yet.
    """

    key: str
    attempt: int
    token: str


@dataclass(frozen=True)
class Delivery:
    """A delivery whose token was right.

    Attributes:
        key: Key of the clip.
        attempt: Number of the attempt.
        job_id: The job id of the body, if it has one.
    """

    key: str
    attempt: int
    job_id: str | None = None


def address_of(path: str) -> Address | None:
    """Read key, attempt and token off the end of a path; None if it is no callback's."""
    found = _ADDRESS.search(path)
    return Address(found[1], int(found[2]), found[3]) if found else None


def job_id_in(body: bytes) -> str | None:
    """The job id of a body: APIXO's `data.taskId`, EvoLink's `id`; None if there is none."""
    told = json_object(body) or {}
    return as_job_id(as_object(told.get("data")).get("taskId")) or as_job_id(told.get("id"))
