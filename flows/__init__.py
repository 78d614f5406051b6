"""Prefect flows: clip, chain, keyframes, storyboard, batch, collecting; each with a sync twin."""

from prefect_videogen.flows.batch import generate_batch, generate_batch_sync
from prefect_videogen.flows.chain import generate_chain, generate_chain_sync
from prefect_videogen.flows.clip import generate_clip, generate_clip_sync
from prefect_videogen.flows.collect import collect_results, collect_results_sync
from prefect_videogen.flows.keyframes import generate_keyframes, generate_keyframes_sync
from prefect_videogen.flows.storyboard import generate_storyboard, generate_storyboard_sync

__all__ = [
    "collect_results",
    "collect_results_sync",
    "generate_batch",
    "generate_batch_sync",
    "generate_chain",
    "generate_chain_sync",
    "generate_clip",
    "generate_clip_sync",
    "generate_keyframes",
    "generate_keyframes_sync",
    "generate_storyboard",
    "generate_storyboard_sync",
]
