"""A run form of Prefect's UI in Chromium: filled in by its labels, submitted, and caught."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, Response, expect

TRIES = 10
"""To write into an editor, or to click a button."""

BUSY = 503

TALLEST = 9000
"""Pixels of the tallest screenshot."""


@dataclass
class Submitted:
    """What the form sent.

    Attributes:
        run: Id of the flow run that the server made of it.
        parameters: The parameters in the browser's request; JSON that was typed is read.
    """

    run: str
    parameters: dict[str, Any]


class Form:
    """The run form of a deployment."""

    def __init__(self, page: Page, within: Locator | None = None) -> None:
        self.page = page
        self.within: Page | Locator = within or page

    def named(self, label: str, number: int = 0) -> Locator:
        """The input of a label; its number where several forms in a list have it."""
        return self.within.get_by_label(_exactly(label)).nth(number)

    def part(self, label: str, number: int = 0) -> Form:
        """The form of a property that has properties or items of its own."""
        found = self.within.locator("label").filter(has_text=_exactly(label)).nth(number)
        return Form(self.page, found.locator("xpath=ancestor::div[fieldset][1]"))

    def fill(self, label: str, text: str, number: int = 0) -> None:
        """Type a text or a number."""
        self.named(label, number).fill(text)

    def choose(self, label: str, option: str, number: int = 0) -> None:
        """Open a select and click one of its options."""
        self.within.get_by_label(f"Select {label}", exact=True).nth(number).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def switch(self, label: str) -> None:
        """Turn a switch."""
        self.named(label).click()

    def write_json(self, label: str, value: object, number: int = 0) -> None:
        """Replace what stands in a JSON editor."""
        editor = self.part(label, number).within.get_by_role("textbox")
        expect(editor).not_to_have_text("")  # its first text comes late, and would be added
        for _ in range(TRIES):  # an editor that is just being drawn forgets what was selected
            editor.click()
            self.page.keyboard.press("Control+A")
            self.page.keyboard.insert_text(json.dumps(value))
            if editor.inner_text().strip() == json.dumps(value):
                break
        expect(editor).to_have_text(json.dumps(value))

    def add(self, label: str, count: int = 1) -> Form:
        """Add items to a list; gives the list."""
        items = self.part(label)
        # A list's own button comes after those of lists in its items.
        for _ in range(count):
            items.within.get_by_role("button", name="Add item").last.click()
        return items

    def list_texts(self, label: str, texts: list[str]) -> None:
        """Add texts to a list of texts."""
        items = self.add(label, len(texts))
        for number, text in enumerate(texts):
            items.within.get_by_role("textbox").nth(number).fill(text)

    def submit(self) -> Submitted:
        """Submit, and catch the request that makes the run."""
        button = self.page.get_by_role("button", name="Submit")
        answer = answer_to(button, "/create_flow_run")
        assert answer.status == 201, answer.text()
        sent = json.loads(answer.request.post_data or "{}")
        return Submitted(answer.json()["id"], read_json(sent["parameters"]))


def answer_to(button: Locator, path: str) -> Response:
    """Click a button, again while the server is busy; gives the answer to the request it makes."""
    for _ in range(TRIES):
        with button.page.expect_response(lambda answer: answer.url.endswith(path)) as caught:
            button.click()
        # SQLite serves one writer at a time, and the UI leaves it to people to try again.
        if caught.value.status != BUSY:
            return caught.value
    message = f"the server stayed too busy for {path}"
    raise AssertionError(message)


def _exactly(label: str) -> re.Pattern[str]:
    return re.compile(rf"^{re.escape(label)}( \(Optional\))?$")


def read_json(value: Any) -> Any:
    """Put what was typed into JSON editors in the place of the form's notes about it."""
    if isinstance(value, list):
        return [read_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("__prefect_kind") == "json":
        return json.loads(value["value"])
    return {name: read_json(item) for name, item in value.items()}


def picture_of(page: Page, path: Path) -> None:
    """Take a screenshot of all that a page holds, also of what would have to be scrolled to."""
    size = page.viewport_size
    assert size
    height = page.evaluate(
        "Math.max(...[...document.querySelectorAll('*')].map(each => each.scrollHeight))"
    )
    page.set_viewport_size({"width": size["width"], "height": min(height, TALLEST)})
    page.evaluate("document.querySelectorAll('*').forEach(each => { each.scrollTop = 0 })")
    page.screenshot(path=path)
    page.set_viewport_size(size)
