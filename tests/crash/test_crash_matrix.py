"""SIGKILL between every two records and around every request, then a second run.

For both vendors, on disk and on S3: at most one submission is accepted per clip, and the film is
complete; only between a claim and its job id may the outcome be unknown, and only at a vendor
that can't tell.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.crash.conftest import Zygote

from prefect_videogen.emulator import Emulator

KILLED = -9
MODELS = {"apixo": "wan-2-5", "evolink": "wan2.5-image-to-video"}


@dataclass
class Crasher:
    """Runs orders in children of a zygote, against one emulator and one media store."""

    vendors: Emulator
    zygote: Zygote
    folder: Path
    store: str
    options: dict[str, Any]
    served_at: str
    still: str

    def run(self, name: str, model: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """Run one order; gives the exit code and what the child wrote."""
        result, said = self.folder / f"{uuid.uuid4().hex}.json", self.folder / "said"
        said.unlink(missing_ok=True)
        order = {
            "api_key": self.vendors.api_key,
            "base_url": self.vendors.url,
            "speed": float(self.vendors.environment()["VIDEOGEN_SPEED"]),
            "store": self.store,
            "options": self.options,
            "served_at": self.served_at,
            "shot": {"id": "kite", "prompt": name, "model": model, "first_frame": self.still},
            "run": name,
            "on_unknown": "stop",
            "said": str(said),
            "result": str(result),
            **more,
        }
        (code,) = self.zygote.work(order)
        if code == KILLED:
            return code, {"place": said.read_text()}
        return code, json.loads(result.read_text())

    def accepted(self, name: str) -> int:
        """How many submissions the emulator accepted for one clip."""
        return sum(charge.params["prompt"] == name for charge in self.vendors.charges)


@pytest.fixture(params=["disk", "s3"])
def crasher(request, zygote, tmp_path, stills) -> Iterator[Any]:
    def start(**settings: Any) -> Crasher:
        vendors.append(
            Emulator(
                speed=10_000, pixel_scale=0.125, fps=8, media_dir=tmp_path / "media", **settings
            )
        )
        vendors[-1].start()
        store, options, served_at = (tmp_path / "media").as_uri(), {}, vendors[-1].media_url
        if request.param == "s3":
            server = request.getfixturevalue("s3_server")
            store, options, served_at = server.folder(), server.options, ""
        return Crasher(vendors[-1], zygote, tmp_path, store, options, served_at, stills["sky"])

    vendors: list[Emulator] = []
    yield start
    for emulator in vendors:
        emulator.stop()


def cells(crasher: Crasher, vendor: str) -> Iterator[tuple[str, str]]:
    """Kill a run at one place after the other; gives the clip's name and the place."""
    for number in range(200):
        name = f"{vendor} {number}"
        code, outcome = crasher.run(name, MODELS[vendor], kill_at=number)
        if code != KILLED:
            assert "film" in outcome, outcome
            assert number > 25, "the matrix lost its places"
            return
        yield name, outcome["place"]


def between_claim_and_job(place: str, seen: list[str]) -> bool:
    """Whether the claim was written when the process died, and the job id not yet."""
    claim, job = "after create clips/*/1/1-claimed.json", "after create clips/*/1/2-submitted.json"
    return claim in [*seen, place] and job not in [*seen, place]


@pytest.mark.timeout(900)
def test_a_kill_anywhere_buys_nothing_twice_at_apixo(crasher):
    here = crasher()
    seen: list[str] = []
    unknown = []
    for name, place in cells(here, "apixo"):
        _, again = here.run(name, MODELS["apixo"])
        if again.get("error"):
            assert again["error"] == "SubmissionUnknown", (place, again)
            assert between_claim_and_job(place, seen), (place, again)
            assert "on_unknown=resubmit" in again["text"]
            assert here.accepted(name) <= 1
            unknown.append(place)
            before = here.accepted(name)
            _, told = here.run(name, MODELS["apixo"], on_unknown="resubmit")
            assert "film" in told, (place, told)
            assert here.accepted(name) == before + 1
        else:
            assert here.accepted(name) == 1, place
            assert not between_claim_and_job(place, seen), place
        seen.append(place)
    assert "before POST /api/v1/generateTask/wan-2-5" in unknown
    assert "after POST /api/v1/generateTask/wan-2-5" in unknown


@pytest.mark.timeout(900)
@pytest.mark.parametrize("replay", [True, False], ids=["replay", "no-replay"])
def test_a_kill_anywhere_buys_nothing_twice_at_evolink(crasher, replay):
    here = crasher(replay=replay)
    for name, place in cells(here, "evolink"):
        _, again = here.run(name, MODELS["evolink"])
        assert here.accepted(name) == 1, (place, again)
        assert "film" in again, (place, again)
