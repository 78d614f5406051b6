"""The rounds of a run that is suspended and resumed, played in one process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from prefect import flow
from prefect.exceptions import Pause

from prefect_videogen.emulator import Emulator
from prefect_videogen.filming import Film
from prefect_videogen.flows.making import make
from prefect_videogen.flows.options import RunOptions
from prefect_videogen.reviewing import Question
from prefect_videogen.sleeping import Sleep
from prefect_videogen.storyboard import Shot, Storyboard
from prefect_videogen.survey import Board


@dataclass
class Vendors:
    """An emulator and the media folder that it serves."""

    emulator: Emulator
    media: Path


@flow(name="round")
async def one_round(storyboard: Storyboard, options: Any) -> Any:
    """What a process does until the run is suspended; then None."""
    try:
        return await make(Board(storyboard), options)
    except Pause:
        return None


@dataclass
class Rounds:
    """A run.

    Attributes:
        vendors: The emulator and the media.
        id: The run's id.
        asked: How Prefect was asked to suspend it, each time.
        given: What Prefect was given to resume it, by its key.
    """

    vendors: Vendors
    id: str = field(default_factory=lambda: str(uuid4()))
    asked: list[dict[str, Any]] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)
    storyboard: Storyboard = field(default_factory=Storyboard)
    options: RunOptions = field(default_factory=RunOptions)
    _seen: int = 0

    async def begin(self, review: Any, *shots: Shot, film: Any = None, **options: Any) -> None:
        """Go until the first question."""
        title = f"Film {self.id}"
        about = {"film": film} if film else {}
        # Other tests' clips must not be found stored.
        ours = [shot.model_copy(update={"prompt": f"{shot.prompt} {self.id}"}) for shot in shots]
        self.storyboard = Storyboard(title=title, model="wan-2-5", shots=ours, **about)
        self.options = RunOptions(studio="env", review=review, **options)
        self._seen = len(self.vendors.emulator.charges)
        assert await self.on() is None

    async def on(self, decision: str = "", *changes: dict[str, Any], note: str = "") -> Film | None:
        """Resume with an answer, and go until the next question or the end."""
        if decision:
            changes = tuple(self._our(change) for change in changes)
            answer = {"decision": decision, "changes": list(changes), "note": note}
            # The form is what the server would hold it against.
            self.asked[-1]["wait_for_input"].model_validate(answer)
            self.given[f"suspended-videogen-{self.number}-response"] = answer
        return await one_round(self.storyboard, self.options)

    def _our(self, change: dict[str, Any]) -> dict[str, Any]:
        ours = {"prompt": f"{change['prompt']} {self.id}"} if "prompt" in change else {}
        return {**change, **ours}

    @property
    def number(self) -> int:
        return int(self.asked[-1]["key"].removeprefix("videogen-"))

    @property
    def folder(self) -> Path:
        return self.vendors.media / "runs" / self.id

    @property
    def question(self) -> Question:
        """What it asks now."""
        name = f"sleeping-{self.number}.json" if self.number > 1 else "sleeping.json"
        sleep = Sleep.model_validate_json((self.folder / name).read_bytes())
        assert sleep.review
        return sleep.review

    @property
    def sheet(self) -> str:
        """What the reviewer reads."""
        return self.asked[-1]["wait_for_input"]._description

    def bought(self) -> list[str]:
        """The prompts that were charged since the last look, sorted."""
        charges = self.vendors.emulator.charges[self._seen :]
        self._seen += len(charges)
        return sorted(charge.params["prompt"].removesuffix(f" {self.id}") for charge in charges)
