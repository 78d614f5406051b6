"""Before a run: read the board, its stills, footage and music and the records, and plan.

This is the reading that the pure plan leaves to its caller. It writes nothing unless told to
keep what it reads, and it asks no vendor anything.
"""

from __future__ import annotations

import asyncio
import logging
import posixpath
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeGuard
from urllib.parse import urlsplit

from pydantic import ValidationError

from prefect_videogen.errors import Fault, MediaError, StoryboardError
from prefect_videogen.filming.manifest import Manifest
from prefect_videogen.footage import Footage, FootageFile, Music, read_footage, read_music
from prefect_videogen.handing import Handed, handed_by_clip, handed_by_footage
from prefect_videogen.keys import without_queries
from prefect_videogen.pictures import Still, publishes, read_stills
from prefect_videogen.plan import (
    FootageFacts,
    Handing,
    Known,
    Plan,
    PlannedClip,
    PlannedFootage,
    Unreadable,
    footage_references,
    plan,
    still_references,
    told_once,
)
from prefect_videogen.records import Attempt, Store
from prefect_videogen.references import (
    UNREADABLE,
    Folder,
    Inbox,
    Place,
    is_absolute,
    read_anywhere,
    why_unreadable,
)
from prefect_videogen.settling import undecided_for
from prefect_videogen.storyboard import (
    Storyboard,
    StoryboardText,
    fill_variables,
    read_storyboard,
)
from prefect_videogen.studio import OpenStudio

logger = logging.getLogger(__name__)

MOST_MANIFESTS = 20
"""Earlier films of one name that are looked into."""


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
                "video": absolute(shot.video),
            }
        )
        for shot in board.storyboard.shots
    ]
    film = board.storyboard.film
    changes = {
        "shots": shots,
        "film": film.model_copy(update={"music": absolute(film.music)}),
        "draft": draft or board.storyboard.draft,
    }
    return board.storyboard.model_copy(update=changes)


@dataclass
class Survey:
    """A plan with what was read for it.

    Attributes:
        plan: The plan.
        stills: Every still, by its reference.
        footage: All own footage, by its reference.
        handed: The frame that a shot of own footage hands over, by the shot's id, where another
            shot starts on it.
        music: The film's music; None if it has none.
        source: The storyboard's name, for messages.
    """

    plan: Plan
    stills: Mapping[str, Still] = field(default_factory=dict)
    footage: Mapping[str, Footage] = field(default_factory=dict)
    handed: Mapping[str, Handed] = field(default_factory=dict)
    music: Music | None = None
    source: str = "storyboard"

    @property
    def digests(self) -> dict[str, str]:
        """Digest of everything that clips start on and nobody has to buy, as keys name it."""
        stills = {name: still.picture.sha256 for name, still in self.stills.items()}
        return stills | {name: handed.sha256 for name, handed in self.handed.items()}

    def check(self) -> Plan:
        """Return the plan if it can be run.

        Raises:
            StoryboardError: With all faults.
        """
        return self.plan.check(self.source)


def shareable(plan: Plan) -> Plan:
    """The plan as it may be given out: no address in it has a user or a query.

    It has the keys of the real one, but nothing can be bought from it.
    """
    return Plan.model_validate(without_queries(plan.model_dump(mode="json")))


async def load_board(address: str) -> Board:
    """Read a storyboard file from a path, s3:// or https:// address.

    Raises:
        StoryboardError: If it can't be read, or is not YAML or JSON at all.
    """
    source = without_queries(address)
    try:
        text = (await read_anywhere(address)).decode()
    except UNREADABLE as error:
        reason, remedy = _why_no_board(error), "check path and encoding"
        if isinstance(error, FileNotFoundError) and not is_absolute(address):
            remedy = (
                f"it was looked for in {folder_of(address)}; a run on a worker needs a full path "
                "or an s3:// address"
            )
        fault = Fault("", "file", address, f"can't be read: {reason}", remedy)
        raise StoryboardError([fault], source=source) from None
    reading = read_storyboard(text, source=source)
    return Board(reading.board, source, Folder(folder_of(address)), reading)


def _why_no_board(error: Exception) -> str:
    """Say why a board can't be read, without a text that quotes parts of its address."""
    text = str(error)
    own = isinstance(error, ValueError) and not any(sign in text for sign in "@?")
    return text if own else why_unreadable(error)


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
        keep: Whether what is read is kept in the media store, as a run needs.
        draft: Whether to make a draft whatever the storyboard says.

    Returns:
        The plan, with faults if there are any.

    Raises:
        MediaError: If a stored clip or footage has not the frame that it shall hand over.
        RecordError: If the media store does not answer as it must.
    """
    storyboard = board.storyboard
    if draft:
        storyboard = storyboard.model_copy(update={"draft": True})
    filled, faults = fill_variables(storyboard, variables, scheduled)
    place = board.place or Inbox(studio.store)
    with tempfile.TemporaryDirectory(prefix="videogen-") as folder:
        found = await _read(filled, place, studio.store, Path(folder), keep=keep)
        planning = _Planning(studio, filled, found, [*board.faults, *faults], keep=keep)
        made = await planning.plan()
    told = told_once(filled, made.faults, planning.faults)
    made = made.model_copy(update={"faults": tuple(told)})
    return Survey(
        plan=_with_lines(made, board.text),
        stills={name: s for name, s in found.stills.items() if isinstance(s, Still)},
        footage={name: f.footage for name, f in found.footage.items() if _is_there(f)},
        handed=planning.handed,
        music=found.music if isinstance(found.music, Music) else None,
        source=board.source,
    )


@dataclass
class _Found:
    """What a storyboard names, as it was read."""

    stills: Mapping[str, Still | Unreadable]
    footage: Mapping[str, FootageFile | Unreadable]
    music: Music | Unreadable | None


def _is_there(footage: FootageFile | Unreadable) -> TypeGuard[FootageFile]:
    return isinstance(footage, FootageFile)


async def _read(
    board: Storyboard, place: Place, store: Store, folder: Path, *, keep: bool
) -> _Found:
    music = board.film.music
    return _Found(
        await read_stills(still_references(board), place, store, keep=keep),
        await read_footage(footage_references(board), place, store, folder, keep=keep),
        await read_music(music, place, store, folder, keep=keep) if music else None,
    )


class _Planning:
    """Plans as often as the records tell something new."""

    def __init__(
        self,
        studio: OpenStudio,
        board: Storyboard,
        found: _Found,
        faults: Sequence[Fault],
        *,
        keep: bool,
    ) -> None:
        self.studio = studio
        self.board = board
        self.found = found
        self.faults = [*faults, *_music_faults(board, found.music)]
        self.keep = keep
        self.earlier: Mapping[str, frozenset[str]] = {}
        self.known: dict[str, Known] = {}
        self.handed: dict[str, Handed] = {}
        self.frames: dict[str, dict[Handing, str]] = {}

    async def plan(self) -> Plan:
        """Plan until every key and every frame that can be known is."""
        made = self._made()
        self.earlier = await earlier_clips(self.studio.store, made.slug)
        while await self._look_up(made):
            made = self._made()
        return made

    def _made(self) -> Plan:
        stills = {
            name: still if isinstance(still, Unreadable) else still.picture
            for name, still in self.found.stills.items()
        }
        return plan(
            self.board,
            self.studio.facts(publishes(self.studio)),
            stills,
            self.known,
            footage={name: self._facts(name) for name in self.found.footage},
            earlier=self.earlier,
            faults=self.faults,
        )

    def _facts(self, reference: str) -> FootageFacts | Unreadable:
        file = self.found.footage[reference]
        if isinstance(file, Unreadable):
            return file
        return replace(file.footage.facts(), frames=self.frames.get(reference, {}))

    async def _look_up(self, made: Plan) -> bool:
        """Read what the plan did not know; False if there was nothing."""
        clips = [clip for clip in made.clips if clip.key and clip.key not in self.known]
        for clip in clips:
            self.known[clip.key or ""] = await known_of(self.studio, clip.key or "")
        faulty = {fault.shot for fault in made.faults}
        wanted = made.hands_over - faulty
        frames = [c for c in made.clips if c.id in wanted and self._lacks_frame(c)]
        for clip in frames:
            await self._look_at_clip(clip)
        footage = [f for f in made.footage if f.id in wanted - self.handed.keys()]
        for shot in footage:
            await self._look_at_footage(shot)
        return bool(clips or frames or footage)

    def _lacks_frame(self, clip: PlannedClip) -> bool:
        known = self.known.get(clip.key or "")
        return bool(known and known.state == "stored" and not known.frame(clip.handing))

    async def _look_at_clip(self, clip: PlannedClip) -> None:
        key = clip.key or ""
        attempt = (await self.studio.records.history(key)).stored
        if attempt is None or attempt.stored is None:
            return
        try:
            handed = await handed_by_clip(
                self.studio.store, attempt.stored, clip.handing, keep=self.keep
            )
        except MediaError as error:
            raise error.for_shot(clip.shot) from None
        known = self.known[key]
        frames = {**known.frames, clip.handing: handed.sha256}
        self.known[key] = replace(known, frames=frames)

    async def _look_at_footage(self, shot: PlannedFootage) -> None:
        file = self.found.footage[shot.ref]
        if isinstance(file, Unreadable):
            return
        try:
            handed = await handed_by_footage(self.studio.store, file, shot.handing, keep=self.keep)
        except MediaError as error:
            raise error.for_shot(shot.id) from None
        self.handed[shot.id] = handed
        self.frames.setdefault(shot.ref, {})[shot.handing] = handed.sha256


def _music_faults(board: Storyboard, music: Music | Unreadable | None) -> list[Fault]:
    if not isinstance(music, Unreadable):
        return []
    return [Fault("", "film.music", board.film.music, music.problem, music.remedy)]


async def known_of(studio: OpenStudio, key: str) -> Known:
    """Read what planning must know of one clip."""
    history = await studio.records.history(key)
    attempt = history.stored or history.latest
    if attempt is None:
        return Known(history.state)
    last_frame = attempt.stored.last_frame_sha256 if attempt.stored else None
    unknown = await _is_unknown(studio, key, attempt)
    return Known(history.state, last_frame, attempt.job_id, unknown=unknown)


async def _is_unknown(studio: OpenStudio, key: str, attempt: Attempt) -> bool:
    """Whether an attempt was claimed so long ago that nobody settles any more what became of it."""
    if attempt.state != "claimed" or attempt.claimed is None:
        return False
    repeated = await studio.records.repetition(key, attempt.number)
    return undecided_for(studio, attempt.claimed, repeated) <= 0


async def earlier_clips(store: Store, slug: str) -> dict[str, frozenset[str]]:
    """Read which clips were in earlier films of a name: keys by shot; what can't be read is not.

    Args:
        store: The media store.
        slug: Name of the films' folder.

    Raises:
        RecordError: If the media store can't be listed.
    """
    paths = [p for p in await store.list(f"films/{slug}") if p.endswith("/manifest.json")]
    texts = await asyncio.gather(*(store.read(path) for path in paths[-MOST_MANIFESTS:]))
    keys: dict[str, set[str]] = {}
    for path, text in zip(paths[-MOST_MANIFESTS:], texts, strict=True):
        try:
            manifest = Manifest.model_validate_json(text or b"")
        except ValidationError:
            logger.info("%s is of another version and left aside", path)
            continue
        for shot in manifest.shots:
            if shot.bought:
                keys.setdefault(shot.id, set()).add(shot.bought.key)
    return {shot: frozenset(found) for shot, found in keys.items()}


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
