from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image
from tests.filming.manifests import SCENES, STARTS, TOTAL, make_sample

from prefect_videogen.filming.page import page
from prefect_videogen.filming.thumbs import thumbnails

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
LONG = "Supercalifragilistic" * 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A film's folder with its page."""
    made = make_sample(tmp_path_factory.mktemp("media"), size=(320, 180))
    sheet = made.folder / "seams.png"
    Image.new("RGB", (1600, 700), (60, 60, 60)).save(sheet)
    shots = made.manifest.shots
    odd = shots[1].model_copy(update={"prompt": f"{LONG} <script>alert(1)</script> \u202eرتل"})
    manifest = made.manifest.model_copy(update={"shots": (shots[0], odd, *shots[2:])})
    html = page(manifest, frames=thumbnails(made.film, shots), seams=sheet.read_bytes())
    (made.folder / "index.html").write_text(html, encoding="utf-8")
    return made.folder


@pytest.fixture
def opened(browser_page, folder):
    browser_page.page.set_viewport_size(DESK)
    browser_page.open(folder / "index.html")
    until(browser_page.page, "film.readyState >= 2")
    return browser_page


def film(page, expression):
    return page.evaluate(f"(film => {expression})(document.getElementById('film'))")


def until(page, condition):
    """Wait for a condition; Playwright's own waiting is shut out by the page's policy."""
    page.evaluate(
        f"""async () => {{
            const film = document.getElementById("film");
            for (const end = performance.now() + 60_000; !({condition}); ) {{
                if (performance.now() > end) throw new Error("waited too long");
                await new Promise(requestAnimationFrame);
            }}
        }}"""
    )


def marked(page):
    """Numbers of the marked shot in the list and in the strip."""
    found = page.evaluate(
        "[...document.querySelectorAll('[aria-current]')]"
        ".map(e => e.dataset.shot ?? e.id.replace('shot-', ''))"
    )
    return [int(number) for number in found]


def test_the_page_opens_from_disk_without_errors_or_requests_elsewhere(opened, folder):
    for details in opened.page.locator("summary").all():
        details.click()
    opened.page.mouse.wheel(0, 20_000)
    until(
        opened.page,
        "[...document.images].every(image => image.complete && image.naturalWidth > 0)",
    )
    assert opened.errors == []
    places = [urlsplit(address) for address in opened.requests]
    outside = [place for place in places if place.scheme not in {"file", "data"}]
    assert outside == []
    files = {Path(unquote(place.path)).name for place in places if place.scheme == "file"}
    assert files == {"index.html", "film.mp4"}
    assert opened.page.title() == "From the pad to the deep field"


def test_the_film_plays(opened):
    assert film(opened.page, "[film.videoWidth, film.videoHeight]") == [320, 180]
    assert film(opened.page, "film.duration") == pytest.approx(TOTAL / 24, abs=0.05)
    film(opened.page, "void film.play()")
    until(opened.page, "film.currentTime > 0.3")
    assert opened.errors == []


@pytest.mark.parametrize("place", ["article .play", ".strip button"])
def test_every_shot_plays_from_its_start_and_is_marked(opened, place):
    buttons = opened.page.locator(place).all()
    assert len(buttons) == len(SCENES)
    # Slowed down, so that reading the time takes no noticeable part of a shot.
    film(opened.page, "film.playbackRate = 0.1")
    for number, (button, start) in enumerate(zip(buttons, STARTS, strict=True), 1):
        button.click()
        until(opened.page, f"!film.paused && !film.seeking && film.currentTime >= {start / 24}")
        assert film(opened.page, "film.currentTime") * 24 < start + 12
        assert marked(opened.page) == [number, number]
        film(opened.page, "film.pause()")


def test_a_shot_stops_on_its_own_last_frame(opened):
    opened.page.locator("article .play").nth(1).click()
    until(opened.page, "film.paused && !film.seeking && film.currentTime > 1.5")
    assert 47 <= film(opened.page, "film.currentTime") * 24 < 48
    assert marked(opened.page) == [2, 2]


def test_the_film_goes_on_where_its_own_controls_are_used(opened):
    opened.page.locator("article .play").nth(0).click()
    until(opened.page, "film.paused && film.currentTime > 0.9 && !film.seeking")
    film(opened.page, "void film.play()")
    until(opened.page, "film.currentTime > 1.2")
    opened.page.locator("article .play").nth(1).click()
    # Slowed down, so that the next shot is not over before it is looked at.
    film(opened.page, "[film.playbackRate = 0.1, film.currentTime = 1.95]")
    until(opened.page, "film.currentTime > 2.05")
    assert marked(opened.page) == [3, 3]


def test_a_second_press_pauses_the_shot(opened):
    button = opened.page.locator("article .play").nth(4)
    film(opened.page, "film.playbackRate = 0.1")
    button.click()
    until(opened.page, "!film.paused && !film.seeking && film.currentTime >= 3.5")
    button.click()
    assert film(opened.page, "film.paused")


def test_the_keyboard_reaches_and_plays_shots(opened):
    page = opened.page
    page.locator(".strip button").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.shot") == "3"
    page.keyboard.press("Enter")
    until(page, "film.currentTime >= 2")
    assert marked(page)[0] == 3
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.strip')") is None
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.dataset.shot") == "3"


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_runs_over_the_edge_and_texts_can_be_read(opened, tmp_path, size):
    page = opened.page
    page.set_viewport_size(size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    grounds = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(CONTRASTS) >= 4.5, scheme
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        shot = tmp_path / f"{scheme}.png"
        page.screenshot(path=shot, full_page=True)
        with Image.open(shot) as picture:
            assert picture.width == size["width"]
    assert len(grounds) == 2


CONTRASTS = """
(() => {
  const level = c => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
  const light = rgb => {
    const [r, g, b] = rgb.match(/[\\d.]+/g).map(Number).map(level);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = e => {
    for (; e; e = e.parentElement) {
      const found = getComputedStyle(e).backgroundColor;
      if (found.startsWith('rgb(')) return found;
    }
  };
  return Math.min(...['h1', '.banner', '.facts dt', '.facts dd', 'nav a', '.prompt', '.tail',
    '.lines dt', '.join', '.join strong:last-child', 'summary', 'small'].map(name => {
    const found = document.querySelector(name);
    const [a, b] = [light(getComputedStyle(found).color), light(ground(found))];
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  }));
})()
"""


def test_paper_shows_what_is_folded_away_on_screens(opened):
    page = opened.page
    assert page.locator("details[open]").count() == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
