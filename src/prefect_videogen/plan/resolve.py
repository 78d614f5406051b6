"""From one shot to what a model is asked: mode, parameters, pictures, and every fault.

Pure. An inherited value that the mode does not have is dropped with a note; one it has but does
not allow is a fault; a value on the shot itself that does not fit is always a fault.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from prefect_videogen.capabilities import Mode, Model, Param, Problem
from prefect_videogen.errors import Fault
from prefect_videogen.hiding import is_secret
from prefect_videogen.keys import canonical_json
from prefect_videogen.plan.model import PictureUse, PlannedClip, StudioFacts, Unreadable
from prefect_videogen.plan.modelless import NO_PROMPT, WRITE_A_RATIO
from prefect_videogen.plan.pictures import (
    Stills,
    fitted,
    is_ratio,
    reach_problem,
    remedy_of,
    size_problem,
)
from prefect_videogen.plan.values import AT_THE_TOP, goes_out, is_set, is_url, number, plain, shown
from prefect_videogen.storyboard import OTHER_WORDS, Shot, Storyboard

TIER_ORDER = ("turbo", "standard", "pro", "master")
COMMON = ("resolution", "aspect_ratio", "seconds", "seed", "negative_prompt", "expand_prompt")


class ShotResolver:
    """Resolves one shot against one model, collecting faults and notes."""

    def __init__(  # noqa: PLR0917 - what a shot is resolved against
        self,
        board: Storyboard,
        shot: Shot,
        model: Model,
        studio: StudioFacts,
        pictures: tuple[PictureUse, ...],
        stills: Stills,
    ) -> None:
        self.board = board
        self.shot = shot
        self.model = model
        self.studio = studio
        self.pictures = pictures
        self.stills = stills
        self.frames = sum(bool(name) for name in (shot.first_frame, shot.last_frame))
        self.faults: list[Fault] = []
        self.notes: list[str] = []

    def resolve(self) -> PlannedClip | None:
        """Resolve the shot; None if no mode can be found for it."""
        label = self.studio.labels.get(self.model.vendor, "")
        if not label:
            problem = f"belongs to {self.model.vendor}, for which the studio has no credentials"
            remedy = f"add them to the studio {self.studio.name} or use another vendor's model"
            self.fault("model", self.model.id, problem, remedy)
        self._check_pictures()
        mode = self._mode()
        # Without a mode too: what all modes share is judged in the same breath.
        asked, routing, extra = self._params(mode), self._routing(), self._extra()
        if mode is None:
            return None
        sent = {
            p.name: asked.get(p.name, p.default)
            for p in self.model.params_of(mode.name)
            if p.name in asked or goes_out(p)
        }
        whole = {**{p.name: p.default for p in self.model.params_of(mode.name)}, **asked}
        seconds = self._value_of("seconds", whole)
        return PlannedClip(
            id=self.shot.id,
            shot=self.shot.id,
            take=self.shot.take,
            vendor=label,
            model=self.model.id,
            mode=mode.name,
            params=sent,
            asked=asked,
            routing=routing,
            extra=extra,
            pictures=self._fitted(),
            depends_on=tuple(u.ref for u in self.pictures if u.kind == "clip"),
            seconds=float(seconds or 0),
            resolution=str(self._value_of("resolution", whole) or ""),
            expected=self.model.generation_seconds(mode.name, whole),
        )

    def fault(self, name: str, value: object, problem: str, remedy: str) -> None:
        """Note a fault of this shot."""
        self.faults.append(Fault(self.shot.id, name, shown(value), problem, remedy))

    def note(self, text: str) -> None:
        """Note what is worth knowing."""
        self.notes.append(f"shot {self.shot.id}: {text}")

    # -- mode ---------------------------------------------------------------------------------

    def _mode(self) -> Mode | None:
        loras = bool(self._loras())
        named = self.shot.options.get("mode") or self.board.options.get("mode")
        if named is not None:
            return self._named_mode(str(named), loras=loras)
        tier = self._tier(loras=loras)
        if tier is None:
            return None
        found = self.model.infer_mode(self.frames, loras=loras, tier=tier)
        if isinstance(found, Mode):
            return found
        self._mode_fault(found, tier)
        return None

    def _named_mode(self, name: str, *, loras: bool) -> Mode | None:
        mode = self.model.mode(name)
        if mode is None:
            names = [mode.name for mode in self.model.modes]
            problem = f"is no mode of {self.model.id}"
            self.fault("options.mode", name, problem, "use " + " or ".join(names))
            return None
        least, most = mode.images
        if not least <= self.frames <= most:
            count = f"{least}" if least == most else f"{least} to {most}"
            problem = f"takes {count} pictures, the shot has {self.frames}"
            self.fault("options.mode", name, problem, "leave it out or change the frames")
        tier = self.shot.tier or self.board.tier
        if tier and mode.tier and tier != mode.tier:
            problem = f"is of the tier {mode.tier}, and `tier` is {tier}"
            if self.shot.tier:
                self.fault("options.mode", name, problem, "leave one of them out")
            else:
                self.note(f"options.mode = {name} {problem} at the top; the mode counts")
        if mode.loras != loras:
            problem = "needs LoRAs" if mode.loras else "takes no LoRAs"
            self.fault("options.mode", name, problem, "leave it out or change `loras`")
        return mode

    def _mode_fault(self, found: Problem, tier: str) -> None:
        fits_other_tier = "tier:" in found.remedy
        if "LoRA" in found.problem:
            name, value = "loras", ""
        elif fits_other_tier:
            name, value = "tier", tier
        elif self.frames > 1:
            name, value = "last_frame", self.shot.last_frame
        else:
            name, value = "first_frame", self.shot.first_frame
        self.fault(name, value, f"{self.model.id}: {found.problem}", found.remedy)

    def _tier(self, *, loras: bool) -> str | None:
        """The tier to use; None after a fault."""
        tiers = self.model.tiers
        if self.board.draft and tiers:
            ranked = sorted(tiers, key=lambda t: TIER_ORDER.index(t) if t in TIER_ORDER else 99)
            for tier in ranked:
                found = self.model.infer_mode(self.frames, loras=loras, tier=tier)
                if isinstance(found, Mode):
                    return tier
            return ""
        tier = self.shot.tier or self.board.tier
        if not tier or tier in tiers:
            return tier
        if tiers:
            remedy = "use " + " or ".join(tiers)
            self.fault("tier", tier, f"is no tier of {self.model.id}", remedy)
            return None
        self._drop("tier", tier, own=bool(self.shot.tier))
        return ""

    # -- parameters ---------------------------------------------------------------------------

    def _params(self, mode: Mode | None) -> dict[str, Any]:
        asked: dict[str, Any] = {}
        self._add_prompt(asked)
        for name in COMMON:
            own, inherited = getattr(self.shot, name), getattr(self.board, name)
            value = own if is_set(name, own) else inherited
            if is_set(name, value):
                self._add_common(asked, mode, name, value, own=is_set(name, own))
        self._add_options(asked, mode)
        self._add_loras(asked, mode)
        if self.board.draft and mode:
            self._make_draft(asked, mode)
        self._shift_seed(asked)
        return asked

    def _add_prompt(self, asked: dict[str, Any]) -> None:
        param = self.model.param("prompt")
        prompt = " ".join(
            part for part in (self.shot.prompt.strip(), self.board.look.strip()) if part
        )
        if not self.shot.prompt.strip():
            self.fault("prompt", "", *NO_PROMPT)
        elif param and (problem := param.check(prompt)):
            with_look = " with the look" if self.board.look.strip() else ""
            self.fault("prompt", self.shot.prompt, problem.problem + with_look, problem.remedy)
        asked["prompt"] = prompt

    def _add_common(
        self, asked: dict[str, Any], mode: Mode | None, name: str, value: Any, *, own: bool
    ) -> None:
        param = self.model.param(name)
        if mode is None and param is not None and param.modes and not own:
            return  # the mode that is chosen in the end may not have it
        if param is None or not _has(mode, param):
            if name == "aspect_ratio" and self.pictures and not own:
                self._check_shape(value)
                return  # it shapes the pictures instead
            self._drop(name, value, own=own, mode=mode if param else None)
            return
        sent = plain(name, value)
        if problem := param.check(sent):
            inherited = "" if own else AT_THE_TOP
            self.fault(
                name, value, f"{problem.problem} on {self.model.id}{inherited}", problem.remedy
            )
            return
        self._advise(param, sent)
        asked[param.name] = sent

    def _add_options(self, asked: dict[str, Any], mode: Mode | None) -> None:
        own = self.shot.options
        for name, value in {**self.board.options, **own}.items():
            if name == "mode":
                continue
            param = next((p for p in self.model.params if p.name == name), None)
            if param is not None and param.field:
                problem = "has a common name"
                self.fault(f"options.{name}", value, problem, f"`{name}` is `{param.field}` here")
            elif mode is None and param and param.modes and name not in own:
                continue
            elif param is None or not _has(mode, param):
                self._drop_option(name, value, own=name in own, mode=mode if param else None)
            elif found := param.check(value):
                where = f"{found.problem} on {self.model.id}"
                self.fault(f"options.{name}", value, where, found.remedy)
            else:
                self._advise(param, value)
                asked[name] = value

    def _drop_option(self, name: str, value: object, *, own: bool, mode: Mode | None) -> None:
        if not own or mode is not None:
            self._drop(f"options.{name}", value, own=own, mode=mode)
            return
        known = [p.name for p in self.model.params if not p.field]
        near = difflib.get_close_matches(name, known, n=1)
        if name in OTHER_WORDS:
            remedy = f"`{name}` is `{OTHER_WORDS[name]}` here"
        elif near:
            remedy = f"did you mean `options.{near[0]}`?"
        else:
            remedy = f"use {', '.join(known)} or `extra_input`" if known else "use `extra_input`"
        self.fault(f"options.{name}", value, f"is no field of {self.model.id}", remedy)

    def _loras(self) -> list[Any]:
        if self.shot.loras:
            return list(self.shot.loras)
        if self.board.loras and not any(mode.loras for mode in self.model.modes):
            self._drop("loras", f"{len(self.board.loras)} LoRAs", own=False)
            return []
        return list(self.board.loras)

    def _add_loras(self, asked: dict[str, Any], mode: Mode | None) -> None:
        param = self.model.param("loras")
        loras = [lora.model_dump() for lora in (self.shot.loras or self.board.loras)]
        if not ((mode is None or mode.loras) and loras) or param is None:
            return
        if problem := param.check(loras):
            self.fault("loras", "", problem.problem, problem.remedy)
        label = self.studio.labels.get(self.model.vendor, "")
        for lora in loras:
            if not is_url(lora["path"]):
                self.fault("loras", lora["path"], "is not a public URL", "use an https:// URL")
            elif found := reach_problem(self.model.vendor, label, lora["path"]):
                self.fault("loras", lora["path"], found.problem, found.remedy)
            if param.advised and not param.advised[0] <= lora["scale"] <= param.advised[1]:
                low, high = param.advised
                self.note(
                    f"LoRA scale {lora['scale']:g} is outside the advised {low:g} to {high:g}"
                )
        asked["loras"] = loras

    def _make_draft(self, asked: dict[str, Any], mode: Mode) -> None:
        for label in ("resolution", "seconds"):
            param = self.model.param(label)
            if param is None or not _has(mode, param):
                continue
            lowest = min(param.choices, key=number) if param.choices else param.minimum
            if lowest is not None:
                asked[param.name] = plain(label, lowest)

    def _shift_seed(self, asked: dict[str, Any]) -> None:
        if self.shot.take == "1":
            return
        param = self.model.param("seed")
        if param is None or param.name not in asked:
            if param is None:
                self.note(f"{self.model.id} has no seed, so takes differ by chance")
            return
        if not self.shot.take.isdecimal():
            self.note("a take that is a word keeps the seed, so the clip may look the same")
            return
        shifted = int(asked[param.name]) + int(self.shot.take) - 1
        if problem := param.check(shifted):
            self.fault("take", self.shot.take, f"makes the seed {shifted}", problem.remedy)
        asked[param.name] = shifted

    def _routing(self) -> str:
        own, value = self.shot.routing, self.shot.routing or self.board.routing
        if not value:
            return ""
        if not self.model.routing:
            self._drop("routing", value, own=bool(own))
            return ""
        if value not in self.model.routing:
            meant = difflib.get_close_matches(value, self.model.routing, n=1)
            if meant or not self.model.routing_open:
                remedy = f"use {', '.join(meant or self.model.routing)}"
                self.fault("routing", value, f"is no routing of {self.model.id}", remedy)
            else:
                self.note(f"routing = {shown(value)} is not documented, it goes out as it is")
        return value

    def _extra(self) -> dict[str, Any]:
        extra = {**self.board.extra_input, **self.shot.extra_input}
        for name, value in list(extra.items()):
            try:
                canonical_json(value)
            except (TypeError, ValueError):
                problem = "can't be written as JSON"
                self.fault(f"extra_input.{name}", value, problem, "use texts and finite numbers")
                del extra[name]
            if field := self._field_of(name):
                inherited = "" if name in self.shot.extra_input else AT_THE_TOP
                problem = f"would overrule what is checked and priced{inherited}"
                self.fault(f"extra_input.{name}", value, problem, f"use `{field}`")
        return extra

    def _field_of(self, name: str) -> str:
        """The storyboard's field for one of the vendor's; empty if it has none."""
        if name == self.model.mode_field:
            return "options.mode"
        if name in self.model.images.fields:
            return "first_frame"
        if name == "model":
            return "model"
        return next((param.label for param in self.model.params if param.name == name), "")

    def _advise(self, param: Param, value: Any) -> None:
        if param.advised and not param.advised[0] <= value <= param.advised[1]:
            low, high = param.advised
            self.note(f"{param.label} = {value:g} is outside the advised {low:g} to {high:g}")
        if param.step and abs(value / param.step - round(value / param.step)) > 1e-6:  # noqa: PLR2004
            self.note(f"{param.label} = {value:g} is not a step of {param.step:g}")

    def _drop(self, name: str, value: object, *, own: bool, mode: Mode | None = None) -> None:
        where = f"{mode.name} of {self.model.id}" if mode else self.model.id
        if own:
            remedy = "leave it out or use a model that has it"
            if name == "aspect_ratio":
                remedy = "the clip follows its picture; set it at the top to crop pictures to it"
            self.fault(name, value, f"{where} does not have it", remedy)
        else:
            quoted = "" if is_secret(name) else f" = {shown(value)}"
            self.note(f"{name}{quoted} is left out, {where} does not have it")

    # -- pictures -----------------------------------------------------------------------------

    def _check_pictures(self) -> None:
        label = self.studio.labels.get(self.model.vendor, "")
        for use in self._fitted():
            name = f"{use.role}_frame"
            still = self.stills.get(use.ref) if use.kind == "still" else None
            if isinstance(still, Unreadable):
                self.fault(name, use.ref, still.problem, remedy_of(use, still))
            elif still and (found := size_problem(self.model, use, still)):
                self.fault(name, use.ref, found.problem, found.remedy)
            elif use.kind == "vendor" and (
                found := reach_problem(self.model.vendor, label, use.ref)
            ):
                remedy = f"{found.remedy}, or leave `vendor:` out to have it read and published"
                self.fault(name, f"vendor:{use.ref}", found.problem, remedy)

    def _check_shape(self, ratio: str) -> None:
        if self._fit() != "keep" and not is_ratio(ratio):
            problem = f"is no shape to bring a picture to{AT_THE_TOP}"
            self.fault("aspect_ratio", ratio, problem, WRITE_A_RATIO)

    def _fit(self) -> str:
        return self.shot.picture_fit or self.board.picture_fit or "crop"

    def _fitted(self) -> tuple[PictureUse, ...]:
        ratio = self.board.aspect_ratio
        return fitted(self.pictures, self.stills, fit=self._fit(), ratio=ratio)

    def _value_of(self, label: str, params: Mapping[str, Any]) -> Any:
        param = self.model.param(label)
        return params.get(param.name) if param else None


def _has(mode: Mode | None, param: Param) -> bool:
    """Whether a mode has a parameter of its model; before there is a mode, it may."""
    return mode is None or not param.modes or mode.name in param.modes
