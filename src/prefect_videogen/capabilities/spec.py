"""What a model can do, as data: modes, parameters, pictures, limits and timings.

Pure: no I/O, no clock. Validation, payloads, the emulator and the README's table all ask
these types; nothing elsewhere says `if model ==`. The entries are in `table.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ParamType = Literal["string", "integer", "number", "boolean", "loras"]
Scalar = str | bool | int | float


class Problem(NamedTuple):
    """Why something can't be asked of a model, and what would do."""

    problem: str
    remedy: str


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Param(_Spec):
    """One input parameter of a model, in the vendor's own terms.

    Attributes:
        name: The vendor's field name.
        type: JSON type; `loras` is a list of {path, scale}.
        field: The storyboard's common name, or empty where it is set under `options`.
        default: Documented default; None means none, or random for seeds.
        required: Whether the vendor requires it in the modes that use it.
        choices: The only values allowed, if the set is closed.
        minimum: Least value, inclusive.
        maximum: Greatest value, inclusive; of `loras`, the greatest number of items.
        also: Values allowed beside the range.
        step: Granularity of numbers, for notes.
        max_length: Longest string, in characters.
        advised: The range that the vendor advises; outside it is a note, not a fault.
        modes: Modes that use it; empty means all.
        send: `when_set` keeps a field that only newer pages know out of the body by default.
        source: Where this is stated (vendor-contracts marks).
    """

    name: str
    type: ParamType
    field: str = ""
    default: Scalar | None = None
    required: bool = False
    choices: tuple[Scalar, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    also: tuple[Scalar, ...] = ()
    step: float | None = None
    max_length: int | None = None
    advised: tuple[float, float] | None = None
    modes: tuple[str, ...] = ()
    send: Literal["always", "when_set"] = "always"
    source: str = ""

    @property
    def label(self) -> str:
        """The name a storyboard uses: the common field, or `options.<name>`."""
        return self.field or f"options.{self.name}"

    def allowed(self) -> str:  # noqa: PLR0911 - one return a kind
        """Say in words which values do."""
        if self.choices:
            return "use " + _either(self.choices)
        if self.type == "boolean":
            return "use true or false"
        kind = {"integer": "a whole number", "number": "a number"}.get(self.type, "text")
        if self.max_length is not None:
            return f"use at most {self.max_length} characters"
        if self.type == "loras":
            return f"use 1 to {self.maximum:g} LoRAs" if self.maximum else "use at least one LoRA"
        low, high = _number(self.minimum), _number(self.maximum)
        also = f" (or {_either(self.also)})" if self.also else ""
        if low and high:
            return f"use {kind} from {low} to {high}{also}"
        if low or high:
            return f"use {kind} of {'at least ' + low if low else 'at most ' + high}{also}"
        return f"use {kind}"

    def check(self, value: Any) -> Problem | None:  # noqa: PLR0911 - one return a type
        """Say what is wrong with a value for this parameter, or None if it fits."""
        wrong_type = Problem(f"is not {_TYPE_NAMES[self.type]}", self.allowed())
        if value in self.also and not isinstance(value, bool):
            return None
        if self.type == "boolean":
            return None if isinstance(value, bool) else wrong_type
        if self.type == "string":
            return self._check_text(value) if isinstance(value, str) else wrong_type
        if self.type == "loras":
            return self._check_loras(value) if isinstance(value, list) else wrong_type
        if isinstance(value, bool) or not isinstance(value, int | float):
            return wrong_type
        if isinstance(value, float) and not isfinite(value):
            return wrong_type
        if self.type == "integer" and value != int(value):
            return Problem("is not a whole number", self.allowed())
        return self._check_number(value)

    def _check_text(self, value: str) -> Problem | None:
        if self.choices and value not in self.choices:
            return Problem("is not a choice here", self.allowed())
        if self.max_length is not None and len(value) > self.max_length:
            return Problem(f"is {len(value)} characters long", self.allowed())
        return None

    def _check_number(self, value: float) -> Problem | None:
        outside = (
            (self.choices and value not in self.choices)
            or (self.minimum is not None and value < self.minimum)
            or (self.maximum is not None and value > self.maximum)
        )
        return Problem("is not allowed here", self.allowed()) if outside else None

    def _check_loras(self, value: list[Any]) -> Problem | None:
        if not value or (self.maximum is not None and len(value) > self.maximum):
            return Problem(f"has {len(value)} LoRAs", self.allowed())
        return None


class Mode(_Spec):
    """One way of using a model, told apart by pictures, LoRAs and tier.

    Attributes:
        name: The vendor's word for it; our own where the vendor has no such field.
        images: Least and greatest number of pictures.
        loras: Whether it takes LoRAs (and then requires at least one).
        tier: Price and quality tier, empty where the model has none.
        extra: Fields sent as they are whenever this mode is used.
    """

    name: str
    images: tuple[int, int]
    loras: bool = False
    tier: str = ""
    extra: Mapping[str, Any] = Field(default_factory=dict)


class Images(_Spec):
    """What pictures a model takes.

    Attributes:
        fields: One name: the field holds the list of URLs, first frame then last. Two names:
            the fields of the first and of the last frame.
        formats: Accepted formats, as Pillow names them in lower case.
        max_bytes: Greatest size of one picture, in bytes.
        min_side: Least width and height, in pixels.
        max_side: Greatest width and height, in pixels.
        alpha: Whether transparency is accepted.
        source: Where this is stated.
    """

    fields: tuple[str, ...] = Field(("image_urls",), min_length=1, max_length=2)
    formats: tuple[str, ...] = ("jpeg", "png", "webp")
    max_bytes: int = 10 * 1024 * 1024
    min_side: int | None = None
    max_side: int | None = None
    alpha: bool = True
    source: str = ""


class GenerationTime(_Spec):
    """How long a job takes, in seconds, when all of `when` holds for mode and parameters.

    Attributes:
        when: Conditions: a parameter (or `mode`) and the values it may have.
        seconds: Shortest and longest documented time.
        adds: Whether it comes on top of the entry that matched before.
    """

    when: Mapping[str, tuple[Scalar, ...]] = Field(default_factory=dict)
    seconds: tuple[float, float]
    adds: bool = False


class Timings(_Spec):
    """When to look for a result, in seconds of a real vendor's time.

    Attributes:
        first_poll: When the vendor advises the first status query.
        interval: The vendor's advice between queries.
        generation: Documented generation times; the first match counts, `adds` come on top.
        source: Where this is stated.
    """

    first_poll: float
    interval: float
    generation: tuple[GenerationTime, ...]
    source: str = ""


class Limits(_Spec):
    """What a vendor allows per key; None where no number is published."""

    requests_per_minute: int | None = None
    concurrent: int | None = None
    source: str = ""


class Advice(_Spec):
    """A sentence of the vendor's advice, shown as a plan note where it applies."""

    text: str
    source: str


class Model(_Spec):
    """Everything known about one model.

    Attributes:
        id: The vendor's model id, the word a storyboard uses.
        vendor: `apixo` or `evolink`; decides envelope, account and endpoint.
        modes: Its modes; the order is that of preference.
        params: Its input parameters, prompt included, pictures and mode not.
        mode_field: The field that carries the mode's name; empty where there is none.
        images: What pictures it takes.
        limits: Requests and running jobs allowed.
        timings: When to poll.
        result_seconds: How long a result's URL lives.
        routing: Values of APIXO's `provider`; empty where the vendor has none.
        routing_open: Whether other channel names are accepted too.
        billed_per: Unit the vendor bills in.
        advice: What the vendor advises.
    """

    id: str
    vendor: Literal["apixo", "evolink"]
    modes: tuple[Mode, ...] = Field(min_length=1)
    params: tuple[Param, ...]
    mode_field: str = ""
    images: Images = Images()
    limits: Limits = Limits()
    timings: Timings
    result_seconds: float
    routing: tuple[str, ...] = ()
    routing_open: bool = False
    billed_per: Literal["second", "clip", ""] = ""
    advice: tuple[Advice, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse what would only show once a clip is bought."""
        names = [mode.name for mode in self.modes]
        for param in self.params:
            for name in param.modes:
                if name not in names:
                    message = f"params: {param.name}: {name} is no mode of it"
                    raise ValueError(message)
        for mode in self.modes:
            least, most = mode.images
            if not 0 <= least <= most or (len(self.images.fields) > 1 and most > 2):  # noqa: PLR2004
                message = f"modes: {mode.name}: images {least} to {most} can't be"
                raise ValueError(message)
        return self

    @property
    def tiers(self) -> tuple[str, ...]:
        """Tiers from the default upwards, empty where the model has none."""
        return tuple(dict.fromkeys(mode.tier for mode in self.modes if mode.tier))

    @property
    def most_images(self) -> int:
        """The greatest number of pictures any mode takes."""
        return max(mode.images[1] for mode in self.modes)

    def mode(self, name: str) -> Mode | None:
        """Find a mode by the vendor's word for it."""
        return next((mode for mode in self.modes if mode.name == name), None)

    def params_of(self, mode: str) -> tuple[Param, ...]:
        """The parameters that a mode uses, in table order."""
        return tuple(p for p in self.params if not p.modes or mode in p.modes)

    def param(self, label: str) -> Param | None:
        """Find a parameter by the storyboard's name for it (`seconds`, `options.style`)."""
        return next((p for p in self.params if p.label == label), None)

    def generation_seconds(self, mode: str, params: Mapping[str, Any]) -> tuple[float, float]:
        """Shortest and longest documented time of a job, in seconds."""
        asked = {**params, "mode": mode}
        low = high = 0.0
        found = False
        for entry in self.timings.generation:
            if any(asked.get(name) not in values for name, values in entry.when.items()):
                continue
            if found and not entry.adds:
                continue
            found = True
            low, high = low + entry.seconds[0], high + entry.seconds[1]
        return low, high

    def infer_mode(self, images: int, *, loras: bool, tier: str) -> Mode | Problem:
        """Choose the mode from pictures, LoRAs and tier; the tier is never raised by itself.

        Args:
            images: Number of pictures.
            loras: Whether the shot has LoRAs.
            tier: The tier asked for; empty means the model's default one.

        Returns:
            The mode, or the problem with this combination and what would do.
        """
        if loras and not any(mode.loras for mode in self.modes):
            return Problem("takes no LoRAs", "leave `loras` out or use another model")
        wanted = tier or (self.tiers[0] if self.tiers else "")
        fitting = [
            mode
            for mode in self.modes
            if mode.loras == loras and mode.images[0] <= images <= mode.images[1]
        ]
        for mode in fitting:
            if mode.tier == wanted:
                return mode
        return self._no_mode(images, tier, wanted, fitting)

    def _no_mode(self, images: int, tier: str, wanted: str, fitting: list[Mode]) -> Problem:
        asked = "a shot without a picture" if images == 0 else _count(images)
        tiers = tuple(mode.tier for mode in fitting if mode.tier)
        if tiers:
            with_which = f"tier {tier}" if tier else f"the default tier, {wanted}"
            return Problem(
                f"{asked} can't be had with {with_which}",
                "set `tier: " + "` or `tier: ".join(tiers) + "`, or change the pictures",
            )
        most, least = self.most_images, min(mode.images[0] for mode in self.modes)
        if images < least:
            return Problem(f"takes at least {_count(least)}", "set `first_frame`")
        if most == 0:
            return Problem("takes no picture", "leave the frames out or use another model")
        remedy = "leave `last_frame` out" if images > most else "set `first_frame` too"
        return Problem(
            f"takes {_count(most)} at most, not {images}",
            f"{remedy}, or use a model that takes {images}",
        )


_TYPE_NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "loras": "a list of LoRAs",
}


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def _either(values: tuple[Scalar, ...]) -> str:
    words = [str(value) for value in values]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def _count(pictures: int) -> str:
    return "one picture" if pictures == 1 else f"{pictures} pictures"
