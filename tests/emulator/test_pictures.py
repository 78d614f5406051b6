"""Fetching pictures: redirects, sizes, slow hosts, orientation, and jobs that break."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from prefect_videogen.emulator import clips, pictures
from prefect_videogen.emulator.pictures import Unreachable, inspect


@pytest.fixture
def host(media):
    """A host with redirects (`/hop/<n>`), large answers and slow ones; gives its base URL."""
    leaving = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            hops = int(self.path.rpartition("/")[2]) if self.path.startswith("/hop/") else 0
            if self.path == "/slow":
                leaving.wait(5)
            if hops:
                self.send_response(302)
                self.send_header("location", f"/hop/{hops - 1}")
                self.send_header("content-length", "0")
                self.end_headers()
                return
            size = 11 * 2**20 if self.path == "/large" else 0
            body = bytes(size) or (media / "sky.png").read_bytes()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            # The reader leaves when it has seen too much.
            try:
                self.wfile.write(body)
            except OSError:
                return

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    leaving.set()
    server.shutdown()
    server.server_close()


def animate(customer, url):
    answer = customer.apixo("wan-2-5", "image-to-video", image_urls=[url])
    return customer.ended("wan-2-5", customer.id_of(answer))


def test_picture_behind_a_few_redirects_is_found(customer, host):
    assert animate(customer, f"{host}/hop/3")["state"] == "success"


def test_endless_redirects_make_the_picture_unreachable(customer, host):
    task = animate(customer, f"{host}/hop/9")

    assert task["failCode"] == "INVALID_IMAGE_URL"
    assert "redirects" in task["failMsg"]


def test_picture_over_ten_megabytes_is_too_large(customer, host):
    assert animate(customer, f"{host}/large")["failCode"] == "IMAGE_TOO_LARGE"


def test_host_that_does_not_answer_is_given_up(customer, host, monkeypatch):
    monkeypatch.setattr(pictures, "FETCH_SECONDS", 0.05)
    began = time.monotonic()

    assert animate(customer, f"{host}/slow")["failCode"] == "INVALID_IMAGE_URL"
    assert time.monotonic() - began < 4


def test_strict_emulator_looks_up_where_a_name_leads(start, monkeypatch):
    look_up = socket.getaddrinfo

    def answer(host, *args, **kwargs):
        inside = host == "pictures.example"
        return look_up("10.0.0.1" if inside else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    task = animate(start(strict=True), "http://pictures.example/sky.png")

    assert "private address" in task["failMsg"]


def test_picture_lying_on_its_side_is_turned_upright(customer, media, tmp_path):
    with Image.open(media / "sky.png") as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(tmp_path / "side.jpg", exif=exif)
    data = (tmp_path / "side.jpg").read_bytes()

    assert inspect("url", data).size == (360, 640)
    assert clips.open_picture(data).size == (360, 640)


def test_transparent_picture_is_laid_on_black(media):
    data = (media / "glass.png").read_bytes()

    assert inspect("url", data).alpha
    assert clips.open_picture(data).getpixel((0, 0)) == (0, 0, 0)


def test_picture_of_too_many_pixels_is_refused(media, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)

    with pytest.raises(Unreachable, match="too many pixels"):
        inspect("url", (media / "sky.png").read_bytes())


def test_job_whose_clip_breaks_still_ends(customer, monkeypatch, caplog):
    def broken(*_):
        message = "no encoder"
        raise RuntimeError(message)

    monkeypatch.setattr(clips, "render", broken)
    task = customer.ended("wan-2-5", customer.id_of(customer.wan()))

    assert (task["state"], task["failCode"]) == ("failed", "GENERATION_FAILED")
    assert "no encoder" in caplog.text
