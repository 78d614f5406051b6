from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from prefect_videogen.errors import MediaError
from prefect_videogen.media import frame_rgb
from prefect_videogen.media.frames_at import _Reader, each_frame_at, frames_at, slots_of


def copied(out, *clips: Path) -> None:
    """Join clips by copying packets: the frame before each join is gone after one tick."""
    with av.open(str(out), "w") as film:
        track = None
        offset = 0
        for clip in clips:
            with av.open(str(clip)) as source:
                stream = source.streams.video[0]
                if track is None:
                    track = film.add_stream_from_template(stream)
                last = offset
                for packet in source.demux(stream):
                    if packet.pts is not None and packet.dts is not None:
                        packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                        last = max(last, packet.pts)
                        packet.stream = track
                        film.mux(packet)
                offset = last + 1


def test_indices_in_any_order_are_the_frames_that_decoding_from_the_start_gives(
    make_clip, read_number
):
    film = make_clip("film.mp4", 130)
    found = frames_at(film, [129, 0, 64, 63, 3, 64])
    assert list(found) == [0, 3, 63, 64, 129]
    assert {index: read_number(rgb) for index, rgb in found.items()} == {i: i for i in found}
    assert np.array_equal(found[64], frame_rgb(film, 64))


def test_far_frames_are_reached_by_a_jump(make_clip, monkeypatch):
    film = make_clip("film.mp4", 600, size=(64, 36))  # x264 begins anew every 250 frames
    jumps: list[int] = []
    jump = _Reader._jump

    def noted(self, stamp: int) -> None:
        jumps.append(stamp)
        jump(self, stamp)

    monkeypatch.setattr(_Reader, "_jump", noted)
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        keys = [packet.pts for packet in container.demux(stream) if packet.is_keyframe]
    frames_at(film, [0, 5, 599])
    assert jumps == [keys[0], keys[-1]]


def test_a_jump_that_goes_too_far_is_an_error_and_not_another_picture(make_clip, monkeypatch):
    film = make_clip("film.mp4", 300)
    jump = _Reader._jump
    monkeypatch.setattr(_Reader, "_jump", lambda self, stamp: jump(self, self._keys[-1]))
    with pytest.raises(MediaError, match="does not decode"):
        frames_at(film, [100])


def test_every_frame_of_a_film_is_found_with_and_without_jumps(make_clip, read_number):
    film = make_clip("film.mp4", 300)
    alone = [read_number(frames_at(film, [index])[index]) for index in (0, 1, 249, 250, 251, 299)]
    assert alone == [0, 1, 249, 250, 251, 299]
    assert [read_number(rgb) for _, rgb in each_frame_at(film, range(300))] == list(range(300))


def test_frames_of_one_tick_in_a_copied_film_have_no_place(make_clip, read_number, tmp_path):
    clips = [make_clip(f"{name}.mp4", 24) for name in "abc"]
    film = tmp_path / "film.mp4"
    copied(film, *clips)
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 72
    numbers = [read_number(rgb) for _, rgb in each_frame_at(film, range(70))]
    assert numbers == [*range(23), *range(23), *range(24)]
    for index in (22, 23, 45, 46, 69):
        assert read_number(frames_at(film, [index])[index]) == numbers[index]
    with pytest.raises(MediaError, match="has 70 frames, so there is none at 70"):
        frames_at(film, [70])


def test_shots_of_a_few_frames_are_told_apart_behind_a_jump(make_clip, read_number, tmp_path):
    clips = [make_clip(f"{n}.mp4", count, b_frames=0) for n, count in enumerate((1, 2, 3, 2, 1, 4))]
    film = tmp_path / "film.mp4"
    copied(film, *clips)
    expected = [read_number(rgb) for _, rgb in each_frame_at(film, range(8))]
    assert expected == [0, 0, 1, 0, 0, 1, 2, 3]
    alone = [read_number(frames_at(film, [index])[index]) for index in range(8)]
    assert alone == expected


def test_a_tick_lost_at_each_of_300_joins_adds_up_to_no_frame():
    ticks = [join * (24 * 512 + 1) + slot * 512 for join in range(300) for slot in range(24)]
    doubled = [join * (24 * 512 + 1) - 1 for join in range(1, 300)]
    assert slots_of([*ticks, *doubled]) == sorted(ticks)


def test_a_frame_held_for_three_slots_fills_three():
    assert slots_of([0, 512, 2048, 2560]) == [0, 512, 512, 512, 2048, 2560]


def test_turned_and_oblong_pictures_come_out_as_shown(make_clip):
    turned = (0, 65536, 0, -65536, 0, 0, 0, 0, 1073741824)
    film = make_clip("film.mp4", 3, size=(128, 72), display_matrix=turned)
    assert frames_at(film, [2])[2].shape == (128, 72, 3)
    oblong = make_clip("oblong.mp4", 3, size=(96, 72), pixel_aspect=Fraction(4, 3))
    assert frames_at(oblong, [2])[2].shape == (72, 128, 3)


def test_places_outside_the_film_are_an_error(make_clip):
    film = make_clip("film.mp4", 5)
    for index in (-1, 5):
        with pytest.raises(MediaError, match=f"has 5 frames, so there is none at {index}"):
            frames_at(film, [2, index])
    assert frames_at(film, []) == {}
