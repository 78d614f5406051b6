from __future__ import annotations

import opentimelineio as otio
import pytest
from tests.filming.manifests import TOTAL

from prefect_videogen.filming.timeline import timeline
from prefect_videogen.media import probe


@pytest.fixture(scope="module")
def loaded(sample):
    return otio.adapters.read_from_string(timeline(sample.manifest), "otio_json")


def clips_of(track):
    return list(track.find_clips())


def test_clips_of_every_track_sum_to_the_films_frames_exactly(loaded):
    assert [track.kind for track in loaded.tracks] == ["Video", "Audio"]
    for track in loaded.tracks:
        assert track.duration() == otio.opentime.RationalTime(TOTAL, 24)
        items = [item for item in track if isinstance(item, otio.core.Item)]
        assert sum(item.duration().value for item in items) == TOTAL


def test_odd_rates_sum_exactly_too(sample):
    film = sample.manifest.film.model_copy(update={"fps": "24000/1001"})
    manifest = sample.manifest.model_copy(update={"film": film})
    track = otio.adapters.read_from_string(timeline(manifest), "otio_json").tracks[0]
    assert track.duration() == otio.opentime.RationalTime(TOTAL, 24000 / 1001)


def test_media_exist_beside_the_timeline_and_hold_what_is_shown(loaded, sample):
    for clip in [*clips_of(loaded.tracks[0]), *clips_of(loaded.tracks[1])]:
        reference = clip.media_reference
        file = sample.folder / reference.target_url
        assert reference.available_range.duration.value == probe(file).frame_count
        shown, there = clip.source_range, reference.available_range
        assert there.start_time <= shown.start_time
        assert shown.end_time_exclusive() <= there.end_time_exclusive()


def test_cuts_lie_in_the_middle_of_crossfades_and_at_dips(loaded):
    ranges = [
        (clip.name, clip.source_range.start_time.value, clip.source_range.duration.value)
        for clip in clips_of(loaded.tracks[0])
    ]
    assert ranges == [
        ("launch", 0, 24),
        ("orbit", 1, 24),
        ("drift", 2, 18),
        ("visor", 6, 18),
        ("own", 12, 24),
        ("lost", 108, 24),
    ]
    found = [item for item in loaded.tracks[0] if isinstance(item, otio.schema.Transition)]
    assert [
        (each.transition_type, each.in_offset.value, each.out_offset.value) for each in found
    ] == [
        ("SMPTE_Dissolve", 6, 6),
        ("Custom_Transition", 6, 6),
    ]


def test_a_crossfade_of_odd_length_needs_no_more_than_the_clips_have(sample):
    shots = list(sample.manifest.shots)
    join = shots[3].join.model_copy(update={"transition_frames": 11})
    shots[3] = shots[3].model_copy(update={"join": join, "start_frame": 61})
    later = [shot.model_copy(update={"start_frame": shot.start_frame + 1}) for shot in shots[4:]]
    film = sample.manifest.film.model_copy(update={"frames": TOTAL + 1})
    update = {"shots": (*shots[:4], *later), "film": film}
    manifest = sample.manifest.model_copy(update=update)
    track = otio.adapters.read_from_string(timeline(manifest), "otio_json").tracks[0]
    assert track.duration().value == TOTAL + 1
    drift, visor = clips_of(track)[2:4]
    fade = next(item for item in track if isinstance(item, otio.schema.Transition))
    assert (fade.in_offset.value, fade.out_offset.value) == (5, 6)
    # The outgoing clip goes on to its last frame, the incoming begins with its first.
    assert drift.source_range.end_time_exclusive().value + 6 == 2 + 24
    assert visor.source_range.start_time.value == 5


def test_a_clip_without_sound_is_a_gap_in_the_sound(loaded):
    kinds = [type(item).__name__ for item in loaded.tracks[1]]
    assert kinds == ["Clip", "Clip", "Gap", "Clip", "Transition", "Clip", "Gap"]


def test_a_film_without_sound_has_no_track_for_it(sample):
    film = sample.manifest.film.model_copy(update={"sound": None})
    written = timeline(sample.manifest.model_copy(update={"film": film}))
    assert len(otio.adapters.read_from_string(written, "otio_json").tracks) == 1


def test_footage_of_another_rate_starts_at_the_same_moment(sample):
    own = sample.manifest.shots[4]
    slow = own.probe.model_copy(update={"fps": "12/1", "frame_count": 24})
    shot = own.model_copy(update={"probe": slow, "source_start": 6})
    shots = (*sample.manifest.shots[:4], shot, sample.manifest.shots[5])
    written = timeline(sample.manifest.model_copy(update={"shots": shots}))
    clip = clips_of(otio.adapters.read_from_string(written, "otio_json").tracks[0])[4]
    assert clip.source_range.start_time.to_seconds() == 0.5
    assert clip.media_reference.available_range.duration.to_seconds() == 2


def test_footage_of_variable_rate_starts_when_its_first_frame_does(sample):
    own = sample.manifest.shots[4]
    shot = own.model_copy(update={"source_seconds": 0.75})
    shots = (*sample.manifest.shots[:4], shot, sample.manifest.shots[5])
    written = timeline(sample.manifest.model_copy(update={"shots": shots}))
    clip = clips_of(otio.adapters.read_from_string(written, "otio_json").tracks[0])[4]
    assert clip.source_range.start_time.to_seconds() == 0.75


def test_doubled_frames_and_jumps_are_marked(loaded):
    marks = {
        clip.name: [(marker.name, marker.color) for marker in clip.markers]
        for clip in clips_of(loaded.tracks[0])
        if clip.markers
    }
    assert marks == {
        "orbit": [("1 doubled frame left out", "GREEN")],
        "drift": [("2 doubled frames left out", "GREEN"), ("The picture jumps", "RED")],
    }


def test_metadata_tell_what_was_bought_and_no_parameters(loaded, sample):
    facts = clips_of(loaded.tracks[0])[3].metadata["prefect_videogen"]
    bought = sample.manifest.shots[3].bought
    assert (facts["key"], facts["job_id"]) == (bought.key, bought.job_id)
    assert facts["prompt"].startswith("An astronaut")
    assert "params" not in facts
    assert "extra" not in facts


def test_the_same_manifest_writes_the_same_timeline(sample):
    assert timeline(sample.manifest) == timeline(sample.manifest)
