"""The reference pages of the program itself: commands, settings, errors and events."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from tests.docs.reference.text import code, default_of, first_sentence, one_line, section, table
from typer.models import ArgumentInfo, CommandInfo, OptionInfo

from prefect_videogen import errors
from prefect_videogen.blocks.variables import VARIABLES
from prefect_videogen.buying.policy import VERDICTS, Next, verdict_on
from prefect_videogen.cli.app import app, exit_code_of
from prefect_videogen.errors import VendorError, VideoGenError

EXIT_CODES = {
    0: "all films are there; of `doctor`, nothing is wrong",
    1: "some shots or films failed; the rest is kept",
    2: "the storyboard or a setting is wrong; of `doctor`, something is",
    3: "stopped by a limit on spending",
    130: "stopped by Ctrl-C; what was bought is kept, the same command again goes on",
    143: "stopped by SIGTERM, the same",
}


def commands_page() -> str:
    """The page of the command line."""
    codes = table(("exit code", "meaning"), ((str(n), text) for n, text in EXIT_CODES.items()))
    parts = [_command(command) for command in app.registered_commands]
    head = "`prefect-videogen COMMAND --help` prints the same. Where a key is asked for, its first "
    head += "8 digits or more do."
    return section("Commands", head, codes, *parts, level=1)


def _command(command: CommandInfo) -> str:
    function = command.callback
    assert function
    name = command.name or function.__name__
    hints = get_type_hints(function, include_extras=True)
    rows, usage = [], [f"prefect-videogen {name}"]
    for parameter, given in inspect.signature(function).parameters.items():
        kind, info = get_args(hints[parameter])[:2]
        required = given.default is inspect.Parameter.empty
        if isinstance(info, ArgumentInfo):
            word = parameter.upper() + ("..." if get_origin(kind) is list else "")
            usage.append(word if required else f"[{word}]")
            rows.append((code(word), one_line(info.help), _default(given.default)))
        elif isinstance(info, OptionInfo):
            names = _names(info) or (f"--{parameter.replace('_', '-')}",)
            value = "" if kind is bool else f" {_value(kind)}"
            shown = ", ".join(code(each + value) for each in names)
            rows.append((shown, one_line(info.help), _default(given.default)))
    options = any(row[0].startswith("`-") for row in rows)
    line = " ".join([*usage, "[OPTIONS]"] if options else usage)
    listed = table(("argument or option", "what it does", "default"), rows) if rows else ""
    return section(name, first_sentence(function.__doc__), f"    {line}", listed)


def _names(info: OptionInfo) -> tuple[str, ...]:
    """The names that an option was given; beside `Annotated` the first is held as a default."""
    declared = (info.default, *(info.param_decls or ()))
    return tuple(name for name in declared if isinstance(name, str) and name.startswith("-"))


def _value(kind: Any) -> str:
    if isinstance(kind, UnionType):
        kind = next(each for each in get_args(kind) if each is not type(None))
    words = {int: "NUMBER", float: "NUMBER", Path: "PATH"}
    return words.get(kind, "TEXT")


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if value is False or (isinstance(value, int | float) and value == 0):
        return ""
    return default_of(str(value) if isinstance(value, Path) else value)


def settings_page() -> str:
    """The page of the environment variables."""
    return section(
        "Settings",
        "Environment variables. The studio named `env` is made of them in the process that runs "
        "the flow, and `prefect-videogen setup` saves them as the studio `default`, except "
        "`VIDEOGEN_MODELS`, which stays one of each process. Prefect's own variables, such as "
        "`PREFECT_API_URL`, are Prefect's.",
        table(("variable", "what it sets"), ((code(n), text) for n, text in VARIABLES.items())),
        level=1,
    )


def errors_page() -> str:
    """The page of the errors: what each means for money, this run and a later one."""
    return section(
        "Errors",
        "Everything that is raised on purpose is a `VideoGenError` of `prefect_videogen.errors`. "
        "Each carries `message`, `shot`, `job_id`, `billed` (`yes`, `no` or `unknown`: whether "
        "money was spent on what failed) and `next_step`, the sentence that says what to do. "
        "Those of a vendor also carry `vendor`, `status`, `code`, `retry_after` and `transient`. "
        "None holds a key or a signed URL.",
        "*Billed* is what an error says unless it knows better. *This run* and *a later run* say "
        "what happens to the purchase ([failures](../failures.md)). *Exit code* is that of a "
        "command which ends by it.",
        table(
            ("error", "what happened", "billed", "this run", "a later run", "exit code"),
            _errors(VideoGenError, 0),
        ),
        level=1,
    )


def _errors(kind: type[VideoGenError], depth: int) -> Iterator[tuple[str, ...]]:
    indent = "&nbsp;&nbsp;" * depth
    now, later = _next(kind)
    meaning = first_sentence(kind.__doc__)
    sample = kind("")
    codes = str(exit_code_of(sample))
    yield f"{indent}{code(kind.__name__)}", meaning, sample.billed, now, later, codes
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _errors(below, depth + 1)


def _next(kind: type[VideoGenError]) -> tuple[str, str]:
    """What this run and a later one do about the purchase; nothing for what is only a base."""
    if kind in NO_END:
        return "the job goes on", "goes on waiting"
    only_base = kind not in VERDICTS and any(sub in VERDICTS for sub in kind.__subclasses__())
    if only_base or not issubclass(kind, VendorError):
        return "", ""
    verdict = verdict_on(kind(""))
    return _words(verdict.now), _words(verdict.later)


NO_END: tuple[type[VideoGenError], ...] = (
    errors.WaitTimeout,
    errors.StatusUnavailable,
    errors.JobNotFound,
)
"""Errors of a job that is bought: they end no attempt."""


def _words(step: Next) -> str:
    words = {
        Next.AGAIN: "another attempt",
        Next.STOP: "stops",
        Next.FALLBACK: "the next of `fallback`, or stops",
        Next.UNKNOWN: "nothing until it is settled",
        Next.IF_TOLD: "only with `on_expired=rebuy`",
    }
    return words[step]
