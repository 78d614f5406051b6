"""A manifest in plain words: what the page says of a film, its shots and its joins.

Promises short texts with units, and sums that count a clip once however often it is shown.
Leaves how they look, and escaping them, to the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from prefect_videogen.filming.manifest import (
    Bought,
    Difference,
    JoinEntry,
    Manifest,
    PartKind,
    PictureEntry,
    ShotEntry,
)

_MINUTE = 60
_SETTLED = 99.0
"""The manifest's PSNR of two identical frames."""

KINDS: Mapping[PartKind, str] = {
    "clip": "clip",
    "footage": "own footage",
    "card": "own still",
    "hold": "held frame, the shot is missing",
    "slate": "card, the shot is missing",
}


class Fact(NamedTuple):
    """One line of a list: what it is, and its value."""

    name: str
    value: str


@dataclass(frozen=True)
class JoinWords:
    """How a shot follows the one before it, in words.

    Attributes:
        kind: Chained, cut and so on, with the transition.
        doubled: What was left out at the clip's start; empty if nothing.
        numbers: The two frames that meet, compared; empty if they were not.
        warning: What looks wrong; empty if nothing does.
    """

    kind: str
    doubled: str
    numbers: str
    warning: str


def film_facts(manifest: Manifest) -> list[Fact]:
    """Say what a film is and what it cost.

    Args:
        manifest: How it was made.

    Returns:
        Length, picture, sound, shots and money.
    """
    film = manifest.film
    facts = [
        Fact("Length", f"{clock(film.seconds)} · {count(film.frames, 'frame')}"),
        Fact("Picture", f"{film.width}x{film.height} · {rate(film.fps)} · {film.picture}"),
        Fact("Sound", sound_words(manifest)),
        Fact("Shots", shots_words(manifest)),
        Fact("Estimated cost", cost_words(manifest)),
    ]
    facts += [
        Fact(f"As {vendor} says", "; ".join(f"{name} {value}" for name, value in sums.items()))
        for vendor, sums in vendor_sums(manifest).items()
    ]
    return facts


def sound_words(manifest: Manifest) -> str:
    """Say what is heard, and how loud it is if that was measured."""
    sound = manifest.film.sound
    if sound is None:
        return "none"
    parts = [name for name, there in (("clips", sound.clips), ("music", sound.music)) if there]
    words = " and ".join(parts) or "silence"
    if sound.loudness is None:
        return words
    words += f" · {sound.loudness:.1f} LUFS"
    if sound.loudness_before is not None:
        words += f", before {sound.loudness_before:.1f}"
    return words + (f" · {sound.true_peak:.1f} dBTP" if sound.true_peak is not None else "")


def shots_words(manifest: Manifest) -> str:
    """Count the shots by kind."""
    kinds = [shot.kind for shot in manifest.shots]
    names = {"clip": "clip", "footage": "own footage", "card": "own still"}
    counted = [
        f"{kinds.count(kind)} {name}{'s' if kind != 'footage' and kinds.count(kind) > 1 else ''}"
        for kind, name in names.items()
        if kind in kinds
    ]
    if manifest.missing:
        counted.append(f"{len(manifest.missing)} missing")
    return " · ".join(counted)


def cost_words(manifest: Manifest) -> str:
    """Add up the estimated prices, one sum a currency; unpriced is said, not counted as zero."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    bought = list(_purchases(manifest))
    for clip in bought:
        if clip.price is not None:
            sums[clip.price.currency] += clip.price.amount
    unpriced = sum(clip.price is None for clip in bought)
    parts = [f"{amount:.2f} {currency}" for currency, amount in sums.items()]
    if unpriced:
        parts.append(f"{count(unpriced, 'clip')} unpriced")
    return " + ".join(parts) or "nothing was bought"


def vendor_sums(manifest: Manifest) -> dict[str, dict[str, str]]:
    """Add up what the vendors themselves say that the film's clips cost.

    Args:
        manifest: How the film was made.

    Returns:
        By vendor, by name of the figure; only what is a number can be added up.
    """
    sums: dict[str, dict[str, Decimal]] = {}
    for clip in _purchases(manifest):
        for name, value in _leaves(clip.charge or {}):
            if isinstance(value, int | float) and not isinstance(value, bool):
                figures = sums.setdefault(clip.vendor, {})
                figures[name] = figures.get(name, Decimal(0)) + Decimal(str(value))
    return {
        vendor: {name: f"{value.normalize():f}" for name, value in figures.items()}
        for vendor, figures in sums.items()
    }


def _purchases(manifest: Manifest) -> Iterator[Bought]:
    seen: set[tuple[str, int]] = set()
    for shot in manifest.shots:
        clip = shot.bought
        if clip is not None and (clip.key, clip.attempt) not in seen:
            seen.add((clip.key, clip.attempt))
            yield clip


def _leaves(charge: Mapping[str, object], under: str = "") -> Iterator[tuple[str, object]]:
    for name, value in charge.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{under}{name}.")
        else:
            yield f"{under}{name}", value


def shot_facts(shot: ShotEntry) -> list[Fact]:
    """Say what everybody wants to know of a shot.

    Args:
        shot: The shot.

    Returns:
        Who made it, what it cost, how long that took, and how it drifted.
    """
    facts = []
    clip = shot.bought
    if clip is None:
        facts.append(Fact("Kind", KINDS[shot.kind]))
    else:
        facts.append(Fact("Model", f"{clip.model} · {clip.mode} · {clip.vendor}"))
        if clip.take != "1":
            facts.append(Fact("Take", clip.take))
        facts.append(Fact("Cost", str(clip.price) if clip.price else "unpriced"))
        if clip.charge:
            figures = [f"{name} {value}" for name, value in _leaves(clip.charge)]
            facts.append(Fact("Vendor says", "; ".join(figures)))
        if clip.ready_at is not None:
            facts.append(Fact("Waited", duration(clip.ready_at - clip.submitted_at)))
        facts.append(Fact("Job", clip.job_id))
    if shot.drift is not None:
        drift = shot.drift
        links = count(drift.links, "link")
        facts.append(
            Fact(
                "Drift",
                f"{links} from {drift.anchor}: brightness {drift.luma:+.1f}, red {drift.red:+.1f},"
                f" green {drift.green:+.1f}, blue {drift.blue:+.1f}, detail {drift.sharpness:.0%}",
            )
        )
    return facts


def file_facts(shot: ShotEntry) -> list[Fact]:
    """Say what a shot was made from, exactly.

    Args:
        shot: The shot.

    Returns:
        Pictures, parameters, times, and what the file holds.
    """
    facts = list(_purchase_facts(shot.bought)) if shot.bought else []
    if shot.trim:
        facts.append(Fact("Trim", " to ".join(f"{second:g} s" for second in shot.trim)))
    if shot.probe is not None:
        probe = shot.probe
        tags = (probe.color_space, probe.color_primaries, probe.color_trc, probe.color_range)
        last = shot.source_start + shot.source_frames - 1
        facts += [
            Fact(
                "File",
                f"{probe.width}x{probe.height} · {rate(probe.fps)} · {probe.seconds:.3f} s"
                f" · {probe.video_codec} {probe.pix_fmt} · {shot.size / 1e6:.2f} MB",
            ),
            Fact("Frames shown", f"{shot.source_start} to {last} of {probe.frame_count}"),
            Fact("Colour tags", " ".join(tag or "untagged" for tag in tags)),
            Fact(
                "Sound",
                f"{probe.audio_codec} · {probe.audio_rate} Hz · {probe.audio_seconds:.3f} s"
                if probe.has_audio
                else "none",
            ),
        ]
    if shot.join.compared:
        compared = " ".join(f"{value:.2f}" for value in shot.join.compared)
        facts.append(Fact("Its first frames", f"differ from the frame before by {compared}"))
    if shot.sha256:
        facts.append(Fact("SHA-256", shot.sha256))
    return facts


def _purchase_facts(clip: Bought) -> Iterator[Fact]:
    for picture in clip.pictures:
        yield Fact(f"{picture.role.capitalize()} frame", _picture_words(picture))
    for name, value in (*clip.params.items(), *clip.extra.items()):
        yield Fact(name, str(value))
    if clip.routing:
        yield Fact("Routing", clip.routing)
    yield Fact("Submitted", moment(clip.submitted_at))
    yield Fact("Key", f"{clip.key}, attempt {clip.attempt}")


def _picture_words(picture: PictureEntry) -> str:
    digest = picture.sha256[:12]
    return f"{picture.ref} ({digest})" if picture.ref and digest else picture.ref or digest


def join_words(join: JoinEntry, fps: Fraction) -> JoinWords:
    """Say how a shot follows the one before it.

    Args:
        join: The join.
        fps: The film's frames a second.

    Returns:
        The words.
    """
    kind = {"start": "start", "cut": "cut", "chained": "chained", "shared still": "shared still"}
    words = kind[join.why]
    if join.transition != "cut":
        name = "crossfade" if join.transition == "crossfade" else "dip to black"
        seconds = float(join.transition_frames / fps)
        words = f"{name}, {seconds:.2f} s" + ("" if join.why == "cut" else f" ({words})")
    warnings = {
        "": "",
        "jump": "The picture jumps here.",
        "repeat": "A frame repeats here.",
    }
    return JoinWords(
        kind=words,
        doubled=f"{count(join.doubled, 'doubled frame')} left out" if join.doubled else "",
        numbers=_compared(join.shown, join.step),
        warning=warnings[join.flag],
    )


def _compared(shown: Difference | None, step: Difference | None) -> str:
    if shown is None:
        return ""
    ratio = "identical" if shown.psnr >= _SETTLED else f"{shown.psnr:.1f} dB"
    before = f", one frame earlier {step.luma:.1f}" if step else ""
    return (
        f"brightness differs by {shown.luma:.1f}{before} · red {shown.red:+.1f}"
        f" green {shown.green:+.1f} blue {shown.blue:+.1f} · {ratio}"
    )


def tail_warning(shot: ShotEntry) -> str:
    """Say if the end that is shown of a clip shows nothing new; empty if it does."""
    tail = shot.shown_tail
    if tail is None:
        return ""
    kinds = (("black", tail.black), ("frozen", tail.frozen))
    found = [f"{count(number, f'{kind} frame')}" for kind, number in kinds if number]
    return f"The clip ends on {' and '.join(found)}." if found else ""


def clock(seconds: float) -> str:
    """Write a place in a film: `1:02.5`."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % _MINUTE:02}.{tenths % 10}"


def duration(seconds: float) -> str:
    """Write how long something took: `1 min 33 s`."""
    whole = max(round(seconds), 0)
    return f"{whole // _MINUTE} min {whole % _MINUTE} s" if whole >= _MINUTE else f"{whole} s"


def moment(seconds: float) -> str:
    """Write a time since 1970 to the second, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def rate(fps: str) -> str:
    """Write a frame rate: `24 fps`, `23.976 fps`."""
    return f"{float(Fraction(fps)):.6g} fps"


def count(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
