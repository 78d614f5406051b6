"""Small fast emulators, a client for them, pictures to send, and a callback receiver."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from prefect_videogen.emulator import Emulator

SUBMIT = "/api/v1/generateTask/"
STATUS = "/api/v1/statusTask/"
EVOLINK = "wan2.5-image-to-video"
ENDED = {"success", "failed", "completed", "cancelled"}
TLS = httpx.create_ssl_context()  # once, as it takes longer than most tests
# Jobs take as long as their clip, a few hundredths of a second at this size.
FAST = {"speed": 100_000.0, "pixel_scale": 0.125, "fps": 4}


class Customer:
    """Talks to an emulator as a client would."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        headers = {"authorization": f"Bearer {emulator.api_key}"}
        self.http = httpx.Client(base_url=emulator.url, headers=headers, timeout=20, verify=TLS)

    @staticmethod
    def until(what: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Ask again and again, in tiny steps, until the answer is true."""
        end = time.monotonic() + seconds
        while not (answer := what()):
            if time.monotonic() > end:
                pytest.fail("did not happen in time")
            time.sleep(0.003)
        return answer

    @staticmethod
    def id_of(answer: httpx.Response) -> str:
        """Give the job's id in a submit's good answer."""
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return body["id"] if "id" in body else body["data"]["taskId"]

    @staticmethod
    def url_of(task: dict[str, Any]) -> str:
        """Give the URL of a finished task's clip."""
        if "results" in task:
            return task["results"][0]
        return json.loads(task["resultJson"])["resultUrls"][0]

    def picture(self, name: str) -> str:
        return f"{self.emulator.media_url}/{name}"

    def apixo(self, model: str, mode: str, **changes: Any) -> httpx.Response:
        """Submit; `envelope` goes around the input, None leaves a field out."""
        envelope = changes.pop("envelope", {})
        given = {"mode": mode, "prompt": "a kite", "duration": 5, "resolution": "720p"} | changes
        given = {name: value for name, value in given.items() if value is not None}
        return self.http.post(SUBMIT + model, json={"input": given} | envelope)

    def wan(self, **changes: Any) -> httpx.Response:
        return self.apixo("wan-2-5", "text-to-video", **changes)

    def evolink(self, *, key: str = "", **changes: Any) -> httpx.Response:
        body = {"model": EVOLINK, "prompt": "a kite", "image_urls": [self.picture("sky.png")]}
        body = {name: value for name, value in (body | changes).items() if value is not None}
        headers = {"idempotency-key": key} if key else {}
        return self.http.post("/v1/videos/generations", json=body, headers=headers)

    def status(self, model: str, job_id: str) -> httpx.Response:
        if model == EVOLINK:
            return self.http.get(f"/v1/tasks/{job_id}")
        return self.http.get(STATUS + model, params={"taskId": job_id})

    def task(self, model: str, job_id: str) -> dict[str, Any]:
        """Give the part of a status answer that describes the task."""
        body = self.status(model, job_id).json()
        return body if model == EVOLINK else body["data"]

    def ended(self, model: str, job_id: str) -> dict[str, Any]:
        """Poll until the task has ended and give it."""

        def look() -> dict[str, Any] | None:
            task = self.task(model, job_id)
            return task if task.get("status", task.get("state")) in ENDED else None

        return self.until(look)

    def finished(self, model: str = "wan-2-5") -> tuple[str, str]:
        """Buy a clip; give its job's id and its URL."""
        job_id = self.id_of(self.evolink() if model == EVOLINK else self.wan())
        return job_id, self.url_of(self.ended(model, job_id))


def draw(path: Path, size: tuple[int, int], tint: int, mode: str = "RGB") -> Path:
    """Draw a smooth picture, which H.264 keeps well even when it is small."""
    across, down = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    planes = [60 + 120 * across, 60 + 120 * down, 60 + 1.2 * tint * (1 - across)]
    if mode == "RGBA":
        planes.append(255 * across)
    Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    draw(folder / "sky.png", (640, 360), 40)
    draw(folder / "sea.png", (640, 360), 90)
    draw(folder / "tall.jpg", (360, 640), 70)
    draw(folder / "tiny.png", (200, 120), 70)
    draw(folder / "glass.png", (640, 360), 70, "RGBA")
    draw(folder / "old.gif", (640, 360), 70)
    draw(folder / "old.bmp", (640, 360), 70)
    (folder / "text.png").write_text("not a picture")
    (folder / "style.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def start(media: Path) -> Iterator[Callable[..., Customer]]:
    """Start emulators with settings of the test's own."""
    running: list[Customer] = []

    def begin(**settings: Any) -> Customer:
        emulator = Emulator(**FAST | {"media_dir": media} | settings)
        emulator.start()
        running.append(Customer(emulator))
        return running[-1]

    yield begin
    for customer in running:
        customer.http.close()
        customer.emulator.stop()


@pytest.fixture
def customer(start: Callable[..., Customer]) -> Customer:
    return start()


class Receiver:
    """A callback receiver that answers what it is told to, 200 in the end."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                receiver.bodies.append(json.loads(self.rfile.read(length)))
                receiver.paths.append(self.path)
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
