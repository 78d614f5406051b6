from __future__ import annotations

import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest

from prefect_videogen.errors import MediaError
from prefect_videogen.media import (
    FilmSettings,
    Segment,
    StitchResult,
    choose_settings,
    frame_rgb,
    probe,
    psnr,
    stitch,
)

RATE = 48_000
FILM = FilmSettings(width=320, height=180, fps=Fraction(24), encode="always")


def shown_numbers(path, read):
    with av.open(str(path)) as container:
        return [read(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_joined_clips_show_every_frame_once_but_the_doubled(tmp_path, make_clip, read_number):
    paths = [make_clip(f"{n}.mp4", 10 + n, b_frames=3 * (n % 2)) for n in range(3)]
    segments = [Segment(p, start=min(n, 1), label=f"s{n}") for n, p in enumerate(paths)]

    film = stitch(segments, tmp_path / "film.mp4", settings=FILM)

    assert film.frames == 10 + 11 + 12 - 2
    assert [join.frames for join in film.joins] == [10, 10, 11]
    assert [join.start_frame for join in film.joins] == [0, 10, 20]
    assert [(join.label, join.start) for join in film.joins] == [("s0", 0), ("s1", 1), ("s2", 1)]
    assert all(join.notes == () for join in film.joins)
    wanted = [*range(10), *range(1, 11), *range(1, 12)]
    assert shown_numbers(film.path, read_number) == wanted
    assert StitchResult.model_validate_json(film.model_dump_json()) == film


def test_clips_that_agree_are_copied_unless_encoding_is_asked_for(tmp_path, make_clip, sound_of):
    clip = make_clip("a.mp4", 24, sound=clicking(1, 0.5))
    segments = [Segment(clip, label="a"), Segment(clip, 1, label="b")]
    seen: list[float] = []

    copied = stitch(
        segments,
        tmp_path / "copied.mp4",
        settings=FILM.model_copy(update={"encode": "auto"}),
        on_progress=seen.append,
    )
    encoded = stitch(segments, tmp_path / "encoded.mp4", settings=FILM)

    assert (copied.picture, copied.why_encoded) == ("copied", "")
    assert (encoded.picture, encoded.why_encoded) == ("encoded", "the settings ask for it")
    assert copied.joins == encoded.joins
    assert (copied.frames, seen[-1]) == (encoded.frames, 1)
    wanted = 1 + 0.5 - 1 / 24
    for film in (copied, encoded):
        assert abs(click_in(sound_of(film.path), wanted) - wanted) < 0.001


def test_clips_that_differ_are_encoded_and_it_says_why(tmp_path, make_clip):
    segments = [
        Segment(make_clip("a.mp4", 5), label="a"),
        Segment(make_clip("b.mp4", 5, size=(64, 64)), label="b"),
    ]

    film = stitch(
        segments,
        tmp_path / "film.mp4",
        settings=FILM.model_copy(update={"encode": "auto"}),
    )

    assert film.picture == "encoded"
    assert "b is 64x64, the film 320x180" in film.why_encoded


def test_film_is_tagged_and_counted(tmp_path, make_clip):
    clip = make_clip("a.mp4", 24, sound=np.zeros((1, 40_000), np.float32), tagged=False)

    film = stitch([Segment(clip)], tmp_path / "film.mp4", settings=FILM)

    found = probe(film.path)
    assert (found.color_range, found.color_space) == ("tv", "bt709")
    assert (found.color_primaries, found.color_trc) == ("bt709", "bt709")
    assert (found.fps, found.frame_count, found.constant_rate) == ("24/1", film.frames, True)
    assert (found.audio_rate, found.audio_channels) == (RATE, 2)
    assert found.seconds == film.seconds == 1.0
    assert "matrix was chosen" in film.joins[0].notes[0]


def test_untagged_clip_keeps_its_colours_on_the_way(tmp_path, make_clip, paint_number):
    clip = make_clip("a.mp4", 3, matrix=5, tagged=False)

    film = stitch([Segment(clip)], tmp_path / "film.mp4", settings=FILM)

    assert psnr(frame_rgb(film.path, 1), paint_number(1, 320, 180)) > 30


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30), Fraction(24000, 1001)])
def test_mixed_rates_keep_their_length(tmp_path, make_clip, read_number, fps):
    clips = [make_clip("a.mp4", 24), make_clip("b.mp4", 30, fps=30), make_clip("c.mp4", 25, fps=25)]
    settings = FILM.model_copy(update={"fps": fps})

    film = stitch([Segment(clip) for clip in clips], tmp_path / "film.mp4", settings=settings)

    frames = [join.frames for join in film.joins]
    assert all(abs(count / fps - 1) <= 1 / fps for count in frames)
    assert probe(film.path).frame_count == sum(frames) == film.frames
    numbers = shown_numbers(film.path, read_number)
    for join, last in zip(film.joins, (23, 29, 24), strict=True):
        part = numbers[join.start_frame : join.start_frame + join.frames]
        assert part == sorted(part)
        assert (part[0], part[-1]) == (0, last)
    assert any("resampled" in note for join in film.joins for note in join.notes)


def test_variable_rate_follows_the_clock(tmp_path, make_clip, read_number):
    clip = make_clip("a.mp4", 4, pts=[0, 40, 500, 540])
    settings = FILM.model_copy(update={"fps": Fraction(25)})

    film = stitch([Segment(clip)], tmp_path / "film.mp4", settings=settings)

    numbers = shown_numbers(film.path, read_number)
    assert numbers[:14] == [0, *[1] * 12, 2]
    assert "variable" in film.joins[0].notes[0]


def test_dropped_frame_of_another_rate_takes_its_time_with_it(tmp_path, make_clip):
    clips = [make_clip("a.mp4", 24), make_clip("b.mp4", 31, fps=30)]

    film = stitch(
        [Segment(clips[0]), Segment(clips[1], start=1)],
        tmp_path / "film.mp4",
        settings=FILM,
    )

    assert [join.frames for join in film.joins] == [24, 24]


def clicking(seconds, at):
    sound = np.zeros((2, round(seconds * RATE)), np.float32)
    sound[:, round(at * RATE)] = 0.9
    return sound


def click_in(sound, around):
    window = slice(round((around - 0.05) * RATE), round((around + 0.05) * RATE))
    return (np.abs(sound[0, window]).argmax() + window.start) / RATE


@pytest.mark.parametrize("drop", [0, 1])
def test_click_in_the_last_of_twelve_clips_is_in_place(tmp_path, make_clip, sound_of, drop):
    # Sound ends 42 ms before the picture, as one vendor's clips do.
    quiet = np.zeros((2, round(0.5 * RATE)), np.float32)
    silent = make_clip("quiet.mp4", 13, size=(64, 64), sound=quiet)
    click = make_clip("click.mp4", 13, size=(64, 64), sound=clicking(0.5, 0.25))
    paths = [silent] * 11 + [click]
    settings = FilmSettings(width=64, height=64, fps=Fraction(24), encode="always")

    film = stitch(
        [Segment(path, start=drop if n else 0) for n, path in enumerate(paths)],
        tmp_path / "film.mp4",
        settings=settings,
    )

    wanted = (film.joins[-1].start_frame - drop) / 24 + 0.25
    assert film.frames == 12 * 13 - 11 * drop
    assert abs(click_in(sound_of(film.path), wanted) - wanted) < 0.001


@pytest.mark.parametrize("sound_rate", [44_100, 24_000])
def test_other_sound_rates_and_mono_stay_in_place_and_level(
    tmp_path, make_clip, sound_of, sound_rate
):
    tone = 0.5 * np.sin(2 * np.pi * 500 * np.arange(sound_rate) / sound_rate)
    tone[: sound_rate // 2] = 0
    clip = make_clip("a.mp4", 24, sound=tone[None].astype(np.float32), sound_rate=sound_rate)

    film = stitch([Segment(clip), Segment(clip)], tmp_path / "film.mp4", settings=FILM)

    heard = sound_of(film.path)
    begun = int(np.argmax(np.abs(heard[0, RATE:]) > 0.2)) / RATE
    assert begun == pytest.approx(0.5, abs=0.002)
    loudness = np.sqrt((heard[:, round(1.7 * RATE) : round(1.8 * RATE)] ** 2).mean(axis=1))
    assert loudness == pytest.approx([0.5 / np.sqrt(2)] * 2, rel=0.03)


def test_sound_longer_than_the_picture_is_cut_with_a_fade(tmp_path, make_clip, sound_of):
    loud = np.full((2, 2 * RATE), 0.5, np.float32) * np.sign(
        np.sin(2 * np.pi * 200 * np.arange(2 * RATE) / RATE)
    ).astype(np.float32)
    clips = [make_clip("a.mp4", 24, sound=loud), make_clip("b.mp4", 24)]

    film = stitch([Segment(clip) for clip in clips], tmp_path / "film.mp4", settings=FILM)

    heard = np.abs(sound_of(film.path)[0])
    assert heard[round(0.9 * RATE) : round(0.99 * RATE)].max() > 0.4
    assert heard[round(1.05 * RATE) :].max() < 0.01
    assert heard[RATE - 24 : RATE].max() < 0.2


def test_clip_without_sound_in_front_shifts_nothing(tmp_path, make_clip, sound_of):
    clips = [make_clip("a.mp4", 24), make_clip("b.mp4", 24, sound=clicking(1, 0.5))]

    film = stitch([Segment(clip) for clip in clips], tmp_path / "film.mp4", settings=FILM)

    assert film.has_sound
    assert abs(click_in(sound_of(film.path), 1.5) - 1.5) < 0.001


@pytest.mark.parametrize("late", [0, 9_600])
def test_hole_in_the_sound_stays_a_hole(tmp_path, make_clip, sound_of, late):
    # The second half of the track comes 0.2 s late: what a lost stretch of stream leaves.
    half = 20 * 1024
    sound = clicking(1, (half + 4_800) / RATE)
    clip = make_clip(
        "a.mkv", 30, sound=sound, sound_starts=lambda at: at + (late if at >= half else 0)
    )

    film = stitch([Segment(clip)], tmp_path / "film.mp4", settings=FILM)

    wanted = (half + 4_800 + late) / RATE
    assert abs(click_in(sound_of(film.path), wanted) - wanted) < 0.002


def test_no_sound_anywhere_gives_no_track(tmp_path, make_clip):
    film = stitch([Segment(make_clip("a.mp4", 5))], tmp_path / "film.mp4", settings=FILM)

    assert not film.has_sound
    assert not probe(film.path).has_audio


def test_sound_none_gives_no_track(tmp_path, make_clip):
    clip = make_clip("a.mp4", 24, sound=clicking(1, 0.5))
    settings = FILM.model_copy(update={"sound": "none"})

    film = stitch([Segment(clip)], tmp_path / "film.mp4", settings=settings)

    assert not film.has_sound
    assert not probe(film.path).has_audio


def test_mixed_sizes_are_cropped_or_padded(tmp_path, make_clip):
    def white(_index, width, height):
        return np.full((height, width, 3), 235, np.uint8)

    clips = [
        make_clip("wide.mp4", 2, paint=white),
        make_clip("tall.mp4", 2, size=(180, 320), paint=white),
    ]
    means = {}
    for fit in ("crop", "pad"):
        film = stitch(
            [Segment(clip) for clip in clips],
            tmp_path / f"{fit}.mp4",
            settings=FILM.model_copy(update={"fit": fit}),
        )
        tall = frame_rgb(film.path, 2)
        assert tall.shape == (180, 320, 3)
        means[fit] = tall[:, :100].mean(), tall[:, 130:190].mean(), tall[:, 220:].mean()

    assert means["crop"] == pytest.approx((235, 235, 235), abs=2)
    assert means["pad"] == pytest.approx((0, 235, 0), abs=2)


def test_rotated_clip_is_upright_in_the_film(tmp_path, make_clip):
    clockwise = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)

    def left_white(_index, width, height):
        picture = np.full((height, width, 3), 16, np.uint8)
        picture[:, : width // 2] = 235
        return picture

    clip = make_clip("a.mp4", 2, size=(180, 320), paint=left_white, display_matrix=clockwise)

    film = stitch([Segment(clip)], tmp_path / "film.mp4", settings=FILM)

    shown = frame_rgb(film.path, 1)
    assert shown[:70].mean() > 220
    assert shown[110:].mean() < 30


def test_same_clips_give_the_same_film(tmp_path, make_clip):
    clip = make_clip("a.mp4", 20, sound=clicking(1, 0.5))
    odd = make_clip("b.mp4", 20, size=(240, 200), fps=30)
    segments = [Segment(clip), Segment(odd, start=1)]

    films = [
        stitch(segments, tmp_path / name, settings=FILM).path.read_bytes()
        for name in ("1.mp4", "2.mp4")
    ]

    assert films[0] == films[1]


def test_progress_rises_to_one(tmp_path, make_clip):
    seen: list[float] = []
    clip = make_clip("a.mp4", 24)

    stitch([Segment(clip)] * 10, tmp_path / "film.mp4", settings=FILM, on_progress=seen.append)

    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) <= 101


def test_memory_does_not_grow_with_the_film(tmp_path, make_clip):
    clip = make_clip("a.mp4", 24, sound=clicking(1, 0.5))
    peaks = []
    segments = [Segment(clip, transition="crossfade", transition_seconds=0.1)]
    # Both films are longer than what may wait to be written.
    for clips in (6, 30):
        tracemalloc.start()
        stitch(segments * clips, tmp_path / "film.mp4", settings=FILM)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] * 1.2 + 200_000


@pytest.mark.parametrize(("start", "stop"), [(5, None), (-1, None), (0, 6), (2, 2), (3, 1)])
def test_keeping_what_is_not_there_is_refused_by_name(tmp_path, make_clip, start, stop):
    clip = make_clip("a.mp4", 5)

    with pytest.raises(MediaError, match=rf"orbit .* has 5 frames, so {start} to {stop or 5}"):
        stitch([Segment(clip, start, stop, "orbit")], tmp_path / "film.mp4", settings=FILM)


def test_damaged_clip_leaves_no_film(tmp_path, make_clip):
    good = make_clip("a.mp4", 5)
    bad = tmp_path / "bad.mp4"
    data = bytearray(make_clip("b.mp4", 48, paint=lambda *_: noise()).read_bytes())
    start = data.index(b"mdat") + 2000
    data[start : start + 40_000] = bytes(40_000)
    bad.write_bytes(data)

    with pytest.raises(MediaError, match=r"bad\.mp4"):
        stitch([Segment(good), Segment(bad)], tmp_path / "film.mp4", settings=FILM)

    assert not (tmp_path / "film.mp4").exists()
    assert not list(tmp_path.glob("*.part"))


def noise():
    return np.random.default_rng(5).integers(0, 255, (180, 320, 3), np.uint8)


def test_nothing_to_join_is_refused(tmp_path):
    with pytest.raises(MediaError, match="at least one clip"):
        stitch([], tmp_path / "film.mp4", settings=FILM)
    assert choose_settings([]).fps == 24  # as of a film of nothing but cards


def fake(clip_probe, **changes):
    return clip_probe.model_copy(update=changes)


def test_settings_follow_most_of_the_seconds_and_ties_go_up(make_clip):
    base = probe(make_clip("a.mp4", 24))
    short = fake(base, width=1280, height=720, fps="30/1", seconds=2.0)
    long = fake(base, width=854, height=481, fps="24/1", seconds=5.0)
    tied = fake(base, width=640, height=360, fps="25/1", seconds=5.0)

    chosen = choose_settings([short, long, tied], fit="pad", sound="none")

    assert (chosen.width, chosen.height, chosen.fps) == (854, 480, Fraction(25))
    assert (chosen.fit, chosen.sound) == ("pad", "none")
    assert choose_settings([long, short, short, short]).width == 1280


def test_settings_given_win(make_clip):
    base = probe(make_clip("a.mp4", 24))

    chosen = choose_settings([base], size=(641, 360), fps=30)

    assert (chosen.width, chosen.height, chosen.fps) == (640, 360, Fraction(30))
    assert FilmSettings.model_validate_json(chosen.model_dump_json()) == chosen


def test_settings_of_a_variable_clip_are_a_usual_rate(make_clip):
    base = probe(make_clip("a.mp4", 24))

    assert choose_settings([fake(base, fps="2391/100", constant_rate=False)]).fps in {
        Fraction(24),
        Fraction(24000, 1001),
    }
