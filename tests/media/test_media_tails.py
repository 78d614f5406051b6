from __future__ import annotations

import av
import numpy as np
import pytest
from PIL import Image

from prefect_videogen.errors import MediaError
from prefect_videogen.media import VideoWriter
from prefect_videogen.media.tails import FrameFacts, TailFacts, facts_of, tail_in, tail_of

WIDTH, HEIGHT = 192, 108
BLACK = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def landscape():
    chance = np.random.default_rng(3)
    patches = chance.integers(40, 220, (14, 64, 3), np.uint8)
    return np.asarray(Image.fromarray(patches).resize((512, HEIGHT), Image.Resampling.BICUBIC))


WORLD = landscape()


def moving(frames, start=0, speed=2):
    return [
        np.ascontiguousarray(WORLD[:, start + speed * n : start + speed * n + WIDTH])
        for n in range(frames)
    ]


def faded(pictures):
    """Fade a stretch so that the frame after it would be black."""
    shares = np.linspace(1, 0, len(pictures) + 2)[1:-1]
    return [
        (picture * share).astype(np.uint8) for picture, share in zip(pictures, shares, strict=True)
    ]


def write(path, pictures, crf=18):
    with VideoWriter(path, WIDTH, HEIGHT, 24, crf=crf) as writer:
        for picture in pictures:
            writer.write_rgb(picture)
    return path


@pytest.mark.parametrize("crf", [17, 28])
@pytest.mark.parametrize("speed", [1, 3])
def test_clip_that_moves_to_its_end_has_no_tail(tmp_path, speed, crf):
    path = write(tmp_path / "a.mp4", moving(48, speed=speed), crf)

    assert tail_of(path) == TailFacts(black=0, frozen=0, steady=47)


@pytest.mark.parametrize(("frozen", "crf"), [(3, 17), (12, 17), (12, 28)])
def test_frozen_end_is_counted(tmp_path, frozen, crf):
    pictures = moving(36)

    found = tail_of(write(tmp_path / "a.mp4", pictures + pictures[-1:] * frozen, crf))

    # At a low quality the first repeated frame still gains detail.
    assert found.black == 0
    assert found.frozen in ({frozen} if crf == 17 else {frozen - 1, frozen})
    assert found.steady == len(pictures) + frozen - 1 - found.frozen


def test_frozen_end_goes_on_over_a_keyframe(tmp_path):
    pictures = moving(88, speed=1)

    found = tail_of(write(tmp_path / "a.mp4", pictures + pictures[-1:] * 20, crf=23))

    with av.open(str(tmp_path / "a.mp4")) as container:
        keys = [n for n, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert 88 < keys[-1] < 106
    assert found.frozen == 20


@pytest.mark.parametrize("crf", [17, 28])
@pytest.mark.parametrize("black", [3, 10])
def test_black_end_after_a_cut_is_counted(tmp_path, black, crf):
    found = tail_of(write(tmp_path / "a.mp4", moving(36) + [BLACK] * black, crf))

    assert found == TailFacts(black=black, frozen=0, steady=35)


@pytest.mark.parametrize("crf", [17, 28])
def test_fade_to_black_counts_from_where_it_darkens(tmp_path, crf):
    pictures = [*moving(30), *faded(moving(11, start=60)), *[BLACK] * 4]

    found = tail_of(write(tmp_path / "a.mp4", pictures, crf))

    assert found.black in {14, 15}
    assert (found.frozen, found.steady) == (0, 44 - found.black)


def test_fade_of_a_frozen_picture_is_black_and_frozen(tmp_path):
    pictures = moving(40)
    pictures += pictures[-1:] * 6 + faded(pictures[-1:] * 7) + [BLACK]

    found = tail_of(write(tmp_path / "a.mp4", pictures))

    assert found == TailFacts(black=8, frozen=6, steady=39)


def test_still_clip_is_not_frozen(tmp_path):
    assert tail_of(write(tmp_path / "a.mp4", moving(1) * 24)) == TailFacts(0, 0, 23)


def test_night_is_no_black_end(tmp_path):
    pictures = [(picture * 0.05).astype(np.uint8) for picture in moving(36)]
    for picture in pictures:
        picture[20:30, 40:60] = 90

    assert tail_of(write(tmp_path / "a.mp4", pictures)) == TailFacts(0, 0, 35)


def test_dark_scene_at_the_end_is_no_black_end(tmp_path):
    pictures = moving(30) + [(picture * 0.2).astype(np.uint8) for picture in moving(8)]

    assert tail_of(write(tmp_path / "a.mp4", pictures)) == TailFacts(0, 0, 37)


@pytest.mark.parametrize("end", ["black", "frozen"])
def test_two_frames_are_no_tail(tmp_path, end):
    pictures = moving(30)
    pictures += [BLACK] * 2 if end == "black" else pictures[-1:] * 2

    assert tail_of(write(tmp_path / "a.mp4", pictures)) == TailFacts(0, 0, 31)


def test_something_small_that_stops_is_a_frozen_end(tmp_path):
    def walker(at):
        picture = WORLD[:, :WIDTH].copy()
        picture[40:52, 20 + at : 32 + at] = (230, 40, 40)
        return picture

    pictures = [walker(2 * n) for n in range(30)]

    found = tail_of(write(tmp_path / "a.mp4", pictures + pictures[-1:] * 10))

    assert found == TailFacts(black=0, frozen=10, steady=29)


@pytest.mark.parametrize("end", ["black", "frozen"])
def test_tail_of_half_a_clip_is_meant(tmp_path, end):
    pictures = moving(12)
    pictures += [BLACK] * 12 if end == "black" else pictures[-1:] * 12

    assert tail_of(write(tmp_path / "a.mp4", pictures)) == TailFacts(0, 0, 23)


def test_rhythm_of_threes_is_not_frozen(tmp_path):
    pictures = [picture for picture in moving(12, speed=6) for _ in range(3)]

    assert tail_of(write(tmp_path / "a.mp4", pictures)) == TailFacts(0, 0, 35)


@pytest.mark.parametrize("frames", [1, 2])
def test_shortest_clips_have_no_tail(tmp_path, frames):
    path = write(tmp_path / "a.mp4", moving(1) + [BLACK] * (frames - 1))

    assert tail_of(path) == TailFacts(0, 0, frames - 1)


def write_as(path, codec, form, pictures):
    with av.open(str(path), "w") as container:
        track = container.add_stream(codec, rate=24)
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, form
        for picture in pictures:
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(track.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "form", "file"),
    [
        ("libx264", "yuv420p10le", "a.mkv"),
        ("libx264", "yuvj420p", "a.mkv"),
        ("mjpeg", "yuvj444p", "a.mkv"),
        ("ffv1", "bgr0", "a.mkv"),
        ("rawvideo", "yuyv422", "a.avi"),
    ],
)
def test_other_pixel_formats_are_read_alike(tmp_path, codec, form, file):
    path = write_as(tmp_path / file, codec, form, moving(24) + [BLACK] * 5)

    assert tail_of(path) == TailFacts(black=5, frozen=0, steady=23)


def test_dark_grey_in_full_range_is_not_black(tmp_path):
    grey = np.full((HEIGHT, WIDTH, 3), 20, np.uint8)
    path = write_as(tmp_path / "a.mkv", "mjpeg", "yuvj444p", moving(24) + [grey] * 2)

    assert tail_of(path) == TailFacts(0, 0, 25)
    assert [round(frame.mean) for frame in facts_of(path)][-2:] == [20, 20]


def test_one_louder_frame_amid_motion_does_not_begin_a_freeze():
    calm = FrameFacts(mean=100, brightest=200, change=0.0)
    loud = FrameFacts(mean=100, brightest=200, change=10.0)
    refreshed = FrameFacts(mean=100, brightest=200, change=3.0)

    assert tail_in([loud] * 20 + [calm] * 4 + [refreshed] + [calm] * 4).frozen == 9
    assert tail_in([loud] * 20 + [calm] * 4 + [loud] + [calm] * 4).frozen == 4
    assert tail_in([loud] * 20 + [calm] * 4 + [refreshed]).frozen == 0


def test_still_clip_whose_noise_dies_down_is_not_frozen():
    noisy, calm = (FrameFacts(mean=100, brightest=200, change=change) for change in (0.2, 0.0))

    assert tail_in([noisy] * 20 + [calm] * 15) == TailFacts(0, 0, 34)


def test_no_video_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"{}")

    with pytest.raises(MediaError, match="JSON"):
        tail_of(path)
