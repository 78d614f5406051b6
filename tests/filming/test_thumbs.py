from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from tests.filming.manifests import mark_in

from prefect_videogen.errors import MediaError
from prefect_videogen.filming.thumbs import own_frames, thumbnails


def opened(data):
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        return np.asarray(image.convert("RGB"))


def test_every_shot_shows_its_own_first_and_last_frame_without_transitions(sample):
    found = thumbnails(sample.film, sample.manifest.shots)
    marks = {name: mark_in(opened(data)) for name, data in found.items()}
    assert marks == {
        "launch/first": (0, 0),
        "launch/last": (0, 23),
        "orbit/first": (1, 1),
        "orbit/last": (1, 24),
        "drift/first": (2, 2),
        "drift/last": (2, 13),
        "visor/first": (3, 12),
        "visor/last": (3, 17),
        "own/first": (4, 18),
        "own/last": (4, 35),
        "lost/first": (5, 0),
        "lost/last": (5, 23),
    }


def test_a_shot_of_nothing_but_transitions_shows_its_middle(sample):
    shot, following = sample.manifest.shots[3:5]
    longer = shot.join.model_copy(update={"transition_frames": 20})
    covered = shot.model_copy(update={"join": longer})
    assert own_frames(covered, following.join) == (72, 72)


def test_pictures_are_scaled_to_the_width_and_never_up(sample):
    shots = sample.manifest.shots[:1]
    small = thumbnails(sample.film, shots, width=64)
    assert opened(small["launch/first"]).shape == (36, 64, 3)
    kept = thumbnails(sample.film, shots, width=480)
    assert opened(kept["launch/first"]).shape == (72, 128, 3)


def test_a_film_shorter_than_its_shots_is_an_error(sample):
    late = sample.manifest.shots[5].model_copy(update={"start_frame": 120})
    with pytest.raises(MediaError, match="has 132 frames"):
        thumbnails(sample.film, [late])
