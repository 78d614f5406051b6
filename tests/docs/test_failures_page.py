"""The page about failures shows the table that the program decides by."""

from __future__ import annotations

import re
from pathlib import Path

from prefect_videogen.buying.policy import table_of_verdicts

PAGE = Path(__file__).parents[2] / "docs/failures.md"


def test_the_table_of_failures_is_the_generated_one():
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(r"<!-- verdicts: .*? -->\n(.*?)\n<!-- end of verdicts -->", text, re.DOTALL)
    assert found
    assert found.group(1) == table_of_verdicts()
