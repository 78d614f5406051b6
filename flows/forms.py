"""What Prefect's run form is offered for the flows' parameters.

A form reads a JSON schema. What pydantic writes for a storyboard is right for a file and a poor
form: every field that is not set would be filled in and sent, a model's name would be typed. Here
the schema is made again for the form: fields in the order of need, choices where there are any,
blank where nothing is set, and labels that are the words of the file and of error messages.

What is accepted stays the same, except that the form's lists of models and resolutions are those
known where the flow was deployed.
"""

# No `from __future__ import annotations` here: Prefect reads these types from the flows.

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler, model_serializer
from pydantic_core import CoreSchema

from prefect_videogen.capabilities import MODELS, Model
from prefect_videogen.errors import StudioError
from prefect_videogen.storyboard import SHOT_DEFAULTS, Storyboard
from prefect_videogen.studio import known_models

JsonSchema = dict[str, Any]

ORDER: Mapping[str, tuple[str, ...]] = {
    "Storyboard": (
        "title",
        "model",
        "resolution",
        "aspect_ratio",
        "seconds",
        "look",
        "shots",
        "film",
        "draft",
        "tier",
        "negative_prompt",
        "seed",
        "expand_prompt",
        "picture_fit",
        "hand_over",
        "takes",
        "fallback",
        "loras",
        "routing",
        "options",
        "extra_input",
        "variables",
    ),
    "Shot": (
        "prompt",
        "first_frame",
        "last_frame",
        "seconds",
        "id",
        "model",
        "resolution",
        "aspect_ratio",
        "tier",
        "negative_prompt",
        "seed",
        "transition",
        "trim",
        "video",
        "take",
        "options",
    ),
    "FilmOptions": (
        "transition",
        "crossfade_seconds",
        "sound",
        "music",
        "loudness",
        "on_missing",
        "size",
        "fit",
        "fps",
        "variants",
        "match_colour",
        "encode",
    ),
    "Lora": ("path", "scale"),
}
"""Fields in the order of the form. What is missing here is taken, but not shown: a shot's rarer
fields stand above as defaults for all shots; for one shot they are set by JSON or in a file."""

SHOTS_HELP = (
    "The shots, in film order. What is set above and below holds for all of them. A shot's rarer "
    "fields can be set in a file, or by JSON, in the menu on the right."
)

UNSET: tuple[object, ...] = ("", 0, -1)
"""Defaults that say "not set": the form leaves them blank."""


class _Choices:
    """Shows a text as a choice; calls from Python may pass any text."""

    def __init__(self, field: str, *, optional: bool) -> None:
        self.field = field
        self.optional = optional

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchema:
        return {**handler(schema), "enum": choices_of(self.field, optional=self.optional)}


class _BoardForm:
    """Shows a storyboard as a form that can be filled in."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> JsonSchema:
        return board_form()


class _NotFilledIn(Storyboard):
    """A storyboard that nobody filled in: written down, it is empty and not a list of defaults."""

    @model_serializer
    def _nothing(self) -> dict[str, Any]:
        return {}


ModelName = Annotated[str, _Choices("model", optional=False)]
"""A model's name, chosen from those that are known."""

Resolution = Annotated[str, _Choices("resolution", optional=True)]
"""A resolution that some known model has, or empty."""

FormBoard = Annotated[Storyboard, _BoardForm()]
"""A storyboard that can be filled in as a form."""

NOT_FILLED_IN: Storyboard = _NotFilledIn()
"""The default of such a parameter."""


def choices_of(field: str, *, optional: bool) -> list[str]:
    """What the form offers for `model`, `fallback` or `resolution`.

    Args:
        field: Name of the storyboard's field.
        optional: Whether "not set" is among them, as a blank line.
    """
    models = _models()
    found = list(models) if field in {"model", "fallback"} else _resolutions(models)
    return ["", *found] if optional else found


def board_form() -> JsonSchema:
    """The form's JSON schema of a storyboard, without references."""
    schema = Storyboard.model_json_schema()
    return _form_of(schema, schema["$defs"])


def _form_of(schema: JsonSchema, definitions: Mapping[str, JsonSchema]) -> JsonSchema:
    """The form of an object: its fields in order, and those that are taken but not shown."""
    order = ORDER[schema["title"]]
    fields = {
        name: _field_of(name, field, definitions) for name, field in schema["properties"].items()
    }
    if schema["title"] == "Shot":
        fields = {name: _told_for_a_shot(name, field) for name, field in fields.items()}
    if "shots" in fields:
        fields["shots"]["description"] = SHOTS_HELP
    hidden = {f"^{name}$": field for name, field in fields.items() if name not in order}
    shown = {name: {**fields[name], "position": at} for at, name in enumerate(order)}
    made = {**schema, "properties": shown, "patternProperties": hidden}
    made.pop("$defs", None)
    return made


def _field_of(name: str, field: JsonSchema, definitions: Mapping[str, JsonSchema]) -> JsonSchema:
    made = {**_resolved(field, definitions), "title": name}
    if "description" in field:
        made["description"] = field["description"]
    if "items" in made:
        made["items"] = _resolved(made["items"], definitions)
    if made.get("default") in UNSET:
        del made["default"]
    if made["type"] == "object" and "additionalProperties" in made and "properties" not in made:
        made["default"] = {}  # without it the form sends a note of its own, that JSON may follow
    if name in {"model", "resolution"}:
        made["enum"] = choices_of(name, optional=True)
    if name == "fallback":
        made["items"] = {**made["items"], "enum": choices_of(name, optional=False)}
    return made


def _told_for_a_shot(name: str, field: JsonSchema) -> JsonSchema:
    """A shot's field that is not set takes what stands at the top."""
    if name not in SHOT_DEFAULTS or "description" not in field:
        return field
    told = field["description"].replace("Not set: ", "Not set: as for all shots, or ")
    return {**field, "description": told}


def _resolved(schema: JsonSchema, definitions: Mapping[str, JsonSchema]) -> JsonSchema:
    reference = schema.get("$ref")
    if not reference:
        return schema
    return _form_of(definitions[reference.rpartition("/")[2]], definitions)


def _models() -> Mapping[str, Model]:
    """The known models; importing a flow must not fail over a file that a run will complain of."""
    try:
        return known_models()
    except StudioError:
        return MODELS


def _resolutions(models: Mapping[str, Model]) -> list[str]:
    def found() -> Iterator[str]:
        for model in models.values():
            param = model.param("resolution")
            yield from (str(choice) for choice in param.choices) if param else ()

    return sorted(set(found()), key=lambda text: (len(text), text))
