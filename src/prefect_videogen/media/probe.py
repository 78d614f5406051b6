"""What a clip really is: size as shown, rate, exact frame count, colour tags and sound.

Promises numbers counted from the packets, not copied from a header that may be wrong, and
refuses files that are no video or are cut short. Leaves decoding the picture to `frames`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from pydantic import BaseModel, ConfigDict

from prefect_videogen.errors import MediaError
from prefect_videogen.media import colour
from prefect_videogen.media.canvas import quarter_turns, shown_size
from prefect_videogen.media.containers import open_media, picture_stream
from prefect_videogen.media.timing import Timing, measure

# A bit in the first byte of every frame, by RFC 6386, 9.1.
_VP8_SHOWN = 0x10


class Probe(BaseModel):
    """What a video file holds.

    Attributes:
        width: Width in pixels as shown: after rotation, with square pixels.
        height: Height in pixels as shown.
        fps: Frames a second as a fraction, `24/1` or `24000/1001`; the mean if variable.
        constant_rate: Whether the frames keep to that rate.
        frame_count: Number of frames shown, counted.
        seconds: Length of the picture in seconds.
        video_codec: Name of the codec, such as `h264`.
        pix_fmt: Pixel format, such as `yuv420p`.
        color_range: `tv` (limited), `pc` (full) or empty if untagged.
        color_space: Matrix, such as `bt709`, or empty.
        color_primaries: Primaries, such as `bt709`, or empty.
        color_trc: Transfer characteristic, such as `bt709`, or empty.
        rotation: Degrees counter-clockwise by which the stored picture is turned when shown.
        has_audio: Whether there is a sound track.
        audio_codec: Its codec, or empty.
        audio_rate: Its samples a second, or 0.
        audio_channels: Its channels, or 0.
        audio_seconds: Its length in seconds, to within one block of its codec (about 20 ms).
        size_bytes: Size of the file in bytes.
    """

    model_config = ConfigDict(frozen=True)

    width: int
    height: int
    fps: str
    constant_rate: bool
    frame_count: int
    seconds: float
    video_codec: str
    pix_fmt: str
    color_range: str
    color_space: str
    color_primaries: str
    color_trc: str
    rotation: int
    has_audio: bool
    audio_codec: str
    audio_rate: int
    audio_channels: int
    audio_seconds: float
    size_bytes: int

    @property
    def rate(self) -> Fraction:
        """Frames a second as a number to reckon with."""
        return Fraction(self.fps)


@dataclass
class _Span:
    """Start and duration of every packet of one stream, in seconds."""

    tick: Fraction
    packets: list[tuple[Fraction, Fraction]] = field(default_factory=list)

    def add(self, stamp: int | None, duration: int | None) -> None:
        if stamp is not None:
            self.packets.append((stamp * self.tick, max(duration or 0, 0) * self.tick))

    def begin_with(self, shown: list[VideoFrame]) -> None:
        """Leave out packets before the first frame that is shown: they lean on what was cut off."""
        if shown and shown[0].pts is not None:
            begin = shown[0].pts * self.tick
            self.packets = [packet for packet in self.packets if packet[0] >= begin]

    @property
    def seconds(self) -> Fraction:
        """Length; what lies before zero is codec priming and never heard."""
        if not self.packets:
            return Fraction(0)
        start = max(min(self.packets)[0], Fraction(0))
        return max(max(sum(packet, Fraction(0)) for packet in self.packets) - start, Fraction(0))


def probe(path: Path) -> Probe:
    """Read what a video file holds.

    Args:
        path: A local video file. All packets are read and one frame is decoded.

    Returns:
        The facts, ready for JSON.

    Raises:
        MediaError: Not a video, without picture, empty, or cut short.
    """
    return inspect(path)[0]


def inspect(path: Path) -> tuple[Probe, Timing]:
    """Read what a video file holds, and when each of its frames is shown.

    Args:
        path: A local video file.

    Returns:
        The facts and the exact timing.

    Raises:
        MediaError: See `probe`.
    """
    with open_media(path) as container:
        stream = picture_stream(container, path)
        sound = container.streams.audio[0] if container.streams.audio else None
        # One frame is all that is decoded: more threads would only delay it.
        stream.thread_type, stream.codec_context.thread_count = "SLICE", 1
        picture, heard, frame = _read_packets(container, stream, sound, path)
        timing = measure(
            [start for start, _ in picture.packets],
            max(picture.packets)[1],
            tick=picture.tick,
            declared=(stream.average_rate, stream.guessed_rate, stream.base_rate),
        )
        facts = _sound_facts(sound, heard)
        codec = stream.codec_context.codec.canonical_name
        aspect = stream.sample_aspect_ratio
    if frame is None:
        raise MediaError(
            f"{path} holds packets of {codec} video, but none of them decodes to a frame.",
            next_step="The file is damaged; fetch it again.",
        )
    width, height = shown_size(frame, aspect)
    found = Probe.model_validate(
        {
            "width": width,
            "height": height,
            "video_codec": codec,
            "size_bytes": path.stat().st_size,
            **_picture_facts(frame, timing),
            **facts,
        }
    )
    return found, timing


def _read_packets(
    container: InputContainer, stream: VideoStream, sound: AudioStream | None, path: Path
) -> tuple[_Span, _Span, VideoFrame | None]:
    """Read all packets, and decode the picture until its first frame."""
    picture = _Span(tick=stream.time_base or Fraction(1, 90000))
    heard = _Span(tick=(sound.time_base if sound else None) or Fraction(1, 48000))
    # The index is only read by demuxers that have one (MP4), and tells a cut file at once.
    reach = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    cut = container.format.name.startswith("mov") and reach > path.stat().st_size
    shown: list[VideoFrame] = []
    damage: FFmpegError | None = None
    for packet in container.demux([stream] if sound is None else [stream, sound]):
        if not (shown or damage) and packet.stream_index == stream.index:
            try:
                shown += cast("list[VideoFrame]", packet.decode())
            except FFmpegError as error:  # of a file cut short the end says more
                damage = error
        if packet.size == 0 or packet.is_discard or _is_hidden(packet, stream):
            continue
        cut = cut or packet.is_corrupt
        stamp = packet.pts if packet.pts is not None else packet.dts
        (picture if packet.stream_index == stream.index else heard).add(stamp, packet.duration)
    if cut:
        raise MediaError(
            f"{path} is cut short: {len(picture.packets)} frames are there of {stream.frames}.",
            next_step="Fetch it again; the download did not come to its end.",
        )
    if damage:
        raise damage
    picture.begin_with(shown)
    if not picture.packets:
        raise MediaError(
            f"{path} has a video track without a single frame.",
            next_step="Fetch it again, or leave the clip out.",
        )
    return picture, heard, next(iter(shown), None)


def _is_hidden(packet: Packet[Any], picture: VideoStream) -> bool:
    """Whether a packet is a frame that others lean on and nobody sees.

    Only VP8 stores one apart; VP9 and AV1 pack it together with one that is shown.
    """
    if packet.stream_index != picture.index:
        return False
    is_vp8 = picture.codec_context.codec.canonical_name == "vp8"
    return is_vp8 and not bytes(packet)[0] & _VP8_SHOWN


def _sound_facts(sound: AudioStream | None, heard: _Span) -> dict[str, str | int | float | bool]:
    if sound is None or not heard.packets or getattr(sound, "codec_context", None) is None:
        return {
            "has_audio": False,
            "audio_codec": "",
            "audio_rate": 0,
            "audio_channels": 0,
            "audio_seconds": 0.0,
        }
    return {
        "has_audio": True,
        "audio_codec": sound.codec_context.codec.canonical_name,
        "audio_rate": sound.codec_context.sample_rate,
        "audio_channels": sound.codec_context.layout.nb_channels,
        "audio_seconds": round(float(heard.seconds), 6),
    }


def _picture_facts(frame: VideoFrame, timing: Timing) -> dict[str, str | int | float | bool]:
    return {
        "fps": f"{timing.rate.numerator}/{timing.rate.denominator}",
        "constant_rate": timing.constant,
        "frame_count": len(timing.starts),
        "seconds": round(float(timing.seconds), 6),
        "pix_fmt": frame.format.name,
        "color_range": colour.RANGES.get(frame.color_range, ""),
        "color_space": colour.MATRICES.get(frame.colorspace, ""),
        "color_primaries": colour.PRIMARIES.get(frame.color_primaries, ""),
        "color_trc": colour.TRANSFERS.get(frame.color_trc, ""),
        "rotation": quarter_turns(frame) * 90,
    }
