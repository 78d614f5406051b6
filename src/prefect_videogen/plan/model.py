"""What a plan is made of: the object that is priced is the object that is run.

Frozen and plain, so that it travels through Prefect unchanged. No secrets, no signed URLs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prefect_videogen.capabilities import MODELS, Model
from prefect_videogen.errors import Fault, StoryboardError
from prefect_videogen.keys import clip_key, digest
from prefect_videogen.storyboard import FilmOptions, HandOver, Transition

Role = Literal["first", "last"]
FootageKind = Literal["video", "card"]
Because = Literal["", "new", "changed", "stale"]
ClipState = Literal["new", "claimed", "submitted", "ready", "stored", "ended"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Frozen):
    """What a vendor charges; an empty field matches everything, the first match wins."""

    model: str = Field(description="Model id.")
    mode: str = Field("", description="Mode; empty matches all.")
    resolution: str = Field("", description="Resolution; empty matches all.")
    routing: str = Field("", description="Routing; empty matches all.")
    amount: Decimal = Field(ge=0, description="Price in the currency, per unit.")
    currency: str = Field("USD", description="Currency, or credits.")
    per: Literal["second", "clip"] = Field("second", description="Unit the price is for.")


class Money(_Frozen):
    """An amount in a currency."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount:.2f} {self.currency}"


@dataclass(frozen=True)
class Picture:
    """What is known of a still before anything is spent.

    Attributes:
        sha256: Digest of the original bytes.
        format: Format as Pillow names it, in lower case.
        width: Width in pixels.
        height: Height in pixels.
    """

    sha256: str
    format: str
    width: int
    height: int


@dataclass(frozen=True)
class Unreadable:
    """A still or footage that could not be read, and why."""

    problem: str
    remedy: str


class Handing(_Frozen):
    """Which frame a shot hands over to the one that is chained to it.

    Attributes:
        steady: Whether it is the last one before a black or frozen tail.
        trim: From and to in seconds: the part whose last frame it is; empty is all.
    """

    steady: bool = False
    trim: tuple[float, ...] = ()


LAST_FRAME = Handing()


def handing_of(hand_over: HandOver, trim: Sequence[float]) -> Handing:
    """Name the frame that a shot hands over, the same for all wishes that mean the same.

    Args:
        hand_over: What is asked for.
        trim: From and to in seconds, or nothing.
    """
    begin, end = trim or (0.0, 0.0)
    if hand_over == "steady":
        return Handing(steady=True, trim=(begin, end) if begin or end else ())
    return Handing(trim=(0.0, end)) if end else LAST_FRAME


@dataclass(frozen=True)
class Known:
    """What the records say about a clip.

    Attributes:
        state: How far it has come.
        last_frame: Digest of its last frame, once it is stored.
        job_id: The vendor's job id, once there is one.
        frames: Digests of other frames that it hands over, as far as they were looked at.
        unknown: Whether it was claimed, and nobody settles any more if it was accepted.
    """

    state: ClipState
    last_frame: str | None = None
    job_id: str | None = None
    frames: Mapping[Handing, str] = field(default_factory=dict)
    unknown: bool = False

    def frame(self, handing: Handing) -> str | None:
        """Digest of the frame handed over; None if it is not known."""
        return self.last_frame if handing == LAST_FRAME else self.frames.get(handing)


@dataclass(frozen=True)
class FootageFacts:
    """What is known of own footage before anything is spent.

    Attributes:
        kind: A video, or a picture to be shown for some time.
        sha256: Digest of its bytes.
        seconds: Length of a video in seconds; 0 for a card.
        fps: Frames a second of a video; 0 for a card.
        frames: Digests of the frames that it hands over, as far as they were looked at.
    """

    kind: FootageKind
    sha256: str
    seconds: float = 0
    fps: float = 0
    frames: Mapping[Handing, str] = field(default_factory=dict)

    def frame(self, handing: Handing) -> str | None:
        """Digest of the frame handed over, for a card the picture; None if it is not known."""
        return self.sha256 if self.kind == "card" else self.frames.get(handing)


@dataclass(frozen=True)
class StudioFacts:
    """What planning must know of a studio; it holds no key.

    Attributes:
        name: The studio's name, for messages.
        labels: Vendor to label (`apixo@sandbox`), for each vendor there are credentials for.
        publishes: Vendors that can be handed a picture.
        prices: Price list.
        speeds: Vendor to how much faster than documented it runs.
        models: The models that exist.
    """

    name: str
    labels: Mapping[str, str]
    publishes: frozenset[str]
    prices: tuple[Price, ...] = ()
    speeds: Mapping[str, float] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=lambda: MODELS)


class PictureUse(_Frozen):
    """A picture that a clip is made from.

    Attributes:
        role: Whether the clip starts or ends on it.
        kind: A still that is read, the frame another shot hands over, or a URL for the vendor
            only.
        ref: The still's reference, the other shot's id, or the URL.
        fit: How it is brought to shape, for example `crop 16:9`; empty if it fits or is kept.
    """

    role: Role
    kind: Literal["still", "clip", "vendor"]
    ref: str
    fit: str = ""

    def identity(self, sha256: str) -> str:
        """What of this picture counts in a key."""
        if self.kind == "vendor":
            return f"vendor:{self.ref}"
        return f"{sha256} {self.fit}".strip()


class PlannedClip(_Frozen):
    """One clip to have: everything that is asked for, before its pictures are known.

    Attributes:
        id: Name in the plan: the shot's id, or `<shot>~<take>` for a take beside the picked one.
        shot: Id of its shot.
        take: Which deliberate version.
        vendor: Vendor's label.
        model: Model id.
        mode: Mode's name.
        params: Parameters that are sent, in the vendor's names.
        asked: Parameters that count in the key.
        routing: APIXO's provider, or empty.
        extra: Fields passed through.
        pictures: First, then last frame.
        depends_on: Ids of clips that it waits for, as it starts on a frame of theirs.
        seconds: Length asked for.
        resolution: Resolution, where the model has one.
        price: Estimated price; None is unpriced.
        expected: Shortest and longest expected time of the job, in seconds.
        fallback: What is tried after a definite refusal, in order.
        in_film: Whether it goes into the film.
        trim: From and to in seconds: the part that goes into the film; empty is all.
        handing: Which frame it hands over.
        key: Its key, as soon as all its pictures are known.
        state: What the records know of it.
        job_id: The vendor's job id, if one is known.
        because: Why it has to be bought: the shot is `new`, it was `changed` since an earlier
            film, or it is `stale` because it hangs on one that has to be bought; empty if it
            need not.
    """

    id: str
    shot: str
    take: str
    vendor: str
    model: str
    mode: str
    params: dict[str, Any]
    asked: dict[str, Any]
    routing: str = ""
    extra: dict[str, Any] = Field(default_factory=dict)
    pictures: tuple[PictureUse, ...] = ()
    depends_on: tuple[str, ...] = ()
    seconds: float = 0
    resolution: str = ""
    price: Money | None = None
    expected: tuple[float, float] = (0, 0)
    fallback: tuple[PlannedClip, ...] = ()
    in_film: bool = True
    trim: tuple[float, ...] = ()
    handing: Handing = LAST_FRAME
    key: str | None = None
    state: ClipState = "new"
    job_id: str | None = None
    because: Because = ""

    def key_with(self, digests: Mapping[str, str], model: Model) -> str | None:
        """The key, given the digests of stills and last frames; None while one is missing."""
        identities = []
        for use in self.pictures:
            sha256 = "" if use.kind == "vendor" else digests.get(use.ref)
            if sha256 is None:
                return None
            identities.append(use.identity(sha256))
        return clip_key(
            vendor=self.vendor,
            model=model,
            mode=self.mode,
            params=self.asked,
            pictures=identities,
            take=self.take,
            routing=self.routing,
            extra=self.extra,
        )

    @property
    def to_buy(self) -> bool:
        """Whether a new purchase is planned for it."""
        return self.state in {"new", "ended"}

    @property
    def standing(self) -> str:
        """How it stands, in words for a table."""
        if not self.to_buy:
            return self.state
        return "to buy" if self.because in {"", "new"} else f"to buy, {self.because}"


class PlannedFootage(_Frozen):
    """A shot of own footage: nothing is bought for it.

    Attributes:
        id: Id of its shot.
        ref: The footage's reference.
        kind: A video, or a picture shown for some time.
        sha256: Digest of its bytes.
        seconds: Length of the video, or how long the picture is shown, in seconds.
        trim: From and to in seconds: the part that goes into the film; empty is all.
        handing: Which frame it hands over; of a picture it is the picture itself.
    """

    id: str
    ref: str
    kind: FootageKind
    sha256: str
    seconds: float
    trim: tuple[float, ...] = ()
    handing: Handing = LAST_FRAME

    @property
    def shot(self) -> str:
        """Id of its shot."""
        return self.id


class PlannedJoin(_Frozen):
    """How a film shot follows the one before it.

    Attributes:
        shot: Id of the shot.
        doubled: How many of its first frames are expected to repeat the frame before them; how
            many really do is found out when the film is made.
        why: What the two share: nothing, a frame or a picture.
        transition: How the shot before gives way to this one.
        transition_seconds: How long that takes; 0 at a cut.
    """

    shot: str
    doubled: int = 0
    why: Literal["start", "cut", "chained", "shared still"] = "cut"
    transition: Transition = "cut"
    transition_seconds: float = 0


class Plan(_Frozen):
    """Everything a run will do, for free.

    Attributes:
        title: The film's title.
        slug: Name of the film's folder.
        clips: The clips, in the order of the storyboard.
        footage: The shots of own footage, in the order of the storyboard.
        joins: The film's shots in order, clips and footage, and how each follows the one before.
        film: How the film is made.
        totals: Estimated cost of what has to be bought, one entry a currency.
        unpriced: How many clips to be bought have no price.
        seconds: Expected wall time of the purchases still to be made, in seconds.
        notes: What is worth knowing but forbids nothing.
        sandbox: Whether any clip comes from a sandbox.
        faults: Everything that is wrong with the storyboard.
    """

    title: str
    slug: str
    clips: tuple[PlannedClip, ...]
    footage: tuple[PlannedFootage, ...] = ()
    joins: tuple[PlannedJoin, ...]
    film: FilmOptions
    totals: tuple[Money, ...] = ()
    unpriced: int = 0
    seconds: float = 0
    notes: tuple[str, ...] = ()
    sandbox: bool = False
    faults: tuple[Fault, ...] = ()

    def check(self, source: str = "storyboard") -> Plan:
        """Return the plan itself if it can be run.

        Raises:
            StoryboardError: With all faults, if there is any.
        """
        if self.faults:
            raise StoryboardError(self.faults, source=source)
        return self

    def clip(self, clip_id: str) -> PlannedClip:
        """Find a clip by its id."""
        return next(clip for clip in self.clips if clip.id == clip_id)

    @property
    def hands_over(self) -> frozenset[str]:
        """Ids of the shots that another one starts on a frame of."""
        return frozenset(
            use.ref for clip in self.clips for use in clip.pictures if use.kind == "clip"
        )

    @property
    def to_buy(self) -> tuple[PlannedClip, ...]:
        """The clips that a new purchase is planned for, each once."""
        return distinct(clip for clip in self.clips if clip.to_buy)


def distinct(clips: Iterable[PlannedClip]) -> tuple[PlannedClip, ...]:
    """The clips without those that another one is the same as."""
    found: dict[str, PlannedClip] = {}
    for clip in clips:
        found.setdefault(clip.key or clip.id, clip)
    return tuple(found.values())


def slugify(title: str) -> str:
    """Make a folder name of a title: lower case letters, digits and dashes.

    Accents are left off. Titles in other alphabets end on a digest, so that no two share a name.
    """
    decomposed = unicodedata.normalize("NFKD", title.casefold())
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-")
    if any(letter.isalnum() and not letter.isascii() for letter in plain):
        return f"{slug[:51].strip('-') or 'film'}-{digest(title.encode())[:8]}"
    return slug or "film"
