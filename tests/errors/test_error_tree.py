"""Every error keeps what it knows on its way through Prefect, and the tree drawn is the tree."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from prefect.serializers import JSONSerializer

from prefect_videogen import errors
from prefect_videogen.errors import (
    BatchIncomplete,
    Fault,
    FilmIncomplete,
    JobFailed,
    StoryboardError,
    VendorError,
    VideoGenError,
)


def tree(kind: type[VideoGenError]) -> list[type[VideoGenError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in tree(child))]


OURS = [kind for kind in tree(VideoGenError) if kind.__module__ == errors.__name__]


WAYS: dict[str, Callable[[VideoGenError], VideoGenError]] = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),  # noqa: S301 - our own bytes
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def make(kind: type[VideoGenError]) -> VideoGenError:
    """Make an error with every attribute set to something of its own."""
    if issubclass(kind, StoryboardError):
        return kind(
            [Fault("a", "seconds", "7", "is not allowed", "use 5 or 10", 3)], source="b.yaml"
        )
    if issubclass(kind, FilmIncomplete | BatchIncomplete):
        return kind("2 shots are missing", result={"film": "film.mp4"}, next_step="Run it again.")
    common: dict[str, Any] = {
        "shot": "a",
        "job_id": "task-1",
        "billed": "unknown",
        "next_step": "Look at the vendor's page.",
    }
    if issubclass(kind, VendorError):
        common |= {
            "vendor": "apixo",
            "status": 429,
            "code": "LIMIT",
            "retry_after": 2.5,
            "transient": True,
        }
    return kind("went wrong", **common)


def test_what_to_do_is_a_sentence_of_its_own():
    def said(message: str, job_id: str | None = None) -> str:
        return str(VideoGenError(message, job_id=job_id, next_step="Run it again."))

    assert said("the studio is missing") == "the studio is missing. Run it again."
    assert said("it failed", job_id="task-1") == "it failed (job task-1). Run it again."
    assert said("a: it failed. b: it failed.") == "a: it failed. b: it failed. Run it again."
    assert str(VideoGenError("it failed")) == "it failed"


def test_tree_has_more_than_the_base():
    assert len(OURS) == len(set(OURS)) > 20


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("way", WAYS)
def test_error_survives_a_trip_with_all_it_knows(kind, way):
    error = make(kind)
    error.add_note("seen on the way")
    again = WAYS[way](error)
    assert type(again) is kind
    assert again is not error
    assert str(again) == str(error)
    assert again.args == error.args
    assert vars(again) == vars(error)
    assert "went wrong" in str(again) or kind in {StoryboardError, FilmIncomplete, BatchIncomplete}


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_error_says_in_one_sentence_what_it_means(kind):
    text = inspect.getdoc(kind)
    assert text
    assert re.match(r"[A-Z].*\.$", text.splitlines()[0])


def test_tree_in_the_docstring_is_the_tree_of_the_code():
    drawn: list[tuple[str, str]] = []
    above: list[tuple[int, str]] = []
    for indent, name in re.findall(r"^( *)\* (\w+)", errors.__doc__ or "", re.MULTILINE):
        above = [(depth, word) for depth, word in above if depth < len(indent)]
        drawn.append((name, above[-1][1] if above else "Exception"))
        above.append((len(indent), name))
    assert len(drawn) == len(set(drawn))
    assert {(kind.__name__, kind.__mro__[1].__name__) for kind in OURS} == set(drawn)


def test_every_error_of_the_module_is_in_the_tree():
    defined = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, BaseException)
    }
    assert defined == set(OURS)


@pytest.mark.parametrize(
    ("name", "billed"),
    [
        ("VideoGenError", "no"),
        ("NotSent", "no"),
        ("Throttled", "no"),
        ("ContentRefused", "no"),
        ("NoCredits", "no"),
        ("SubmissionUnknown", "unknown"),
        ("StatusUnavailable", "yes"),
        ("JobNotFound", "unknown"),
        ("JobFailed", "unknown"),
        ("ResultExpired", "yes"),
        ("WaitTimeout", "yes"),
        ("DownloadError", "yes"),
        ("UntrustedAddress", "yes"),
    ],
)
def test_error_says_whether_money_was_spent(name, billed):
    error = getattr(errors, name)("went wrong")
    assert error.billed == billed
    assert ("[billed: " in str(error)) == (billed != "no")


def test_text_names_shot_job_money_and_next_step():
    error = JobFailed("the job failed", shot="a", job_id="j1", next_step="Change the prompt.")
    assert str(error) == "shot a: the job failed (job j1) [billed: unknown] Change the prompt."
    assert str(VideoGenError("just this")) == "just this"


def test_shot_is_named_once_and_the_first_name_stays():
    error = VideoGenError("went wrong")
    assert error.for_shot("a") is error
    assert error.for_shot("b").shot == "a"


@pytest.mark.parametrize(("count", "word"), [(0, "0 faults"), (1, "1 fault:"), (2, "2 faults")])
def test_storyboard_error_lists_its_faults(count, word):
    faults = [Fault("a", "prompt", "", "is missing", "write one")] * count
    error = StoryboardError(faults)
    assert word in str(error)
    assert str(error).count("is missing") == count


SIGNED = "https://u:hidden@h.example/my pic.png?X-Amz-Signature=hidden"


def test_fault_tells_no_password_no_query_and_no_secret_field():
    """Whatever it is made with: it reaches exceptions, states, logs and databases."""
    faults = [
        Fault("a", "first_frame", f"vendor:{SIGNED}", "can't be read", "check it"),
        Fault("a", "options.apikey", "hidden", "is no field", "leave it out"),
        replace(Fault("a", "video", "x", "is gone", "check it"), value=SIGNED, source=SIGNED),
    ]
    assert [fault.value for fault in faults] == [
        "vendor:https://h.example/my pic.png",
        "",
        "https://h.example/my pic.png",
    ]
    error = StoryboardError(faults)
    assert "hidden" not in f"{error} {error!r} {error.__dict__!r}"


@pytest.mark.parametrize("kind", OURS)
def test_error_of_a_run_elsewhere_is_raised_as_what_it_was(kind):
    """Prefect keeps a run's error in JSON as its class and text, and makes it of those again."""
    error = make(kind)
    serializer = JSONSerializer()
    told = serializer.loads(serializer.dumps(error))
    assert type(told) is kind
    assert str(error) in str(told)
    assert str(told).count("[billed: ") == str(error).count("[billed: ")
