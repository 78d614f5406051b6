"""Reading a storyboard: the same from YAML and JSON, and every mistake with line and remedy."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_videogen.errors import Fault, StoryboardError
from prefect_videogen.samples import sample
from prefect_videogen.storyboard import (
    OTHER_WORDS,
    FilmOptions,
    Shot,
    Storyboard,
    read_storyboard,
)

YAML_BOARD = """
title: Fjord
aspect_ratio: 16:9
seconds: 5
seed: 7
draft: false
shots:
  - id: ferry
    prompt: A ferry leaves
    first_frame: stills/ferry.jpg
    expand_prompt: off
    take: 2
  - prompt: "Rain, 100 %: the end"
    options: {movement: large, sound: false}
film: {sound: none, fps: 25}
"""
JSON_BOARD = {
    "title": "Fjord",
    "aspect_ratio": "16:9",
    "seconds": 5,
    "seed": 7,
    "draft": False,
    "shots": [
        {
            "id": "ferry",
            "prompt": "A ferry leaves",
            "first_frame": "stills/ferry.jpg",
            "expand_prompt": "off",
            "take": 2,
        },
        {
            "prompt": "Rain, 100 %: the end",
            "options": {"movement": "large", "sound": False},
        },
    ],
    "film": {"sound": "none", "fps": 25},
}


def fault_in(text: str) -> Fault:
    """Read a text that has exactly one mistake of form."""
    reading = read_storyboard(textwrap.dedent(text))
    assert len(reading.faults) == 1, reading.faults
    return reading.faults[0]


def refusal_of(text: str) -> Fault:
    """Read a text that is no storyboard at all."""
    with pytest.raises(StoryboardError) as caught:
        read_storyboard(text, source="board.yaml")
    assert str(caught.value).startswith("board.yaml has 1 fault:")
    (fault,) = caught.value.faults
    assert fault.remedy
    return fault


@pytest.mark.parametrize("indent", [None, 2, "\t"], ids=["one line", "spaces", "tabs"])
def test_yaml_and_json_give_the_same_board(indent):
    from_yaml = read_storyboard(YAML_BOARD)
    from_json = read_storyboard(json.dumps(JSON_BOARD, indent=indent))
    assert from_yaml.faults == from_json.faults == []
    assert from_yaml.board == from_json.board == Storyboard.model_validate(JSON_BOARD)


def test_json_that_is_no_yaml_is_read_too():
    text = '{"title": "a\x7fb", "shots": [{"prompt": "x", "prompt": "y"}]}'
    reading = read_storyboard(text)
    assert reading.board.title == "a\x7fb"
    assert reading.board.shots[0].prompt == "x"
    assert [str(fault) for fault in reading.faults] == [
        "storyboard: prompt: stands here twice; keep one of them"
    ]


def test_json_of_a_board_that_yaml_can_not_read_is_bounded_in_depth():
    assert (
        refusal_of('{"a\x7f": ' + "[" * 50 + "]" * 50 + "}").problem == "is too deep or too large"
    )


@pytest.mark.parametrize("name", ["deep-field.yaml", "new.yaml"])
def test_sample_reads_without_a_fault(name):
    reading = read_storyboard(sample(name).read_text(encoding="utf-8"))
    assert reading.faults == []
    assert reading.board.shots


def test_ratio_without_quotes_is_text():
    assert read_storyboard("aspect_ratio: 16:9").board.aspect_ratio == "16:9"


def test_switch_may_be_written_as_boolean():
    board = read_storyboard("shots: [{expand_prompt: true}, {expand_prompt: false}]").board
    assert [shot.expand_prompt for shot in board.shots] == ["on", "off"]


@pytest.mark.parametrize(
    ("written", "take"), [("2", "2"), ("spring", "spring"), ("''", "1"), ("2026-01-05", None)]
)
def test_take_is_text_and_one_by_default(written, take):
    board = read_storyboard(f"shots: [{{take: {written}}}]").board
    assert board.shots[0].take == (take or written)


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("seconds: true", "write a number"),
        ("seed: false", "write a number"),
        ("takes: true", "write a number"),
        ("take: 0", "count from 1"),
        ("take: '00'", "count from 1"),
        (f"take: {'9' * 61}", "use at most 60 characters"),
    ],
)
def test_value_that_would_be_taken_for_another_is_refused(written, remedy):
    (fault,) = read_storyboard(f"shots: [{{id: a, prompt: x, {written}}}]").faults
    assert (fault.shot, fault.field) == ("a", written.partition(":")[0])
    assert fault.remedy == remedy


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "---\n", "\ufeff"])
def test_empty_text_is_an_empty_board(text):
    reading = read_storyboard(text)
    assert (reading.board, reading.faults) == (Storyboard(), [])


@pytest.mark.parametrize("value", ["", "null", "~"])
def test_key_without_a_value_says_nothing(value):
    text = f"title: {value}\nshots:\n  - seconds: {value}\n    prompt: x\nfilm: {value}\n"
    reading = read_storyboard(text)
    assert reading.faults == []
    assert reading.board == Storyboard(shots=[Shot(prompt="x")])


def test_emoji_of_json_stay_whole():
    text = json.dumps({"title": "🎬 ü", "variables": {"k": "🚀"}, "options": {"x": "🚀"}})
    assert "\\ud83" in text
    board = read_storyboard(text).board
    assert board.title == "🎬 ü"
    assert board.variables == {"k": "🚀"}
    assert board.options == {"x": "🚀"}


def test_half_a_character_is_replaced_and_can_be_shown():
    board = read_storyboard('{"title": "a\\ud83d"}').board
    assert board.title.encode() == "a\ufffd".encode()


def test_anchor_and_merge_key_share_fields():
    reading = read_storyboard(
        textwrap.dedent("""\
        shots:
          - &base
            prompt: x
            seconds: 5
          - id: two
            seconds: 7
            <<: *base
          - <<: [{seconds: 3}, *base]
        """)
    )
    assert reading.faults == []
    assert [shot.seconds for shot in reading.board.shots] == [5, 7, 3]
    assert {shot.prompt for shot in reading.board.shots} == {"x"}
    assert reading.line_of("two", "seconds") == 6
    assert reading.line_of("two", "prompt") == 3


@pytest.mark.parametrize(
    ("text", "shot", "field", "value", "line", "remedy"),
    [
        ("titel: x", "", "titel", "x", 1, "did you mean `title`?"),
        ("shots:\n  - promt: x", "01", "promt", "x", 2, "did you mean `prompt`?"),
        ("shots:\n  - {id: a, zoom: 2}", "a", "zoom", "2", 2, "vendor fields go under `options`"),
        ("shots: [{film: {}}]", "01", "film", "", 1, "it belongs at the top of the storyboard"),
        ("qqq: 1", "", "qqq", "1", 1, "remove it"),
        ("film:\n  sounds: none", "", "film.sounds", "none", 2, "did you mean `film.sound`?"),
        (
            "shots:\n  - id: a\n    loras:\n      - path: x\n        weight: 1",
            "a",
            "loras.0.weight",
            "1",
            5,
            "use path, scale",
        ),
        (
            "loras: [{path: x, scal: 1}]",
            "",
            "loras.0.scal",
            "1",
            1,
            "did you mean `loras.0.scale`?",
        ),
        ("? [a, b]\n: 1", "", "?", "1", 1, "remove it"),
    ],
)
def test_unknown_key_is_named_with_line_and_nearest(text, shot, field, value, line, remedy):
    fault = fault_in(text)
    assert fault == Fault(shot, field, value, "is not a known field", remedy, line)


def test_key_that_strayed_into_a_storyboard_is_not_quoted():
    fault = fault_in("api_key: sk-very-secret")
    assert fault.field == "api_key"
    assert "sk-very-secret" not in str(fault)


@pytest.mark.parametrize(("word", "ours"), OTHER_WORDS.items())
def test_word_of_a_vendor_is_answered_with_ours(word, ours):
    if word in Shot.model_fields:
        pytest.skip("a field of its own here")
    fault = fault_in(f"shots:\n  - prompt: x\n    {word}: x")
    assert fault.remedy == f"`{word}` is `{ours}` here"
    assert fault.line == 3


@pytest.mark.parametrize(
    ("text", "shot", "field", "line"),
    [
        ("title: a\ntitle: b", "", "title", 2),
        ("shots: []\nshots:\n  - prompt: x", "", "shots", 2),
        ("shots:\n  - id: a\n    prompt: x\n    prompt: y", "a", "prompt", 4),
        ("shots:\n  - prompt: x\n  - prompt: x\n    prompt: y", "02", "prompt", 4),
        ('{"shots": [{"prompt": "x",\n"prompt": "y"}]}', "01", "prompt", 2),
    ],
)
def test_field_that_stands_twice_is_a_fault_and_the_first_counts(text, shot, field, line):
    fault = fault_in(text)
    assert (fault.shot, fault.field, fault.line) == (shot, field, line)
    assert fault.problem == "stands here twice"
    board = read_storyboard(text).board
    assert all(one.prompt == "x" for one in board.shots)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("seconds: five", "seconds = five: is not a number; use a number"),
        ("seconds: -1", "seconds = -1: is not usable; use a value of at least 0"),
        ("seconds: .inf", "seconds = inf: is not a finite number; use a finite number"),
        ("seconds: .nan", "seconds = nan: is not a finite number; use a finite number"),
        ("seed: 1.5", "seed = 1.5: is not a whole number; use a whole number"),
        ("title: [a]", "title = [a]: is not text; use text"),
        ("title: 7", "title = 7: is not text; use text"),
        ("draft: maybe", "draft = maybe: is not true or false; use true or false"),
        ("shots: {a: 1}", "shots: is not a list; use a list"),
        ("film: none", "film = none: is not fields and values; use fields and values"),
        ("options: [a]", "options = [a]: is not fields and values; use fields and values"),
        ("takes: 21", "takes = 21: is not usable; use a value of at most 20"),
        (
            "tier: gold",
            "tier = gold: is not a choice here; use standard, pro, master or turbo",
        ),
        (
            "film: {size: 1280}",
            "film.size = 1280: is not text; use text",
        ),
        (
            "film: {size: 1281x720}",
            "film.size = 1281x720: is not usable; use even numbers of at least 64",
        ),
        (
            "film: {size: 16386x64}",
            (
                "film.size = 16386x64: is not usable; use at most 16384 pixels a side and "
                "8192x4352 in all"
            ),
        ),
        (
            "film: {size: 8192x4354}",
            (
                "film.size = 8192x4354: is not usable; use at most 16384 pixels a side and "
                "8192x4352 in all"
            ),
        ),
        ("variables: {a: [1]}", "variables.a = [1]: is not text; use text"),
        ("fallback: [5]", "fallback.0 = 5: is not text; use text"),
        ("loras: [{scale: 1}]", "loras.0.path: is missing; add it"),
        ("loras: [a]", "loras.0 = a: is not fields and values; use fields and values"),
    ],
)
def test_value_of_a_wrong_kind_is_named_with_what_would_do(text, shown):
    assert str(fault_in(text)) == f"storyboard (line 1): {shown}"


def test_shot_that_is_no_mapping_keeps_the_others_in_place():
    reading = read_storyboard("shots:\n  - {prompt: a}\n  - 5\n  - {prompt: c, seconds: x}")
    assert [(f.shot, f.line) for f in reading.faults] == [("02", 3), ("03", 4)]
    assert [shot.prompt for shot in reading.board.shots] == ["a", "", "c"]


def test_all_mistakes_of_form_come_out_at_once_in_the_order_of_the_file():
    reading = read_storyboard(
        textwrap.dedent("""\
        titel: Fjord
        film: {sound: loud, variants: [a]}
        shots:
          - {id: a, seconds: long, duration: 5, takes: -1}
          - {id: b, loras: [{scale: strong}], fallback: [1, wan-2-5, 2]}
        seed: x
        """)
    )
    places = [(fault.shot, fault.field, fault.line) for fault in reading.faults]
    assert sorted(places, key=lambda place: place[2] or 0) == places
    assert set(places) == {
        ("", "titel", 1),
        ("", "film.sound", 2),
        ("", "film.variants", 2),
        ("a", "seconds", 4),
        ("a", "duration", 4),
        ("a", "takes", 4),
        ("b", "loras.0.path", 5),
        ("b", "loras.0.scale", 5),
        ("b", "fallback.0", 5),
        ("b", "fallback.2", 5),
        ("", "seed", 6),
    }
    assert len(places) == 11
    assert [shot.id for shot in reading.board.shots] == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["- a", "[1, 2]", "just words", "5", "!!python/object:os.system x"]
)
def test_text_that_is_no_mapping_is_refused(text):
    assert str(refusal_of(text)) == (
        "storyboard (line 1): file: is not a mapping; begin with `title:` and `shots:`"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("title: a\nshots:\n\t- prompt: x", 3),
        ("title: a\nshots: [", 2),
        ("title: 'a", 1),
        ("a: b: c", 1),
        ("title: *nobody", 1),
        ("title: a\n---\ntitle: b", 2),
        ('{"title": "a",\n"shots": [}', 2),
    ],
)
def test_broken_text_names_the_line(text, line):
    fault = refusal_of(text)
    assert fault.problem.startswith("is neither YAML nor JSON: ")
    assert fault.line == line


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (
            "shots:\n  - prompt: dawn: a harbour",
            "put a text that holds a colon in quotes, or mend the line's indent",
        ),
        ("shots: [", "mend that line; indent with spaces"),
    ],
)
def test_colon_in_a_text_asks_for_quotes(text, remedy):
    assert refusal_of(text).remedy == remedy


def test_text_with_control_characters_is_refused():
    assert refusal_of("title: \0").problem == "is neither YAML nor JSON"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_100,
        '{"a":' * 2_000 + "1" + "}" * 2_000,
        "&a [*a]",
        "a: &a {<<: *a}",
        "a: &a {b: *a}",
        "k0: &k0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"k{n}: &k{n} [{','.join([f'*k{n - 1}'] * 9)}]\n" for n in range(1, 9)),
    ],
    ids=["deep list", "deep mapping", "list in itself", "merged in itself", "in itself", "laughs"],
)
def test_text_that_grows_without_end_is_refused(text):
    assert refusal_of(text).problem == "is too deep or too large"


def test_text_over_the_limit_is_refused_before_it_is_parsed():
    fault = refusal_of("#" * 2_000_001)
    assert fault.problem == "is 2000001 characters long"


def test_line_is_known_by_id_number_and_for_top_fields():
    text = "title: a\nshots:\n  - id: sea\n    options:\n      style: x\n  - prompt: y\n"
    reading = read_storyboard(text)
    assert reading.line_of("sea", "options.style") == 5
    assert reading.line_of("01", "options.style") == 5
    assert reading.line_of("sea", "seconds") == 3
    assert reading.line_of("02", "prompt") == 6
    assert reading.line_of("", "title") == 1
    assert reading.line_of("", "film") is None
    assert reading.line_of("nobody", "shots") == 2


def read_or_refuse(text: str) -> None:
    try:
        reading = read_storyboard(text)
        faults = reading.faults
    except StoryboardError as error:
        faults = list(error.faults) or pytest.fail("refused for nothing")
    for fault in faults:
        assert fault.problem
        assert fault.remedy
        str(fault).encode()


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text):
    read_or_refuse(text)


@given(st.text(alphabet="{}[]:,-&*<!|>'\"%?#@ \n\tab01.~_=\\u", max_size=60))
def test_any_text_of_punctuation_is_read_or_refused(text):
    read_or_refuse(text)


NAMES = st.sampled_from(
    [*Storyboard.model_fields, *Shot.model_fields, "path", "scale", "mode", "x"]
)
PLAIN: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.lists(VALUES, max_size=3))
def test_any_board_of_known_names_is_read_with_its_faults(board, shots):
    read_or_refuse(json.dumps({**board, "shots": shots}))


FILM_FIELDS = """
shots:
  - {id: a, video: own.mp4, trim: [0.5, 4], hand_over: steady}
  - {id: b, prompt: x, transition: dip, crossfade_seconds: 1.5}
film:
  transition: crossfade
  crossfade_seconds: 0.4
  music: song.mp3
  loudness: -16
  on_missing: slate
  encode: always
  variants: ['9:16', '1:1', '9:16']
  match_colour: 0.5
"""


def test_fields_of_the_film_and_of_own_footage_are_read():
    board = read_storyboard(FILM_FIELDS).board
    one, two = board.shots
    assert (one.video, one.trim, one.hand_over) == ("own.mp4", [0.5, 4], "steady")
    assert (two.transition, two.crossfade_seconds) == ("dip", 1.5)
    film = board.film
    assert (film.transition, film.crossfade_seconds, film.music) == ("crossfade", 0.4, "song.mp3")
    assert (film.loudness, film.on_missing, film.encode) == (-16, "slate", "always")
    assert (film.variants, film.match_colour) == (["9:16", "1:1"], 0.5)


def test_trim_of_nothing_is_no_trim():
    assert read_storyboard("shots: [{video: v, trim: [0, 0]}]").board.shots[0].trim == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "film: {captions: on}",
            (
                "storyboard (line 1): film.captions = on: is not a known field; captions are "
                "reserved for a later version; leave it out"
            ),
        ),
        (
            "music: song.mp3",
            (
                "storyboard (line 1): music = song.mp3: is not a known field; it belongs under "
                "`film` at the top of the storyboard"
            ),
        ),
        (
            "shots: [{id: a, loudness: -16}]",
            (
                "shot a (line 1): loudness = -16: is not a known field; it belongs under `film` at "
                "the top of the storyboard"
            ),
        ),
        (
            "shots: [{id: a, footage: v.mp4}]",
            ("shot a (line 1): footage = v.mp4: is not a known field; `footage` is `video` here"),
        ),
        (
            "shots: [{id: a, trim: [4, 2]}]",
            (
                "shot a (line 1): trim = [4, 2]: is not usable; "
                "end it after its beginning, or at 0 for the "
                "clip's end"
            ),
        ),
        (
            "shots: [{id: a, trim: [2]}]",
            (
                "shot a (line 1): trim = [2]: is not usable; "
                "write [from, to] in seconds, for example "
                "[0.5, 4]"
            ),
        ),
        (
            "shots: [{id: a, transition: wipe}]",
            ("shot a (line 1): transition = wipe: is not a choice here; use cut, crossfade or dip"),
        ),
        (
            "film: {variants: [wide]}",
            (
                "storyboard (line 1): film.variants = [wide]: is not usable; "
                "wide is no shape, write "
                "width:height, for example 9:16"
            ),
        ),
        (
            "film: {size: 1280x720, variants: [1:99]}",
            (
                "storyboard (line 1): film.variants = [1:99]: is not usable; "
                "1:99 of 1280x720 is 720x71280; "
                "use at most 16384 pixels a side and 8192x4352 in all: another shape, or set a "
                "smaller `size`"
            ),
        ),
        (
            "film: {variants: [8:1]}",
            (
                "storyboard (line 1): film.variants = [8:1]: is not usable; "
                "8:1 of 3840x2160 is 17280x2160;"
                " use at most 16384 pixels a side and 8192x4352 in all: another shape, or set a "
                "smaller `size`"
            ),
        ),
        (
            "film: {loudness: 3}",
            ("storyboard (line 1): film.loudness = 3: is not usable; use a value of at most 0"),
        ),
    ],
)
def test_fields_of_the_film_that_are_wrong_say_what_would_do(text, fault):
    assert str(fault_in(text)) == fault


@pytest.mark.parametrize(
    "film",
    [
        {"size": "16384x2176"},
        {"size": "8192x4352"},
        {"variants": ["7:1", "1:7"]},
        {"size": "1280x720", "variants": ["22:1", "1:22"]},
    ],
)
def test_film_as_large_as_can_be_encoded_is_taken(film):
    assert FilmOptions.model_validate(film).model_dump(include=set(film)) == film


def test_address_in_a_mistake_is_quoted_without_its_password_even_if_it_is_cut():
    user = "u" * 50
    (fault,) = read_storyboard(f"shots: [{{zoom: 'https://{user}:secret@h/a'}}]").faults
    assert "secret" not in str(fault)
    assert user not in str(fault)
