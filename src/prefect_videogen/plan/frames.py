"""What pictures a shot starts and ends on: stills, other shots' frames, or URLs for the vendor.

Pure. Whether a still can be read and what a model makes of it are others' questions.
"""

from __future__ import annotations

import difflib

from prefect_videogen.errors import Fault
from prefect_videogen.plan.model import PictureUse, Role
from prefect_videogen.plan.values import is_url
from prefect_videogen.storyboard import Shot, Storyboard


def pictures_of(board: Storyboard, shot: Shot) -> tuple[tuple[PictureUse, ...], list[Fault]]:
    """Say what pictures a shot is made from.

    Args:
        board: The storyboard, whose shots all have ids.
        shot: One of them.

    Returns:
        The first frame, then the last, as far as there are any; and what is wrong with them.
    """
    frames = _Frames(board, shot)
    return frames.both(), frames.faults


class _Frames:
    def __init__(self, board: Storyboard, shot: Shot) -> None:
        self.board = board
        self.shot = shot
        self.faults: list[Fault] = []

    def fault(self, name: str, value: str, problem: str, remedy: str) -> None:
        self.faults.append(Fault(self.shot.id, name, value, problem, remedy))

    def both(self) -> tuple[PictureUse, ...]:
        shot = self.shot
        if shot.last_frame and not shot.first_frame:
            remedy = "set `first_frame` too, or leave `last_frame` out"
            self.fault("last_frame", shot.last_frame, "has no first_frame", remedy)
            return ()
        first = self._first(shot.first_frame) if shot.first_frame else None
        last = self._last(shot.last_frame) if shot.last_frame else None
        return tuple(use for use in (first, last) if use)

    def _first(self, value: str) -> PictureUse | None:
        if value == "previous":
            index = self.board.shots.index(self.shot)
            if index == 0:
                remedy = "name a picture, or move the shot"
                self.fault("first_frame", value, "no shot stands before it", remedy)
                return None
            return PictureUse(role="first", kind="clip", ref=self.board.shots[index - 1].id)
        if value == "next":
            remedy = "`next` belongs to last_frame; use `previous` or a picture"
            self.fault("first_frame", value, "can't start on a later picture", remedy)
            return None
        return self._picture("first", value)

    def _last(self, value: str) -> PictureUse | None:
        if value == "next":
            return self._next()
        if value == "previous" or value.startswith("shot:"):
            remedy = "use a picture or `next`"
            self.fault("last_frame", value, "can't be another shot's end", remedy)
            return None
        return self._picture("last", value)

    def _next(self) -> PictureUse | None:
        """The picture that the next shot starts on."""
        index = self.board.shots.index(self.shot) + 1
        following = self.board.shots[index] if index < len(self.board.shots) else None
        target = following.first_frame if following else ""
        remedy = "name a picture"
        if following is None:
            problem = "no shot follows"
        elif following.video:
            problem = "the next shot is own footage"
        elif not target:
            problem = "the next shot has no first_frame"
            remedy = f"give {following.id} a first_frame, or name a picture"
        elif target in {"previous", "next", f"shot:{self.shot.id}"}:
            problem = f"the next shot starts where this one ends ({target})"
            remedy = "leave it out or name a picture"
        else:
            return self._picture("last", target)
        self.fault("last_frame", "next", problem, remedy)
        return None

    def _picture(self, role: Role, value: str) -> PictureUse | None:
        field = f"{role}_frame"
        if value.startswith("shot:"):
            name = value.removeprefix("shot:").strip()
            ids = [other.id for other in self.board.shots]
            if name not in ids:
                others = list(dict.fromkeys(other for other in ids if other != self.shot.id))
                near = difflib.get_close_matches(name, others, n=1)
                remedy = f"use {_either(others)}" if others else "name another shot or a picture"
                remedy = f"did you mean `shot:{near[0]}`?" if near else remedy
                self.fault(field, value, "names no shot", remedy)
                return None
            return PictureUse(role=role, kind="clip", ref=name)
        if value.startswith("vendor:"):
            url = value.removeprefix("vendor:").strip()
            if not is_url(url):
                self.fault(field, value, "is not a URL", "write `vendor:https://...`")
                return None
            return PictureUse(role=role, kind="vendor", ref=url)
        return PictureUse(role=role, kind="still", ref=value)


def _either(names: list[str]) -> str:
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
