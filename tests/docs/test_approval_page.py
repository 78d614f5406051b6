"""What docs/approval.md says is what the code does."""

from __future__ import annotations

import re
from inspect import signature
from pathlib import Path

from prefect_videogen import generate_storyboard
from prefect_videogen.flows.reviewing import ReviewForm, ShotChange
from prefect_videogen.flows.sleeping import LONGEST_REVIEW, SHORTEST_SLEEP

PAGE = (Path(__file__).parents[2] / "docs" / "approval.md").read_text()


def test_snippet_defines_what_it_shows():
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    defined: dict[str, object] = {}
    exec(snippet, defined)  # noqa: S102 - our own page
    assert callable(defined["redo"])
    answer = {"decision": "redo", "changes": [{"shot": "a", "prompt": "b"}]}
    assert ReviewForm.model_validate(answer).changes == [ShotChange(shot="a", prompt="b")]


def test_figures_and_names_are_those_of_the_code():
    assert LONGEST_REVIEW == 30 * 86400
    assert SHORTEST_SLEEP == 86400
    assert "suspended for 30 days (or a day longer than" in PAGE
    parameters = signature(generate_storyboard.fn).parameters
    for name in ("review", "review_after", "if_unreviewed", "budget", "max_new_clips", "wait"):
        assert f"`{name}" in PAGE
        assert name in parameters
