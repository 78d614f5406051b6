from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from av.filter import Graph
from tests.media.conftest import numbered, read_sound, write_clip

from prefect_videogen.errors import MediaError
from prefect_videogen.media import FilmSettings, Segment, frame_rgb, probe
from prefect_videogen.media.copying import CopyWriter, Ticks, why_not_copied
from prefect_videogen.media.layout import Card
from prefect_videogen.media.stored import fault_of, read_stored

SIZE = (128, 72)
FRAMES = 48
SETTINGS = FilmSettings(width=128, height=72, fps=Fraction(24))


def painted_from(start):
    """Paint frames numbered from `start`."""
    return lambda index, width, height: numbered(start + index, width, height)


def write(path, start=0, **options):
    write_clip(path, **{"frames": FRAMES, "size": SIZE, "paint": painted_from(start), **options})
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Three clips of 48 frames, numbered from 0, 100 and 200."""
    folder = tmp_path_factory.mktemp("clips")
    return [write(folder / f"{start}.mp4", start) for start in (0, 100, 200)]


def copied(out, clips, doubled):
    with CopyWriter(out, 24) as writer:
        for index, clip in enumerate(clips):
            writer.copy(clip, doubled if index else 0)
    return writer


def stamps(path):
    """Give when each stored frame is shown and decoded, in ticks of the film."""
    with av.open(str(path)) as container:
        assert container.streams.video[0].time_base == Fraction(1, 24 * 512)
        return [
            (packet.pts, packet.dts)
            for packet in container.demux(video=0)
            if packet.pts is not None and packet.dts is not None
        ]


def planned(doubled):
    return [*range(48), *range(100 + doubled, 148), *range(200 + doubled, 248)]


def why(*parts, settings=SETTINGS):
    segments = [
        Segment(part, label=part.stem) if not isinstance(part, (Segment, Card)) else part
        for part in parts
    ]
    probes = {part.path: probe(part.path) for part in segments if isinstance(part, Segment)}
    return why_not_copied(segments, settings, probes)


# When a frame is shown: the grid for what is kept, one tick each for what is doubled.


@pytest.mark.parametrize("rate", ["24", "25", "30", "24000/1001", "15/2", "120", "1"])
def test_ticks_divide_every_frame_and_are_short(rate):
    fps = Fraction(rate)
    ticks = Ticks(fps)

    assert Fraction(ticks.slot, ticks.rate) == 1 / fps
    assert Fraction(1, ticks.rate) <= Fraction(1, 10_000)


def test_doubled_frames_share_the_slot_of_the_frame_before():
    ticks = Ticks(Fraction(24))

    times = [ticks.shown(rank, 2, 48) for rank in range(5)]

    assert times == [47 * 512 + 1, 47 * 512 + 2, 48 * 512, 49 * 512, 50 * 512]


# What is written.


@pytest.mark.parametrize("doubled", [0, 1, 2, 3])
def test_film_stores_every_frame_and_shows_the_planned_ones_on_the_grid(
    tmp_path, clips, doubled, read_number
):
    assert any(rank != at for at, rank in enumerate(read_stored(clips[0], Fraction(24)).order))

    film = copied(tmp_path / "film.mp4", clips, doubled)

    times = stamps(film.path)
    decoded = [dts for _, dts in times]
    assert len(times) == 144
    assert film.frames == 144 - 2 * doubled
    assert decoded == sorted(set(decoded))
    assert all(dts <= pts for pts, dts in times)
    with av.open(str(film.path)) as container:
        shown = [
            (Fraction(frame.pts, 512), read_number(frame.to_ndarray(format="rgb24")))
            for frame in container.decode(video=0)
            if frame.pts is not None
        ]
    on_grid = [(at, number) for at, number in shown if at.denominator == 1]
    assert [(int(at), number) for at, number in on_grid] == list(enumerate(planned(doubled)))
    hidden = [(int(at), number) for at, number in shown if at.denominator != 1]
    assert hidden == [
        (end, base + index)
        for end, base in ((47, 100), (95 - doubled, 200))
        for index in range(doubled)
    ]


@pytest.mark.parametrize("doubled", [1, 3])
def test_fixed_rate_reading_shows_the_planned_frames(tmp_path, clips, doubled, read_number):
    film = copied(tmp_path / "film.mp4", clips, doubled)
    graph = Graph()

    with av.open(str(film.path)) as container:
        track = container.streams.video[0]
        source = graph.add_buffer(template=track, time_base=track.time_base)
        graph.link_nodes(
            source, graph.add("fps", "fps=24:round=up"), graph.add("buffersink")
        ).configure()
        for frame in container.decode(track):
            graph.vpush(frame)
        graph.vpush(None)
    seen = []
    while True:
        try:
            seen.append(read_number(graph.vpull().to_ndarray(format="rgb24")))
        except (BlockingIOError, av.error.EOFError):
            break

    assert seen == planned(doubled)


def test_copied_pictures_are_the_clips_to_the_bit(tmp_path, clips):
    film = copied(tmp_path / "film.mp4", clips, 1)

    assert np.array_equal(frame_rgb(film.path, 47), frame_rgb(clips[0], 47))
    assert np.array_equal(frame_rgb(film.path, 50), frame_rgb(clips[1], 2))


def test_same_clips_give_the_same_bytes(tmp_path, clips):
    first, second = (copied(tmp_path / name, clips, 1) for name in ("a.mp4", "b.mp4"))

    data = first.path.read_bytes()
    assert data == second.path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_untagged_clips_give_a_tagged_film_of_the_same_colours(tmp_path):
    clip = write(tmp_path / "clip.mp4", 5, size=(1280, 720), frames=3, tagged=False)
    settings = FilmSettings(width=1280, height=720, fps=Fraction(24))
    assert probe(clip).color_space == ""
    assert why(clip, settings=settings) == ""

    film = copied(tmp_path / "film.mp4", [clip], 0)

    found = probe(film.path)
    assert (found.color_space, found.color_range) == ("bt709", "tv")
    assert (found.color_primaries, found.color_trc) == ("bt709", "bt709")
    assert np.array_equal(frame_rgb(film.path, 1), frame_rgb(clip, 1))


def test_click_in_the_last_of_twelve_clips_is_in_place(tmp_path, clips):
    # Its place: 11 joins of 47 kept frames, and a third of a second into the last clip.
    at = 48_000 * (48 + 10 * 47) // 24 + 16_000
    sound = np.zeros((2, 48_000 * (48 + 11 * 47) // 24), np.float32)
    sound[:, at : at + 48] = 0.9

    with CopyWriter(tmp_path / "film.mp4", 24, sound=True) as writer:
        for index in range(12):
            writer.copy(clips[index % 3], int(index > 0))
            upto = 2000 * writer.frames
            writer.write_sound(sound[:, writer.samples : upto])

    heard = read_sound(tmp_path / "film.mp4")
    found = probe(tmp_path / "film.mp4")
    assert abs(int(np.argmax(np.abs(heard[0]) > 0.4)) - at) <= 48
    assert writer.frames == 565
    assert found.seconds == pytest.approx(565 / 24, abs=1e-5)
    assert found.audio_seconds == pytest.approx(565 / 24, abs=0.022)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg here; apt-get install ffmpeg")
@pytest.mark.parametrize("doubled", [1, 3])
def test_ffmpeg_decodes_without_complaint_and_retimes_to_the_planned_frames(
    tmp_path, clips, doubled, read_number
):
    film = copied(tmp_path / "film.mp4", clips, doubled)

    def run(*options):
        command = ["ffmpeg", "-v", "warning", "-i", str(film.path), *options]
        done = subprocess.run(command, capture_output=True, check=True)
        assert done.stderr == b""
        return np.frombuffer(done.stdout, np.uint8).reshape(-1, 72, 128, 3)

    raw = ("-pix_fmt", "rgb24", "-f", "rawvideo", "-")
    everything = run("-fps_mode", "passthrough", "-enc_time_base", "-1", *raw)
    exact = [read_number(picture) for picture in run("-vf", "fps=24:round=up", *raw)]
    default = [read_number(picture) for picture in run("-vf", "fps=24", *raw)]

    assert len(everything) == 144
    assert exact == planned(doubled)
    # By default it takes the last frame of a slot: the repetition instead of the frame it repeats.
    instead = {47: 100 + doubled - 1, 147: 200 + doubled - 1}
    assert default == [instead.get(number, number) for number in planned(doubled)]


# What is refused.


def test_frames_before_the_first_can_not_be_hidden(tmp_path, clips):
    with (
        pytest.raises(MediaError, match=r"1 doubled frames .* can't be hidden"),
        CopyWriter(tmp_path / "film.mp4", 24) as writer,
    ):
        writer.copy(clips[0], 1)

    assert list(tmp_path.iterdir()) == []


def test_film_without_clips_is_refused(tmp_path):
    with (
        pytest.raises(MediaError, match="no frame"),
        CopyWriter(tmp_path / "film.mp4", 24),
    ):
        pass

    assert list(tmp_path.iterdir()) == []


def test_clip_off_the_films_grid_leaves_no_film(tmp_path, clips):
    with (
        pytest.raises(MediaError, match="holds 48 frames, 25 of them on the film's grid"),
        CopyWriter(tmp_path / "film.mp4", 12) as writer,
    ):
        writer.copy(clips[0], 0)

    assert list(tmp_path.iterdir()) == []


# Why a film is encoded.


def test_clips_of_one_kind_can_be_copied(clips):
    starts = [Segment(clip, start=start) for clip, start in zip(clips, (0, 1, 3), strict=True)]

    assert why(*starts) == ""
    assert why(Segment(clips[0], stop=48), clips[1]) == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"transition": "crossfade"}, "shot b begins with a crossfade"),
        ({"start": 4}, "shot b begins 4 frames late, and nothing can hide them"),
        ({"start": 1, "trimmed": True}, "shot b begins 1 frames late, and nothing can hide them"),
        ({"stop": 40}, "shot b is cut after 40 of its 48 frames"),
    ],
)
def test_join_that_needs_more_than_a_cut_is_named(clips, changes, reason):
    assert why(clips[0], Segment(clips[1], label="b", **changes)) == reason


def test_card_and_late_first_frame_are_named(clips):
    card = Card(np.zeros((72, 128, 3), np.uint8), 1.0, label="end")

    assert why(clips[0], card) == "shot end is a card, which has to be drawn"
    assert (
        why(Segment(clips[0], start=1)) == "0.mp4 begins 1 frames late, and nothing can hide them"
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"size": (128, 64)}, "shot odd is 128x64, the film 128x72"),
        ({"fps": 30}, "shot odd has 30 frames a second, the film 24"),
        (
            {"pts": [0, 40, 300, 340], "frames": 4},
            "shot odd has a changing number of frames a second, the film 24",
        ),
        ({"matrix": 6}, "shot odd is smpte170m tv smpte170m smpte170m, the film bt709 tv"),
        ({"full_range": True}, "shot odd is yuvj420p, the film yuv420p"),
        ({"tagged": False}, "shot odd is untagged untagged untagged untagged, the film bt709 tv"),
        ({"b_frames": 0}, "shot odd and shot 0 have other parameter sets, both H.264 High level"),
        (
            {"display_matrix": (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)},
            "shot odd is turned by 270 degrees",
        ),
        (
            {"size": (96, 72), "pixel_aspect": Fraction(4, 3)},
            "shot odd has pixels of 4/3, the film square ones",
        ),
    ],
)
def test_clip_of_another_kind_is_named(tmp_path, clips, options, reason):
    odd = write(tmp_path / "odd.mp4", **options)

    assert why(clips[0], odd).startswith(reason)


def remuxed(source, out, drop=lambda index, packet: False, **options):
    """Copy a clip's packets into another file, leaving some out."""
    with av.open(str(source)) as old, av.open(str(out), "w", **options) as new:
        track = new.add_stream_from_template(old.streams.video[0])
        for index, packet in enumerate(p for p in old.demux(video=0) if p.size):
            if not drop(index, packet):
                packet.stream = track
                new.mux([packet])
    return out


def test_clip_that_begins_between_key_frames_is_named(tmp_path, clips):
    headless = remuxed(clips[0], tmp_path / "odd.mp4", lambda index, _: index == 0)

    reason = why(headless)

    assert reason == "shot odd does not begin with a key frame that closes off what is before"


def test_clip_in_another_container_is_named(tmp_path, clips):
    stream = remuxed(clips[0], tmp_path / "odd.ts", format="mpegts")

    assert why(stream) == "shot odd is not stored as in an MP4"


def test_other_codec_is_named(tmp_path):
    path = tmp_path / "odd.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("mpeg4", rate=24)
        track.width, track.height, track.pix_fmt = 128, 72, "yuv420p"
        for _ in range(3):
            picture = av.VideoFrame.from_ndarray(np.zeros((72, 128, 3), np.uint8), "rgb24")
            container.mux(track.encode(picture))
        container.mux(track.encode(None))

    assert why(path) == "shot odd is mpeg4, and only h264 is copied"


def test_clip_with_another_profile_is_named(tmp_path, clips):
    baseline = tmp_path / "odd.mp4"
    with av.open(str(baseline), "w") as container:
        track = container.add_stream("libx264", rate=24, options={"profile": "baseline"})
        track.width, track.height, track.pix_fmt = 128, 72, "yuv420p"
        context = track.codec_context
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        for _ in range(3):
            picture = av.VideoFrame.from_ndarray(np.zeros((72, 128, 3), np.uint8), "rgb24")
            container.mux(track.encode(picture))
        container.mux(track.encode(None))

    assert why(clips[0], baseline).startswith("shot odd is H.264 Baseline level")


def test_clip_that_needs_more_frames_held_back_than_the_first_is_named(tmp_path, clips):
    # The same frames declared without a delay, as a clip whose frames need none would be.
    first = remuxed(clips[0], tmp_path / "first.mp4", lambda index, _: index > 0)
    with av.open(str(clips[0])) as old, av.open(str(first), "w") as new:
        track = new.add_stream_from_template(old.streams.video[0])
        packet = next(old.demux(video=0))
        packet.stream, packet.dts = track, packet.pts
        new.mux([packet])

    assert why(clips[0], first) == ""
    assert why(first, clips[1]) == "shot 100 holds 2 frames back, shot first 0"


def test_sound_lies_beside_the_picture_of_a_long_clip(tmp_path):
    clip = write(tmp_path / "long.mp4", frames=24 * 15)
    with CopyWriter(tmp_path / "film.mp4", 24, sound=True) as writer:
        writer.copy(clip, 0)
        writer.write_sound(np.zeros((2, 48_000 * 15), np.float32))

    with av.open(str(tmp_path / "film.mp4")) as container:
        apart = [
            float(packet.dts * packet.time_base)
            for packet in sorted(container.demux(), key=lambda packet: packet.pos or 0)
            if packet.dts is not None
        ]

    assert all(abs(after - before) < 1 for before, after in pairwise(apart))


def test_sound_before_the_first_picture_is_refused(tmp_path):
    with (
        pytest.raises(MediaError, match="copied pictures come before their sound"),
        CopyWriter(tmp_path / "film.mp4", 24, sound=True) as writer,
    ):
        writer.write_sound(np.zeros((2, 10), np.float32))


def test_parameter_sets_that_change_midway_are_a_fault(clips):
    with av.open(str(clips[0])) as container:
        track = container.streams.video[0]
        packet = next(container.demux(track))
        sets = track.codec_context.extradata or b""
    size = int.from_bytes(sets[6:8], "big")
    known, other = sets[8 : 8 + size], sets[8 : 7 + size] + b"\x00"

    def with_sets(unit):
        return av.Packet(len(unit).to_bytes(4, "big") + unit + bytes(packet))

    assert fault_of(with_sets(known), sets, is_first=True) == ""
    assert fault_of(with_sets(other), sets, is_first=True) == "changes its parameter sets midway"
