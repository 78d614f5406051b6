"""EvoLink's files API: three ways to upload, list, quota, delete (contracts, 4.8).

One picture (JPEG, PNG, GIF, WebP) per request, at most 100 MB and 100 files; a file is public and
dies after 72 hours, which the speed shortens.
"""

from __future__ import annotations

import base64
import binascii
import email
import io
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from PIL import Image
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from prefect_videogen.emulator.desk import Desk, json_object
from prefect_videogen.emulator.jobs import Workshop
from prefect_videogen.emulator.ledger import SeenRequest
from prefect_videogen.emulator.mischief import Connection, as_json
from prefect_videogen.emulator.pictures import Fetcher, Unreachable
from prefect_videogen.emulator.world import Refusal, World

LIFETIME = 72 * 3600.0  # [doc: upload-base64]
MOST_BYTES = 100 * 2**20  # [doc: evolink-media-mcp]
MOST_FILES = 100  # [doc: evolink-media-mcp]
_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
_PAGE_SIZE = 20


@dataclass(frozen=True)
class StoredFile:
    """One uploaded picture."""

    id: str
    name: str
    original_name: str
    path: str
    mime_type: str
    data: bytes
    uploaded: float
    expires: float


class Files(Desk):
    """EvoLink's files API, and the host that serves the files.

    Args:
        world: The emulator's shared state.
        workshop: Runs the jobs; not used here.
        connection: Finds the connection of a request.
        fetcher: Fetches what is uploaded by URL.
    """

    vendor = "evolink"

    def __init__(
        self, world: World, workshop: Workshop, connection: Connection, fetcher: Fetcher
    ) -> None:
        super().__init__(world, workshop, connection)
        self._fetcher = fetcher
        self._files: dict[str, StoredFile] = {}

    def routes(self) -> list[Route]:
        """List the endpoints."""
        base = "/api/v1/files"
        return [
            self.route(f"{base}/upload/base64", "upload", self._base64, "POST"),
            self.route(f"{base}/upload/url", "upload", self._url, "POST"),
            self.route(f"{base}/upload/stream", "upload", self._stream, "POST"),
            self.route(f"{base}/list", "files", self._list),
            self.route(f"{base}/quota", "files", self._quota),
            self.route(f"{base}/{{file_id}}", "files", self._delete, "DELETE"),
            self.route("/files/{file_id}/{name}", "media", self._serve),
        ]

    def refused(self, refusal: Refusal) -> Response:
        """Word a refusal as the upload pages do [doc: upload-base64]."""
        body = {"success": False, "code": refusal.status, "msg": refusal.message}
        return as_json(body, refusal.status, refusal.headers)

    async def _base64(self, request: Request, seen: SeenRequest) -> ASGIApp:
        if refusal := self._begin(request, seen):
            return refusal
        body = await json_object(request)
        text = body.get("base64_data")
        if not isinstance(text, str) or not text:
            raise Refusal(400, "base64_data is required")
        try:
            data = base64.b64decode(text.partition(",")[2] or text, validate=True)
        except binascii.Error:
            raise Refusal(400, "base64_data is not Base64") from None
        return self._store(data, body, "")

    async def _url(self, request: Request, seen: SeenRequest) -> ASGIApp:
        if refusal := self._begin(request, seen):
            return refusal
        body = await json_object(request)
        url = body.get("file_url")
        if not isinstance(url, str) or not url:
            raise Refusal(400, "file_url is required")
        try:
            data = await self._fetcher.read(url, most=MOST_BYTES)
        except Unreachable as error:
            raise Refusal(400, f"file_url can't be downloaded: {error}") from None
        return self._store(data, body, urlsplit(url).path.rpartition("/")[2])

    async def _stream(self, request: Request, seen: SeenRequest) -> ASGIApp:
        if refusal := self._begin(request, seen):
            return refusal
        form = read_form(request.headers.get("content-type", ""), await request.body())
        if "file" not in form:
            raise Refusal(400, "file is required")
        original, data = form["file"]
        fields = {name: value.decode(errors="replace") for name, (_, value) in form.items()}
        told = {
            "upload_path": fields.get("upload_path") or fields.get("uploadPath"),
            "file_name": fields.get("file_name") or fields.get("fileName"),
        }
        return self._store(data, told, original)

    def _begin(self, request: Request, seen: SeenRequest) -> Response | None:
        del seen
        self.check_key(request)
        return self.scripted_refusal("upload", "evolink", "")

    def _store(self, data: bytes, body: Mapping[str, Any], original: str) -> Response:
        if len(data) > MOST_BYTES:
            raise Refusal(413, "file is larger than 100 MB")
        if len(self._alive()) >= MOST_FILES:
            raise Refusal(403, f"at most {MOST_FILES} files")
        kind, suffix = _kind_of(data)
        now = self.world.timeline.now()
        file_id = secrets.token_hex(12)
        name = str(body.get("file_name") or original or f"{file_id}.{suffix}")
        floor = self.world.settings.result_floor
        stored = StoredFile(
            id=file_id,
            name=name.replace("/", "_"),
            original_name=original or name,
            path=str(body.get("upload_path") or "default"),
            mime_type=kind,
            data=data,
            uploaded=now,
            expires=now + self.world.timeline.scaled(LIFETIME, floor=floor),
        )
        self._files[file_id] = stored
        return self._ok(self._told(stored))

    def _alive(self) -> list[StoredFile]:
        now = self.world.timeline.now()
        return [stored for stored in self._files.values() if stored.expires > now]

    def _told(self, stored: StoredFile) -> dict[str, Any]:
        url = f"{self.world.base_url}/files/{stored.id}/{quote(stored.name)}"
        return {
            "file_id": stored.id,
            "file_name": stored.name,
            "original_name": stored.original_name,
            "file_size": len(stored.data),
            "mime_type": stored.mime_type,
            "upload_path": stored.path,
            "file_url": url,
            "download_url": f"{url}?download=true",
            "upload_time": _iso(stored.uploaded),
            "expires_at": _iso(stored.expires),
        }

    def _ok(self, data: object) -> Response:
        return as_json({"success": True, "code": 200, "msg": "success", "data": data})

    async def _list(self, request: Request, seen: SeenRequest) -> ASGIApp:
        del seen
        self.check_key(request)
        try:
            page = max(int(request.query_params.get("page", 1)), 1)
            size = max(int(request.query_params.get("pageSize", _PAGE_SIZE)), 1)
        except ValueError:
            raise Refusal(400, "page and pageSize must be numbers") from None
        alive = self._alive()[::-1]
        files = [self._told(stored) for stored in alive[(page - 1) * size : page * size]]
        return self._ok({"total": len(alive), "files": files})

    async def _quota(self, request: Request, seen: SeenRequest) -> ASGIApp:
        del seen
        self.check_key(request)
        used = len(self._alive())
        return self._ok(
            {
                "user_group": "default",
                "used_files": used,
                "max_files": MOST_FILES,
                "remain_files": MOST_FILES - used,
            }
        )

    async def _delete(self, request: Request, seen: SeenRequest) -> ASGIApp:
        del seen
        self.check_key(request)
        if self._files.pop(request.path_params["file_id"], None) is None:
            raise Refusal(404, "file not found")
        return self._ok(None)

    async def _serve(self, request: Request, seen: SeenRequest) -> ASGIApp:
        """Serve a file to anybody who knows its URL, as long as it lives."""
        del seen
        stored = self._files.get(request.path_params["file_id"])
        if stored is None or stored.expires <= self.world.timeline.now():
            return PlainTextResponse("Not Found", 404)
        return Response(stored.data, media_type=stored.mime_type)


def read_form(content_type: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """Read a multipart form; the parser Starlette would use is one more dependency.

    Args:
        content_type: The header, with its boundary.
        body: The body.

    Returns:
        File name (or an empty string) and bytes of every field, by name.

    Raises:
        Refusal: 400, if it is no multipart form.
    """
    header = email.message_from_string(f"Content-Type: {content_type}\n\n")
    boundary = header.get_boundary()
    if header.get_content_type() != "multipart/form-data" or not boundary:
        raise Refusal(400, "Content-Type must be multipart/form-data")
    fields: dict[str, tuple[str, bytes]] = {}
    for part in (b"\r\n" + body).split(f"\r\n--{boundary}".encode())[1:]:
        head, blank, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        about = email.message_from_bytes(head + b"\r\n\r\n")
        name = about.get_param("name", header="content-disposition")
        if blank and isinstance(name, str):
            fields[name] = (about.get_filename() or "", data)
    return fields


def _kind_of(data: bytes) -> tuple[str, str]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            kind = image.format or ""
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        kind = ""
    if kind not in _TYPES:
        raise Refusal(400, "file must be a JPEG, PNG, GIF or WebP picture")
    return _TYPES[kind], kind.lower().replace("jpeg", "jpg")


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
