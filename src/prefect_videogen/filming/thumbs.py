"""The first and last picture of every shot, small, out of the finished film.

Promises frames that show nothing but the shot: transitions are stepped over. Leaves finding
a frame to `media.frames_at`.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from PIL import Image

from prefect_videogen.filming.manifest import JoinEntry, ShotEntry
from prefect_videogen.media.colour import RGB
from prefect_videogen.media.frames_at import each_frame_at

QUALITY = 80


def thumbnails(film: Path, shots: Sequence[ShotEntry], width: int = 480) -> dict[str, bytes]:
    """Take the pictures of all shots in one pass over a film.

    Args:
        film: The finished film.
        shots: Its shots, in film order.
        width: Width in pixels at most; smaller films keep theirs.

    Returns:
        JPEGs by `<shot id>/first` and `<shot id>/last`.

    Raises:
        MediaError: The film can't be read, or is shorter than its shots.
    """
    names: Mapping[int, list[str]] = defaultdict(list)
    for shot, following in zip_longest(shots, shots[1:]):
        first, last = own_frames(shot, following.join if following else None)
        names[first].append(f"{shot.id}/first")
        names[last].append(f"{shot.id}/last")
    found: dict[str, bytes] = {}
    for index, rgb in each_frame_at(film, names):
        found |= dict.fromkeys(names[index], _jpeg(rgb, width))
    return found


def own_frames(shot: ShotEntry, next_join: JoinEntry | None) -> tuple[int, int]:
    """Say between which film frames a shot is seen alone and at full strength.

    Args:
        shot: The shot.
        next_join: How the next one follows it; None if it is the last.

    Returns:
        First and last such frame; its middle twice if transitions leave none.
    """
    first = shot.start_frame + _blended(shot.join, entering=True)
    last = shot.start_frame + shot.frames - 1
    last -= _blended(next_join, entering=False) if next_join else 0
    if first <= last:
        return first, last
    middle = shot.start_frame + shot.frames // 2
    return middle, middle


def _blended(join: JoinEntry, *, entering: bool) -> int:
    """Count the frames of a shot that a transition at one of its ends takes."""
    if join.transition == "crossfade":
        return join.transition_frames
    if join.transition == "dip":
        half = join.transition_frames // 2
        return join.transition_frames - half if entering else half
    return 0


def _jpeg(rgb: RGB, width: int) -> bytes:
    picture = Image.fromarray(rgb)
    if picture.width > width:
        height = max(round(picture.height * width / picture.width), 1)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()
