"""Opening media files: local files only, known containers only, and plain words when it fails.

Promises that whatever FFmpeg objects to comes out as a `MediaError`, and that a downloaded
file can't make the reader fetch another (playlists and network protocols are shut).
Leaves what is inside to `probe`, `frames` and `stitch`.
"""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from prefect_videogen.errors import MediaError

# Playlist formats are left out on purpose: a clip from the network must not name other files.
# Picture formats are left out too, or a PNG would pass as a video of one frame.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg"
_SOUND_CONTAINERS = f"{_CONTAINERS},mp3,wav,flac,aac,aiff"

# Small workers share their cores with other clips; more threads also cost a frame of memory each.
DECODER_THREADS = 2

_QUOTED_BYTES = 40
_QUOTED_IF_NO_TEXT = 4
_UNKNOWN = "something unknown"
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"BM", "a BMP picture"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftypheic", "a HEIC picture"),
    (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftyp", "an MP4 file"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM file"),
    (0, b"ID3", "an MP3 file"),
    (0, b"\xff\xfb", "an MP3 file"),
    (0, b"fLaC", "a FLAC file"),
    (8, b"WAVE", "a WAV file"),
    (0, b"OggS", "an Ogg file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "gzip data"),
)


def looks_like(head: bytes) -> str:
    """Say what the first bytes of a file look like, and quote them.

    Args:
        head: The first bytes; 64 are enough.

    Returns:
        Half a sentence such as `an HTML page (it begins "<html>")`; bytes that are no text are
        quoted only where they are all that is known.
    """
    if not head:
        return "an empty file"
    kind, text = _kind(head), _text(head[:_QUOTED_BYTES])
    if text:
        kind = "plain text" if kind == _UNKNOWN else kind
        return f'{kind} (it begins "{text}")'
    first = head[:_QUOTED_IF_NO_TEXT].hex(" ")
    return f"{kind} (it begins with the bytes {first})" if kind == _UNKNOWN else kind


def looks_like_picture(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a picture, whole or not."""
    return _kind(head).endswith(" picture")


def _text(head: bytes) -> str:
    """The bytes as one line of text; empty if they are none."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last one may be cut
    except UnicodeDecodeError:
        return ""
    line = " ".join(text.split())
    return line if line.isprintable() else ""


def _kind(head: bytes) -> str:
    for offset, magic, name in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            return name
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if text.startswith((b"<?xml", b"<error")):
        return "an XML document"
    if text.startswith((b"{", b"[")):
        return "JSON text"
    return _UNKNOWN


def first_bytes(path: Path) -> bytes:
    """Read the first 64 bytes of a file.

    Args:
        path: The file.

    Returns:
        Up to 64 bytes.

    Raises:
        MediaError: The file can't be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise MediaError(
            f"{path} can't be opened: {error.strerror}.",
            next_step="Check that the path is right and the file is readable.",
        ) from error


def open_media(path: Path) -> AbstractContextManager[InputContainer]:
    """Open a video file for reading and close it at the end.

    Args:
        path: A local file.

    Returns:
        A context that gives the container. Whatever FFmpeg raises inside becomes a MediaError.

    Raises:
        MediaError: The file is missing, no video container, or breaks off while being read.
    """
    return _opened(path, _CONTAINERS, "a video")


def open_sound(path: Path) -> AbstractContextManager[InputContainer]:
    """Open a sound or video file for reading and close it at the end.

    Args:
        path: A local file.

    Returns:
        A context that gives the container. Whatever FFmpeg raises inside becomes a MediaError.

    Raises:
        MediaError: The file is missing, neither sound nor video, or breaks off while being read.
    """
    return _opened(path, _SOUND_CONTAINERS, "a sound file")


@contextmanager
def _opened(path: Path, formats: str, kind: str) -> Iterator[InputContainer]:
    head = first_bytes(path)
    options = {"protocol_whitelist": "file", "format_whitelist": formats}
    try:
        container = av.open(str(path), mode="r", options=options)
    except (FFmpegError, UnicodeError) as error:
        raise MediaError(
            f"{path} is not {kind}: it looks like {looks_like(head)}.",
            next_step="Fetch it again, and look at what the address really serves.",
        ) from error
    with container:
        try:
            yield container
        except FFmpegError as error:
            raise MediaError(
                f"{path} can't be read to its end: {error.strerror or error}.",
                next_step="The file is damaged or cut short; fetch it again.",
            ) from error


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """Find the stream that is the picture, set up for decoding.

    Args:
        container: An opened file.
        path: Its path, for the error.

    Returns:
        The first video stream that is not a cover picture.

    Raises:
        MediaError: There is none, or this build has no decoder for it.
    """
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue
        if getattr(stream, "codec_context", None) is None:
            raise MediaError(
                f"{path} holds a video whose codec this build can't decode.",
                next_step="Convert it to H.264 in an MP4.",
            )
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = DECODER_THREADS
        return stream
    raise MediaError(
        f"{path} has no picture in it, only {_contents(container)}.",
        next_step="Give a video file.",
    )


def _contents(container: InputContainer) -> str:
    kinds = sorted({stream.type for stream in container.streams})
    return " and ".join(kinds) or "no streams at all"


def decoded_frames(path: Path) -> Generator[VideoFrame]:
    """Decode the picture from first to last frame, in the order shown, one at a time.

    Args:
        path: A video file.

    Yields:
        Every frame. The decoder is flushed, so the last ones are not lost to reordering.

    Raises:
        MediaError: Not a video, or damaged.
    """
    with open_media(path) as container:
        stream = picture_stream(container, path)
        yield from container.decode(stream)
