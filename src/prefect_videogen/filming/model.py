"""What a film is made of and what comes of it."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from prefect_videogen.errors import Billed
from prefect_videogen.fetching import Clip
from prefect_videogen.filming.manifest import PartKind, Why
from prefect_videogen.media import Probe, Transition
from prefect_videogen.plan import Money
from prefect_videogen.spending import RunMoney


class Missing(BaseModel):
    """A shot that has no clip, and why.

    Attributes:
        shot: Id of the shot.
        error: Name of the error's class.
        reason: What happened.
        next_step: What to do about it.
        billed: Whether money was spent on it.
        job_id: The vendor's job id, if there is one.
    """

    model_config = ConfigDict(frozen=True)

    shot: str
    error: str
    reason: str
    next_step: str = ""
    billed: Billed = "no"
    job_id: str | None = None


class Film(BaseModel):
    """The result of a run: the film, its clips, and what is missing.

    Attributes:
        title: The film's title.
        slug: Name of its folder.
        path: Where the film lies in the media store; empty if none was made.
        manifest: Where its manifest lies; empty if none was made.
        page: Where the page about it lies; empty if none was made.
        variants: Shape (`9:16`) to where the film in that shape lies.
        media: Address of the media store.
        digest: Digest of ingredients and settings.
        sha256: Digest of the film's bytes.
        frames: Number of frames.
        seconds: Length in seconds.
        width: Width in pixels.
        height: Height in pixels.
        fps: Frames a second, as a fraction.
        copied: Whether the clips' picture was copied, not encoded again.
        clips: The clips, in film order, further takes last.
        missing: The shots without a clip.
        warnings: What a person should look at, such as a colour jump at a join.
        bought: How many clips this run bought.
        sandbox: Whether clips come from a sandbox.
        estimate: Estimated price of what was planned to be bought.
        money: What the run set aside and was charged; None if nothing had to be bought.
        delivered: Where it was copied to, if asked for.
    """

    model_config = ConfigDict(frozen=True)

    title: str
    slug: str
    path: str = ""
    manifest: str = ""
    page: str = ""
    variants: dict[str, str] = {}
    media: str
    digest: str = ""
    sha256: str = ""
    frames: int = 0
    seconds: float = 0
    width: int = 0
    height: int = 0
    fps: str = ""
    copied: bool = False
    clips: tuple[Clip, ...] = ()
    missing: tuple[Missing, ...] = ()
    warnings: tuple[str, ...] = ()
    bought: int = 0
    sandbox: bool = False
    estimate: tuple[Money, ...] = ()
    money: RunMoney | None = None
    delivered: str = ""

    @property
    def address(self) -> str:
        """Where the film's file is: `file:///...` or `s3://...`; empty if none was made."""
        return f"{self.media}/{self.path}" if self.path else ""

    @property
    def complete(self) -> bool:
        """Whether every shot is in it."""
        return bool(self.path) and not self.missing


class FilmPart(BaseModel):
    """A shot's place in a film: what is shown of it, and how it follows the one before.

    Attributes:
        shot: Id of the shot.
        kind: What it is: a bought clip, own footage, a card, or what stands for a missing shot.
        clip: The bought clip, for a `clip`.
        path: Where its file lies in the media store; empty for a hold or slate.
        sha256: Digest of that file's bytes.
        size: Its size in bytes.
        probe: What the file is; None for anything still.
        trim: From and to in seconds of the file; empty is all of it.
        stop: Index after the last frame shown, where the shot after it starts on an earlier
            frame than the last; None is the end.
        seconds: How long a card, hold or slate is shown.
        text: What a slate says.
        last_frame: Where the PNG of the file's last frame lies; empty if there is none.
        why: What it shares with the shot before.
        doubled: Whether its first frames are expected to repeat the frame before them.
        transition: How the shot before gives way to it.
        transition_seconds: How long that takes.
        anchor: Id of the shot that its chain starts with; empty if it is not chained.
        links: Links from that shot.
        price: Estimated price of the clip; None is unpriced.
    """

    model_config = ConfigDict(frozen=True)

    shot: str
    kind: PartKind = "clip"
    clip: Clip | None = None
    path: str = ""
    sha256: str = ""
    size: int = 0
    probe: Probe | None = None
    trim: tuple[float, ...] = ()
    stop: int | None = None
    seconds: float = 0
    text: str = ""
    last_frame: str = ""
    why: Why = "cut"
    doubled: bool = False
    transition: Transition = "cut"
    transition_seconds: float = 0.5
    anchor: str = ""
    links: int = 0
    price: Money | None = None

    @classmethod
    def of(cls, clip: Clip, **more: Any) -> Self:
        """Make a part of a whole clip.

        Args:
            clip: The clip.
            more: Any other field.
        """
        return cls(
            shot=clip.shot,
            clip=clip,
            path=clip.path,
            sha256=clip.sha256,
            size=clip.size,
            probe=clip.probe,
            last_frame=clip.last_frame,
            **more,
        )

    @property
    def stands_in(self) -> bool:
        """Whether it only stands for a shot that is missing."""
        return self.kind in {"hold", "slate"}

    def ingredients(self) -> list[object]:
        """What of it counts in the film's digest."""
        return [
            self.shot,
            self.kind,
            self.sha256,
            self.trim,
            self.stop,
            self.seconds,
            self.text,
            self.doubled,
            self.transition,
            self.transition_seconds,
            self.anchor,
        ]
