"""Variables: filled in once, before keys, from defaults, overrides and the scheduled start."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from prefect_videogen.storyboard import FilmOptions, Shot, Storyboard, fill_variables

SCHEDULED = datetime(2026, 1, 5, 3, 30, tzinfo=UTC)


def filled(text: str, variables: dict[str, str] | None = None, **overrides: str) -> str:
    """Fill a prompt that must have no fault."""
    board = Storyboard(variables=variables or {}, shots=[Shot(prompt=text)])
    made, faults = fill_variables(board, overrides, SCHEDULED)
    assert faults == []
    return made.shots[0].prompt


def test_default_is_filled_in():
    assert filled("A tram in {city}", {"city": "Oslo"}) == "A tram in Oslo"


def test_override_wins_over_the_default():
    assert filled("A tram in {city}", {"city": "Oslo"}, city="Bergen") == "A tram in Bergen"


def test_override_needs_no_default():
    assert filled("A tram in {city}", city="Bergen") == "A tram in Bergen"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("{scheduled:%Y-%m-%d}", "2026-01-05"),
        ("{scheduled:%H:%M}", "03:30"),
        ("{scheduled}", "2026-01-05T03:30:00"),
    ],
)
def test_scheduled_start_is_the_runs_and_not_the_clocks(written, shown):
    assert filled(written) == shown


LATE = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "shown"),
    [("Europe/Oslo", "2026-11-21 00:30"), ("", "2026-11-20 23:30"), ("UTC", "2026-11-20 23:30")],
)
def test_scheduled_start_is_shown_in_the_time_zone_of_the_variable(zone, shown):
    shot = Shot(prompt="x", take="{scheduled:%Y-%m-%d %H:%M}")
    default = Storyboard(variables={"timezone": zone}, shots=[shot])
    for board, overrides in ((default, {}), (Storyboard(shots=[shot]), {"timezone": zone})):
        made, faults = fill_variables(board, overrides, LATE)
        assert faults == []
        assert made.shots[0].take == shown


@pytest.mark.parametrize(
    ("zone", "remedy"),
    [
        ("Europe/Osl", "did you mean Europe/Oslo?"),
        ("/etc/passwd", "use a name like Europe/Oslo"),
    ],
)
def test_unknown_time_zone_is_one_fault_where_a_date_is_shown(zone, remedy):
    shots = [Shot(prompt="{scheduled:%A}", take="{scheduled}")]
    _, faults = fill_variables(Storyboard(variables={"timezone": zone}, shots=shots), {}, LATE)
    assert [str(fault) for fault in faults] == [
        f"storyboard: variables = {zone}: `timezone` names no time zone; {remedy}"
    ]


def test_timezone_is_a_word_like_any_other_where_no_date_is_shown():
    assert filled("It is {timezone}", {"timezone": "teatime"}) == "It is teatime"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("{{city}}", "{city}"),
        ("{{{city}}}", "{Oslo}"),
        ("}} {{", "} {"),
        ("{ city }", "{ city }"),
        ("{0}", "{0}"),
        ("{", "{"),
        ("a {b c} d", "a {b c} d"),
    ],
)
def test_only_names_in_single_braces_are_places(written, shown):
    assert filled(written, {"city": "Oslo"}) == shown


def test_value_is_not_filled_in_again():
    assert filled("{a}", {"a": "{b}", "b": "never"}) == "{b}"


def test_every_field_that_takes_variables_is_filled():
    board = Storyboard(
        title="{v}",
        look="{v}",
        variables={"v": "x"},
        shots=[Shot(prompt="{v}", first_frame="{v}.png", last_frame="{v}", take="{v}")],
    )
    made, faults = fill_variables(board, {}, SCHEDULED)
    shot = made.shots[0]
    assert faults == []
    assert (made.title, made.look) == ("x", "x")
    assert (shot.prompt, shot.first_frame, shot.last_frame, shot.take) == ("x", "x.png", "x", "x")
    assert shot.id == "01"


def test_other_fields_keep_their_braces():
    board = Storyboard(variables={"v": "x"}, shots=[Shot(prompt="p", negative_prompt="{v}")])
    made, _ = fill_variables(board, {}, SCHEDULED)
    assert made.shots[0].negative_prompt == "{v}"


def test_given_board_stays_as_it_was():
    board = Storyboard(variables={"v": "x"}, shots=[Shot(prompt="{v}")])
    fill_variables(board, {}, SCHEDULED)
    assert board.shots[0].prompt == "{v}"
    assert board.shots[0].id == ""


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("{citty}", "did you mean {city}?"),
        ("{shceduled:%Y}", "did you mean {scheduled}?"),
        ("{city:%Y}", "did you mean {city}?"),
        ("{zzz}", "add it under `variables`"),
    ],
)
def test_unknown_name_is_a_fault_where_it_stands(written, remedy):
    board = Storyboard(variables={"city": "Oslo"}, shots=[Shot(id="a", prompt=f"x {written}")])
    made, faults = fill_variables(board, {}, SCHEDULED)
    (fault,) = faults
    assert (fault.shot, fault.field, fault.value) == ("a", "prompt", written)
    assert (fault.problem, fault.remedy) == ("names no known variable", remedy)
    assert made.shots[0].prompt == f"x {written}"


def test_every_unknown_name_is_a_fault_of_its_own():
    board = Storyboard(title="{p}", shots=[Shot(prompt="{q} {r}", take="{s}")])
    _, faults = fill_variables(board, {}, SCHEDULED)
    assert {(f.shot, f.field, f.value) for f in faults} == {
        ("", "title", "{p}"),
        ("01", "prompt", "{q}"),
        ("01", "prompt", "{r}"),
        ("01", "take", "{s}"),
    }


def test_override_that_stands_nowhere_is_a_fault():
    board = Storyboard(variables={"city": "Oslo"}, shots=[Shot(prompt="x")])
    _, faults = fill_variables(board, {"citty": "Bergen"}, SCHEDULED)
    assert [str(fault) for fault in faults] == [
        (
            "storyboard: variables = citty: is set but stands nowhere in the storyboard; "
            "check its spelling"
        )
    ]


def test_default_that_stands_nowhere_is_none():
    board = Storyboard(variables={"city": "Oslo"}, shots=[Shot(prompt="x")])
    assert fill_variables(board, {"city": "Bergen"}, SCHEDULED)[1] == []


def test_numbers_become_text():
    assert Storyboard(variables={"n": 5, "x": 1.5}).variables == {"n": "5", "x": "1.5"}  # type: ignore[dict-item]


def test_footage_and_music_are_filled_in():
    board = Storyboard(
        shots=[Shot(video="{city}.mp4")],
        film=FilmOptions(music="{city}.mp3", loudness=-16),
        variables={"city": "Oslo"},
    )
    made, faults = fill_variables(board, {"city": "Bergen"}, SCHEDULED)
    assert faults == []
    assert made.shots[0].video == "Bergen.mp4"
    assert (made.film.music, made.film.loudness) == ("Bergen.mp3", -16)


def test_unknown_name_in_the_music_is_a_fault():
    board = Storyboard(shots=[Shot(prompt="x")], film=FilmOptions(music="{town}.mp3"))
    (fault,) = fill_variables(board, {}, SCHEDULED)[1]
    assert (fault.shot, fault.field, fault.value) == ("", "film.music", "{town}")
