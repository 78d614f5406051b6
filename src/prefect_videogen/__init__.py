"""prefect-videogen: films of AI-generated clips, with Prefect, each clip bought once.

Everything users extend or call is here. Names are loaded when they are first used, so that what
needs no Prefect does not wait for it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_videogen.batching import Batch
    from prefect_videogen.blocks import (
        ApixoCredentials,
        CallbackEndpoint,
        EvolinkCredentials,
        MediaStore,
        Studio,
        VideoGeneration,
        VideoGenerationRun,
    )
    from prefect_videogen.buying import ClipRequest, Job
    from prefect_videogen.checking import Check, CheckReport
    from prefect_videogen.collecting import Collected
    from prefect_videogen.emulator import Emulator
    from prefect_videogen.errors import VideoGenError
    from prefect_videogen.fetching import Clip
    from prefect_videogen.filming import Film
    from prefect_videogen.flows import (
        collect_results,
        collect_results_sync,
        generate_batch,
        generate_batch_sync,
        generate_chain,
        generate_chain_sync,
        generate_clip,
        generate_clip_sync,
        generate_keyframes,
        generate_keyframes_sync,
        generate_storyboard,
        generate_storyboard_sync,
    )
    from prefect_videogen.plan import Plan, Price
    from prefect_videogen.storyboard import FilmOptions, Lora, Shot, Storyboard
    from prefect_videogen.tasks import (
        collect,
        download,
        plan_clip,
        report,
        stitch,
        submit,
        wait,
    )

try:
    __version__ = version("prefect-videogen")
except PackageNotFoundError:  # run from a folder that was never installed
    __version__ = "0"

_HOMES = {
    "batching": ("Batch",),
    "blocks": (
        "ApixoCredentials",
        "CallbackEndpoint",
        "EvolinkCredentials",
        "MediaStore",
        "Studio",
        "VideoGeneration",
        "VideoGenerationRun",
    ),
    "checking": ("Check", "CheckReport"),
    "buying": ("ClipRequest", "Job"),
    "collecting": ("Collected",),
    "emulator": ("Emulator",),
    "errors": ("VideoGenError",),
    "fetching": ("Clip",),
    "filming": ("Film",),
    "flows": (
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
    ),
    "plan": ("Plan", "Price"),
    "storyboard": ("FilmOptions", "Lora", "Shot", "Storyboard"),
    "tasks": ("collect", "download", "plan_clip", "report", "stitch", "submit", "wait"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ApixoCredentials",
    "Batch",
    "CallbackEndpoint",
    "Check",
    "CheckReport",
    "Clip",
    "ClipRequest",
    "Collected",
    "Emulator",
    "EvolinkCredentials",
    "Film",
    "FilmOptions",
    "Job",
    "Lora",
    "MediaStore",
    "Plan",
    "Price",
    "Shot",
    "Storyboard",
    "Studio",
    "VideoGenError",
    "VideoGeneration",
    "VideoGenerationRun",
    "__version__",
    "collect",
    "collect_results",
    "collect_results_sync",
    "download",
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
    "plan_clip",
    "report",
    "stitch",
    "submit",
    "wait",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home when it is first used."""
    if name not in _HOME_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List all public names, loaded or not: `prefect block register -m` looks here."""
    return sorted({*globals(), *__all__})
