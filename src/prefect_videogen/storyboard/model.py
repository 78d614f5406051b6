"""The storyboard: what a person asks for, as flat shots with defaults on top.

The same model is the file, the flow parameter and the run form, so it has no unions and no
optional objects: an empty text, 0 or -1 means "not set". What a model makes of it is the plan's
business; here only shapes are checked.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Switch = Literal["", "on", "off"]

SMALLEST_SIDE = 64
"""Pixels; a film is at least this wide and high."""

LARGEST_SIDE = 16384
"""Pixels; libx264 takes no more."""

LARGEST_FRAME = 8192 * 4352
"""Pixels of a whole frame; H.264's highest level, 6.2, has no more."""

LARGEST_CLIP = "3840x2160"
"""What a film is taken for that has its size from its clips."""

LONGEST_TAKE = 60
"""Characters."""

Transition = Literal["cut", "crossfade", "dip"]
HandOver = Literal["last", "steady"]
OnMissing = Literal["fail", "skip", "hold", "slate"]
VARIANT = re.compile(r"[1-9]\d?:[1-9]\d?", re.ASCII)
LONGEST_CROSSFADE = 5.0
"""Seconds; more than that is a shot of its own."""


_MOST = f"at most {LARGEST_SIDE} pixels a side and 8192x4352 in all"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_default=False, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _number(cls, value: object, info: ValidationInfo) -> object:
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind in {int, float}:
            message = "write a number"  # pydantic would take true for 1
            raise ValueError(message)
        return value


class Lora(_Strict):
    """A LoRA: where its weights are and how strongly they count."""

    path: str = Field(description="Public https URL of the weights file.")
    scale: float = Field(1.0, description="Strength; 0.5 to 2.0 is advised.")


class ShotFields(_Strict):
    """The fields that a shot may set and that may stand at the top as defaults."""

    model: str = Field("", description="Model that makes the clips, for example vidu-q3.")
    resolution: str = Field(
        "", description="Lines of the picture, for example 720p. Not set: the model's default."
    )
    aspect_ratio: str = Field(
        "", description="Width:height, for example 16:9 or 9:16. Not set: the model's default."
    )
    seconds: float = Field(0, ge=0, description="Length in seconds. Not set: the model's default.")
    tier: Literal["", "standard", "pro", "master", "turbo"] = Field(
        "", description="Quality, if the model has tiers. Not set: its default."
    )
    seed: int = Field(-1, ge=-1, description="Number that makes results repeat. Not set: random.")
    negative_prompt: str = Field("", description="What should not be in the picture.")
    expand_prompt: Switch = Field(
        "", description="Whether the vendor may rewrite the prompt. Not set: its default."
    )
    picture_fit: Literal["", "crop", "pad", "keep"] = Field(
        "", description="How a picture is brought to the aspect ratio. Not set: crop."
    )
    routing: str = Field("", description="APIXO's provider: auto, value, official, or a channel.")
    loras: list[Lora] = Field(default_factory=list, description="LoRAs, if the model takes them.")
    fallback: list[str] = Field(
        default_factory=list,
        description="Models that are tried in order if the model refuses the shot.",
    )
    takes: int = Field(0, ge=0, le=20, description="How many takes of a shot to buy. Not set: one.")
    hand_over: Literal["", "last", "steady"] = Field(
        "",
        description="Frame that the next shot of a chain starts on: the last, or the last one "
        "before a black or frozen end (steady). Not set: last.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description='The vendor\'s own input fields, for example {"movement": "large"}; and mode.',
    )
    extra_input: dict[str, Any] = Field(
        default_factory=dict, description="Further input for the vendor, sent as it is, unchecked."
    )

    @field_validator("expand_prompt", mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


class Shot(ShotFields):
    """One shot of the film."""

    id: str = Field(
        "", description="Short name in lower case, for example launch. Not set: the shot's number."
    )
    prompt: str = Field("", description="What is seen and how the camera moves.")
    first_frame: str = Field(
        "",
        description="Picture that the shot starts on: a path (from the storyboard's folder on, in "
        "a form from the inbox), an s3:// or https:// address, previous (where the shot before "
        "ends), or shot:<id>.",
    )
    last_frame: str = Field(
        "",
        description="Picture that the shot ends on: a path, an address, or next (where the next "
        "shot starts).",
    )
    video: str = Field(
        "",
        description="Own footage instead of a bought clip, or a picture that is shown for the "
        "seconds above: a path, an s3:// or https:// address.",
    )
    trim: list[float] = Field(
        default_factory=list,
        description="Part that goes into the film: from and to, in seconds; 0 as the second: to "
        "the end.",
    )
    transition: Literal["", "cut", "crossfade", "dip"] = Field(
        "",
        description="How the shot before gives way to this one. Not set: as everywhere in the "
        "film.",
    )
    crossfade_seconds: float = Field(
        0,
        ge=0,
        le=LONGEST_CROSSFADE,
        description="Length of that transition in seconds. Not set: as everywhere in the film.",
    )
    take: str = Field(
        "1",
        description="Which deliberate version this is: 1, 2, ... or a word. Another one is bought "
        "anew.",
    )
    pick: int = Field(
        0, ge=0, description="Which of the takes goes into the film. Not set: the first."
    )

    @field_validator("trim")
    @classmethod
    def _trim(cls, value: list[float]) -> list[float]:
        if not value:
            return value
        if len(value) != 2 or value[0] < 0 or value[1] < 0:  # noqa: PLR2004 - from and to
            message = "write [from, to] in seconds, for example [0.5, 4]"
            raise ValueError(message)
        if value[1] and value[1] <= value[0]:
            message = "end it after its beginning, or at 0 for the clip's end"
            raise ValueError(message)
        return value if any(value) else []

    @field_validator("take", mode="before")
    @classmethod
    def _take(cls, value: object) -> object:
        whole = isinstance(value, int) and not isinstance(value, bool)
        take = str(value) if whole else value or "1"
        if isinstance(take, str) and take.lstrip("+-").isdecimal() and not take.strip("+-0"):
            message = "count from 1"
            raise ValueError(message)
        if isinstance(take, str) and len(take) > LONGEST_TAKE:
            message = f"use at most {LONGEST_TAKE} characters"
            raise ValueError(message)
        return take


class FilmOptions(_Strict):
    """How the clips become a film."""

    transition: Transition = Field(
        "cut", description="How one shot follows another: cut, crossfade, or dip (to black)."
    )
    crossfade_seconds: float = Field(
        0.5, gt=0, le=LONGEST_CROSSFADE, description="Length of crossfades and dips in seconds."
    )
    sound: Literal["clips", "none"] = Field("clips", description="Keep the clips' sound, or none.")
    music: str = Field(
        "",
        description="Music under the film, quieter where clips sound: a path, an s3:// or https:// "
        "address.",
    )
    loudness: float = Field(
        0,
        ge=-40,
        le=0,
        description="Loudness of the film in LUFS, for example -16. Not set: as it is.",
    )
    on_missing: OnMissing = Field(
        "fail",
        description="If a shot is missing: make no film (fail), leave the shot out (skip), hold "
        "the frame before it (hold), or show a card (slate).",
    )
    fit: Literal["crop", "pad"] = Field(
        "pad", description="How clips of another shape join the film: with bars (pad), or cropped."
    )
    size: str = Field("", description="Width x height, for example 1280x720. Not set: the clips'.")
    fps: float = Field(0, ge=0, le=120, description="Frames a second. Not set: the clips'.")
    encode: Literal["auto", "always"] = Field(
        "auto",
        description="auto copies the clips' picture where that is proven to show the same; always "
        "encodes.",
    )
    variants: list[str] = Field(
        default_factory=list,
        description="Further shapes of the film, for example 9:16, 1:1 or 4:5.",
    )
    match_colour: float = Field(
        0,
        ge=0,
        le=1,
        description="How far chained clips take on the colours of their first clip, 0 to 1.",
    )

    @field_validator("size")
    @classmethod
    def _size(cls, value: str) -> str:
        if not value:
            return value
        width, _, height = value.lower().partition("x")
        if not (width.isdigit() and height.isdigit()):
            message = "write width x height, for example 1280x720"
            raise ValueError(message)
        if int(width) % 2 or int(height) % 2 or min(int(width), int(height)) < SMALLEST_SIDE:
            message = "use even numbers of at least 64"
            raise ValueError(message)
        if not _can_be_encoded(int(width), int(height)):
            message = f"use {_MOST}"
            raise ValueError(message)
        return f"{int(width)}x{int(height)}"

    @field_validator("variants")
    @classmethod
    def _variants(cls, values: list[str], info: ValidationInfo) -> list[str]:
        size = info.data.get("size") or LARGEST_CLIP
        for value in values:
            if not VARIANT.fullmatch(value):
                message = f"{value} is no shape, write width:height, for example 9:16"
                raise ValueError(message)
            width, height = _shaped(size, value)
            if not _can_be_encoded(width, height):
                message = (
                    f"{value} of {size} is {width}x{height}; use {_MOST}: another shape, or set a "
                    "smaller `size`"
                )
                raise ValueError(message)
        return list(dict.fromkeys(values))


def _can_be_encoded(width: int, height: int) -> bool:
    return max(width, height) <= LARGEST_SIDE and width * height <= LARGEST_FRAME


def _shaped(size: str, shape: str) -> tuple[int, int]:
    """The size of a film in another shape, but for rounding: its shorter side stays."""
    short = min(int(side) for side in size.split("x"))
    across, down = (int(side) for side in shape.split(":"))
    return short * max(across, down) // down, short * max(across, down) // across


class Storyboard(ShotFields):
    """A film: its shots in order, and defaults for all of them."""

    title: str = Field("", description="Title of the film; names its folder.")
    look: str = Field("", description="Words added to every prompt, for one look throughout.")
    shots: list[Shot] = Field(default_factory=list, description="The shots, in film order.")
    film: FilmOptions = Field(
        default_factory=FilmOptions, description="How the shots become a film."
    )
    variables: dict[str, str] = Field(
        default_factory=dict,
        description="Values for {names} in title, prompts, pictures and takes, for example "
        '{"city": "Oslo"}. {scheduled:%Y-%m-%d} is the run\'s scheduled start, in UTC, or in the '
        'time zone that is given here: {"timezone": "Europe/Oslo"}.',
    )
    draft: bool = Field(
        default=False, description="Make all shots in their cheapest and shortest version."
    )

    @field_validator("variables", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {k: str(v) if isinstance(v, int | float) else v for k, v in value.items()}

    def with_ids(self) -> Storyboard:
        """Give every shot without an id its number: 01, 02, ..."""
        shots = [
            shot if shot.id else shot.model_copy(update={"id": f"{number:02d}"})
            for number, shot in enumerate(self.shots, 1)
        ]
        return self.model_copy(update={"shots": shots})


SHOT_DEFAULTS: tuple[str, ...] = tuple(ShotFields.model_fields)
"""Names of the fields that may stand at the top as defaults."""
