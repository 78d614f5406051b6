"""The manifest: how a film was made, clip by clip and join by join, for people and programs.

Written last, so that a film without one does not exist. It holds stable paths and digests, never
a signed URL or a key.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prefect_videogen.media import Probe
from prefect_videogen.media.seams import Flag, flag_of
from prefect_videogen.plan import Money

MANIFEST_SCHEMA = 2

PartKind = Literal["clip", "footage", "card", "hold", "slate"]
Why = Literal["start", "cut", "chained", "shared still"]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Difference(_Entry):
    """How unlike two frames are, in 8 bit levels.

    Attributes:
        luma: Mean absolute difference of brightness, 0 to 255.
        red: Mean difference of red, second less first; the sign tells the direction of a jump.
        green: The same of green.
        blue: The same of blue.
        psnr: Peak signal to noise ratio in dB over all channels; 99 if they are identical.
    """

    luma: float
    red: float
    green: float
    blue: float
    psnr: float


class Drift(_Entry):
    """How far a chained clip has come from the first clip of its chain.

    Attributes:
        anchor: Id of the shot that the chain starts with.
        links: Links from it; 1 is the first chained clip.
        luma: Change of mean brightness in levels.
        red: Change of mean red in levels.
        green: The same of green.
        blue: The same of blue.
        sharpness: Fine detail as a share of the anchor's; below 1 is softer.
    """

    anchor: str
    links: int
    luma: float
    red: float
    green: float
    blue: float
    sharpness: float


class Tail(_Entry):
    """A clip's end that shows nothing new.

    Attributes:
        black: Black frames at its end.
        frozen: Frames at its end that repeat the one before them.
    """

    black: int = 0
    frozen: int = 0


class JoinEntry(_Entry):
    """How a shot follows the one before it in the film.

    Attributes:
        why: What the two share: nothing (`cut`), a frame (`chained`) or a picture.
        transition: `cut`, `crossfade` or `dip`.
        transition_frames: Film frames it takes.
        doubled: Frames left out at the clip's start, as they repeat the frame before.
        compared: Mean luma difference of the clip's first frames to that frame; what `doubled`
            was chosen by. Empty if there was nothing to choose.
        shown: Difference of the two film frames that meet at the join; None at the start.
        step: Difference of the two film frames before the join, to compare `shown` with.
        following: Difference of the two film frames after it, for the same.
        notes: What had to be converted, in plain words.
    """

    why: Why = "start"
    transition: Literal["cut", "crossfade", "dip"] = "cut"
    transition_frames: int = 0
    doubled: int = 0
    compared: tuple[float, ...] = ()
    shown: Difference | None = None
    step: Difference | None = None
    following: Difference | None = None
    notes: tuple[str, ...] = ()

    @property
    def flag(self) -> Flag:
        """What is wrong with it: only a join that should be seamless can be wrong."""
        if self.why in {"start", "cut"} or self.transition != "cut" or self.shown is None:
            return ""
        return flag_of(self.shown, self.step, self.following)


class PictureEntry(_Entry):
    """A picture that a clip was made from.

    Attributes:
        role: Whether the clip starts or ends on it.
        ref: The still's reference in the storyboard, or the shot whose frame it is.
        sha256: Digest of the original's bytes; empty for a picture only the vendor reads.
    """

    role: Literal["first", "last"]
    ref: str = ""
    sha256: str = ""


class Bought(_Entry):
    """What was asked of a vendor for a clip, and what it cost.

    Attributes:
        key: Key of the clip.
        attempt: Number of the attempt that it came of.
        vendor: Vendor's label.
        model: Model id.
        mode: Mode's name.
        take: Which deliberate version of the shot.
        params: Parameters that were sent, in the vendor's names.
        routing: APIXO's provider, or empty.
        extra: Fields passed through.
        pictures: First, then last frame.
        job_id: The vendor's job id.
        submitted_at: When the job was accepted, in seconds since 1970.
        ready_at: When it was seen to be ready.
        price: Estimated price; None is unpriced.
        charge: The vendor's own figures, where it gives any.
    """

    key: str
    attempt: int
    vendor: str
    model: str
    mode: str
    take: str = "1"
    params: dict[str, Any] = Field(default_factory=dict)
    routing: str = ""
    extra: dict[str, Any] = Field(default_factory=dict)
    pictures: tuple[PictureEntry, ...] = ()
    job_id: str
    submitted_at: float
    ready_at: float | None = None
    price: Money | None = None
    charge: dict[str, object] | None = None


class ShotEntry(_Entry):
    """One shot of the film.

    Attributes:
        id: Id of the shot.
        kind: A bought clip, own footage, an own still, or what stands for a missing shot.
        prompt: What was asked for; empty for anything but a clip.
        bought: The purchase; None for anything but a clip.
        path: Where its file lies in the media store; empty for a hold or slate.
        sha256: Digest of the file's bytes: for a clip the vendor's own.
        size: Its size in bytes.
        probe: What it is, colour tags included; None for a hold or slate.
        trim: From and to in seconds of the file; empty is all of it.
        start_frame: The film frame it begins on, from 0.
        frames: Film frames it fills, transitions included.
        source_start: Index of its file's first frame that is shown.
        source_seconds: When that frame starts, in seconds after the file's first frame, where
            the rate is variable; None where its index and the rate tell.
        source_frames: Number of its file's frames that are shown.
        join: How it follows the shot before it.
        drift: How far a chained clip has come from its chain's first; None if it is not chained.
        tail: A black or frozen end; None if there is none.
    """

    id: str
    kind: PartKind = "clip"
    prompt: str = ""
    bought: Bought | None = None
    path: str = ""
    sha256: str = ""
    size: int = 0
    probe: Probe | None = None
    trim: tuple[float, ...] = ()
    start_frame: int
    frames: int
    source_start: int = 0
    source_seconds: float | None = None
    source_frames: int = 0
    join: JoinEntry = JoinEntry()
    drift: Drift | None = None
    tail: Tail | None = None

    def warnings(self) -> tuple[str, ...]:
        """What a person should look at in this shot, a sentence each."""
        found = []
        if self.join.flag == "jump":
            found.append(f"Shot {self.id}: the picture jumps where it begins")
        elif self.join.flag == "repeat":
            found.append(f"Shot {self.id}: a frame repeats where it begins")
        if self.shown_tail:
            kinds = {"frozen": self.shown_tail.frozen, "black": self.shown_tail.black}
            ends = " and ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
            found.append(f"Shot {self.id}: it ends in {ends} frames; `hand_over: steady` or `trim`")
        return tuple(found)

    @property
    def shown_tail(self) -> Tail | None:
        """Its black or frozen end; None if there is none, or if it is cut off."""
        shown = self.probe and self.source_end >= self.probe.frame_count
        return self.tail if shown else None

    @property
    def source_end(self) -> int:
        """Index after its file's last frame that is shown."""
        return self.source_start + self.source_frames


class SoundEntry(_Entry):
    """The film's sound.

    Attributes:
        clips: Whether the clips' own sound is in it.
        music: Digest of the music's bytes; empty if there is none.
        loudness: Integrated loudness of the film in LUFS; None if it was not measured.
        loudness_before: The same before it was brought to its target.
        true_peak: Highest true peak in dBTP; None if it was not measured.
    """

    clips: bool
    music: str = ""
    loudness: float | None = None
    loudness_before: float | None = None
    true_peak: float | None = None


class VariantEntry(_Entry):
    """The same film in another shape."""

    shape: str
    path: str
    sha256: str
    width: int
    height: int


class FilmEntry(_Entry):
    """The film itself.

    Attributes:
        path: Its name in the folder.
        sha256: Digest of its bytes.
        frames: Number of frames shown.
        seconds: Length in seconds.
        width: Width in pixels.
        height: Height in pixels.
        fps: Frames a second, as a fraction.
        picture: Whether the clips' picture was copied, bit by bit, or encoded once.
        why_encoded: Why it could not be copied; empty if it was.
        settings: The settings it was made with.
        sound: Its sound; None if it has none.
        variants: The same film in other shapes.
    """

    path: str = "film.mp4"
    sha256: str
    frames: int
    seconds: float
    width: int
    height: int
    fps: str
    picture: Literal["copied", "encoded"] = "encoded"
    why_encoded: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    sound: SoundEntry | None = None
    variants: tuple[VariantEntry, ...] = ()


class Manifest(_Entry):
    """How a film was made.

    Attributes:
        schema_version: Version of this format, written as `schema`.
        program: Name and version of what made it.
        title: The film's title.
        slug: Name of its folder.
        digest: Digest of ingredients and settings; the folder's name.
        made_at: When it was made, in seconds since 1970.
        sandbox: Whether any clip comes from a sandbox.
        film: The film itself.
        shots: The shots, in film order.
        missing: Ids of the shots that are not in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: int = Field(MANIFEST_SCHEMA, alias="schema")
    program: str
    title: str
    slug: str
    digest: str
    made_at: float
    sandbox: bool
    film: FilmEntry
    shots: tuple[ShotEntry, ...]
    missing: tuple[str, ...] = ()

    def warnings(self) -> tuple[str, ...]:
        """What a person should look at, a sentence each."""
        return tuple(warning for shot in self.shots for warning in shot.warnings())
