"""Filling `{names}` and `{scheduled:...}` into a storyboard.

Pure: the scheduled start is an argument, the same on every retry of a run. Keys come after
filling in, so a date in a take makes a new film each night and the same film on a retry.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from prefect_videogen.errors import Fault
from prefect_videogen.storyboard.model import Shot, Storyboard

_PLACE = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)(?::([^{}]*))?\}")
_SCHEDULED, _TIMEZONE = "scheduled", "timezone"
_FIELDS = ("prompt", "first_frame", "last_frame", "video", "take")


def fill_variables(
    board: Storyboard, overrides: Mapping[str, str], scheduled: datetime
) -> tuple[Storyboard, list[Fault]]:
    """Fill in variables, once, in title, look, prompts, pictures, footage, music, takes.

    Args:
        board: The storyboard; its own `variables` are defaults.
        overrides: Values that win over the storyboard's.
        scheduled: The run's scheduled start, for `{scheduled:%Y-%m-%d}`; shown as it is, or in the
            time zone that the variable `timezone` names.

    Returns:
        The filled storyboard, and a fault for every unknown name.
    """
    values = {**board.variables, **overrides}
    start, wrong = _local(scheduled, values.get(_TIMEZONE, ""))
    filler = _Filler(values, start)
    board = board.with_ids()
    shots = [_fill_shot(shot, filler) for shot in board.shots]
    music = filler.fill(board.film.music, "", "film.music")
    filled = board.model_copy(
        update={
            "film": board.film.model_copy(update={"music": music}),
            "title": filler.fill(board.title, "", "title"),
            "look": filler.fill(board.look, "", "look"),
            "shots": shots,
        }
    )
    if _SCHEDULED in filler.used:
        filler.used.add(_TIMEZONE)
        filler.faults += wrong
    for name in sorted(set(overrides) - set(board.variables) - filler.used):
        problem = "is set but stands nowhere in the storyboard"
        filler.faults.append(Fault("", "variables", name, problem, "check its spelling"))
    return filled, filler.faults


def _local(moment: datetime, zone: str) -> tuple[datetime, list[Fault]]:
    """A moment in the time zone of a name, if one is given and right."""
    if not zone:
        return moment, []
    known = available_timezones()
    if zone in known:
        return moment.astimezone(ZoneInfo(zone)), []
    near = difflib.get_close_matches(zone, known, n=1)
    remedy = f"did you mean {near[0]}?" if near else "use a name like Europe/Oslo"
    return moment, [Fault("", "variables", zone, f"`{_TIMEZONE}` names no time zone", remedy)]


def _fill_shot(shot: Shot, filler: _Filler) -> Shot:
    filled = {name: filler.fill(getattr(shot, name), shot.id, name) for name in _FIELDS}
    return shot.model_copy(update=filled)


class _Filler:
    def __init__(self, values: Mapping[str, str], scheduled: datetime) -> None:
        self.values = values
        self.scheduled = scheduled
        self.used: set[str] = set()
        self.faults: list[Fault] = []

    def fill(self, text: str, shot: str, field: str) -> str:
        return _PLACE.sub(lambda found: self._value(found, shot, field), text)

    def _value(self, found: re.Match[str], shot: str, field: str) -> str:
        whole, name, form = found.group(0), found.group(1), found.group(2)
        if name is None:
            return whole[0]
        self.used.add(name)
        if name in self.values and form is None:
            return self.values[name]
        if name == _SCHEDULED:
            return self.scheduled.strftime(form or "%Y-%m-%dT%H:%M:%S")
        known = [*self.values, _SCHEDULED]
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {{{near[0]}}}?" if near else "add it under `variables`"
        self.faults.append(Fault(shot, field, whole, "names no known variable", remedy))
        return whole
