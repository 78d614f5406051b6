"""A real Chromium for what must work in one: films and pages, opened from disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Request,
    expect,
    sync_playwright,
)

# Off: what Chromium would fetch for itself, and what a machine without a screen lacks.
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    # Nor does a page get at anybody else: Prefect's UI would count its visitors elsewhere.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]

PATIENCE = 90_000.0
"""Milliseconds for what a page shows: two cores may hold two servers and their workers."""


@dataclass
class BrowserPage:
    """A page with everything it complained about and asked for.

    Attributes:
        page: Playwright's page.
        errors: Messages of errors on the console and of exceptions nobody caught.
        requests: Addresses asked for, in order, the page's own included.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, file: Path) -> None:
        """Open a file as a reader would, by a double click."""
        self.page.goto(file.resolve().as_uri())


# By module: while Playwright runs, no other event loop can in this thread, and the next module's
# tests may want one.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium here; apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def browser_page(chromium: Browser) -> Iterator[BrowserPage]:
    """An empty page of 1280x720 in a fresh profile."""
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    opened = BrowserPage(context.new_page())

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            opened.errors.append(message.text)

    def on_error(error: Error) -> None:
        opened.errors.append(str(error))

    def on_request(request: Request) -> None:
        opened.requests.append(request.url)

    opened.page.on("console", on_console)
    opened.page.on("pageerror", on_error)
    opened.page.on("request", on_request)
    yield opened
    context.close()
