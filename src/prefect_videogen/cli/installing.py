"""`setup` and `put`: what makes an installation ready."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console

from prefect_videogen.cli.opening import KEYS, has_keys, quiet_console, studio_name
from prefect_videogen.cli.terminal import terminal
from prefect_videogen.errors import StudioError


def run_setup(name: str) -> None:
    """Register the block types, save a studio from the environment and create its limits.

    Without a key in the environment, a studio that is saved already stays as it is.

    Can be run again and again, by several at once.

    Args:
        name: Name of the studio.

    Raises:
        StudioError: If the environment holds a setting that is wrong.
    """
    quiet_console()
    asyncio.run(_setup(name, terminal()))


async def _setup(name: str, console: Console) -> None:
    from prefect_videogen.blocks import BLOCK_TYPES, load_studio
    from prefect_videogen.blocks.callbacks import check_addresses
    from prefect_videogen.blocks.limits import create_limits
    from prefect_videogen.waiting import limits_of

    for kind in BLOCK_TYPES:
        await kind.aregister_type_and_schema()
        console.print(f"registered block type {kind.get_block_type_slug()}")
    if has_keys():
        studio = await load_studio("env")
        opened = studio.open(name=name)  # checks the settings together
        check_addresses(opened)  # or every run of what is saved would be refused
        await studio.asave(name, overwrite=True)
        console.print(f"saved the studio {name}")
    elif await _is_saved(name):
        opened = (await load_studio(name)).open(name=name)
        console.print(f"the studio {name} stays as it is saved")
    else:
        console.print(
            f"no studio saved: set {' or '.join(KEYS)}, and what else it needs of the VIDEOGEN_ "
            "variables, then run this again"
        )
        return
    limits = limits_of(opened.accounts.values(), opened.models)
    await create_limits(limits)
    for limit in limits:
        console.print(f"set the limit {limit.name} to {limit.most} jobs at once")


async def _is_saved(name: str) -> bool:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    from prefect_videogen.blocks import Studio

    async with get_client() as client:
        try:
            await client.read_block_document_by_name(name, Studio.get_block_type_slug())
        except ObjectNotFound:
            return False
    return True


def write_deployments(folder: Path, *, force: bool) -> None:
    """Write the deployment files to a folder, to be changed and deployed from there.

    Args:
        folder: The folder; made if need be.
        force: Whether to overwrite files that are there.

    Raises:
        StudioError: If a file is there already, or can't be written; nothing is overwritten.
    """
    from prefect_videogen.deployments.templates import templates

    texts = templates()
    there = [name for name in texts if (folder / name).exists()]
    if there and not force:
        message = f"{folder} holds {' and '.join(there)} already"
        step = "Name another folder, or overwrite them with --force. Nothing was written."
        raise StudioError(message, next_step=step)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{folder} can't be written: {error.strerror or type(error).__name__}"
        raise StudioError(message, next_step="Name another folder.") from None
    console = terminal()
    for name in texts:
        console.print(f"wrote {folder / name}")
    console.print(f"next: python {folder / 'serve.py'}, or for workers:")
    console.print(f"  prefect deploy --all --prefect-file {folder / 'prefect.yaml'}")


def run_put(paths: list[Path], *, studio: str) -> None:
    """Put pictures, footage and music into a media store's inbox.

    Args:
        paths: The files.
        studio: Name of the studio.

    Raises:
        StudioError: If a file is none of these, or another one of its name is there.
    """
    quiet_console()
    asyncio.run(_put(paths, studio_name(studio), terminal()))


async def _put(paths: list[Path], name: str, console: Console) -> None:
    from prefect_videogen.blocks import opened
    from prefect_videogen.footage import file_digest, why_unusable

    async with opened(name) as studio:
        for path in paths:
            if not path.is_file():
                message = f"{path} is not a file"
                raise StudioError(message)
            problem = await asyncio.to_thread(why_unusable, path)
            if problem:
                message = f"{path} {problem}"
                raise StudioError(message, next_step="Give a picture, a video or music.")
            place = f"inbox/{path.name}"
            if not await studio.store.put_file(place, path):
                there = await studio.store.fetch(place)
                if await asyncio.to_thread(file_digest, there) != file_digest(path):
                    message = f"another file named {path.name} is in the inbox already"
                    raise StudioError(message, next_step="Rename the file.")
            console.print(f"{path.name} is in {studio.store.url}/inbox")
