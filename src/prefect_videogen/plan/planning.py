"""Planning: from a filled storyboard to the clips, their order, price and time.

`plan()` is pure and free. Its caller reads the stills and the records; every fault of every shot
comes out at once, before anything is spent.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prefect_videogen.capabilities import Advice
from prefect_videogen.errors import Fault, how_to_settle
from prefect_videogen.plan.footage import Footage, hand_over_of, plan_footage
from prefect_videogen.plan.frames import pictures_of
from prefect_videogen.plan.graph import Cycle, critical_path, find_cycle
from prefect_videogen.plan.joins import film_shots, join_faults, join_notes, plan_joins
from prefect_videogen.plan.model import (
    FootageFacts,
    Known,
    Money,
    Picture,
    PictureUse,
    Plan,
    PlannedClip,
    PlannedFootage,
    StudioFacts,
    distinct,
    handing_of,
    slugify,
)
from prefect_videogen.plan.modelless import faults_of_any_model
from prefect_videogen.plan.pictures import Stills
from prefect_videogen.plan.prices import price_notes, price_of, totals_of
from prefect_videogen.plan.redoing import Earlier, stale_notes, with_reasons
from prefect_videogen.plan.resolve import ShotResolver
from prefect_videogen.storyboard import Shot, Storyboard

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
LONGEST_CHAIN = 3


def still_references(board: Storyboard) -> tuple[str, ...]:
    """The pictures that have to be read before planning, each once, in order."""
    references = [
        value
        for shot in board.shots
        for value in (shot.first_frame, shot.last_frame)
        if value and value not in {"previous", "next"}
    ]
    return tuple(dict.fromkeys(r for r in references if not r.startswith(("shot:", "vendor:"))))


def plan(
    storyboard: Storyboard,
    studio: StudioFacts,
    pictures: Stills,
    known: Mapping[str, Known],
    *,
    footage: Footage | None = None,
    earlier: Earlier | None = None,
    faults: Sequence[Fault] = (),
) -> Plan:
    """Plan a film: pure, free, and all faults at once.

    Args:
        storyboard: The storyboard with its variables filled in.
        studio: What has to be known of the studio.
        pictures: What is known of every still, by its reference.
        known: What the records say, by key.
        footage: What is known of own footage, by its reference.
        earlier: Keys that earlier films of this name were made of, by shot.
        faults: Faults found before, while reading and filling in.

    Returns:
        The plan; `plan.check()` raises if it has faults.
    """
    planner = _Planner(
        storyboard.with_ids(),
        studio,
        pictures,
        known,
        footage=footage or {},
        faults=list(faults),
    )
    return planner.plan(earlier or {})


class _Planner:
    def __init__(
        self,
        board: Storyboard,
        studio: StudioFacts,
        stills: Stills,
        known: Mapping[str, Known],
        *,
        footage: Footage,
        faults: list[Fault],
    ) -> None:
        self.board = board
        self.studio = studio
        self.stills = stills
        self.known = known
        self.footage = footage
        self.own = {shot.id for shot in board.shots if shot.video}
        self.at_once = {(fault.shot, fault.field.split(".")[0]) for fault in faults}
        self.faults = faults
        self.notes: list[str] = []
        self.digests = {r: p.sha256 for r, p in stills.items() if isinstance(p, Picture)}
        self.digests |= {
            r: f.sha256
            for r, f in footage.items()
            if isinstance(f, FootageFacts) and f.kind == "card"
        }

    def plan(self, earlier: Earlier) -> Plan:
        self._check_ids()
        footage = self._plan_footage()
        bought = [shot for shot in self.board.shots if not shot.video]
        clips = [clip for shot in bought for clip in self._clips_of(shot)]
        cycles = list(_cycles(clips))
        for cycle in cycles:
            self._cycle_fault(cycle)
        if not cycles:
            clips = with_reasons(self._with_keys(clips, footage), earlier)
            self._note_long_chains(clips)
        self._check_publishing(clips)
        self._note_unknown(clips)
        shots = film_shots(self.board, clips, footage)
        joins = plan_joins(self.board, shots, self.digests)
        for found in join_faults(self.board, shots, joins):
            self.fault(found.shot, found.field, found.value, found.problem, found.remedy)
        self.notes += [*join_notes(self.board, shots, joins), *stale_notes(clips)]
        self.notes += price_notes(self.studio.prices, self.studio.models)
        to_buy = distinct(clip for clip in clips if clip.to_buy)
        return Plan(
            title=self.board.title,
            slug=slugify(self.board.title),
            clips=tuple(clips),
            footage=tuple(footage),
            joins=joins,
            film=self.board.film,
            totals=totals_of(to_buy),
            unpriced=sum(clip.price is None for clip in to_buy),
            seconds=0 if cycles else self._wall_time(clips),
            notes=tuple(dict.fromkeys(self.notes)),
            sandbox=any("@" in clip.vendor for clip in clips),
            faults=tuple(self.faults),
        )

    def fault(self, shot: str, name: str, value: str, problem: str, remedy: str) -> None:
        """Note a fault once, unless reading the file found one at the same place."""
        found = Fault(shot, name, value, problem, remedy)
        if (shot, name.split(".", maxsplit=1)[0]) not in self.at_once and found not in self.faults:
            self.faults.append(found)

    def _check_ids(self) -> None:
        if not self.board.shots:
            self.fault("", "shots", "", "is empty", "add at least one shot with a prompt")
        counts = Counter(shot.id for shot in self.board.shots)
        for name, count in counts.items():
            if count > 1:
                self.fault(name, "id", name, f"names {count} shots", "give each its own id")
            if not _SLUG.fullmatch(name):
                remedy = "use lower case letters, digits, - and _, 63 at most"
                self.fault(name, "id", name, "is not a short name", remedy)

    # -- footage and clips --------------------------------------------------------------------

    def _plan_footage(self) -> list[PlannedFootage]:
        planned: list[PlannedFootage] = []
        for shot in self.board.shots:
            if not shot.video:
                continue
            found, faults = plan_footage(self.board, shot, self.footage)
            for fault in faults:
                self.fault(fault.shot, fault.field, fault.value, fault.problem, fault.remedy)
            planned += [found] if found else []
        return planned

    def _clips_of(self, shot: Shot) -> list[PlannedClip]:
        takes = self._takes_of(shot)
        pictures, faults = pictures_of(self.board, shot)
        for found in faults:
            self.fault(found.shot, found.field, found.value, found.problem, found.remedy)
        names = [shot.model or self.board.model, *(shot.fallback or self.board.fallback)]
        clips: list[PlannedClip] = []
        for take in takes:
            version = shot.model_copy(update={"take": take})
            options = [
                clip
                for number, name in enumerate(dict.fromkeys(names))
                if (
                    clip := self._resolve(
                        version,
                        name,
                        pictures,
                        field="model" if number == 0 else "fallback",
                    )
                )
            ]
            if options:
                main = options[0].model_copy(update={"fallback": tuple(options[1:])})
                clips.append(self._named(main, shot, takes))
        return clips

    def _named(self, clip: PlannedClip, shot: Shot, takes: Sequence[str]) -> PlannedClip:
        picked = str(shot.pick) if shot.pick else takes[0]
        if clip.take != picked:
            return clip.model_copy(update={"id": f"{shot.id}~{clip.take}", "in_film": False})
        trim = tuple(shot.trim)
        if trim and self.board.draft:
            self.notes.append(f"shot {shot.id}: a draft is shown whole, without its trim")
            trim = ()
        handing = handing_of(hand_over_of(self.board, shot), trim)
        return clip.model_copy(update={"trim": trim, "handing": handing})

    def _takes_of(self, shot: Shot) -> list[str]:
        count = shot.takes or self.board.takes
        if count and shot.take != "1":
            self.fault(shot.id, "take", shot.take, "stands beside `takes`", "keep one of them")
        takes = [str(number) for number in range(1, count + 1)] or [shot.take]
        if shot.pick and str(shot.pick) not in takes:
            remedy = f"use {' or '.join(takes)}"
            self.fault(shot.id, "pick", str(shot.pick), "is not among the takes", remedy)
            return takes
        return takes

    def _resolve(
        self,
        shot: Shot,
        name: str,
        pictures: tuple[PictureUse, ...],
        *,
        field: str,
    ) -> PlannedClip | None:
        model = self.studio.models.get(name)
        if model is None:
            self._model_fault(shot, name, field)
            if field == "model":
                self._faults_of_any_model(shot, pictures)
            return None
        resolver = ShotResolver(self.board, shot, model, self.studio, pictures, self.stills)
        clip = resolver.resolve()
        for found in resolver.faults:
            self.fault(found.shot, found.field, found.value, found.problem, found.remedy)
        if clip:
            self.notes += [f"shot {shot.id}: {advice.text}" for advice in self._advice(clip)]
        self.notes += resolver.notes
        if clip is None:
            return None
        waits = tuple(name for name in clip.depends_on if name not in self.own)
        return clip.model_copy(update={"price": self._price(clip), "depends_on": waits})

    def _faults_of_any_model(self, shot: Shot, pictures: tuple[PictureUse, ...]) -> None:
        known = self.studio.models
        for found in faults_of_any_model(self.board, shot, pictures, self.stills, known):
            self.fault(found.shot, found.field, found.value, found.problem, found.remedy)

    def _advice(self, clip: PlannedClip) -> list[Advice]:
        advice = self.studio.models[clip.model].advice
        return [a for a in advice if "LoRA" in a.text and "loras" in clip.asked]

    def _model_fault(self, shot: Shot, name: str, field: str) -> None:
        known = sorted(self.studio.models)
        if not name:
            remedy = f"set it on the shot or at the top, to one of {', '.join(known)}"
            self.fault(shot.id, field, "", "is not set", remedy)
            return
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean `{near[0]}`?" if near else f"use one of {', '.join(known)}"
        self.fault(shot.id, field, name, "is not a known model", remedy)

    # -- the whole ----------------------------------------------------------------------------

    def _with_keys(
        self, clips: list[PlannedClip], footage: Sequence[PlannedFootage]
    ) -> list[PlannedClip]:
        """Give clips their keys in chain order, as far as the frames handed over are known."""
        done: dict[str, PlannedClip] = {}
        digests = {**self.digests, **self._handed_by_footage(footage)}
        waiting = list(clips)
        while waiting:
            ready = [
                c for c in waiting if all(d in done or not _in(d, clips) for d in c.depends_on)
            ]
            for clip in ready:
                key = clip.key_with(digests, self.studio.models[clip.model])
                found = self.known.get(key) if key else None
                done[clip.id] = clip.model_copy(
                    update={
                        "key": key,
                        "state": found.state if found else "new",
                        "job_id": found.job_id if found else None,
                    }
                )
                handed = found.frame(clip.handing) if found else None
                if handed:
                    digests[clip.id] = handed
            waiting = [clip for clip in waiting if clip.id not in done]
        return [done[clip.id] for clip in clips]

    def _handed_by_footage(self, footage: Sequence[PlannedFootage]) -> dict[str, str]:
        handed = {}
        for shot in footage:
            facts = self.footage[shot.ref]
            sha256 = facts.frame(shot.handing) if isinstance(facts, FootageFacts) else None
            if sha256:
                handed[shot.id] = sha256
        return handed

    def _check_publishing(self, clips: list[PlannedClip]) -> None:
        """A picture must be able to reach the vendor, unless its clip is bought already."""
        for clip in clips:
            vendor = self.studio.models[clip.model].vendor
            if not clip.to_buy or vendor in self.studio.publishes:
                continue
            for use in clip.pictures:
                if use.kind != "vendor":
                    problem = (
                        f"can't be handed to {vendor}: nowhere to publish a picture that it can "
                        "reach"
                    )
                    remedy = (
                        "keep media in S3, set VIDEOGEN_MEDIA_PUBLIC_URL (the media store's public "
                        "URL), or write `vendor:https://...`"
                    )
                    name = f"{use.role}_frame"
                    self.fault(clip.shot, name, self._written(clip.shot, name), problem, remedy)

    def _cycle_fault(self, cycle: Cycle) -> None:
        way = " -> ".join((*cycle, cycle[0]))
        remedy = "start one of them on a picture"
        first = self._written(cycle[0], "first_frame")
        chained = first == "previous" or first.startswith("shot:")
        name = "first_frame" if chained else "last_frame"  # `next` starts where that one starts
        value = self._written(cycle[0], name)
        self.fault(cycle[0], name, value, f"waits for itself ({way})", remedy)

    def _written(self, shot: str, field: str) -> str:
        """What the board says there; empty if it has no such shot."""
        found = next((entry for entry in self.board.shots if entry.id == shot), None)
        return str(getattr(found, field, ""))

    def _note_long_chains(self, clips: list[PlannedClip]) -> None:
        links: dict[str, int] = {}
        for clip in clips:
            links[clip.id] = 1 + max((links.get(name, 0) for name in clip.depends_on), default=-1)
            if links[clip.id] == LONGEST_CHAIN + 1:
                self.notes.append(
                    f"shot {clip.shot}: more than {LONGEST_CHAIN} links from a still; colour and "
                    "sharpness drift along a chain, a new still resets them"
                )

    def _note_unknown(self, clips: list[PlannedClip]) -> None:
        for clip in distinct(clips):
            found = self.known.get(clip.key or "")
            if found and found.unknown:
                self.notes.append(
                    f"shot {clip.shot}: whether its purchase was accepted is not known. "
                    + how_to_settle(clip.key or "")
                )
            elif found and found.state == "claimed":
                self.notes.append(
                    f"shot {clip.shot}: a run is buying it, or died while it did; a run waits for "
                    "what comes of that, and stops if nobody knows"
                )

    def _price(self, clip: PlannedClip) -> Money | None:
        return price_of(clip, self.studio.prices)

    def _wall_time(self, clips: list[PlannedClip]) -> float:
        times = {clip.id: self._duration(clip) for clip in clips}
        path = critical_path({c.id: c.depends_on for c in clips}, times)
        crowded = 0.0
        for name in {clip.model for clip in clips}:
            limit = self.studio.models[name].limits.concurrent
            if limit:
                crowded = max(crowded, sum(times[c.id] for c in clips if c.model == name) / limit)
        return max(path, crowded)

    def _duration(self, clip: PlannedClip) -> float:
        if clip.state in {"ready", "stored"}:
            return 0.0
        vendor = self.studio.models[clip.model].vendor
        return sum(clip.expected) / 2 / self.studio.speeds.get(vendor, 1.0)


def _cycles(clips: Sequence[PlannedClip]) -> Iterator[Cycle]:
    """Every cycle that shares no clip with one before."""
    dependencies = {clip.id: clip.depends_on for clip in clips}
    while cycle := find_cycle(dependencies):
        yield cycle
        for name in cycle:
            del dependencies[name]


def _in(clip_id: str, clips: Sequence[PlannedClip]) -> bool:
    return any(clip.id == clip_id for clip in clips)
