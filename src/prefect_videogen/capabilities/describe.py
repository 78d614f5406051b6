"""Models in words, for `prefect-videogen models` and the README's table: pure text."""

from __future__ import annotations

from prefect_videogen.capabilities.spec import Mode, Model, Param

COLUMNS = ("model", "vendor", "pictures", "length", "resolution", "options", "limits", "time")


def row_of(model: Model) -> tuple[str, ...]:
    """One row of the table of models, in the order of `COLUMNS`."""
    return (
        model.id,
        {"apixo": "APIXO", "evolink": "EvoLink"}[model.vendor],
        _pictures(model),
        _values(model.param("seconds"), " s"),
        _values(model.param("resolution"), ""),
        _options(model),
        _limits(model),
        _time(model),
    )


def table_of_models(models: tuple[Model, ...]) -> str:
    """The models as a Markdown table."""
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *(row_of(model) for model in models)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _pictures(model: Model) -> str:
    if not model.tiers:
        counts = sorted({mode.images for mode in model.modes})
        return _count(min(low for low, _ in counts), max(high for _, high in counts))
    parts = []
    for tier in model.tiers:
        modes = [mode for mode in model.modes if mode.tier == tier]
        parts.append(f"{tier}: {_span(modes)}")
    return ", ".join(parts)


def _span(modes: list[Mode]) -> str:
    return _count(min(m.images[0] for m in modes), max(m.images[1] for m in modes))


def _count(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def _values(param: Param | None, unit: str) -> str:
    if param is None:
        return "-"
    if param.choices:
        return ", ".join(str(choice) for choice in param.choices) + unit
    return f"{param.minimum:g}-{param.maximum:g}{unit}"


def _options(model: Model) -> str:
    names = [p.name for p in model.params if not p.field]
    common = [
        p.field
        for p in model.params
        if p.field in {"seed", "negative_prompt", "expand_prompt", "loras"}
    ]
    return ", ".join([*common, *names]) or "-"


def _limits(model: Model) -> str:
    jobs, requests = model.limits.concurrent, model.limits.requests_per_minute
    if not jobs or not requests:
        return "not published"
    return f"{jobs} jobs, {requests} requests/min"


def _time(model: Model) -> str:
    base = [entry.seconds for entry in model.timings.generation if not entry.adds]
    return f"{min(low for low, _ in base):g}-{max(high for _, high in base):g} s"
