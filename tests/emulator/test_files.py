"""The files API: three ways up, one way down, and away after 72 hours."""

from __future__ import annotations

import base64
from datetime import datetime

import pytest

from prefect_videogen.emulator import ManualClock
from prefect_videogen.emulator.files import read_form
from prefect_videogen.emulator.world import Refusal

EVOLINK = "wan2.5-image-to-video"

UPLOAD = "/api/v1/files/upload/"


def upload(customer, how, media, **fields):
    data = (media / "sky.png").read_bytes()
    if how == "stream":
        files = {"file": ("sky.png", data, "image/png")}
        return customer.http.post(UPLOAD + how, files=files, data=fields)
    if how == "url":
        return customer.http.post(UPLOAD + how, json={"file_url": customer.picture("sky.png")})
    text = base64.b64encode(data).decode()
    text = text if how == "base64" else f"data:image/png;base64,{text}"
    return customer.http.post(UPLOAD + "base64", json={"base64_data": text} | fields)


@pytest.mark.parametrize("how", ["base64", "data-url", "url", "stream"])
def test_uploaded_picture_is_served_and_can_be_animated(customer, media, how):
    answer = upload(customer, how, media)

    body = answer.json()
    assert (body["success"], body["code"]) == (True, 200)
    data = body["data"]
    assert data["mime_type"] == "image/png"
    assert data["file_size"] == (media / "sky.png").stat().st_size
    assert datetime.fromisoformat(data["expires_at"]).tzinfo is not None
    for name in ("file_url", "download_url"):
        served = customer.http.get(data[name], headers={"authorization": ""})
        assert served.content == (media / "sky.png").read_bytes()
    task = customer.ended(EVOLINK, customer.id_of(customer.evolink(image_urls=[data["file_url"]])))
    assert task["status"] == "completed"


@pytest.mark.parametrize(
    ("how", "fields"),
    [
        ("base64", {"upload_path": "stills", "file_name": "a/b.png"}),
        ("stream", {"uploadPath": "stills", "fileName": "a/b.png"}),
    ],
)
def test_told_name_and_path_are_kept(customer, media, how, fields):
    data = upload(customer, how, media, **fields).json()["data"]

    assert (data["upload_path"], data["file_name"]) == ("stills", "a_b.png")


def test_strict_emulator_takes_pictures_from_its_own_files(start, media):
    customer = start(strict=True)
    url = upload(customer, "base64", media).json()["data"]["file_url"]

    answer = customer.evolink(image_urls=[url], duration=5)
    assert customer.ended(EVOLINK, customer.id_of(answer))["status"] == "completed"


@pytest.mark.parametrize(
    ("how", "body"),
    [
        ("base64", {}),
        ("base64", {"base64_data": "???"}),
        ("base64", {"base64_data": base64.b64encode(b"text").decode()}),
        ("url", {}),
        ("url", {"file_url": "http://127.0.0.1:9/a.png"}),
        ("stream", {}),
    ],
)
def test_upload_without_a_picture_is_refused(customer, how, body):
    answer = customer.http.post(UPLOAD + how, json=body)

    told = answer.json()
    assert (answer.status_code, told["success"], told["code"]) == (400, False, 400)
    assert told["msg"]


def test_form_without_a_file_is_refused(customer):
    answer = customer.http.post(UPLOAD + "stream", files={"other": b"x"})

    assert (answer.status_code, answer.json()["msg"]) == (400, "file is required")


def test_bmp_can_not_be_uploaded(customer, media):
    text = base64.b64encode((media / "old.bmp").read_bytes()).decode()

    answer = customer.http.post(UPLOAD + "base64", json={"base64_data": text})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "upload/base64"),
        ("POST", "upload/url"),
        ("POST", "upload/stream"),
        ("GET", "list"),
        ("GET", "quota"),
        ("DELETE", "x"),
    ],
)
def test_missing_key_is_refused_in_the_files_shape(customer, method, path):
    customer.http.headers.pop("authorization")

    answer = customer.http.request(method, f"/api/v1/files/{path}")
    assert (answer.status_code, answer.json()["success"]) == (401, False)


def test_list_and_quota_follow_uploads_and_deletes(customer, media):
    ids = [upload(customer, "base64", media).json()["data"]["file_id"] for _ in range(3)]

    listed = customer.http.get("/api/v1/files/list", params={"page": 1, "pageSize": 2}).json()
    assert listed["data"]["total"] == 3
    assert [entry["file_id"] for entry in listed["data"]["files"]] == ids[:0:-1]
    assert customer.http.delete(f"/api/v1/files/{ids[0]}").json()["success"] is True
    assert customer.http.delete(f"/api/v1/files/{ids[0]}").status_code == 404
    quota = customer.http.get("/api/v1/files/quota").json()["data"]
    assert quota == {
        "user_group": "default", "used_files": 2, "max_files": 100, "remain_files": 98,
    }  # fmt: skip
    assert customer.http.get("/api/v1/files/list", params={"page": "x"}).status_code == 400


def test_full_account_takes_no_more(customer, media, monkeypatch):
    monkeypatch.setattr("prefect_videogen.emulator.files.MOST_FILES", 1)
    upload(customer, "base64", media)

    assert upload(customer, "base64", media).status_code == 403


def test_too_large_file_is_413(customer, media, monkeypatch):
    monkeypatch.setattr("prefect_videogen.emulator.files.MOST_BYTES", 10)

    assert upload(customer, "base64", media).status_code == 413


def test_file_dies_after_72_hours(start, media):
    clock = ManualClock()
    customer = start(clock=clock, speed=1)
    url = upload(customer, "base64", media).json()["data"]["file_url"]

    clock.advance(72 * 3600 - 1)
    assert customer.http.get(url).status_code == 200
    clock.advance(2)
    assert customer.http.get(url).status_code == 404
    assert customer.http.get("/api/v1/files/quota").json()["data"]["used_files"] == 0


def test_form_with_binary_lines_is_read_exactly():
    data = bytes(range(256)) + b"\r\n--almost\r\n"
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        + data
        + b"\r\n--b--\r\n"
    )

    assert read_form("multipart/form-data; boundary=b", body) == {"file": ("x", data)}


def test_form_of_another_type_is_refused():
    with pytest.raises(Refusal):
        read_form("application/json", b"{}")
