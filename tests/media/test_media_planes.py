from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from prefect_videogen.media import Levels
from prefect_videogen.media.planes import blend, corrected, darken, empty_frame, planes_of


def filled(seed, size=(38, 22)):
    frame = empty_frame(*size)
    generator = np.random.default_rng(seed)
    for plane in planes_of(frame):
        plane[:] = generator.integers(16, 236, plane.shape)
    return frame


def test_planes_have_the_film_frames_shape():
    assert [plane.shape for plane in planes_of(empty_frame(38, 22))] == [(22, 38), *[(11, 19)] * 2]


@pytest.mark.parametrize("share", [Fraction(1, 2), Fraction(1, 13), Fraction(300, 301)])
def test_mixture_is_rounded_to_the_nearest(share):
    one, other = filled(1), filled(2)

    mixed = planes_of(blend(one, other, share))

    for old, new, got in zip(planes_of(one), planes_of(other), mixed, strict=True):
        exact = old * (1 - float(share)) + new * float(share)
        assert np.abs(got - exact).max() <= 0.5 + 1e-9


def test_mixture_with_itself_is_itself():
    frame = filled(3)
    same = blend(frame, frame, Fraction(1, 3))

    for plane, got in zip(planes_of(frame), planes_of(same), strict=True):
        assert (plane == got).all()


def test_darkening_ends_in_limited_black():
    luma, blue, red = planes_of(darken(filled(4), Fraction(0)))

    assert set(np.unique(luma)) == {16}
    assert set(np.unique(blue)) == set(np.unique(red)) == {128}
    half = planes_of(darken(filled(4), Fraction(1, 2)))[0]
    assert np.abs(half - (planes_of(filled(4))[0] + 16.0) / 2).max() <= 0.5


def test_correction_looks_every_number_up_and_leaves_the_frame():
    frame = filled(5)
    identity = tuple(range(256))
    levels = Levels(luma=identity[::-1], blue=identity, red=(7,) * 256)

    luma, blue, red = planes_of(corrected(frame, levels))

    assert (luma == 255 - planes_of(frame)[0]).all()
    assert (blue == planes_of(frame)[1]).all()
    assert (red == 7).all()
    assert (planes_of(frame)[2] == planes_of(filled(5))[2]).all()
