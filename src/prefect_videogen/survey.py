"""Before a run: read the board, its stills and the records, and plan.

This is the reading that the pure plan leaves to its caller. It writes nothing unless told to
keep the stills, and it asks no vendor anything.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from prefect_videogen.errors import Fault, StoryboardError, VideoGenError
from prefect_videogen.pictures import Folder, Inbox, Place, Still, read_anywhere, read_stills
from prefect_videogen.plan import Known, Plan, Unreadable, plan, still_references
from prefect_videogen.records import ClipRecords
from prefect_videogen.storyboard import (
    Storyboard,
    StoryboardText,
    fill_variables,
    read_storyboard,
)
from prefect_videogen.studio import OpenStudio


@dataclass
class Board:
    """A storyboard with where it came from.

    Attributes:
        storyboard: The storyboard as far as its form is right.
        source: Its name, for messages.
        place: Where relative references start from; None means the media store's inbox.
        text: How reading its text went, if it came from a file.
    """

    storyboard: Storyboard
    source: str = "storyboard"
    place: Place | None = None
    text: StoryboardText | None = None

    @property
    def faults(self) -> list[Fault]:
        """The mistakes of form."""
        return self.text.faults if self.text else []


def standalone(board: Board, *, draft: bool = False) -> Storyboard:
    """The storyboard with references that mean the same everywhere.

    Args:
        board: A storyboard with the place it came from.
        draft: Whether to make it a draft.

    Raises:
        StoryboardError: If its form is wrong.
    """
    if board.faults:
        raise StoryboardError(board.faults, source=board.source)

    def absolute(reference: str) -> str:
        relative = reference and not reference.startswith(("shot:", "vendor:"))
        if not relative or reference in {"previous", "next"} or board.place is None:
            return reference
        return board.place.absolute(reference)

    shots = [
        shot.model_copy(
            update={
                "first_frame": absolute(shot.first_frame),
                "last_frame": absolute(shot.last_frame),
            }
        )
        for shot in board.storyboard.shots
    ]
    changes = {"shots": shots, "draft": draft or board.storyboard.draft}
    return board.storyboard.model_copy(update=changes)


@dataclass
class Survey:
    """A plan with what was read for it.

    Attributes:
        plan: The plan.
        stills: Every still, by its reference.
        source: The storyboard's name, for messages.
    """

    plan: Plan
    stills: Mapping[str, Still] = field(default_factory=dict)
    source: str = "storyboard"

    def check(self) -> Plan:
        """Return the plan if it can be run.

        Raises:
            StoryboardError: With all faults.
        """
        return self.plan.check(self.source)


async def load_board(address: str) -> Board:
    """Read a storyboard file from a path, s3:// or https:// address.

    Raises:
        StoryboardError: If it can't be read, or is not YAML or JSON at all.
    """
    try:
        text = (await read_anywhere(address)).decode()
    except (OSError, ValueError, httpx.HTTPError, httpx.InvalidURL, VideoGenError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        fault = Fault("", "file", address, f"can't be read: {reason}", "check path and encoding")
        raise StoryboardError([fault], source=address) from None
    reading = read_storyboard(text, source=address)
    return Board(reading.board, address, Folder(folder_of(address)), reading)


def folder_of(address: str) -> str:
    """The folder that an address lies in, without any query."""
    if "://" not in address:
        return str(Path(address).absolute().parent)
    parts = urlsplit(address)
    return parts._replace(path=posixpath.dirname(parts.path), query="", fragment="").geturl()


async def survey(
    studio: OpenStudio,
    board: Board,
    *,
    variables: Mapping[str, str],
    scheduled: datetime,
    keep: bool,
    draft: bool = False,
) -> Survey:
    """Plan a film from its board.

    Args:
        studio: The open studio.
        board: The storyboard.
        variables: Values that win over the storyboard's own.
        scheduled: The run's scheduled start.
        keep: Whether the stills' originals are kept in the media store, as a run needs.
        draft: Whether to make a draft whatever the storyboard says.

    Returns:
        The plan, with faults if there are any.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    storyboard = board.storyboard
    if draft:
        storyboard = storyboard.model_copy(update={"draft": True})
    filled, faults = fill_variables(storyboard, variables, scheduled)
    place = board.place or Inbox(studio.store)
    read = await read_stills(still_references(filled), place, studio.store, keep=keep)
    pictures = {
        name: found if isinstance(found, Unreadable) else found.picture
        for name, found in read.items()
    }
    all_faults = [*board.faults, *faults]
    known: dict[str, Known] = {}
    while True:
        made = plan(filled, studio.facts(), pictures, known, faults=all_faults)
        keys = [clip.key for clip in made.clips if clip.key and clip.key not in known]
        if not keys:
            break
        for key in keys:
            known[key] = await known_of(studio.records, key)
    stills = {name: found for name, found in read.items() if isinstance(found, Still)}
    return Survey(_with_lines(made, board.text), stills, board.source)


async def known_of(records: ClipRecords, key: str) -> Known:
    """Read what planning must know of one clip."""
    history = await records.history(key)
    attempt = history.stored or history.latest
    last_frame = attempt.stored.last_frame_sha256 if attempt and attempt.stored else None
    return Known(history.state, last_frame, attempt.job_id if attempt else None)


def _with_lines(made: Plan, text: StoryboardText | None) -> Plan:
    """Give the plan's faults the lines of the file, in the file's order."""
    if text is None or not made.faults:
        return made
    faults: Sequence[Fault] = [
        fault if fault.line else replace(fault, line=text.line_of(fault.shot, fault.field))
        for fault in made.faults
    ]
    ordered = sorted(faults, key=lambda fault: fault.line or 0)
    return made.model_copy(update={"faults": tuple(ordered)})
