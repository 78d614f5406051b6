from __future__ import annotations

import json
import shutil
import subprocess

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.filter.loudnorm import stats

from prefect_videogen.errors import MediaError
from prefect_videogen.media import mixing
from prefect_videogen.media.mixing import (
    FADE_OUT_SECONDS,
    SEAM_SAMPLES,
    SoundResult,
    finish_sound,
)
from prefect_videogen.media.sound import regular

RATE = 48_000
FADE = FADE_OUT_SECONDS * RATE


@pytest.fixture
def write_sound(tmp_path):
    def write(name, samples, codec="pcm_f32le", layout="stereo", rate=RATE):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            track = container.add_stream(codec, rate=rate, layout=layout)
            packed = track.format.name
            made = samples.astype(np.float32)
            for at in range(0, samples.shape[1], 1024):
                block = np.ascontiguousarray(made[:, at : at + 1024])
                frame = AudioFrame.from_ndarray(block, format="fltp", layout=layout)
                frame.sample_rate, frame.pts = rate, at
                for fitting in av.AudioResampler(packed, layout, rate).resample(frame):
                    container.mux(track.encode(fitting))
            container.mux(track.encode(None))
        return path

    return write


@pytest.fixture
def finish(tmp_path):
    def run(made, *, total=None, music=None, loudness=None, clips_sound=True):
        blocks, result = finish_sound(
            regular([made], made.shape[1]),
            total or made.shape[1],
            music=music,
            loudness=loudness,
            clips_sound=clips_sound,
            folder=tmp_path,
        )
        return np.concatenate(list(blocks), axis=1), result

    return run


def noise(seed, seconds, level=0.1):
    made = np.random.default_rng(seed).standard_normal((2, round(seconds * RATE))) * level
    return made.astype(np.float32)


def silent(seconds):
    return np.zeros((2, round(seconds * RATE)), np.float32)


def steady(seconds, level=0.5):
    return np.full((2, round(seconds * RATE)), level, np.float32)


def tone(seconds, level, rate=RATE):
    wave = level * np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 440 / rate)
    return np.stack([wave, wave]).astype(np.float32)


def speech(seed, seconds, level):
    """Noise in the band of a voice that comes and goes four times a second."""
    made = noise(seed, seconds)
    spectrum = np.fft.rfft(made)
    pitch = np.fft.rfftfreq(made.shape[1], 1 / RATE)
    voice = np.fft.irfft(spectrum * ((pitch > 200) & (pitch < 3500)), made.shape[1])
    voice *= 0.6 + 0.4 * np.sin(np.arange(made.shape[1]) * 2 * np.pi * 4 / RATE)
    return (voice / np.sqrt((voice**2).mean()) * 10 ** (level / 20)).astype(np.float32)


def decibels(samples):
    return 20 * np.log10(np.sqrt((samples.astype(np.float64) ** 2).mean()))


def measured(path):
    """Measure loudness and true peak with the `loudnorm` filter, which is not what we use."""
    with av.open(str(path)) as container:
        found = json.loads(stats("i=-24:tp=-2:lra=7", container.streams.audio[0]))
    return float(found["input_i"]), float(found["input_tp"])


def leftovers(folder):
    return list(folder.glob("*.f32"))


def test_sound_without_wishes_stays_as_it_is(finish, tmp_path):
    made = noise(1, 0.35)

    film, result = finish(made)

    assert np.array_equal(film, made)
    assert result == SoundResult(loudness=None, loudness_before=None, true_peak=None)
    assert not leftovers(tmp_path)


def test_unwanted_clips_sound_is_silence(finish):
    film, _ = finish(noise(1, 0.35), clips_sound=False)

    assert film.shape == (2, round(0.35 * RATE))
    assert not film.any()


@pytest.mark.parametrize("level", [-40, -12])
def test_film_is_brought_to_its_loudness(finish, write_sound, tmp_path, level):
    made = speech(1, 4.03, level)

    film, result = finish(made, loudness=-20)

    loudness, peak = measured(write_sound("film.wav", film))
    assert film.shape == made.shape
    assert loudness == pytest.approx(-20, abs=0.2)
    assert result.loudness == pytest.approx(loudness, abs=0.1)
    assert result.true_peak == pytest.approx(peak, abs=0.2)
    assert result.loudness_before == pytest.approx(
        measured(write_sound("before.wav", made))[0], abs=0.1
    )
    assert not leftovers(tmp_path)
    # One gain over all of it, and no filter that would bend it.
    gain = film[0, 1000] / made[0, 1000]
    assert np.allclose(film, made * gain, rtol=1e-4)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="the ffmpeg command is not installed")
def test_loudness_agrees_with_the_ffmpeg_command(finish, write_sound):
    film, result = finish(speech(1, 5, -33), loudness=-16)

    path = write_sound("film.wav", film)
    command = ["ffmpeg", "-hide_banner", "-nostats", "-i", str(path), "-af", "ebur128=peak=true"]
    said = subprocess.run(
        [*command, "-f", "null", "-"], capture_output=True, text=True, check=True
    ).stderr.partition("Summary:")[2]
    loudness = float(said.partition("I:")[2].split()[0])
    peak = float(said.partition("Peak:")[2].split()[0])
    assert loudness == pytest.approx(-16, abs=0.5)
    assert result.loudness == pytest.approx(loudness, abs=0.1)
    assert peak <= -0.8


def test_peaks_stay_under_the_ceiling(finish, write_sound):
    # Loud knocks over a quiet voice: the gain alone would send them 11 dB over full scale.
    made = speech(1, 6, -34)
    made[:, ::24_000] = 0.9
    made[:, 1::24_000] = -0.9

    film, result = finish(made, loudness=-16)

    loudness, peak = measured(write_sound("film.wav", film))
    assert peak <= -0.8
    assert result.true_peak == pytest.approx(peak, abs=0.2)
    assert loudness == pytest.approx(-16, abs=0.5)
    assert result.loudness == pytest.approx(loudness, abs=0.1)


def test_loudness_out_of_reach_is_reported_as_it_is(finish, write_sound):
    made = silent(4)
    for at in range(0, 4 * RATE, RATE // 2):
        made[:, at : at + 2400] = tone(0.05, 0.5)
    film, result = finish(made, loudness=-5)

    loudness, peak = measured(write_sound("film.wav", film))
    assert peak <= -0.8
    assert loudness < -6
    assert result.loudness == pytest.approx(loudness, abs=0.1)


def test_hiss_is_not_brought_up_to_full_loudness(finish):
    film, result = finish(noise(1, 3, 10 ** (-65 / 20)), loudness=-16)

    assert result.loudness == pytest.approx(result.loudness_before + mixing.MOST_GAIN, abs=0.1)
    assert decibels(film) == pytest.approx(-65 + mixing.MOST_GAIN, abs=0.2)


@pytest.mark.parametrize("made", [silent(2), noise(1, 2, 1e-5), noise(1, 0.2)])
def test_film_too_silent_or_short_to_measure_is_left(finish, tmp_path, made):
    film, result = finish(made, loudness=-16)

    assert np.array_equal(film, made)
    assert result == SoundResult()
    assert not leftovers(tmp_path)


def test_click_stays_in_place_through_ducking_and_limiting(finish, write_sound):
    at = 5 * RATE + 1234
    made = speech(1, 6.017, -40)
    made[:, at] = 0.95
    music = write_sound("music.wav", noise(2, 8, 0.01))

    film, result = finish(made, music=music, loudness=-16)

    assert film.shape == made.shape
    assert np.abs(film[0]).argmax() == at
    assert np.abs(film[1]).argmax() == at
    # The peak needed limiting, else this would not have gone through the limiter.
    assert result.loudness - result.loudness_before + 20 * np.log10(0.95) > 0


@pytest.mark.parametrize("level", [-12, -20, -28])
def test_music_makes_room_while_clips_sound(finish, write_sound, level):
    music = noise(2, 12, 0.1)
    made = silent(10)
    # Kept off full scale, where the limiter would count as ducking.
    made[:, 3 * RATE : 6 * RATE] = np.clip(speech(1, 3, level), -0.7, 0.7)

    film, _ = finish(made, music=write_sound("music.wav", music))

    under = film - made
    alone = decibels(under[:, RATE : 3 * RATE])
    assert alone == pytest.approx(decibels(music) - 6, abs=0.3)
    assert 8 < alone - decibels(under[:, round(3.2 * RATE) : 6 * RATE]) < 14.5
    assert decibels(under[:, 7 * RATE : round(7.9 * RATE)]) == pytest.approx(alone, abs=0.5)


def test_clips_under_silent_music_stay_as_they_are(finish, write_sound):
    made = noise(1, 1.03)

    film, _ = finish(made, music=write_sound("music.wav", silent(2)))

    assert np.array_equal(film, made)


def test_music_over_loud_clips_is_not_cut_at_full_scale(finish, write_sound):
    wave = 0.98 * np.sin(np.arange(4 * RATE) * 2 * np.pi * 200 / RATE)
    made = np.stack([wave, wave]).astype(np.float32)

    film, _ = finish(made, music=write_sound("music.wav", made))

    assert np.abs(film).max() <= 1
    # A wave that was cut would rest at full scale.
    assert (np.abs(film[0]) > 0.9999).mean() < 0.02


@pytest.mark.parametrize("seconds", [9.1, 12])
def test_long_music_fades_out_over_the_last_two_seconds(finish, write_sound, seconds):
    music = write_sound("m.wav", steady(seconds))
    film, _ = finish(silent(9.01), music=music, clips_sound=False)

    total = round(9.01 * RATE)
    assert film.shape == (2, total)
    assert np.allclose(film[:, 240 : total - FADE], 0.5)
    fall = np.linspace(0.5, 0, FADE)
    assert np.allclose(film[:, total - FADE :], fall, atol=1e-3)


def test_long_music_of_a_short_film_fades_over_its_last_quarter(finish, write_sound):
    film, _ = finish(silent(2), music=write_sound("m.wav", steady(12)), clips_sound=False)

    assert np.allclose(film[:, 240 : round(1.5 * RATE)], 0.5)
    assert film[0, round(1.5 * RATE)] < 0.5
    assert film[0, round(1.75 * RATE)] == pytest.approx(0.25, abs=1e-3)


def test_short_music_is_repeated_with_a_crossfade(finish, write_sound):
    music = np.stack([np.linspace(0.2, 0.4, 3 * RATE)] * 2)
    film, _ = finish(silent(12), music=write_sound("m.wav", music), clips_sound=False)

    period = 3 * RATE - SEAM_SAMPLES
    assert film.shape == (2, 12 * RATE)
    for again in (1, 2):
        begin = again * period + SEAM_SAMPLES
        inner = slice(begin, begin + period - SEAM_SAMPLES - 240)
        assert np.allclose(film[0, inner], music[0, SEAM_SAMPLES : period - 240], atol=1e-5)
        # In the seam the music neither drops out nor doubles.
        seam = film[0, again * period : begin]
        assert 0.18 < seam.min() < seam.max() < 0.46
    assert abs(film[0, -1]) < 1e-4


def test_music_that_ends_just_before_the_film_ends_by_itself(finish, write_sound):
    film, _ = finish(silent(10), music=write_sound("m.wav", steady(9)), clips_sound=False)

    assert np.allclose(film[:, 240 : 9 * RATE - 240], 0.5)
    assert not film[:, 9 * RATE :].any()


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("music.mp3", "libmp3lame"),
        ("music.flac", "flac"),
        ("music.m4a", "aac"),
        ("music.ogg", "libopus"),
        ("music.aiff", "pcm_s16be"),
        ("music.wav", "pcm_s16le"),
    ],
)
def test_every_usual_kind_of_music_keeps_its_beat(finish, write_sound, name, codec):
    beat = silent(1.5) + 0.001 * noise(1, 1.5)
    beat[:, RATE // 2 : RATE // 2 + 20] = 0.8
    path = write_sound(name, beat, codec)

    film, _ = finish(silent(1.5), music=path, clips_sound=False)

    assert film.shape == (2, round(1.5 * RATE))
    assert abs(np.abs(film[0]).argmax() - RATE // 2 - 10) < 48


def test_mono_music_of_another_rate_plays_on_both_sides_at_its_level(finish, write_sound):
    wave = tone(3, 0.5, rate=44_100)
    path = write_sound("m.wav", wave[:1], layout="mono", rate=44_100)

    film, _ = finish(silent(2), music=path, clips_sound=False)

    assert np.array_equal(film[0], film[1])
    assert decibels(film[:, 1000:RATE]) == pytest.approx(decibels(wave), abs=0.1)


def test_sound_of_a_video_serves_as_music(finish, make_clip):
    clip = make_clip("a.mp4", 2, size=(32, 32), sound=tone(2, 0.5))

    film, _ = finish(silent(1.5), music=clip, clips_sound=False)

    assert decibels(film[:, 4800:RATE]) == pytest.approx(decibels(tone(2, 0.5)), abs=0.1)


@pytest.mark.parametrize("loudness", [None, -16])
def test_music_that_is_none_is_named(finish, tmp_path, loudness):
    path = tmp_path / "music.mp3"
    path.write_bytes(b"<html>not found</html>")

    with pytest.raises(MediaError, match=r"music\.mp3 is not a sound file.*an HTML page"):
        finish(silent(1), music=path, loudness=loudness)


def test_music_without_sound_is_refused(finish, make_clip):
    with pytest.raises(MediaError, match=r"mute\.mp4 has 0\.00 seconds of sound"):
        finish(silent(1), music=make_clip("mute.mp4", 2, size=(32, 32)))


def test_playlist_is_no_music(finish, write_sound, tmp_path):
    write_sound("m.aac", noise(1, 2), "aac")
    playlist = tmp_path / "music.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nm.aac\n#EXT-X-ENDLIST\n")

    with pytest.raises(MediaError, match="is not a sound file"):
        finish(silent(1), music=playlist)


def test_broken_clips_leave_no_work_file(tmp_path):
    def breaking():
        yield noise(1, 0.1)
        raise MediaError("a.mp4 can't be read to its end.")

    with pytest.raises(MediaError, match=r"a\.mp4"):
        finish_sound(breaking(), RATE, music=None, loudness=-16, clips_sound=True, folder=tmp_path)

    assert not leftovers(tmp_path)


def test_stopping_early_closes_the_clips_and_removes_the_work_file(tmp_path):
    closed = []

    def clips():
        try:
            yield from regular([noise(1, 2)], 2 * RATE)
        finally:
            closed.append(True)

    held = clips()
    options = {"music": None, "clips_sound": True, "folder": tmp_path}
    blocks, _ = finish_sound(held, 2 * RATE, loudness=None, **options)
    next(blocks)
    blocks.close()
    assert closed == [True]

    blocks, _ = finish_sound(clips(), 2 * RATE, loudness=-20, **options)
    next(blocks)
    assert leftovers(tmp_path)
    blocks.close()
    assert not leftovers(tmp_path)


def test_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"nowhere.*can't be written"):
        finish_sound(
            iter([noise(1, 1)]),
            RATE,
            music=None,
            loudness=-16,
            clips_sound=True,
            folder=tmp_path / "nowhere",
        )
