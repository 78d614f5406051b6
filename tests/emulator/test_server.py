"""Starting, stopping, the environment, the report and the command's entry."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_videogen.capabilities import MODELS, parse_models
from prefect_videogen.emulator import Emulator, run_forever
from prefect_videogen.errors import StudioError

SOURCE = Path(__file__).parents[2] / "src"


def test_environment_points_the_studio_here(start, media):
    emulator = start(speed=60.0).emulator

    assert emulator.environment() == {
        "VIDEOGEN_APIXO_API_KEY": emulator.api_key,
        "VIDEOGEN_APIXO_BASE_URL": emulator.url,
        "VIDEOGEN_EVOLINK_API_KEY": emulator.api_key,
        "VIDEOGEN_EVOLINK_BASE_URL": emulator.url,
        "VIDEOGEN_EVOLINK_FILES_URL": emulator.url,
        "VIDEOGEN_SANDBOX": "true",
        "VIDEOGEN_SPEED": "60",
        "VIDEOGEN_MEDIA_PUBLIC_URL": f"{emulator.url}/media",
    }


def test_without_a_media_folder_nothing_is_served(start):
    customer = start(media_dir=None)

    assert customer.emulator.media_url == ""
    assert "VIDEOGEN_MEDIA_PUBLIC_URL" not in customer.emulator.environment()
    assert customer.http.get("/media/sky.png").status_code == 404


def test_media_folder_that_is_made_later_is_served_from_then_on(start, tmp_path):
    customer = start(media_dir=tmp_path / "later")
    assert customer.http.get("/media/sky.png").status_code == 404
    (tmp_path / "later").mkdir()
    (tmp_path / "later/sky.png").write_bytes(b"blue")
    assert customer.http.get("/media/sky.png").content == b"blue"


def test_media_folder_is_served_read_only_and_no_further(customer, media):
    assert customer.http.get("/media/sky.png").content == (media / "sky.png").read_bytes()
    assert customer.http.put("/media/sky.png", content=b"").status_code == 405
    assert customer.http.get("/media/%2e%2e/secret").status_code == 404


def test_stopped_emulator_leaves_no_files_and_no_port(customer):
    emulator = customer.emulator
    customer.finished()
    scratch = emulator.jobs[0].clip.parent
    assert scratch.is_dir()
    emulator.stop()

    assert not scratch.exists()
    assert len(emulator.charges) == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(emulator.url)
    with pytest.raises(StudioError, match="before"):
        emulator.start()
    emulator.stop()


def test_stop_does_not_wait_for_running_jobs(start):
    customer = start(speed=1)
    customer.id_of(customer.wan())
    customer.emulator.stop()

    assert customer.emulator.jobs[0].running


def test_taken_port_is_an_os_error(customer):
    port = int(customer.emulator.url.rpartition(":")[2])

    with pytest.raises(StudioError, match=r"can't listen on .*: Address already in use\. Choose"):
        Emulator(port=port).start()


@pytest.mark.parametrize("setting", [{"speed": 0}, {"pixel_scale": -1}, {"fps": 0}])
def test_impossible_setting_is_refused(setting: dict[str, Any]):
    with pytest.raises(StudioError):
        Emulator(**setting)


def test_report_counts_for_other_processes(customer):
    job_id, url = customer.finished()
    customer.http.get(url)

    report = httpx.get(f"{customer.emulator.url}/_emulator/report", timeout=60).json()
    assert (report["charges"], report["jobs"]) == (1, {"completed": 1})
    assert report["charge_list"][0]["job_id"] == job_id
    assert report["requests"]["submit"] == report["requests"]["result"] == 1
    assert report["peak_running"]["wan-2-5"] == 1
    assert report["charged"]["apixo"] == pytest.approx(0.4)


def test_requests_are_noted_with_what_they_were(customer):
    job_id, url = customer.finished()
    customer.http.get(url)
    customer.wan(duration=7)

    seen = customer.emulator.requests
    submit, result, refused = seen[0], seen[-2], seen[-1]
    assert (submit.vendor, submit.kind, submit.model) == ("apixo", "submit", "wan-2-5")
    assert (submit.job_id, submit.status) == (job_id, 200)
    assert (result.kind, result.job_id, result.status) == ("result", job_id, 200)
    assert (refused.kind, refused.job_id, refused.status) == ("submit", "", 400)


def test_users_own_model_is_offered_too(start):
    entry = MODELS["wan2.5-image-to-video"].model_dump(mode="json")
    entry |= {
        "id": "my-pair",
        "modes": [{"name": "text", "images": [0, 0]}, {"name": "pair", "images": [2, 2]}],
        "images": {"fields": ["image_start", "image_end"], "source": "mine"},
    }
    customer = start(models=parse_models({"models": [entry]}))
    start_url, end_url = customer.picture("sky.png"), customer.picture("sea.png")

    pair = customer.evolink(
        model="my-pair", image_urls=None, image_start=start_url, image_end=end_url
    )
    text = customer.evolink(model="my-pair", image_urls=None)
    assert [customer.emulator.job(customer.id_of(answer)).mode.name for answer in (pair, text)] == [
        "pair",
        "text",
    ]
    customer.until(lambda: not any(job.running for job in customer.emulator.jobs))
    assert [job.state for job in customer.emulator.jobs] == ["completed", "completed"]


def test_run_forever_ends_with_its_event():
    told, stop = [], threading.Event()

    def ready(emulator):
        told.append(httpx.get(f"{emulator.url}/_emulator/report").status_code)
        stop.set()

    run_forever(Emulator(), ready=ready, stop=stop)

    assert told == [200]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_forever_ends_with_a_signal(number):
    program = (
        "from prefect_videogen.emulator import Emulator, run_forever\n"
        "run_forever(Emulator(), ready=lambda emulator: print(emulator.url, flush=True))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(number)
        assert process.wait(20) == 0
