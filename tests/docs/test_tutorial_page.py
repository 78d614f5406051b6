"""The tutorial is done from its second section to its last, as a reader would."""

from __future__ import annotations

import httpx
import pytest
from tests.docs.reader import DOCS, Reader, answers, blocks_of, until
from tests.seaweed import free_port

BLOCKS = blocks_of("tutorial.md")
CAPS = '"fastapi<0.151" "sqlalchemy<2.1"'

pytestmark = pytest.mark.timeout(900)


def charged(emulator: int) -> int:
    report = httpx.get(f"http://127.0.0.1:{emulator}/_emulator/report", timeout=60)
    return int(report.json()["charges"])


def test_what_it_installs_is_what_the_other_pages_install():
    assert BLOCKS["install"].text.splitlines()[-1] == f"pip install prefect-videogen {CAPS}"
    others = (DOCS / "production.md", DOCS.parent / "README.md")
    for page in others:
        text = " ".join(page.read_text(encoding="utf-8").split())
        assert f"pip install prefect-videogen {CAPS}" in text


def test_a_reader_gets_all_its_films_and_pays_only_for_what_is_new(tmp_path):
    """One test, in the reader's order: each section stands on the one before."""
    vendor, prefect = free_port(), free_port()
    reader = Reader(
        tmp_path,
        instead={
            "videogen demo": "videogen demo --port 0 --speed 600",
            "videogen emulator": f"videogen emulator --port {vendor}",
            "server start": f"server start --port {prefect}",
            "8765": str(vendor),
            "4200": str(prefect),
        },
        told={"PREFECT_RUNNER_POLL_FREQUENCY": "1"},
    )
    done = ["install"]

    def reads(name: str) -> str:
        done.append(name)
        return reader.reads(BLOCKS[name])

    def leaves_running(name: str):
        done.append(name)
        assert BLOCKS[name].runs_on
        return reader.leaves_running(BLOCKS[name])

    assert "/index.html" in reads("demo")
    with leaves_running("emulator"):
        until(lambda: answers(f"http://127.0.0.1:{vendor}/_emulator/report"), "the emulator")
        reads("keys")
        reads("picture")
        reads("morning.yaml")
        assert "3 of 3 clips to buy" in reads("plan")
        assert charged(vendor) == 0
        reads("render")
        assert (tmp_path / "morning.mp4").stat().st_size
        assert charged(vendor) == 3
        assert "1 of 3 clips to buy" in reads("change")
        assert charged(vendor) == 4

        with leaves_running("server"):
            api = f"http://127.0.0.1:{prefect}/api"
            until(lambda: answers(f"{api}/health"), "the Prefect server")
            assert "saved the studio default" in reads("setup")
            with leaves_running("serve"):
                until(lambda: answers(f"{api}/deployments/name/collect-results/videogen"), "serve")
                reads("run")
                assert charged(vendor) == 5
            reads("daily.yaml")
            reads("daily.py")
            with leaves_running("daily"):
                daily = f"{api}/deployments/name/generate-storyboard/daily"
                until(lambda: answers(daily), "the daily deployment")
                assert httpx.get(daily, timeout=60).json()["schedules"][0]["active"]
                assert "good-morning" in reads("now")
                assert charged(vendor) == 6
    assert done == list(BLOCKS)
