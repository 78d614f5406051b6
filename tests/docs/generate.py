"""`make docs`: writes what the documentation takes from the code.

The pages in docs/reference, the README's table of models and the table of failures. A test
fails while one of them is not what this writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.docs.reference import events, fields, models, program

from prefect_videogen.buying.policy import table_of_verdicts
from prefect_videogen.capabilities import BUILT_IN
from prefect_videogen.capabilities.describe import table_of_models

ROOT = Path(__file__).parents[2]
MARK = "<!-- Written by `make docs` from the code: change it there. -->\n\n"

PAGES: Mapping[str, Callable[[], str]] = {
    "blocks": fields.blocks_page,
    "commands": program.commands_page,
    "errors": program.errors_page,
    "events": events.page,
    "flows": fields.flows_page,
    "models": models.page,
    "settings": program.settings_page,
    "storyboard": fields.storyboard_page,
}

TABLES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "README.md": ("models", lambda: table_of_models(BUILT_IN)),
    "docs/failures.md": ("verdicts", table_of_verdicts),
}
"""Files that hold one generated table between two comments, and the table's name."""


def generated() -> dict[Path, str]:
    """The text that every generated file should have."""
    texts = {}
    for name, write in PAGES.items():
        texts[ROOT / f"docs/reference/{name}.md"] = MARK + write() + "\n"
    for place, (name, write) in TABLES.items():
        path = ROOT / place
        between = re.compile(rf"(<!-- {name}: .*? -->\n).*?(\n<!-- end of {name} -->)", re.DOTALL)
        text = path.read_text(encoding="utf-8")
        escaped = write().replace("\\", r"\\")
        texts[path] = between.sub(rf"\g<1>{escaped}\2", text)
    return texts


def stale() -> dict[Path, str]:
    """The files that are not as they should be, and what they should hold."""
    return {
        path: text
        for path, text in generated().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def main() -> None:
    """Write what is stale, and say so."""
    for path, text in stale().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
