"""Which part every shot has in the film, clips and what stands for those that are missing.

Pure: what is shown of each file, what it shares with the part before it, and which chain it is of.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

from prefect_videogen.fetching import Clip
from prefect_videogen.filming.model import FilmPart
from prefect_videogen.footage import Footage
from prefect_videogen.handing import Handed
from prefect_videogen.plan import Money, Plan, PlannedClip, PlannedFootage, PlannedJoin
from prefect_videogen.plan.joins import shown_seconds

MISSING_SECONDS = 5.0
"""How long a missing shot is stood in for if its length was not asked for."""


def parts_of(
    plan: Plan,
    clips: Mapping[str, Clip],
    footage: Mapping[str, Footage] | None = None,
    handed: Mapping[str, Handed] | None = None,
) -> list[FilmPart]:
    """Put clips and footage in film order, with what stands for a missing shot.

    Args:
        plan: The plan.
        clips: The clips there are, by id.
        footage: Own footage, by its reference.
        handed: The frame that a shot of own footage hands over, by the shot's id.

    Returns:
        The parts; a shot shares a frame only with a part that is there.
    """
    placing = _Placing(plan, clips, footage or {}, handed or {})
    parts: list[FilmPart] = []
    for join, following in zip_longest(plan.joins, plan.joins[1:]):
        part = placing.part(join, following)
        if part is not None:
            before = parts[-1] if parts else None
            parts.append(part if placing.follows(before, join) else _alone(part, before))
    return parts


def _alone(part: FilmPart, before: FilmPart | None) -> FilmPart:
    return part.model_copy(update={"why": "cut" if before else "start", "doubled": False})


def _price(shot: PlannedClip, clip: Clip) -> Money | None:
    """The price of the option that a clip is of: the shot's model, or a fallback."""
    made_by = (clip.vendor, clip.model)
    options = (shot, *shot.fallback)
    return next((each.price for each in options if (each.vendor, each.model) == made_by), None)


class _Placing:
    def __init__(
        self,
        plan: Plan,
        clips: Mapping[str, Clip],
        footage: Mapping[str, Footage],
        handed: Mapping[str, Handed],
    ) -> None:
        self.plan = plan
        self.clips = clips
        self.footage = footage
        self.handed = dict(handed) | {name: clip.handed for name, clip in clips.items()}
        self.planned: dict[str, PlannedClip | PlannedFootage] = {
            clip.shot: clip for clip in plan.clips if clip.in_film
        }
        self.planned |= {shot.id: shot for shot in plan.footage}

    def part(self, join: PlannedJoin, following: PlannedJoin | None) -> FilmPart | None:
        """A shot's part; None if it is missing and nothing stands for it."""
        shot = self.planned[join.shot]
        part = self._footage(shot) if isinstance(shot, PlannedFootage) else self._clip(shot)
        if part is None:
            return None
        chained_on = following is not None and following.why == "chained"
        anchor, links = self._anchor(shot)
        return part.model_copy(
            update={
                "why": join.why,
                "doubled": bool(join.doubled),
                "transition": join.transition,
                "transition_seconds": join.transition_seconds,
                "stop": self._stop(part) if chained_on else None,
                "anchor": anchor,
                "links": links,
            }
        )

    def follows(self, before: FilmPart | None, join: PlannedJoin) -> bool:
        """Whether the part before is the very shot that the plan had there."""
        index = next(n for n, other in enumerate(self.plan.joins) if other.shot == join.shot)
        if before is None or index == 0:
            return index == 0
        return before.shot == self.plan.joins[index - 1].shot and not before.stands_in

    def _clip(self, shot: PlannedClip) -> FilmPart | None:
        clip = self.clips.get(shot.id)
        if clip is None:
            return self._stand_in(shot)
        return FilmPart.of(clip, trim=shot.trim, price=_price(shot, clip))

    def _stand_in(self, shot: PlannedClip) -> FilmPart | None:
        seconds = shown_seconds(shot) or MISSING_SECONDS
        if self.plan.film.on_missing == "hold":
            return FilmPart(shot=shot.shot, kind="hold", seconds=seconds)
        if self.plan.film.on_missing == "slate":
            text = str(shot.params.get("prompt", ""))
            return FilmPart(shot=shot.shot, kind="slate", seconds=seconds, text=text)
        return None

    def _footage(self, shot: PlannedFootage) -> FilmPart:
        footage = self.footage[shot.ref]
        return FilmPart(
            shot=shot.shot,
            kind="footage" if shot.kind == "video" else "card",
            path=footage.path,
            sha256=footage.sha256,
            size=footage.size,
            probe=footage.probe,
            trim=shot.trim,
            seconds=0 if shot.kind == "video" else shot.seconds,
        )

    def _stop(self, part: FilmPart) -> int | None:
        """Where it ends if the shot after it starts on the frame that it hands over."""
        handed = self.handed.get(part.shot)
        if part.probe is None or handed is None or handed.index + 1 >= part.probe.frame_count:
            return None
        return handed.index + 1

    def _anchor(self, shot: PlannedClip | PlannedFootage) -> tuple[str, int]:
        """The shot that a chain starts with, and how many links away that is."""
        links = 0
        while isinstance(shot, PlannedClip):
            first = next((use for use in shot.pictures if use.role == "first"), None)
            if first is None or first.kind != "clip" or first.ref not in self.planned:
                break
            shot, links = self.planned[first.ref], links + 1
        return (shot.shot, links) if links else ("", 0)
