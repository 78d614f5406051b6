"""Reading a storyboard's text, YAML or JSON, with the line of every mistake.

All mistakes of form are collected, not the first; what is wrong is left out, so that the plan
can find the other faults in the same breath. YAML 1.2, where `16:9` is text.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from prefect_videogen.errors import Fault, StoryboardError
from prefect_videogen.hiding import discreet
from prefect_videogen.storyboard.model import SHOT_DEFAULTS, FilmOptions, Lora, Shot, Storyboard

Path = tuple[str | int, ...]

MOST_CHARACTERS = 2_000_000
MOST_VALUES = 200_000
DEEPEST = 12

OTHER_WORDS: Mapping[str, str] = {
    "duration": "seconds",
    "length": "seconds",
    "quality": "resolution",
    "ratio": "aspect_ratio",
    "provider": "routing",
    "image": "first_frame",
    "image_url": "first_frame",
    "image_urls": "first_frame",
    "image_start": "first_frame",
    "start_frame": "first_frame",
    "image_end": "last_frame",
    "end_frame": "last_frame",
    "footage": "video",
    "video_url": "video",
    "enable_prompt_expansion": "expand_prompt",
    "prompt_extend": "expand_prompt",
    "text": "prompt",
    "name": "id",
    "lora": "loras",
    "models": "fallback",
}
"""The vendors' and other tools' words for fields that have another name here."""


@dataclass
class StoryboardText:
    """What reading a text gave: the board as far as it goes, and what is wrong with the rest.

    Attributes:
        board: The storyboard without what was wrong.
        faults: The mistakes of form, in the order of the file.
        lines: Line (from 1) of every value, by path.
    """

    board: Storyboard
    faults: list[Fault] = field(default_factory=list)
    lines: dict[Path, int] = field(default_factory=dict)

    def line_of(self, shot: str, name: str) -> int | None:
        """Line of a shot's field, of the top-level field it inherits, or of the shot."""
        inside = tuple(name.split("."))
        path: Path = ()
        for index, candidate in enumerate(self.board.shots):
            if shot and shot in {candidate.id, f"{index + 1:02d}"}:
                path = ("shots", index)
                break
        places: list[Path] = []
        for part in _outwards(inside):
            places += [(*path, *part), part] if inside[0] in SHOT_DEFAULTS else [(*path, *part)]
        places += [path] if path else []
        return next((self.lines[place] for place in places if place in self.lines), None)


def read_storyboard(text: str, *, source: str = "storyboard") -> StoryboardText:
    """Read a storyboard from YAML or JSON.

    Args:
        text: The file's content, at most two million characters.
        source: Where it came from, for error messages.

    Returns:
        The board with all mistakes of form beside it.

    Raises:
        StoryboardError: If the text is not YAML or JSON at all, or not a mapping.
    """
    if len(text) > MOST_CHARACTERS:
        raise StoryboardError(
            [Fault("", "file", "", f"is {len(text)} characters long", "split the storyboard")],
            source=source,
        )
    reading = StoryboardText(Storyboard())
    data = _Reader(reading).read(text, source)
    if not isinstance(data, dict):
        fault = Fault("", "file", "", "is not a mapping", "begin with `title:` and `shots:`", 1)
        raise StoryboardError([fault], source=source)
    _validate(data, reading)
    reading.faults.sort(key=lambda fault: fault.line or 0)
    return reading


class _Reader:
    """Builds plain data from YAML nodes, noting lines and fields that stand twice."""

    def __init__(self, reading: StoryboardText) -> None:
        self.reading = reading
        self.values = 0

    def read(self, text: str, source: str) -> Any:
        try:
            return self.parse(text)
        except YAMLError as error:
            fault = _syntax_fault(error)
        except RecursionError:
            fault = Fault("", "file", "", "is too deep or too large", "keep shots flat")
        raise StoryboardError([fault], source=source)

    def parse(self, text: str) -> Any:
        try:
            node = YAML(typ="safe", pure=True).compose(text)
        except YAMLError:
            try:
                data = json.loads(text, object_pairs_hook=self.pairs)
            except ValueError:
                pass
            else:
                return self.plain(data, 0)
            raise
        data = None if node is None else self.build(node, ())
        return {} if data is None else data

    def count(self, depth: int) -> None:
        """Bound depth and size: a few aliases of aliases would fill any memory."""
        self.values += 1
        if depth > DEEPEST or self.values > MOST_VALUES:
            raise RecursionError

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                fault = Fault("", _mended(key), "", "stands here twice", "keep one of them")
                self.reading.faults.append(fault)
            found.setdefault(key, value)
        return found

    def plain(self, value: Any, depth: int) -> Any:
        self.count(depth)
        if isinstance(value, dict):
            return {_mended(key): self.plain(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.plain(inner, depth + 1) for inner in value]
        return _mended(value) if isinstance(value, str) else value

    def build(self, node: Node, path: Path) -> Any:
        self.count(len(path))
        self.reading.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, ScalarNode):
            return _scalar(node)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self.mapping(node, path) if isinstance(node, MappingNode) else None

    def mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[Path, int] = {}
        for key_node, value_node in node.value:
            key = _mended(str(key_node.value)) if isinstance(key_node, ScalarNode) else "?"
            if str(key_node.tag).endswith(":merge"):
                sources = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                for item in sources:
                    if isinstance(item, MappingNode):
                        self.count(len(path))
                        merged = {**self.mapping(item, path), **merged}
                continue
            line = key_node.start_mark.line + 1
            if key in found:
                shot = _shot_at(path, node)
                fault = Fault(shot, key, "", "stands here twice", "keep one of them", line)
                self.reading.faults.append(fault)
                continue
            value = self.build(value_node, (*path, key))
            lines[(*path, key)] = line
            found[key] = value
        self.reading.lines.update(lines)  # last, so that what is merged in does not overrule it
        return {**merged, **found}


def _shot_at(path: Path, node: MappingNode) -> str:
    if len(path) < 2 or path[0] != "shots":  # noqa: PLR2004 - ("shots", index)
        return ""
    ids = [value.value for key, value in node.value if key.value == "id"]
    return str(ids[0]) if ids and isinstance(ids[0], str) else f"{int(path[1]) + 1:02d}"


def _scalar(node: ScalarNode) -> Any:
    kind, text = str(node.tag).rsplit(":", 1)[-1], str(node.value)
    try:
        if kind == "int":
            return int(text.replace("_", ""), 0)
        if kind == "float":
            return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text
    if kind == "bool":
        return text.lower() == "true"
    return None if kind == "null" else _mended(text)


def _mended(text: str) -> str:
    """Join halves of characters: JSON writes those beyond the first 65,536 as two escapes."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _syntax_fault(error: YAMLError) -> Fault:
    line, remedy = None, "mend that line; indent with spaces"
    problem = "is neither YAML nor JSON"
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        problem = f"is neither YAML nor JSON: {error.problem or error.context}"
        if "mapping values are not allowed" in problem:
            remedy = "put a text that holds a colon in quotes, or mend the line's indent"
    return Fault("", "file", "", problem, remedy, line)


def _validate(data: dict[str, Any], reading: StoryboardText) -> None:
    """Validate, and as long as something is wrong note it, leave it out and try again."""
    _drop_unset(data)
    while True:
        try:
            reading.board = Storyboard.model_validate(data)
        except ValidationError as error:
            problems = error.errors(include_url=False)
            for problem in problems:
                reading.faults.append(_fault_of(problem, data, reading))
            for problem in problems:
                _remove(data, tuple(problem["loc"]))
        else:
            return


def _drop_unset(data: Any) -> None:
    """A key without a value says nothing."""
    for value in list(data.values()) if isinstance(data, dict) else data:
        if isinstance(value, dict | list):
            _drop_unset(value)
    if isinstance(data, dict):
        for key in [key for key, value in data.items() if value is None]:
            del data[key]


def _remove(data: dict[str, Any], path: Path) -> None:
    """Leave out the field at a path; of a list other than `shots`, the whole."""
    if path[0] == "shots" and len(path) > 1:
        index = int(path[1])
        if len(path) == 2:  # noqa: PLR2004 - ("shots", index)
            data["shots"][index] = {}  # an index must stay what it was
            return
        data, path = data["shots"][index], path[2:]
    name = str(path[0])
    inside = data.get(name)
    if len(path) > 1 and isinstance(inside, dict):
        inside.pop(path[1], None)
    else:
        data.pop(name, None)


def _fault_of(problem: Any, data: dict[str, Any], reading: StoryboardText) -> Fault:
    path: Path = tuple(problem["loc"])
    shot, inside = "", path
    if len(path) > 1 and path[0] == "shots" and isinstance(path[1], int):
        inside = path[2:]
        raw = data["shots"][path[1]]
        named = raw.get("id") if isinstance(raw, dict) else None
        shot = named if isinstance(named, str) and named else f"{path[1] + 1:02d}"
    name = ".".join(str(part) for part in inside) or "shots"
    line = next((reading.lines[p] for p in _outwards(path) if p in reading.lines), None)
    value = problem["input"]
    shown = _shown(value)
    if problem["type"] == "extra_forbidden":
        remedy = _RESERVED.get(inside) or _nearest(inside, shot)
        return Fault(shot, name, shown, "is not a known field", remedy, line)
    return Fault(shot, name, shown, _reason(problem), _remedy(problem), line)


def _shown(value: Any) -> str:
    """A value as messages quote it: plain ones, and lists of them as a storyboard writes them."""
    if isinstance(value, list) and not any(isinstance(v, dict | list | BaseModel) for v in value):
        return _short(f"[{', '.join(str(discreet(entry)) for entry in value)}]")
    return "" if isinstance(value, dict | list | BaseModel) else _short(value)


def _outwards(path: Path) -> Iterator[Path]:
    for length in range(len(path), 0, -1):
        yield path[:length]


_INSIDE: Mapping[str, type[BaseModel]] = {"film": FilmOptions, "loras": Lora}


_RESERVED: Mapping[Path, str] = {
    ("film", "captions"): "captions are reserved for a later version; leave it out"
}


def _nearest(inside: Path, shot: str) -> str:
    word = str(inside[-1])
    owner: type[BaseModel] = Shot if shot else Storyboard
    if len(inside) > 1:
        owner = _INSIDE.get(str(inside[0]), owner)
    known = list(owner.model_fields)
    if OTHER_WORDS.get(word) in known:
        return f"`{word}` is `{OTHER_WORDS[word]}` here"
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{'.'.join(str(part) for part in (*inside[:-1], near[0]))}`?"
    if len(inside) > 1:
        return f"use {', '.join(known)}"
    return _elsewhere(word, shot)


def _elsewhere(word: str, shot: str) -> str:
    """Where a field that stands in the wrong place belongs."""
    if shot and word in Storyboard.model_fields:
        return "it belongs at the top of the storyboard"
    if word in FilmOptions.model_fields:
        return "it belongs under `film` at the top of the storyboard"
    return "vendor fields go under `options`" if shot else "remove it"


_KINDS: Mapping[str, str] = {
    "float": "a number",
    "finite": "a finite number",
    "int": "a whole number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "dict": "fields and values",
    "model": "fields and values",
}


def _reason(problem: Any) -> str:
    if problem["type"] == "missing":
        return "is missing"
    kind = _KINDS.get(str(problem["type"]).split("_")[0])
    if kind:
        return f"is not {kind}"
    return "is not a choice here" if problem["type"] == "literal_error" else "is not usable"


def _remedy(problem: Any) -> str:
    if problem["type"] == "missing":
        return "add it"
    if problem["type"] == "value_error":
        return str(problem["msg"]).removeprefix("Value error, ")
    context = problem.get("ctx", {})
    if "expected" in context:
        return f"use {context['expected']}".replace("'', ", "").replace("'", "")
    bounds = [f"{word} {context[key]:g}" for key, word in _BOUNDS.items() if key in context]
    if bounds:
        return f"use a value {' and '.join(bounds)}"
    return f"use {_KINDS.get(str(problem['type']).split('_')[0], 'another value')}"


_BOUNDS: Mapping[str, str] = {"ge": "of at least", "le": "of at most", "gt": "over", "lt": "under"}


def _short(value: Any, longest: int = 60) -> str:
    text = str(discreet(value))  # before it is cut
    return text if len(text) <= longest else text[: longest - 3] + "..."
