"""Writing a film: H.264 and AAC in an MP4 that plays anywhere and is the same every time.

Promises constant frame rate, BT.709 tags, an index at the front, and a file that appears
under its name whole or not at all. Leaves what is in the frames to `stitch` and the emulator,
and pictures that are encoded already to `copying`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, cast, get_args
from uuid import uuid4

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc
from av.video.stream import VideoStream

from prefect_videogen.errors import MediaError
from prefect_videogen.media import colour
from prefect_videogen.media.containers import open_media, picture_stream
from prefect_videogen.media.timing import nearest

Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]
Sound = npt.NDArray[np.float32]

# The settings of every film, fixed so that the same clips give the same bytes on any machine.
CODEC = "libx264"
CRF = 17
PRESET: Preset = "veryfast"
GOP_SECONDS = 2
# x264 divides its work by the number of threads and the result depends on it, so it is a
# constant and not the number of cores.
ENCODER_THREADS = 4
SOUND_RATE = 48_000
SOUND_BIT_RATE = 192_000
# Bit-exact muxing leaves out the library's version; no creation time is ever written.
MUXER = {"movflags": "+faststart", "fflags": "+bitexact"}
_BLOCK = 1024
# Pieces of sound, a tenth of a second each, that may wait for their encoder.
_PIECES_BEHIND = 10
_WORST_CRF = 51


class FilmFile(ABC):
    """An MP4 in the making: its picture is a subclass's, its sound is AAC, 48 kHz, stereo.

    Use it in a `with` block. The file appears at its path when the block ends well, after what
    it holds was counted; an error in the block leaves nothing behind and an older file untouched.

    Attributes:
        path: Where the film goes.
        fps: Frames a second.
        frames: Frames that the film shows so far.
        samples: Samples of sound added so far.

    Args:
        path: Where the film goes; the folder exists.
        fps: Frames a second, constant.
        sound: Whether the film has a sound track.
    """

    _muxer: ClassVar[Mapping[str, str]] = MUXER

    def __init__(self, path: Path, fps: Fraction | int, *, sound: bool = False) -> None:
        self.path = path
        self.fps = Fraction(fps)
        self.frames = 0
        self.samples = 0
        self._sound = sound
        self._sound_track: AudioStream | None = None
        self._pending: Sound = np.zeros((2, 0), np.float32)
        self._encoded_samples = 0
        # Sound is encoded beside the picture; only this thread writes to the file.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sound")
        self._encoding: deque[Future[list[Packet[Any]]]] = deque()

    def __enter__(self) -> Self:
        # Beside the film, so that moving it into place is one step; made like any other file,
        # so that it has the rights a user expects.
        self._part = self.path.with_name(f".{self.path.name}.{uuid4().hex}.part")
        try:
            self._part.touch(exist_ok=False)
        except OSError as error:
            raise MediaError(
                f"{self.path} can't be written: {error.strerror}.",
                next_step="Check that the folder exists, is writable and has room.",
            ) from error
        try:
            self._container: OutputContainer = av.open(
                str(self._part), mode="w", format="mp4", options=dict(self._muxer)
            )
            self._begin()
        except FFmpegError as error:
            self._part.unlink(missing_ok=True)
            raise self._unwritable(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
            else:
                self._abandon()
        finally:
            self._pool.shutdown(cancel_futures=True)
            self._part.unlink(missing_ok=True)

    def write_sound(self, samples: npt.NDArray[np.float32]) -> None:
        """Add sound after what was added before.

        Args:
            samples: Array of (2, samples), float32 from -1 to 1, 48 kHz.

        Raises:
            MediaError: The film has no sound track, or the shape is wrong.
        """
        if self._sound_track is None:
            raise MediaError(
                "This film is without a sound track so far.",
                next_step="Open it with sound=True; copied pictures come before their sound.",
            )
        if samples.ndim != 2 or samples.shape[0] != 2:  # noqa: PLR2004 - two channels
            raise MediaError(
                f"Sound of shape {samples.shape} is not stereo.",
                next_step="Give float32 arrays of (2, samples).",
            )
        self.samples += samples.shape[1]
        self._pending = np.concatenate([self._pending, samples.astype(np.float32)], axis=1)
        whole = self._pending.shape[1] // _BLOCK * _BLOCK
        if whole:
            self._encode_sound(self._pending[:, :whole])
            self._pending = self._pending[:, whole:]

    @abstractmethod
    def _begin(self) -> None:
        """Add the tracks, the picture's first."""

    @abstractmethod
    def _end_picture(self) -> None:
        """Write what of the picture is still held back."""

    @abstractmethod
    def _check(self, stamps: Sequence[int]) -> None:
        """Compare the times of the stored frames, in ticks and ascending, with what was meant."""

    def _add_sound(self) -> None:
        if not self._sound:
            return
        track = self._container.add_stream("aac", rate=SOUND_RATE)
        track.bit_rate = SOUND_BIT_RATE
        track.layout = "stereo"
        track.format = "fltp"
        self._sound_track = track

    def _encode_sound(self, samples: Sound | None) -> None:
        """Hand sound to its encoder; None ends it."""
        # Opens the encoders, which two threads must not do at once.
        self._container.start_encoding()
        self._encoding.append(self._pool.submit(self._sound_packets, samples))
        self._mux_sound(_PIECES_BEHIND)

    def _sound_packets(self, samples: Sound | None) -> list[Packet[Any]]:
        if samples is None:
            return self._packets(self._sound_track, None)
        blocks = (samples[:, at : at + _BLOCK] for at in range(0, samples.shape[1], _BLOCK))
        return [
            packet
            for block in blocks
            for packet in self._packets(self._sound_track, self._sound_frame(block))
        ]

    def _sound_frame(self, block: Sound) -> AudioFrame:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="stereo")
        frame.sample_rate = SOUND_RATE
        frame.pts = self._encoded_samples
        frame.time_base = Fraction(1, SOUND_RATE)
        self._encoded_samples += block.shape[1]
        return frame

    def _mux_sound(self, most: int) -> None:
        """Write what sound is encoded, and wait while more than `most` pieces of it are not."""
        while self._encoding and (len(self._encoding) > most or self._encoding[0].done()):
            self._mux(self._encoding.popleft().result())

    def _encode(self, track: VideoStream, frame: VideoFrame | None) -> None:
        self._mux(self._packets(track, frame))

    def _packets(
        self, track: VideoStream | AudioStream | None, frame: VideoFrame | AudioFrame | None
    ) -> list[Packet[Any]]:
        encode = cast("VideoStream", track).encode  # track and frame go together
        try:
            return list(encode(cast("VideoFrame", frame)))
        except FFmpegError as error:
            raise self._unwritable(error) from error

    def _mux(self, packets: Iterable[Packet[Any]]) -> None:
        try:
            self._container.mux(list(packets))
        except FFmpegError as error:
            raise self._unwritable(error) from error

    def _finish(self) -> None:
        if not self.frames:
            self._abandon()
            raise MediaError(
                f"{self.path} would have no frame, so it was not written.",
                next_step="Give at least one frame.",
            )
        if self._pending.shape[1]:
            self._encode_sound(self._pending)
        self._mux_sound(0)
        self._end_picture()
        if self._sound_track is not None and self.samples:
            self._encode_sound(None)
            self._mux_sound(0)
        try:
            self._container.close()
        except FFmpegError as error:
            raise self._unwritable(error) from error
        with open_media(self._part) as container:
            track = picture_stream(container, self._part)
            packets = (packet for packet in container.demux(track) if packet.size)
            stamps = sorted(-1 if packet.pts is None else packet.pts for packet in packets)
        self._check(stamps)
        self._part.replace(self.path)

    def _abandon(self) -> None:
        try:
            self._container.close()
        except (FFmpegError, ValueError):
            # What led here is being raised already and says more than a half-written file.
            return

    def _unwritable(self, error: FFmpegError) -> MediaError:
        return MediaError(
            f"{self.path} can't be written: {error.strerror or error}.",
            next_step="Check that the disk has room.",
        )


class VideoWriter(FilmFile):
    """Writes one film frame by frame, as `FilmFile` says.

    Example:
        >>> with VideoWriter(path, 1280, 720, 24) as writer:  # doctest: +SKIP
        ...     writer.write_rgb(picture)

    Args:
        path: Where the film goes; the folder exists.
        width: Width in pixels, even.
        height: Height in pixels, even.
        fps: Frames a second, constant.
        sound: Whether the film has a sound track: AAC, 48 kHz, stereo.
        preset: x264's trade of time for size; `veryfast` or `medium` make sense.
        crf: x264's quality, 0 to 51, lower is better; 17 can't be told from the source.

    Raises:
        MediaError: A size is odd, a setting is out of range or the encoder is missing.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        fps: Fraction | int,
        *,
        sound: bool = False,
        preset: Preset = PRESET,
        crf: int = CRF,
    ) -> None:
        _check_settings(width, height, Fraction(fps), preset, crf)
        super().__init__(path, fps, sound=sound)
        self.width = width
        self.height = height
        self._converter = colour.Converter()
        self._options = {"preset": preset, "crf": str(crf)}

    def write_rgb(self, picture: npt.NDArray[Any]) -> None:
        """Add one frame.

        Args:
            picture: 8 bit RGB array of (height, width, 3).

        Raises:
            MediaError: The size or type is not the film's.
        """
        if picture.dtype != np.uint8 or picture.shape != (self.height, self.width, 3):
            raise MediaError(
                f"A frame of {picture.dtype} {picture.shape} does not fit a film of"
                f" {self.width}x{self.height}.",
                next_step="Give uint8 arrays of (height, width, 3).",
            )
        self.write_frame(colour.from_rgb(picture))

    def write_frame(self, frame: VideoFrame) -> None:
        """Add one frame; its matrix and range are converted, its time is ignored.

        Args:
            frame: A frame of the film's size in any pixel format.

        Raises:
            MediaError: The size is not the film's, or it can't be encoded.
        """
        if (frame.width, frame.height) != (self.width, self.height):
            raise MediaError(
                f"A frame of {frame.width}x{frame.height} does not fit a film of"
                f" {self.width}x{self.height}.",
                next_step="Scale it first.",
            )
        film_frame = self._converter.to_film(frame)
        film_frame.pts = self.frames
        film_frame.time_base = 1 / self.fps
        # A decoded frame remembers its type, and the encoder would obey it.
        film_frame.pict_type = PictureType.NONE
        self._encode(self._picture_track, film_frame)
        self.frames += 1

    def _begin(self) -> None:
        self._picture_track = self._add_picture()
        self._add_sound()

    def _end_picture(self) -> None:
        self._encode(self._picture_track, None)

    def _check(self, stamps: Sequence[int]) -> None:
        if len(stamps) != self.frames:
            raise MediaError(
                f"{self.path} holds {len(stamps)} frames where {self.frames} were written.",
                next_step="This is a fault of the encoder; please report it.",
            )

    def _add_picture(self) -> VideoStream:
        track = self._container.add_stream(CODEC, rate=self.fps, options=self._options)
        picture = cast("VideoStream", track)
        picture.width = self.width
        picture.height = self.height
        picture.pix_fmt = "yuv420p"
        context = picture.codec_context
        context.time_base = 1 / self.fps
        context.gop_size = max(nearest(GOP_SECONDS * self.fps), 1)
        context.thread_count = ENCODER_THREADS
        context.sample_aspect_ratio = Fraction(1)
        context.colorspace = colour.BT709
        context.color_range = ColorRange.MPEG
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        return picture


def _check_settings(width: int, height: int, fps: Fraction, preset: str, crf: int) -> None:
    if width < 2 or height < 2 or width % 2 or height % 2:  # noqa: PLR2004 - chroma pairs
        raise MediaError(
            f"A film can't be {width}x{height}: both sides must be even.",
            next_step="Round the size to even numbers.",
        )
    if fps <= 0:
        raise MediaError(f"A film can't run at {fps} frames a second.", next_step="Use 24 or 30.")
    if preset not in get_args(Preset) or not 0 <= crf <= _WORST_CRF:
        raise MediaError(
            f"preset {preset!r} with crf {crf} is not a setting of x264.",
            next_step=f"Use one of {', '.join(get_args(Preset))} and a crf from 0 to 51.",
        )
    try:
        Codec(CODEC, "w")
    except UnknownCodecError as error:
        raise MediaError(
            f"This build of PyAV has no {CODEC} encoder.",
            next_step="Install PyAV from its wheels: pip install --only-binary av av.",
        ) from error
