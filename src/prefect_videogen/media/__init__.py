"""Clips, frames, films and pictures, with PyAV and Pillow only.

Everything here is plain synchronous code that may take seconds; callers in an event loop
run it in a thread. Whatever can't be read or made is a `MediaError`.
"""

from prefect_videogen.media.canvas import Fit
from prefect_videogen.media.colour import Levels
from prefect_videogen.media.encode import CRF, PRESET, SOUND_RATE, Preset, VideoWriter
from prefect_videogen.media.frames import (
    Frame,
    first_frame,
    first_frame_png,
    frame_rgb,
    last_frame,
    last_frame_png,
    psnr,
)
from prefect_videogen.media.layout import Card, Segment, Transition
from prefect_videogen.media.probe import Probe, probe
from prefect_videogen.media.settings import Encode, FilmSettings, FilmSound, choose_settings
from prefect_videogen.media.stills import StillFit, StillInfo, fit_still, inspect_still
from prefect_videogen.media.stitch import Join, StitchResult, stitch

__all__ = [
    "CRF",
    "PRESET",
    "SOUND_RATE",
    "Card",
    "Encode",
    "FilmSettings",
    "FilmSound",
    "Fit",
    "Frame",
    "Join",
    "Levels",
    "Preset",
    "Probe",
    "Segment",
    "StillFit",
    "StillInfo",
    "StitchResult",
    "Transition",
    "VideoWriter",
    "choose_settings",
    "first_frame",
    "first_frame_png",
    "fit_still",
    "frame_rgb",
    "inspect_still",
    "last_frame",
    "last_frame_png",
    "probe",
    "psnr",
    "stitch",
]
