"""Single frames out of a clip, exact and with their colours unchanged.

Promises that the last frame is the last one shown, and that a PNG of it fed back into a
model starts on the same levels. Leaves choosing which frame to hand over to the caller.
"""

from __future__ import annotations

import io
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import inf, log10
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from PIL import Image

from prefect_videogen.errors import MediaError
from prefect_videogen.media import colour
from prefect_videogen.media.canvas import shown_rgb
from prefect_videogen.media.containers import decoded_frames, open_media, picture_stream

PNG_LEVEL = 4
"""Half the time of zlib's usual 6, for a file a twelfth larger (720p)."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a clip as it is shown.

    Attributes:
        rgb: 8 bit RGB array of (height, width, 3), upright and with square pixels.
        index: Its place in the clip, from 0.
    """

    rgb: colour.RGB
    index: int

    def png(self) -> bytes:
        """Encode the frame without loss.

        Returns:
            A PNG without metadata; the same bytes for the same picture.
        """
        buffer = io.BytesIO()
        Image.fromarray(self.rgb).save(buffer, format="PNG", compress_level=PNG_LEVEL)
        return buffer.getvalue()


def first_frame(path: Path) -> Frame:
    """Decode the first frame of a clip.

    Args:
        path: A video file.

    Returns:
        The frame.

    Raises:
        MediaError: Not a video, or it has no frame.
    """
    return _shown(path, next(decoded_frames(path), None), 0)


def last_frame(path: Path) -> Frame:
    """Decode the last frame of a clip, by decoding all of it.

    Seeking near the end and trusting the header both miss it: reordered frames come out late,
    and the sound may outlast the picture.

    Args:
        path: A video file; one frame is held at a time, 1.5 s for 480 frames of 1080p.

    Returns:
        The frame.

    Raises:
        MediaError: Not a video, damaged, or it has no frame.
    """
    tail = deque(enumerate(decoded_frames(path)), maxlen=1)
    index, frame = tail.pop() if tail else (0, None)
    return _shown(path, frame, index)


def frame_rgb(path: Path, index: int) -> colour.RGB:
    """Decode one frame of a clip.

    Args:
        path: A video file.
        index: Place in the clip, from 0.

    Returns:
        8 bit RGB array of (height, width, 3).

    Raises:
        MediaError: Not a video, or it has no such frame.
    """
    frame = next(islice(decoded_frames(path), index, None), None) if index >= 0 else None
    return _shown(path, frame, index).rgb


def first_frame_png(path: Path) -> bytes:
    """Encode the first frame of a clip as PNG.

    Args:
        path: A video file.

    Returns:
        The PNG; the same bytes for the same clip.

    Raises:
        MediaError: Not a video, or it has no frame.
    """
    return first_frame(path).png()


def last_frame_png(path: Path) -> bytes:
    """Encode the last frame of a clip as PNG.

    Args:
        path: A video file.

    Returns:
        The PNG; the same bytes for the same clip.

    Raises:
        MediaError: Not a video, damaged, or it has no frame.
    """
    return last_frame(path).png()


def frame_png(path: Path, index: int) -> bytes:
    """Encode one frame of a clip as PNG.

    Args:
        path: A video file, decoded up to that frame.
        index: Place in the clip, from 0.

    Returns:
        The PNG; the same bytes as `last_frame_png` for the last index.

    Raises:
        MediaError: Not a video, damaged, or it has no such frame.
    """
    return Frame(frame_rgb(path, index), index).png()


def psnr(a: npt.ArrayLike | bytes, b: npt.ArrayLike | bytes) -> float:
    """Measure how alike two pictures are.

    Args:
        a: 8 bit RGB array, or the bytes of a picture file.
        b: The other, of the same size.

    Returns:
        Peak signal to noise ratio in dB over all channels; inf if they are identical. Above
        40 dB hardly anybody sees a difference.

    Raises:
        MediaError: The sizes differ, or the bytes are not a picture.
    """
    left, right = _levels(a), _levels(b)
    if left.shape != right.shape:
        raise MediaError(
            f"Pictures of {_size(left)} and {_size(right)} can't be compared.",
            next_step="Scale one of them to the size of the other.",
        )
    error = float(np.mean((left - right) ** 2))
    return inf if error == 0 else 10 * log10(255**2 / error)


def _levels(picture: npt.ArrayLike | bytes) -> npt.NDArray[np.float64]:
    if not isinstance(picture, bytes):
        return np.asarray(picture, dtype=np.float64)
    try:
        with Image.open(io.BytesIO(picture)) as image:
            return np.asarray(image.convert("RGB"), dtype=np.float64)
    except OSError as error:
        raise MediaError(
            "The bytes to compare are not a picture.", next_step="Give a PNG or an array."
        ) from error


def _size(levels: npt.NDArray[np.float64]) -> str:
    return "x".join(str(side) for side in levels.shape[1::-1])


def _shown(path: Path, frame: VideoFrame | None, index: int) -> Frame:
    if frame is None:
        raise MediaError(
            f"{path} has no frame {index}.",
            next_step="Ask for one within the clip; if there is none at all, fetch it again.",
        )
    return Frame(shown_rgb(frame, _pixel_aspect(path)), index)


def _pixel_aspect(path: Path) -> Fraction | None:
    with open_media(path) as container:
        return picture_stream(container, path).sample_aspect_ratio
