from __future__ import annotations

from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
import pytest

from prefect_videogen.errors import MediaError
from prefect_videogen.media import (
    Card,
    FilmSettings,
    Levels,
    Segment,
    Transition,
    frame_rgb,
    probe,
    stitch,
)
from prefect_videogen.media.canvas import Canvas
from prefect_videogen.media.containers import open_media
from prefect_videogen.media.layout import lay_out
from prefect_videogen.media.planes import planes_of
from prefect_videogen.media.reels import film_frames, load

SIZE = (128, 72)
RATE = 48_000
FPS = Fraction(24)
FILM = FilmSettings(width=SIZE[0], height=SIZE[1], fps=FPS, encode="always")


def plain(level):
    """Paint every frame in one grey."""
    return lambda _index, width, height: np.full((height, width, 3), level, np.uint8)


def played(segments):
    """Luma of every film frame as it goes to the encoder."""
    reels = [load(segment, FPS) for segment in segments]
    places = lay_out(segments, [reel.frames for reel in reels], FPS)
    canvas = Canvas(*SIZE, "crop")
    return [planes_of(frame)[0].copy() for frame in film_frames(reels, places, canvas)]


def luma_of(path):
    with av.open(str(path)) as container:
        return [planes_of(frame)[0].mean() for frame in container.decode(video=0)]


def numbers_of(path, read):
    with av.open(str(path)) as container:
        return [read(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_crossfade_goes_evenly_from_one_clip_to_the_other(tmp_path, make_clip):
    dark = make_clip("dark.mp4", 24, size=SIZE, paint=plain(20))
    light = make_clip("light.mp4", 24, size=SIZE, paint=plain(220))
    segments = [Segment(dark), Segment(light, transition="crossfade", transition_seconds=0.5)]

    film = stitch(segments, tmp_path / "film.mp4", settings=FILM)

    low, high = (luma_of(path)[12] for path in (dark, light))
    shares = [0] * 12 + [(k + 1) / 13 for k in range(12)] + [1] * 12
    assert luma_of(film.path) == pytest.approx([low + (high - low) * s for s in shares], abs=1)
    assert film.frames == probe(film.path).frame_count == 36
    assert [join.start_frame for join in film.joins] == [0, 12]
    assert (film.joins[1].transition, film.joins[1].transition_frames) == ("crossfade", 12)


def test_crossfade_meets_the_right_frames_of_both_clips(tmp_path, make_clip):
    clip = make_clip("a.mp4", 24, size=SIZE)
    alone = played([Segment(clip)])

    film = played([Segment(clip), Segment(clip, transition="crossfade", transition_seconds=0.25)])

    assert len(film) == 42
    for number, shown in enumerate(film):
        if 18 <= number < 24:
            share = (number - 18 + 1) / 7
            exact = alone[number] * (1 - share) + alone[number - 18] * share
            assert np.abs(shown - exact).max() <= 0.5 + 1e-9
        else:
            assert (shown == alone[number if number < 18 else number - 18]).all()


def test_crossfade_of_a_still_with_itself_changes_nothing(tmp_path, make_clip):
    clip = make_clip("a.mp4", 24, size=SIZE, paint=plain(130))
    frames = played([Segment(clip, 12), Segment(clip, 0, 12, transition="crossfade")])

    assert len(frames) == 24 - 11
    assert max(frame.max() for frame in frames) - min(frame.min() for frame in frames) <= 1


def test_dip_is_black_in_its_middle_and_keeps_every_frame(tmp_path, make_clip):
    clips = [make_clip(f"{n}.mp4", 24, size=SIZE, paint=plain(200)) for n in range(2)]
    segments = [Segment(clips[0]), Segment(clips[1], transition="dip", transition_seconds=0.375)]

    film = stitch(segments, tmp_path / "film.mp4", settings=FILM)

    level = luma_of(clips[0])[12]
    shares = [1] * 20 + [abs(k - 4) / 5 for k in range(9)] + [1] * 19
    assert luma_of(film.path) == pytest.approx([16 + (level - 16) * s for s in shares], abs=1)
    assert film.joins[1].start_frame == 24
    assert film.joins[1].transition_frames == 9


def test_every_transition_in_one_film_of_mixed_rates_adds_up(tmp_path, make_clip, read_number):
    clips = [
        make_clip("a.mp4", 24, size=SIZE),
        make_clip("b.mp4", 30, size=SIZE, fps=30),
        make_clip("c.mp4", 25, size=SIZE, fps=25),
        make_clip("d.mp4", 5, size=SIZE, pts=[0, 40, 500, 540, 600]),
    ]
    kinds: list[Transition] = ["cut", "crossfade", "dip", "crossfade"]
    segments = [
        Segment(clip, start=1, label=clip.stem, transition=kind, transition_seconds=0.25)
        for clip, kind in zip(clips, kinds, strict=True)
    ]

    film = stitch(segments, tmp_path / "film.mp4", settings=FILM)

    assert film.frames == sum(join.frames for join in film.joins) - 2 * 6
    assert probe(film.path).frame_count == film.frames
    numbers = numbers_of(film.path, read_number)
    # Frames that a crossfade takes of a part's start and end, and a dip likewise.
    for join, clip, head, tail in zip(film.joins, clips, (0, 6, 3, 6), (6, 3, 6, 0), strict=True):
        own = numbers[join.start_frame + head : join.start_frame + join.frames - tail]
        assert own == sorted(own)
        assert 1 <= own[0] <= own[-1] < probe(clip).frame_count
    assert numbers[:17] == list(range(1, 18))
    assert numbers[-1] == 4


def test_too_long_a_transition_is_shortened_and_says_so(tmp_path, make_clip):
    clip = make_clip("a.mp4", 5, size=SIZE)
    segments = [Segment(clip), Segment(clip, transition="crossfade", transition_seconds=2)]

    film = stitch([*segments, segments[1]], tmp_path / "film.mp4", settings=FILM)

    assert [join.transition_frames for join in film.joins] == [0, 2, 2]
    assert film.frames == 15 - 4
    assert "shortened from 48 to 2 frames" in film.joins[1].notes[0]


def test_kept_range_is_shown_and_nothing_else(tmp_path, make_clip, read_number):
    clip = make_clip("a.mp4", 24, size=SIZE)
    segments = [Segment(clip, 5, 9), Segment(clip, stop=2), Segment(clip, 23)]

    film = stitch(segments, tmp_path / "film.mp4", settings=FILM)

    assert numbers_of(film.path, read_number) == [5, 6, 7, 8, 0, 1, 23]
    assert [(join.start, join.kept, join.frames) for join in film.joins] == [
        (5, 4, 4),
        (0, 2, 2),
        (23, 1, 1),
    ]
    assert {join.source_frames for join in film.joins} == {24}


def test_card_is_shown_for_its_seconds_and_fitted(tmp_path, make_clip):
    clip = make_clip("a.mp4", 12, size=SIZE, paint=plain(30), sound=clicking(0.5, 0.25))
    picture = np.full((400, 300, 3), (200, 60, 60), np.uint8)
    segments: list[Segment | Card] = [
        Segment(clip),
        Card(picture, 0.5, "gap", "crossfade", 0.125),
        Segment(clip),
    ]

    film = stitch(segments, tmp_path / "film.mp4", settings=FILM)

    assert film.frames == 12 + 12 + 12 - 3
    gap = film.joins[1]
    assert (gap.label, gap.source_frames, gap.frames, gap.start_frame) == ("gap", 0, 12, 9)
    shown = frame_rgb(film.path, 15).reshape(-1, 3).mean(axis=0)
    assert shown == pytest.approx((200, 60, 60), abs=3)
    assert probe(film.path).frame_count == 33


def test_film_of_cards_alone_is_silent(tmp_path):
    card = Card(np.full((72, 128, 3), 90, np.uint8), 0.25)

    film = stitch([card], tmp_path / "film.mp4", settings=FILM)

    assert (film.frames, film.has_sound) == (6, False)


def test_card_shown_for_no_time_is_refused_by_name(tmp_path):
    card = Card(np.zeros((72, 128, 3), np.uint8), 0, "gap")

    with pytest.raises(MediaError, match="gap can't be shown for 0 s"):
        stitch([card], tmp_path / "film.mp4", settings=FILM)


def test_levels_change_one_clip_only(tmp_path, make_clip):
    clip = make_clip("a.mp4", 6, size=SIZE, paint=plain(100))
    identity = tuple(range(256))
    brighter = Levels(tuple(min(n + 20, 235) for n in identity), identity, identity)

    film = stitch(
        [Segment(clip), Segment(clip, levels=brighter)], tmp_path / "film.mp4", settings=FILM
    )

    level = luma_of(clip)[3]
    assert luma_of(film.path) == pytest.approx([level] * 6 + [level + 20] * 6, abs=1)
    assert film.joins[1].notes == ("colours corrected",)


def test_at_most_two_clips_are_open_at_a_time(tmp_path, make_clip, monkeypatch):
    clip = make_clip("a.mp4", 8, size=SIZE)
    opened, most = 0, 0

    @contextmanager
    def counting(path):
        nonlocal opened, most
        opened += 1
        most = max(most, opened)
        with open_media(path) as container:
            yield container
        opened -= 1

    monkeypatch.setattr("prefect_videogen.media.reels.open_media", counting)
    segments = [Segment(clip, transition="crossfade", transition_seconds=0.125)] * 6

    stitch(segments, tmp_path / "film.mp4", settings=FILM)

    assert (opened, most) == (0, 2)


def clicking(seconds, at):
    sound = np.zeros((2, round(seconds * RATE)), np.float32)
    sound[:, round(at * RATE)] = 0.9
    return sound


def clicks_in(sound):
    loud = np.flatnonzero(np.abs(sound[0]) > 0.3)
    return [at / RATE for n, at in enumerate(loud) if n == 0 or at - loud[n - 1] > RATE // 50]


def test_sound_follows_crossfade_dip_card_and_kept_range(tmp_path, make_clip, sound_of):
    click = make_clip("a.mp4", 24, size=SIZE, sound=clicking(1, 0.5))
    segments: list[Segment | Card] = [
        Segment(click),
        Segment(click, transition="crossfade", transition_seconds=0.25),
        Card(np.zeros((72, 128, 3), np.uint8), 0.5),
        Segment(click, 6, 18, transition="dip", transition_seconds=0.1),
    ]

    film = stitch(segments, tmp_path / "film.mp4", settings=FILM)

    wanted = [0.5, 0.75 + 0.5, 1.75 + 0.5 + 0.25]
    assert film.seconds == 1.75 + 0.5 + 0.5
    assert clicks_in(sound_of(film.path)) == pytest.approx(wanted, abs=0.001)


def test_crossfaded_sound_falls_and_rises_with_the_picture(tmp_path, make_clip, sound_of):
    tone = (0.5 * np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE)).astype(np.float32)
    loud = make_clip("loud.mp4", 24, size=SIZE, sound=np.stack([tone, tone]))
    quiet = make_clip("quiet.mp4", 24, size=SIZE)

    film = stitch(
        [
            Segment(path, transition="crossfade", transition_seconds=0.25)
            for path in (loud, quiet, loud)
        ],
        tmp_path / "film.mp4",
        settings=FILM,
    )

    heard = sound_of(film.path)[0]

    def level(seconds):
        around = heard[round((seconds - 0.01) * RATE) : round((seconds + 0.01) * RATE)]
        return np.sqrt(2 * (around**2).mean())

    half = 0.5 * np.sqrt(0.5)
    assert [level(at) for at in (0.25, 0.875, 1.25, 1.625, 2.25)] == pytest.approx(
        [0.5, half, 0, half, 0.5], abs=0.03
    )


def test_music_without_its_file_is_refused(tmp_path, make_clip):
    settings = FILM.model_copy(update={"music": "abc"})

    with pytest.raises(MediaError, match="music abc"):
        stitch([Segment(make_clip("a.mp4", 5))], tmp_path / "film.mp4", settings=settings)


def test_folder_that_is_not_there_is_refused_before_sound_is_mixed(tmp_path, make_clip):
    clip = make_clip("a.mp4", 12, size=SIZE, sound=clicking(0.5, 0.25))
    settings = FILM.model_copy(update={"loudness": -20.0})

    with pytest.raises(MediaError, match="gone can't be written to"):
        stitch([Segment(clip)], tmp_path / "gone" / "film.mp4", settings=settings)


def test_music_gives_silent_clips_a_track_at_its_loudness(tmp_path, make_clip, sound_of):
    tone = (0.1 * np.sin(2 * np.pi * 500 * np.arange(3 * RATE) / RATE)).astype(np.float32)
    music = make_clip("music.mp4", 5, size=SIZE, sound=np.stack([tone, tone]))
    clip = make_clip("a.mp4", 48, size=SIZE, sound=clicking(2, 1))
    settings = FILM.model_copy(update={"sound": "none", "music": "abc", "loudness": -20.0})

    film = stitch([Segment(clip)], tmp_path / "film.mp4", settings=settings, music=music)

    assert film.has_sound
    assert film.sound is not None
    assert film.sound.loudness == pytest.approx(-20, abs=0.5)
    heard = sound_of(film.path)
    assert np.abs(heard[0, RATE // 2 : RATE]).max() > 0.05
    assert np.abs(heard).max() < 0.5
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
