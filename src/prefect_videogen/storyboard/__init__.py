"""What a person asks for: the storyboard, its reading from a file, and its variables.

Pure: text in, model and faults out. Whether a model can make a shot is the plan's question.
"""

from prefect_videogen.storyboard.model import (
    SHOT_DEFAULTS,
    FilmOptions,
    HandOver,
    Lora,
    Shot,
    ShotFields,
    Storyboard,
    Transition,
)
from prefect_videogen.storyboard.reading import OTHER_WORDS, StoryboardText, read_storyboard
from prefect_videogen.storyboard.single import SINGLE, one_clip
from prefect_videogen.storyboard.variables import fill_variables

__all__ = [
    "OTHER_WORDS",
    "SHOT_DEFAULTS",
    "SINGLE",
    "FilmOptions",
    "HandOver",
    "Lora",
    "Shot",
    "ShotFields",
    "Storyboard",
    "StoryboardText",
    "Transition",
    "fill_variables",
    "one_clip",
    "read_storyboard",
]
