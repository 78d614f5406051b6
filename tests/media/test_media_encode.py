from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from prefect_videogen.errors import MediaError
from prefect_videogen.media import VideoWriter, frame_rgb, probe, psnr


def tone(samples, rate=48_000):
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(samples) / rate)
    return np.stack([wave, wave]).astype(np.float32)


def write(path, paint, frames=30, *, sound=True, **options):
    with VideoWriter(path, 320, 180, Fraction(24), sound=sound, **options) as writer:
        for index in range(frames):
            writer.write_rgb(paint(index, 320, 180))
            if sound:
                writer.write_sound(tone(2000))
    return path


def test_written_film_is_what_was_asked_for(tmp_path, paint_number):
    found = probe(write(tmp_path / "a.mp4", paint_number))

    assert (found.width, found.height, found.fps, found.frame_count) == (320, 180, "24/1", 30)
    assert (found.video_codec, found.pix_fmt) == ("h264", "yuv420p")
    assert (found.color_range, found.color_space) == ("tv", "bt709")
    assert (found.color_primaries, found.color_trc) == ("bt709", "bt709")
    assert (found.audio_codec, found.audio_rate, found.audio_channels) == ("aac", 48_000, 2)
    assert found.audio_seconds == pytest.approx(60_000 / 48_000, abs=0.022)


def test_same_input_gives_the_same_bytes(tmp_path, paint_number):
    first = write(tmp_path / "a.mp4", paint_number)
    second = write(tmp_path / "b.mp4", paint_number)

    assert first.read_bytes() == second.read_bytes()


def test_index_lies_before_the_media(tmp_path, paint_number):
    data = write(tmp_path / "a.mp4", paint_number).read_bytes()

    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert b"Lavf" not in data


def test_key_frames_come_every_two_seconds_at_most(tmp_path):
    noise = np.random.default_rng(3)
    still = noise.integers(0, 255, (64, 64, 3), np.uint8)
    with VideoWriter(tmp_path / "a.mp4", 64, 64, 8) as writer:
        for _ in range(40):
            writer.write_rgb(still)

    with av.open(str(tmp_path / "a.mp4")) as container:
        keys = [packet.pts for packet in container.demux(video=0) if packet.is_keyframe]
        tick = container.streams.video[0].time_base
    assert tick is not None
    assert [pts * tick for pts in keys if pts is not None] == [0, 2, 4]


@pytest.mark.parametrize("matrix", [1, 6])
def test_decoded_frames_are_converted_by_their_tags(tmp_path, make_clip, paint_number, matrix):
    clip = make_clip("clip.mp4", 3, matrix=matrix)

    with VideoWriter(tmp_path / "a.mp4", 320, 180, 24) as writer, av.open(str(clip)) as source:
        for frame in source.decode(video=0):
            writer.write_frame(frame)

    assert psnr(frame_rgb(tmp_path / "a.mp4", 2), paint_number(2, 320, 180)) > 30


def test_decoded_frames_do_not_force_their_old_key_frames(tmp_path, make_clip):
    clip = make_clip("clip.mp4", 1)
    with VideoWriter(tmp_path / "a.mp4", 320, 180, 24) as writer, av.open(str(clip)) as source:
        frame = next(source.decode(video=0))
        for _ in range(10):
            writer.write_frame(frame)

    with av.open(str(tmp_path / "a.mp4")) as container:
        assert sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size) == 1


@pytest.mark.parametrize("size", [(321, 180), (320, 181), (0, 180)])
def test_odd_size_is_refused(tmp_path, size):
    with pytest.raises(MediaError, match="must be even"):
        VideoWriter(tmp_path / "a.mp4", size[0], size[1], 24)


@pytest.mark.parametrize("options", [{"preset": "best"}, {"crf": 52}, {"crf": -1}])
def test_impossible_setting_is_refused(tmp_path, options):
    with pytest.raises(MediaError, match="not a setting of x264"):
        VideoWriter(tmp_path / "a.mp4", 64, 64, 24, **options)


def test_rate_of_zero_is_refused(tmp_path):
    with pytest.raises(MediaError, match="0 frames a second"):
        VideoWriter(tmp_path / "a.mp4", 64, 64, 0)


def fail_after_one_frame(path):
    with VideoWriter(path, 64, 64, 24, sound=True) as writer:
        writer.write_rgb(np.zeros((64, 64, 3), np.uint8))
        raise KeyError


def test_error_in_the_block_leaves_the_old_film_and_no_other(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"older film")

    with pytest.raises(KeyError):
        fail_after_one_frame(path)

    assert path.read_bytes() == b"older film"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("sound", [False, True])
def test_film_without_frames_is_refused_and_leaves_nothing(tmp_path, sound):
    with (
        pytest.raises(MediaError, match="no frame"),
        VideoWriter(tmp_path / "a.mp4", 64, 64, 24, sound=sound),
    ):
        pass

    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_named(tmp_path):
    with (
        pytest.raises(MediaError, match="can't be written"),
        VideoWriter(tmp_path / "no" / "a.mp4", 64, 64, 24),
    ):
        pass


def test_frame_of_another_size_is_refused(tmp_path):
    with (
        pytest.raises(MediaError, match="does not fit"),
        VideoWriter(tmp_path / "a.mp4", 64, 64, 24) as writer,
    ):
        writer.write_rgb(np.zeros((64, 32, 3), np.uint8))


def test_sound_without_a_track_or_in_mono_is_refused(tmp_path):
    with (
        pytest.raises(MediaError, match="without a sound track"),
        VideoWriter(tmp_path / "a.mp4", 64, 64, 24) as writer,
    ):
        writer.write_sound(np.zeros((2, 10), np.float32))
    with (
        pytest.raises(MediaError, match="not stereo"),
        VideoWriter(tmp_path / "a.mp4", 64, 64, 24, sound=True) as writer,
    ):
        writer.write_sound(np.zeros((1, 10), np.float32))
