from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from prefect_videogen.errors import MediaError
from prefect_videogen.media import Probe, Segment, VideoWriter, choose_settings, probe, stitch

SOUND = np.zeros((2, 52_000), np.float32)


def test_tagged_clip_with_sound_gives_all_facts(make_clip):
    path = make_clip("a.mp4", 25, sound=SOUND)

    found = probe(path)

    assert (found.width, found.height, found.fps, found.frame_count) == (320, 180, "24/1", 25)
    assert found.rate == Fraction(24)
    assert found.constant_rate
    assert found.seconds == pytest.approx(25 / 24, abs=1e-6)
    assert (found.video_codec, found.pix_fmt) == ("h264", "yuv420p")
    assert (found.color_range, found.color_space) == ("tv", "bt709")
    assert (found.color_primaries, found.color_trc) == ("bt709", "bt709")
    assert (found.audio_codec, found.audio_rate, found.audio_channels) == ("aac", 48_000, 2)
    assert found.audio_seconds == pytest.approx(52_000 / 48_000, abs=0.022)
    assert found.size_bytes == path.stat().st_size
    assert Probe.model_validate_json(found.model_dump_json()) == found


def test_untagged_silent_clip_gives_empty_facts(make_clip):
    found = probe(make_clip("a.mp4", 3, tagged=False))

    assert (found.color_range, found.color_space, found.color_trc) == ("", "", "")
    assert (found.has_audio, found.audio_codec, found.audio_seconds) == (False, "", 0.0)


@pytest.mark.parametrize("frames", [1, 2, 7, 48])
def test_any_length_is_counted_exactly(make_clip, frames):
    found = probe(make_clip("a.mp4", frames))

    assert found.frame_count == frames
    assert found.seconds == pytest.approx(frames / 24, abs=1e-6)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001)])
def test_rate_is_exact_even_from_coarse_timestamps(make_clip, suffix, fps):
    found = probe(make_clip(f"a.{suffix}", 60, fps=fps))

    assert found.rate == fps
    assert found.constant_rate


def test_variable_rate_is_noticed(make_clip):
    pts = [0, 40, 80, 120, 400, 440, 480, 900]

    found = probe(make_clip("a.mp4", len(pts), pts=pts))

    assert not found.constant_rate
    assert found.frame_count == len(pts)
    assert found.seconds > 0.9


def test_rotated_clip_has_the_size_shown(make_clip):
    clockwise = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)

    found = probe(make_clip("a.mp4", 3, display_matrix=clockwise))

    assert (found.width, found.height, found.rotation) == (180, 320, 270)


def test_oblong_pixels_are_squared_up(make_clip):
    found = probe(make_clip("a.mp4", 3, size=(180, 180), pixel_aspect=Fraction(16, 9)))

    assert (found.width, found.height) == (320, 180)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "HTML page"),
        (b'{"error": "expired"}', "JSON"),
        (b"", "empty file"),
        (b"\x00" * 100, "unknown"),
    ],
)
def test_no_video_is_refused_with_what_it_is(tmp_path, content, words):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)

    with pytest.raises(MediaError, match=words) as caught:
        probe(path)

    assert caught.value.next_step


def test_picture_is_not_taken_for_a_video(tmp_path):
    path = tmp_path / "clip.mp4"
    Image.new("RGB", (32, 32)).save(path, format="PNG")

    with pytest.raises(MediaError, match="PNG picture"):
        probe(path)


def test_playlist_is_not_followed(tmp_path, make_clip):
    make_clip("a.mp4", 2)
    path = tmp_path / "clip.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n")

    with pytest.raises(MediaError, match="not a video"):
        probe(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"nothing\.mp4"):
        probe(tmp_path / "nothing.mp4")


def test_sound_alone_is_refused(tmp_path: Path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((2, 1024), np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(track.encode(frame))
        container.mux(track.encode(None))

    with pytest.raises(MediaError, match="no picture in it, only audio"):
        probe(path)


def test_clip_cut_short_is_refused(tmp_path):
    whole = tmp_path / "whole.mp4"
    with VideoWriter(whole, 64, 64, 24) as writer:
        noise = np.random.default_rng(1)
        for _ in range(24):
            writer.write_rgb(noise.integers(0, 255, (64, 64, 3), np.uint8))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])

    with pytest.raises(MediaError, match="cut short"):
        probe(cut)


def with_hidden_frames(path: Path, source: Path, hidden: set[int]) -> None:
    """Copy VP8, some of its frames for others to lean on only, as a second pass stores them."""
    with av.open(str(source)) as clip, av.open(str(path), "w") as container:
        track = container.add_stream_from_template(clip.streams.video[0])
        frames = [packet for packet in clip.demux(video=0) if packet.size]
        for at, frame in enumerate(frames):
            data = bytearray(bytes(frame))
            if at in hidden:
                data[0] &= ~0x10
            packet = av.Packet(bytes(data))
            packet.stream, packet.time_base = track, frame.time_base
            # It has the time of the frame after it, and takes none.
            packet.pts = packet.dts = frames[at - sum(one < at for one in hidden)].pts
            packet.is_keyframe = frame.is_keyframe
            container.mux(packet)


def test_frames_of_vp8_that_are_not_shown_are_not_counted(tmp_path):
    whole, odd = tmp_path / "whole.webm", tmp_path / "odd.webm"
    with av.open(str(whole), "w") as container:
        track = container.add_stream("libvpx", rate=25)
        track.width, track.height, track.pix_fmt = 64, 64, "yuv420p"
        for level in range(24):
            picture = np.full((64, 64, 3), 40 + 8 * level, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(track.encode(None))
    with_hidden_frames(odd, whole, {1, 13})

    found = probe(odd)

    assert (found.frame_count, found.fps, found.constant_rate) == (22, "25/1", True)
    film = stitch([Segment(odd)], tmp_path / "film.mp4", settings=choose_settings([found]))
    assert film.frames == 22
