"""docs/reference/models.md: what each model can do, from the capabilities, with its sources."""

from __future__ import annotations

from collections.abc import Iterator

from tests.docs.reference.text import code, default_of, number, section, table

from prefect_videogen.capabilities import BUILT_IN, Model, Param
from prefect_videogen.capabilities.describe import table_of_models

VENDORS = {"apixo": "APIXO", "evolink": "EvoLink"}
DAY = 86_400
MIB = 1024 * 1024

INTRODUCTION = """\
What the program checks, sends and waits by. `prefect-videogen models` prints it, with your own
models of [`VIDEOGEN_MODELS`](settings.md); how to write one: [another model](../models.md).

**How sure it is.** Each statement names its source:

- *seed*: the vendor's page that this project started from, one for each model; where pages
  disagree, it wins.
- *doc: page*: another public page of the vendor.
- *inferred*: on no page; a conclusion from what is there. It may be wrong.

No statement was tried out against the real vendors by this project's tests: they run against an
emulator of these pages."""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, table_of_models(BUILT_IN), *(_model(model) for model in BUILT_IN)]
    return section("Models", *parts, level=1)


def _model(model: Model) -> str:
    title = f"{model.id}"
    return section(
        title,
        f"From {VENDORS[model.vendor]}. {_billing(model)}",
        table(("mode", "pictures", "LoRAs", "`tier`"), _modes(model)),
        table(("field", "at the vendor", "values", "default", "modes", "source"), _params(model)),
        "\n".join(f"- {line}" for line in _facts(model)),
    )


def _billing(model: Model) -> str:
    unit = f"Billed by the {model.billed_per}" if model.billed_per else "How it bills is not stated"
    days = number(model.result_seconds / DAY)
    return f"{unit}; a result can be fetched for {days} day{'s' if days != '1' else ''}."


def _modes(model: Model) -> Iterator[tuple[str, ...]]:
    for mode in model.modes:
        low, high = mode.images
        pictures = str(low) if low == high else f"{low} to {high}"
        yield code(mode.name), pictures, "yes" if mode.loras else "", default_of(mode.tier)


def _params(model: Model) -> Iterator[tuple[str, ...]]:
    for param in model.params:
        yield (
            code(param.label),
            code(param.name),
            _values(param),
            default_of(param.default),
            ", ".join(code(mode) for mode in param.modes) or "all",
            param.source,
        )


def _values(param: Param) -> str:
    allowed = param.allowed().removeprefix("use ")
    if param.advised:
        low, high = param.advised
        allowed += f"; {number(low)} to {number(high)} is advised"
    return allowed


def _facts(model: Model) -> Iterator[str]:
    images = model.images
    if model.most_images:
        formats = ", ".join(name.upper() for name in images.formats)
        sides = [
            f"at least {images.min_side} pixels a side" if images.min_side else "",
            f"at most {images.max_side} pixels a side" if images.max_side else "",
            "" if images.alpha else "no transparency",
        ]
        words = ", ".join(filter(None, [formats, f"up to {images.max_bytes // MIB} MiB", *sides]))
        yield f"**Pictures**: {words} [{images.source}]"
    yield f"**Limits**: {_limits(model)}"
    yield f"**Time** of one clip: {_times(model)} [{model.timings.source}]"
    first, interval = number(model.timings.first_poll), number(model.timings.interval)
    yield f"**Polling**: first after {first} s, then every {interval} s, the vendor advises"
    if model.routing:
        more = ", or a channel's name" if model.routing_open else ""
        yield f"**Routing**: {', '.join(code(name) for name in model.routing)}{more}"
    for advice in model.advice:
        yield f"**Advice**: {advice.text} [{advice.source}]"


def _limits(model: Model) -> str:
    jobs, requests = model.limits.concurrent, model.limits.requests_per_minute
    source = f" [{model.limits.source}]" if model.limits.source else ""
    if not (jobs or requests):
        return f"no numbers are published{source}"
    return f"{number(jobs or 0)} jobs at once, {number(requests or 0)} requests a minute{source}"


def _times(model: Model) -> str:
    words = []
    for entry in model.timings.generation:
        low, high = (number(seconds) for seconds in entry.seconds)
        plus = "and " if entry.adds else ""
        more = " more" if entry.adds else ""
        when = " and ".join(
            f"{name} {' or '.join(str(value) for value in values)}"
            for name, values in entry.when.items()
        )
        words.append(f"{plus}{low} to {high} s{more}" + (f" with {when}" if when else ""))
    return "; ".join(words)
