"""Prefect blocks: credentials, media store, callback endpoint, studio, and a clip as a job."""

from prefect.blocks.core import Block

from prefect_videogen.blocks.callbacks import CallbackEndpoint
from prefect_videogen.blocks.credentials import ApixoCredentials, EvolinkCredentials
from prefect_videogen.blocks.jobs import VideoGeneration, VideoGenerationRun
from prefect_videogen.blocks.media import MediaStore
from prefect_videogen.blocks.opening import load_studio, opened
from prefect_videogen.blocks.sleepers import judge, resume, resumer
from prefect_videogen.blocks.studio import Studio

BLOCK_TYPES: tuple[type[Block], ...] = (
    ApixoCredentials,
    EvolinkCredentials,
    MediaStore,
    CallbackEndpoint,
    Studio,
    VideoGeneration,
)
"""Every kind of block there is, in an order in which each knows those before it."""

__all__ = [
    "BLOCK_TYPES",
    "ApixoCredentials",
    "CallbackEndpoint",
    "EvolinkCredentials",
    "MediaStore",
    "Studio",
    "VideoGeneration",
    "VideoGenerationRun",
    "judge",
    "load_studio",
    "opened",
    "resume",
    "resumer",
]
