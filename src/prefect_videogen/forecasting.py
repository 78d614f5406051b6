"""What a run will have to buy, told from the plan and the records before it begins.

Unlike the plan itself this knows what a fallback has made already, and what no run tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

from prefect_videogen.budgets import sums
from prefect_videogen.buying import MOST_JOBS, Next, OnExpired, OnUnknown
from prefect_videogen.buying.policy import verdict_on_end
from prefect_videogen.errors import VideoGenError
from prefect_videogen.handing import handed_by_clip
from prefect_videogen.keys import canonical_json, digest
from prefect_videogen.plan import LAST_FRAME, Handing, Money, Plan, PlannedClip
from prefect_videogen.records import History
from prefect_videogen.reserving import is_unbilled, jobs_of
from prefect_videogen.studio import OpenStudio

READ_AT_ONCE = 16

Outlook = Literal["have", "buy", "fallback", "stop"]


class Purchase(BaseModel):
    """A clip that a run will have to buy, as far as the records tell.

    Attributes:
        shot: Name of the clip in the plan.
        clip: The option that comes next: the shot's model, or a fallback.
        others: The fallbacks behind it.
        name: The clip's name in a budget (see `Hold`).
        job: Which job of this clip it will be.
        unbilled: Earlier jobs of it that are known not to be billed.
    """

    model_config = ConfigDict(frozen=True)

    shot: str
    clip: PlannedClip
    others: tuple[PlannedClip, ...] = ()
    name: str
    job: int = 1
    unbilled: tuple[int, ...] = ()


def outlook(
    history: History, *, on_unknown: OnUnknown, on_expired: OnExpired, owner: str
) -> Outlook:
    """Whether a clip with this history is there, or will be bought; as `Buyer` will decide."""
    latest = history.latest
    if history.stored:
        return "have"
    if latest is None:
        return "buy"
    if latest.end is None:
        ours = bool(latest.claimed and latest.claimed.owner.startswith(f"{owner}-"))
        told = on_unknown == "resubmit" and not ours  # what this run left unknown, a later decides
        return "buy" if latest.state == "claimed" and told else "have"
    later = verdict_on_end(latest.end).later
    if later is Next.FALLBACK:
        return "fallback"
    told = later is Next.IF_TOLD and on_expired == "rebuy"
    used_up = latest.end.kind == "failed" and history.jobs >= MOST_JOBS
    return "buy" if told or (later is Next.AGAIN and not used_up) else "stop"


@dataclass
class Forecast:
    """What a plan will have to buy.

    Attributes:
        purchases: The clips to buy, each once.
        shots: Names of all clips in the plan that need one of them.
        planned: Names, in a budget, of all clips that were considered, bought or not.
        names: What stands for stills and clips in the names of the clips that start on them.
    """

    purchases: list[Purchase] = field(default_factory=list)
    shots: set[str] = field(default_factory=set)
    planned: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def estimate(self) -> tuple[Money, ...]:
        """The sum of the prices, by currency."""
        return sums(p.clip.price for p in self.purchases if p.clip.price)

    @property
    def unpriced(self) -> int:
        """How many of them have no price."""
        return sum(purchase.clip.price is None for purchase in self.purchases)


async def forecast(
    studio: OpenStudio,
    plan: Plan,
    stills: Mapping[str, str],
    *,
    on_unknown: OnUnknown = "stop",
    on_expired: OnExpired = "stop",
) -> Forecast:
    """Say what a plan will have to buy, from the records.

    Args:
        studio: The open studio.
        plan: The plan.
        stills: What clips start on and nobody has to buy, stills and own footage: names to
            digests, as in `Survey.digests`.
        on_unknown: What the run does about a submission whose outcome is unknown.
        on_expired: What the run does about a bought clip whose result has expired.

    Raises:
        RecordError: If the media store does not answer as it must.
    """
    found = Forecast(names=dict(stills))
    digests = dict(stills)
    histories = await _histories(studio, plan)
    hopeless: set[str] = set()
    for clip in _dependencies_first(plan.clips):
        name = name_of(studio, clip, found.names)
        found.names[clip.id] = name_of_frame(name, clip.handing)
        if hopeless & set(clip.depends_on):
            hopeless.add(clip.id)
            continue
        options = (clip, *clip.fallback)
        for number, option in enumerate(options):
            key = option.key_with(digests, studio.model(option))
            if key is None or (key == clip.key and clip.state == "new"):
                history = History(key=key or "")
            else:
                history = histories.get(key) or await studio.records.history(key)
            named = name if number == 0 else name_of(studio, option, found.names)
            found.planned.add(named)
            prospect = outlook(
                history, on_unknown=on_unknown, on_expired=on_expired, owner=studio.owner
            )
            if prospect == "fallback":
                continue
            if prospect == "buy":
                found.shots.add(clip.id)
                jobs = jobs_of(history)
                purchase = Purchase(
                    shot=clip.id,
                    clip=option,
                    others=options[number + 1 :],
                    name=named,
                    job=len(jobs) + 1,
                    unbilled=tuple(n for n, job in enumerate(jobs, 1) if is_unbilled(job)),
                )
                if purchase.name not in {other.name for other in found.purchases}:
                    found.purchases.append(purchase)
            elif prospect == "stop":
                hopeless.add(clip.id)
            elif history.stored and history.stored.stored and clip.id in plan.hands_over:
                handed = await handed_by_clip(
                    studio.store, history.stored.stored, clip.handing, keep=False
                )
                digests[clip.id] = handed.sha256
            break
        else:
            hopeless.add(clip.id)
    return found


async def _histories(studio: OpenStudio, plan: Plan) -> dict[str, History]:
    keys = {clip.key for clip in plan.clips if clip.key and clip.state != "new"}
    reading = asyncio.Semaphore(READ_AT_ONCE)

    async def one(key: str) -> History:
        async with reading:
            return await studio.records.history(key)

    return {history.key: history for history in await asyncio.gather(*map(one, sorted(keys)))}


def _dependencies_first(clips: Sequence[PlannedClip]) -> Iterator[PlannedClip]:
    """The clips in an order in which each follows those it starts on."""
    waiting = {clip.id: clip for clip in clips}
    while waiting:
        for clip in [c for c in waiting.values() if not waiting.keys() & set(c.depends_on)]:
            yield waiting.pop(clip.id)


def name_of_frame(name: str, handing: Handing) -> str:
    """What stands for a frame that is handed over, given the name of its clip."""
    if handing == LAST_FRAME:
        return name
    return digest(canonical_json({"clip": name, "handing": handing.model_dump()}))


def name_of(studio: OpenStudio, clip: PlannedClip, names: Mapping[str, str]) -> str:
    """A clip's name in a budget (see `Hold`), given the names of what it starts on.

    Raises:
        VideoGenError: If one of them is missing.
    """
    name = clip.key_with(names, studio.model(clip))
    if name is None:
        message = f"a picture of {clip.id} is not known"
        raise VideoGenError(message, shot=clip.shot)
    return name
