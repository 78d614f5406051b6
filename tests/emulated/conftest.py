"""One emulator for each module, and the studio `env` pointed at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from prefect_videogen.emulator import Charge, Emulator

SETTINGS: dict[str, Any] = {"speed": 10_000.0, "pixel_scale": 0.125, "fps": 8}


@dataclass
class Stage:
    """An emulator and the media folder that it serves.

    Attributes:
        emulator: Both vendors.
        media: The media store.
        seen: Charges and requests that tests before this one caused.
    """

    emulator: Emulator
    media: Path
    seen: tuple[int, int] = (0, 0)

    def begin(self) -> None:
        """Forget what tests before this one caused."""
        self.emulator.faults.clear()
        self.seen = (len(self.emulator.charges), len(self.emulator.requests))

    @property
    def charges(self) -> list[Charge]:
        """What this test was charged."""
        return self.emulator.charges[self.seen[0] :]

    @property
    def asked(self) -> list[str]:
        """What this test asked the vendors, but for pictures and results."""
        kinds = (seen.kind for seen in self.emulator.requests[self.seen[1] :])
        return [kind for kind in kinds if kind not in {"media", "result"}]

    def path(self, name: str) -> Path:
        """Find an object of the media store."""
        return self.media / name

    def kept(self) -> list[str]:
        """List all clips that are stored."""
        return sorted(path.parent.name for path in self.media.glob("clips/*/clip.mp4"))


@pytest.fixture(scope="module")
def module_stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, prefect_server: Path
) -> Iterator[Stage]:
    media = tmp_path_factory.mktemp("media")
    more = getattr(request.module, "EMULATOR", {})
    with pytest.MonkeyPatch.context() as patch:
        for name in ("VIDEOGEN_MODELS", "VIDEOGEN_PRICES", "VIDEOGEN_CALLBACK_URL"):
            patch.delenv(name, raising=False)
        with Emulator(media_dir=media, **{**SETTINGS, **more}) as emulator:
            for name, value in emulator.environment().items():
                patch.setenv(name, value)
            patch.setenv("VIDEOGEN_MEDIA_URL", media.as_uri())
            yield Stage(emulator, media)


@pytest.fixture
def stage(module_stage: Stage) -> Stage:
    """The module's emulator and media folder, counting from here on."""
    module_stage.begin()
    return module_stage


@pytest.fixture(scope="module")
def inbox(module_stage: Stage, stills: dict[str, str]) -> list[str]:
    """Names of pictures in the media store's inbox, where a form finds them."""
    folder = module_stage.media / "inbox"
    folder.mkdir(exist_ok=True)
    return [Path(shutil.copy(path, folder)).name for path in stills.values()]


@pytest.fixture
def artifact() -> Any:
    """Read the newest artifact of a key as text."""

    async def read(key: str) -> str:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        async with get_client() as client:
            found = await client.read_artifacts(artifact_filter=wanted)
        assert found, f"there is no artifact {key}"
        return str(max(found, key=lambda entry: str(entry.created)).data)

    return read
