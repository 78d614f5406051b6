from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.media.odd_clips import ODD_CLIPS, write_untagged

import prefect_videogen
from prefect_videogen.media import (
    CRF,
    Segment,
    VideoWriter,
    choose_settings,
    frame_rgb,
    last_frame,
    last_frame_png,
    probe,
    psnr,
    stitch,
)
from prefect_videogen.media.containers import decoded_frames

STILLS = Path(prefect_videogen.__file__).parent / "samples" / "stills"
HOPS = 5
EACH = pytest.mark.parametrize("odd", ODD_CLIPS, ids=lambda odd: odd.name.replace(" ", "-"))


@EACH
def test_last_frame_is_the_one_that_was_written_last(
    odd, tmp_path, make_clip, paint_number, read_number
):
    found = last_frame(odd.make(tmp_path, make_clip, paint_number))

    assert found.index == len(odd.numbers) - 1
    assert read_number(odd.as_painted(found.rgb)) == odd.numbers[-1]
    assert found.rgb.shape == odd.last(paint_number).shape
    assert psnr(found.rgb, odd.last(paint_number)) > 35


@EACH
def test_film_of_two_has_every_frame(odd, tmp_path, make_clip, paint_number, read_number):
    clip = odd.make(tmp_path, make_clip, paint_number)
    settings = choose_settings([probe(clip)] * 2)

    film = stitch([Segment(clip), Segment(clip)], tmp_path / "film.mp4", settings=settings)

    each = odd.film_frames or len(odd.numbers)
    assert film.frames == probe(film.path).frame_count == 2 * each
    shown = [frame_rgb(film.path, index) for index in (0, each - 1, each, 2 * each - 1)]
    numbers = [read_number(odd.as_painted(rgb)) for rgb in shown]
    assert numbers == [odd.numbers[0], odd.numbers[-1]] * 2
    assert psnr(shown[-1], odd.last(paint_number)) > 30


def photograph(name, width, height):
    with Image.open(STILLS / f"{name}.jpg") as image:
        return np.asarray(image.convert("RGB").resize((width, height)))


def read(png):
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)


def vendor(path, picture, matrix, crf):
    """Make a clip of a picture as a model would that changes nothing."""
    height, width = picture.shape[:2]
    if matrix:
        write_untagged(path, picture, 2, matrix=matrix, crf=crf)
        return
    with VideoWriter(path, width, height, 24, crf=crf) as writer:
        for _ in range(2):
            writer.write_rgb(picture)


def areas(picture):
    """Average areas of eight by eight pixels: colour without detail."""
    height, width = (side // 8 * 8 for side in picture.shape[:2])
    blocks = picture[:height, :width].reshape(height // 8, 8, width // 8, 8, 3)
    return blocks.mean(axis=(1, 3))


@pytest.mark.parametrize(
    ("size", "matrix"),
    [((480, 272), ""), ((480, 272), "smpte170m"), ((240, 720), "bt709")],
    ids=["tagged", "untagged", "untagged-high"],
)
@pytest.mark.parametrize("name", ["rocket", "coffee"])
def test_five_hand_overs_keep_the_colours(tmp_path, name, size, matrix):
    path = tmp_path / "hop.mp4"
    source = photograph(name, *size)
    ends = []
    # Nearly lossless, where each pixel can be asked for, and as a film is encoded.
    for crf in (4, CRF):
        picture = source
        for _ in range(HOPS):
            vendor(path, picture, matrix, crf)
            picture = read(last_frame_png(path))
        ends.append(picture.astype(float) - source)

    pixels, film = ends
    assert np.abs(pixels).mean() <= 2
    assert np.abs(pixels.mean(axis=(0, 1))).max() < 0.3
    assert np.abs(areas(film)).mean() <= 2
    assert np.abs(film.mean(axis=(0, 1))).max() < 1


def test_stream_cut_between_key_frames_shows_what_can_be_decoded(tmp_path):
    whole, cut = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    with av.open(str(whole), "w") as container:
        options = {"x264-params": "open-gop=1:keyint=12:min-keyint=12:bframes=3:scenecut=0"}
        track = container.add_stream("libx264", rate=24, options=options)
        track.width, track.height, track.pix_fmt = 128, 72, "yuv420p"
        for number in range(60):
            picture = np.random.default_rng(number).integers(0, 255, (72, 128, 3), np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(track.encode(None))
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        track = target.add_stream_from_template(source.streams.video[0])
        keys = 0
        for packet in source.demux(video=0):
            keys += bool(packet.size and packet.is_keyframe)
            if keys > 1 and packet.size:
                packet.stream = track
                target.mux(packet)
    decoded = sum(1 for _ in decoded_frames(cut))
    with av.open(str(cut)) as container:
        stored = sum(1 for packet in container.demux(video=0) if packet.size)
    assert stored > decoded  # those that lean on the part cut off

    found = probe(cut)
    assert found.frame_count == decoded
    film = stitch([Segment(cut)], tmp_path / "film.mp4", settings=choose_settings([found]))
    assert film.frames == decoded
