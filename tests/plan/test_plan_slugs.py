"""Titles as names of folders and budgets."""

from __future__ import annotations

import re

import pytest

from prefect_videogen.plan.model import slugify


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("From the pad to the deep field", "from-the-pad-to-the-deep-field"),
        ("Größe & Maß", "grosse-mass"),
        ("Café à Łódź 2", "cafe-a-odz-2-82e688aa"),
        ("!!!", "film"),
    ],
)
def test_title_becomes_a_name(title, slug):
    assert slugify(title) == slug


def test_titles_in_other_alphabets_share_no_name():
    names = {slugify(title) for title in ("桜の春", "秋の空", "Весна", "Весна!")}
    assert len(names) == 4
    assert all(re.fullmatch(r"film-[0-9a-f]{8}", name) for name in names)
    assert slugify("桜の春") == slugify("桜の春")


def test_name_is_no_longer_than_a_folder_may_be():
    assert len(slugify("ж" * 300)) == len("film-12345678")
    assert len(slugify("a" * 70 + "ж")) == 60
