from __future__ import annotations

import tracemalloc
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from prefect_videogen.errors import MediaError
from prefect_videogen.media import containers, sound
from prefect_videogen.media.sound import FADE_SAMPLES, Stretch, film_sound, regular

RATE = 48_000
START = Fraction(0)


@pytest.fixture
def write_wav(tmp_path):
    def write(name, samples):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            track = container.add_stream("pcm_f32le", rate=RATE, layout="stereo")
            packed = np.ascontiguousarray(samples.T.reshape(1, -1).astype(np.float32))
            frame = AudioFrame.from_ndarray(packed, format="flt", layout="stereo")
            frame.sample_rate = RATE
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
        return path

    return write


@pytest.fixture
def write_joined(tmp_path):
    """Write tones of two seconds, each coded in its own way, one after another into a track."""

    def write(*tones):
        path = tmp_path / "joined.ts"
        path.write_bytes(b"")
        for number, (hertz, rate, layout) in enumerate(tones):
            part = tmp_path / "part.ts"
            with av.open(str(part), "w") as container:
                track = container.add_stream("aac", rate=rate, layout=layout)
                # Whole blocks of the codec: padding would set the next tone apart from it.
                time = np.arange(2 * rate // 1024 * 1024) / rate
                wave = 0.5 * np.sin(2 * np.pi * hertz * time)
                samples = np.tile(wave.astype(np.float32), (track.layout.nb_channels, 1))
                frame = AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
                frame.sample_rate, frame.pts = rate, number * 2 * rate
                container.mux(track.encode(frame))
                container.mux(track.encode(None))
            path.write_bytes(path.read_bytes() + part.read_bytes())
        return path

    return write


@pytest.fixture
def opened(monkeypatch):
    """Count the decoders open now, and at most."""
    count = {"now": 0, "most": 0, "ever": 0}
    real = containers.open_sound

    @contextmanager
    def counting(path):
        count["now"] += 1
        count["ever"] += 1
        count["most"] = max(count["most"], count["now"])
        try:
            with real(path) as container:
                yield container
        finally:
            count["now"] -= 1

    monkeypatch.setattr(sound, "open_sound", counting)
    return count


def whole(blocks):
    return np.concatenate(list(blocks), axis=1)


def noise(seed, seconds, level=0.1):
    made = np.random.default_rng(seed).standard_normal((2, round(seconds * RATE))) * level
    return made.astype(np.float32)


def sine(seconds, level):
    wave = level * np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * 440 / RATE)
    return np.stack([wave, wave]).astype(np.float32)


def decibels(samples):
    return 20 * np.log10(np.sqrt((samples**2).mean()))


def test_click_in_the_last_of_twelve_clips_is_at_its_sample(make_clip):
    # The picture is 121 frames, 5.042 s; the sound 5.000 s: a film that adds up sound drifts.
    length, click = 121 * RATE // 24, 2 * RATE
    track = np.zeros((2, 5 * RATE), np.float32)
    track[:, click] = 0.9
    clip = make_clip("a.mp4", 1, size=(32, 32), sound=track)

    film = whole(
        film_sound([Stretch(clip, START, n * length, length) for n in range(12)], 12 * length)
    )

    assert film.shape == (2, 12 * length)
    for n in (0, 11):
        part = film[0, n * length : (n + 1) * length]
        assert np.abs(part).argmax() == click
        assert not part[5 * RATE + 2048 :].any()


def test_crossfade_of_noises_keeps_the_loudness(write_wav):
    fade = RATE // 2
    paths = write_wav("a.wav", noise(1, 2)), write_wav("b.wav", noise(2, 2))
    stretches = [
        Stretch(paths[0], START, 0, 2 * RATE, fade_out=fade),
        Stretch(paths[1], START, 2 * RATE - fade, 2 * RATE, fade_in=fade),
    ]

    film = whole(film_sound(stretches, 4 * RATE - fade))

    level = decibels(noise(1, 2))
    for at in range(RATE, 2 * RATE, 2400):
        assert abs(decibels(film[:, at : at + 2400]) - level) < 1


def test_crossfade_of_a_sound_with_itself_keeps_its_level_when_linear(write_wav):
    path = write_wav("a.wav", sine(2, 0.9))
    fade = RATE // 10
    begin = RATE
    # The second half plays on where the first left, so both sides of the fade are the same.
    stretches = [
        Stretch(path, START, 0, begin + fade, fade_out=fade, curve="linear"),
        Stretch(path, Fraction(1), begin, RATE, fade_in=fade, curve="linear"),
    ]

    film = whole(film_sound(stretches, 2 * RATE))

    inner = slice(FADE_SAMPLES, 2 * RATE - FADE_SAMPLES)
    middle = np.r_[begin + FADE_SAMPLES : begin + fade - FADE_SAMPLES]
    assert np.abs(film[:, inner]).max() < 0.905
    assert np.abs(film[:, middle] - sine(2, 0.9)[:, middle]).max() < 1e-4


def test_sum_past_full_scale_is_cut_there_and_nowhere_else(write_wav):
    path = write_wav("a.wav", sine(1, 0.9))
    stretches = [
        Stretch(path, START, 0, RATE, fade_out=RATE // 2),
        Stretch(path, START, RATE // 2, RATE, fade_in=RATE // 2),
    ]

    film = whole(film_sound(stretches, 3 * RATE // 2))

    assert film.max() == 1
    assert film.min() == -1
    assert 0.89 < np.abs(film[:, 1000 : RATE // 2]).max() < 0.91


@pytest.mark.parametrize("fade", [1, 4800, 10_001])
def test_transition_is_as_long_as_asked(write_wav, fade):
    path = write_wav("a.wav", np.full((2, RATE), 0.5, np.float32))

    film = whole(film_sound([Stretch(path, START, 100, RATE, fade, fade, "linear")], 2 * RATE))

    edge = max(fade, FADE_SAMPLES)
    assert not film[:, :100].any()
    assert not film[:, 100 + RATE :].any()
    assert np.allclose(film[:, 100 + edge : 100 + RATE - edge], 0.5)
    if fade > FADE_SAMPLES:
        assert film[0, 100 + fade - 1] < 0.5 > film[0, 100 + RATE - fade]
        assert film[0, 100 + fade // 2] == pytest.approx(0.25, abs=1e-4)


def test_cut_has_short_fades_against_clicks(write_wav):
    path = write_wav("a.wav", np.full((2, RATE), 0.5, np.float32))

    film = whole(
        film_sound([Stretch(path, START, 0, 4000), Stretch(path, START, 4000, 4000)], 8000)
    )

    assert film[0, 0] == film[0, 3999] == film[0, 4000] == 0
    assert np.allclose(film[:, FADE_SAMPLES : 4000 - FADE_SAMPLES], 0.5)
    assert np.abs(np.diff(film[0])).max() < 0.005


def test_gaps_and_missing_sound_are_silence(make_clip, write_wav):
    path = write_wav("a.wav", np.full((2, 4800), 0.5, np.float32))
    mute = make_clip("mute.mp4", 2, size=(32, 32))
    stretches = [
        Stretch(mute, START, 0, 5000),
        Stretch(None, START, 5000, 5000),
        Stretch(path, START, 20_000, 9000),
        # Reaches past the film's end.
        Stretch(path, START, 40_000, 4800),
    ]

    film = whole(film_sound(stretches, 41_001))

    assert film.shape == (2, 41_001)
    heard = np.flatnonzero(film[0])
    assert (heard[0], heard[-1]) == (20_001, 41_000)
    assert not film[:, 24_800:40_000].any()


def test_at_most_two_decoders_are_open(write_wav, opened):
    path = write_wav("a.wav", noise(1, 1))
    stretches = [Stretch(path, START, n * 40_000, 44_000, 4000 * bool(n), 4000) for n in range(6)]

    whole(film_sound(stretches, 5 * 40_000 + 44_000))

    assert opened == {"now": 0, "most": 2, "ever": 6}


def test_stopping_early_closes_the_decoders(write_wav, opened):
    path = write_wav("a.wav", noise(1, 1))
    film = film_sound([Stretch(path, START, 0, RATE), Stretch(path, START, 100, RATE)], 2 * RATE)

    next(film)
    next(film)
    assert opened["now"] == 2
    film.close()

    assert opened["now"] == 0


def test_memory_holds_blocks_and_not_clips(write_wav):
    path = write_wav("a.wav", noise(1, 40))
    clip_bytes = 40 * RATE * 8
    stretches = [Stretch(path, START, n * 30 * RATE, 40 * RATE, 0, 10 * RATE) for n in range(2)]

    tracemalloc.start()
    try:
        count = sum(block.shape[1] for block in film_sound(stretches, 70 * RATE))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 70 * RATE
    assert peak < clip_bytes / 4


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((48_000, "stereo"), (44_100, "stereo")),
        ((44_100, "stereo"), (48_000, "stereo")),
        ((48_000, "stereo"), (48_000, "5.1")),
        ((44_100, "mono"), (48_000, "stereo")),
        ((48_000, "stereo"), (48_000, "mono")),
    ],
)
def test_track_that_changes_its_rate_or_channels_plays_on_as_it_was(write_joined, before, after):
    path = write_joined((440, *before), (660, *after))

    positions, blocks = zip(*sound.decoded_sound(path), strict=True)

    assert {len(block) for block in blocks} == {2}
    joined = whole(blocks)
    # Each part is longer by what its codec pads.
    assert joined.shape[1] == pytest.approx(4 * RATE, abs=6000)
    ends = [at + block.shape[1] for at, block in zip(positions, blocks, strict=True)]
    assert all(end <= at for end, at in zip(ends, positions[1:], strict=False))
    for heard, hertz in ((joined[0, :RATE], 440), (joined[0, -RATE * 3 // 2 : -RATE // 2], 660)):
        assert np.abs(np.fft.rfft(heard)).argmax() == pytest.approx(hertz, abs=1)


def test_file_that_is_no_sound_is_named(tmp_path):
    path = tmp_path / "music.mp3"
    path.write_bytes(b"<html>not found</html>")

    with pytest.raises(MediaError, match=r"music\.mp3 is not a sound file.*an HTML page"):
        whole(film_sound([Stretch(path, START, 0, 100)], 100))


@pytest.mark.parametrize("total", [1, 4800, 4801, 20_000])
def test_regular_blocks_come_to_the_total(total):
    made = noise(1, 0.3)
    parts = np.split(made, [7, 5000, 5001, 14_000], axis=1)

    blocks = list(regular(parts, total))

    assert [block.shape[1] for block in blocks[:-1]] == [4800] * (len(blocks) - 1)
    joined = whole(blocks)
    kept = min(total, made.shape[1])
    assert joined.shape == (2, total)
    assert np.array_equal(joined[:, :kept], made[:, :kept])
    assert not joined[:, kept:].any()
