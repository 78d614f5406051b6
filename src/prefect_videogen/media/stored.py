"""How an H.264 clip's picture is stored: parameter sets, the order of packets, how it begins.

Promises facts read from every packet and none decoded, and a fault wherever the packets could
not follow another clip's. Leaves comparing clips to `copying`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from prefect_videogen.media.containers import open_media, picture_stream
from prefect_videogen.media.timing import nearest

# H.264's names for things (ITU-T H.264, 7.4.1 and Annex A).
_KIND, _IDR, _PARAMETERS = 31, 5, {7, 8}
_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High"}

# The avcC box begins with its version, profile, constraints, level and the width of lengths.
_AVCC, _AVCC_HEAD = 1, 5


@dataclass(frozen=True)
class Stored:
    """How a clip's picture is stored.

    Attributes:
        extradata: Its parameter sets as in an MP4's avcC box.
        pixel_aspect: Width of a pixel over its height; None or 0 if the file does not say.
        order: Which frame each packet holds, by place in the clip as shown, from 0.
        delay: How many packets are read before the first frame is shown, the larger of what the
            file declares (an encoder's setting, alike for all its clips) and what the order needs.
        fault: What keeps its packets from following another clip's, such as `does not begin
            with a key frame`; empty if nothing does.
    """

    extradata: bytes
    pixel_aspect: Fraction | None
    order: tuple[int, ...]
    delay: int
    fault: str

    @property
    def kind(self) -> str:
        """Profile and level in words."""
        profile, _, level = self.extradata[1:4]
        return f"H.264 {_PROFILES.get(profile, f'profile {profile}')} level {level / 10}"


def read_stored(path: Path, rate: Fraction) -> Stored:
    """Read how a clip's picture is stored.

    Args:
        path: A video file whose picture is H.264.
        rate: Its frames a second, constant.

    Returns:
        The facts.

    Raises:
        MediaError: The file can't be read.
    """
    order: list[int] = []
    declared = 0
    with open_media(path) as container:
        track = picture_stream(container, path)
        extradata = track.codec_context.extradata or b""
        mp4 = len(extradata) > _AVCC_HEAD and extradata[0] == _AVCC
        fault = "" if mp4 else "is not stored as in an MP4"
        for packet, rank in ranked_packets(container, track, rate):
            fault = fault or fault_of(packet, extradata, is_first=not order)
            if not order:
                declared = _declared_delay(packet, rate)
            order.append(rank)
        aspect = track.sample_aspect_ratio
    if not fault and sorted(order) != list(range(len(order))):
        fault = "does not begin with the frame shown first, or shows two at once"
    needed = max((at - rank for at, rank in enumerate(order)), default=0)
    return Stored(extradata, aspect, tuple(order), max(declared, needed), fault)


def ranked_packets(
    container: InputContainer, track: VideoStream, rate: Fraction
) -> Iterator[tuple[Packet[VideoStream], int]]:
    """Read a picture's packets.

    Args:
        container: An opened file.
        track: Its picture.
        rate: Its frames a second, constant.

    Yields:
        Packets in the order stored, and which frame each holds, counted from that of the first
        packet; -1 where the file gives it no time.
    """
    first: int | None = None
    tick = track.time_base or Fraction(1)
    for packet in container.demux(track):
        if not packet.size:
            continue
        if first is None:
            first = packet.pts
        if first is None or packet.pts is None:
            yield packet, -1
        else:
            yield packet, nearest((packet.pts - first) * tick * rate)


def _declared_delay(packet: Packet[VideoStream], rate: Fraction) -> int:
    if packet.pts is None or packet.dts is None:
        return 0
    return nearest((packet.pts - packet.dts) * packet.time_base * rate)


def fault_of(packet: Packet[Any], extradata: bytes, *, is_first: bool) -> str:
    """Say what keeps a packet from standing in a film after other clips.

    Args:
        packet: A packet of H.264 as in an MP4.
        extradata: Its clip's parameter sets.
        is_first: Whether the clip begins with it.

    Returns:
        See `Stored.fault`.
    """
    if packet.is_discard:
        return "stores frames that are not shown"
    if not is_first and not packet.is_keyframe:
        return ""
    units = list(_units(packet, extradata))
    if is_first and not any(unit[0] & _KIND == _IDR for unit in units):
        return "does not begin with a key frame that closes off what is before"
    sets = (unit for unit in units if unit[0] & _KIND in _PARAMETERS)
    return "" if all(unit in extradata for unit in sets) else "changes its parameter sets midway"


def _units(packet: Packet[Any], extradata: bytes) -> Iterator[bytes]:
    """Split an MP4's packet; the avcC box says how wide the lengths in it are."""
    data, width, at = bytes(packet), (extradata[4] & 3) + 1, 0
    while at + width < len(data):
        size = int.from_bytes(data[at : at + width], "big")
        if size:
            yield data[at + width : at + width + size]
        at += width + size
