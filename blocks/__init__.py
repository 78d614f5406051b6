"""Prefect blocks: credentials, media store, callback endpoint, and the studio that joins them."""

from prefect_videogen.blocks.callbacks import CallbackEndpoint
from prefect_videogen.blocks.credentials import ApixoCredentials, EvolinkCredentials
from prefect_videogen.blocks.media import MediaStore
from prefect_videogen.blocks.opening import load_studio, opened
from prefect_videogen.blocks.sleepers import resume, resumer
from prefect_videogen.blocks.studio import Studio

__all__ = [
    "ApixoCredentials",
    "CallbackEndpoint",
    "EvolinkCredentials",
    "MediaStore",
    "Studio",
    "load_studio",
    "opened",
    "resume",
    "resumer",
]
