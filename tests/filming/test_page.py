from __future__ import annotations

import re
from fractions import Fraction
from html.parser import HTMLParser

import pytest
from tests.filming.manifests import BOUGHT

from prefect_videogen.filming.facts import clock, join_words
from prefect_videogen.filming.page import page

JPEG = b"\xff\xd8\xff not looked into"
HOSTILE = "</p><script>alert(1)</script>\n\"quoted\" & 'single' {{ 7 * 7 }} \u202eرتل"


class Outline(HTMLParser):
    """What a browser would see: elements with their attributes, and the text outside scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._silent = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._silent = tag in {"script", "style"}
        self.text += " " if tag in {"dd", "dt"} else ""

    def handle_endtag(self, tag):
        self._silent = False

    def handle_data(self, data):
        self.text += "" if self._silent else data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(self.text.split())


@pytest.fixture
def frames(sample):
    return {f"{shot.id}/{end}": JPEG for shot in sample.manifest.shots for end in ("first", "last")}


@pytest.fixture
def outline(sample, frames):
    return Outline(page(sample.manifest, frames=frames, seams=b"\x89PNG"))


def changed(manifest, index, **update):
    shots = list(manifest.shots)
    shots[index] = shots[index].model_copy(update=update)
    return manifest.model_copy(update={"shots": tuple(shots)})


def test_the_facts_of_the_film_are_on_the_page(outline):
    for text in (
        "From the pad to the deep field",
        "0:05.5 · 132 frames",
        "128x72 · 24 fps · encoded",
        "clips · -16.1 LUFS, before -23.4 · -1.2 dBTP",
        "4 clips · 1 own footage · 1 missing",
        "1.40 USD + 1 clip unpriced",
        "billing_rule per_second; credits_used 40; cost.usd 0.59",
        "credits_used 40; cost.usd 0.59",
        "With clips from a sandbox",
        "Missing: lost",
        "encoded once: a crossfade before visor needs new pixels",
        "prefect-videogen 0.1.0",
    ):
        assert text in outline.words, text


def test_every_shot_tells_how_it_was_made_and_joined(outline):
    for text in (
        "An astronaut looks up, her visor fills with galaxies",
        "wan2.5-image-to-video · image-to-video · evolink@sandbox",
        "Waited 1 min 33 s",
        BOUGHT["visor"].job_id,
        "0:02.5 · 1.00 s",
        "chained 2 doubled frames left out brightness differs by 9.7, one frame earlier 1.1 · red",
        "red +22.4 green +1.3 blue +0.4 · 24.6 dB The picture jumps here.",
        "crossfade, 0.50 s",
        "dip to black, 0.50 s scaled from 1920x1080 30 to 24 frames a second",
        "2 links from launch: brightness +4.1, red +21.0, green -0.9, blue -0.6, detail 88%",
        "The clip ends on 6 frozen frames.",
        "card, the shot is missing",
        "Trim 0.5 s to 1.5 s",
        "Frames shown 12 to 35 of 48",
        "stills/rocket.jpg (1f1f1f1f1f1f)",
    ):
        assert text in outline.words, text


def test_end_that_is_cut_off_is_not_warned_of(sample, frames):
    shorter = sample.manifest.shots[2].source_frames - 6
    manifest = changed(sample.manifest, 2, source_frames=shorter)
    assert "frozen" not in Outline(page(manifest, frames=frames, seams=None)).words


def test_links_are_relative_and_their_targets_exist(outline, sample):
    written = {"index.html", "manifest.json", "film.otio", "film-9x16.mp4"}
    links = [link["href"] for link in outline.all("a")]
    for link in links:
        assert link.startswith(("#", "./", "../", "manifest.json", "film.otio")), link
        if link[0] != "#" and link.removeprefix("./") not in written:
            assert (sample.folder / link).is_file(), link
    assert sum("clip.mp4" in link for link in links) == 4
    targets = {attributes.get("id") for _, attributes in outline.elements}
    assert {link[1:] for link in links if link[0] == "#"} <= targets


def test_nothing_on_the_page_names_another_place(outline):
    for _, attributes in outline.elements:
        for name in ("src", "poster", "srcset", "data", "action"):
            address = attributes.get(name) or "./"
            assert address.startswith(("data:image/", "./")), address
        assert not any(name.startswith("on") or name == "style" for name in attributes)


def test_texts_of_people_and_vendors_are_escaped_and_isolated(sample, frames):
    visor = sample.manifest.shots[3]
    bought = visor.bought.model_copy(
        update={"job_id": HOSTILE, "charge": {HOSTILE: HOSTILE}, "params": {HOSTILE: HOSTILE}}
    )
    join = visor.join.model_copy(update={"notes": (HOSTILE,)})
    manifest = changed(sample.manifest, 3, prompt=HOSTILE, bought=bought, join=join)
    film = manifest.film.model_copy(update={"why_encoded": HOSTILE, "settings": {HOSTILE: HOSTILE}})
    manifest = manifest.model_copy(
        update={"title": HOSTILE, "missing": (HOSTILE,), "film": film, "program": HOSTILE}
    )
    html = page(manifest, frames=frames, seams=None)
    outline = Outline(html)
    assert len(outline.all("script")) == 1
    assert "alert(1)" not in html.split("<script>", 1)[1].split("</script>", 1)[1].replace(
        "&lt;script&gt;alert(1)", ""
    )
    assert outline.text.count(HOSTILE) >= 9
    prompts = [each for each in outline.all("p") if each.get("class") == "prompt"]
    assert all(each["dir"] == "auto" for each in prompts)
    assert outline.all("h1") == [{"dir": "auto"}]


def test_odd_paths_stay_paths(sample, frames):
    path = "clips/a b\"'#?&/javascript:x.mp4"
    manifest = changed(sample.manifest, 0, path=path)
    outline = Outline(page(manifest, frames=frames, seams=None, film="javascript:alert(1)"))
    (video,) = outline.all("video")
    assert video["src"] == "./javascript%3Aalert%281%29"
    assert "../../../clips/a%20b%22%27%23%3F%26/javascript%3Ax.mp4" in [
        link["href"] for link in outline.all("a")
    ]


def test_shots_play_from_half_a_frame_in_to_their_end(outline):
    plays = [
        (float(button["data-from"]) * 24, float(button["data-to"]) * 24)
        for button in outline.all("button")
        if button.get("class") == "play"
    ]
    assert [(round(a, 1), round(b, 1)) for a, b in plays] == [
        (0.5, 24), (24.5, 48), (48.5, 72), (60.5, 84), (84.5, 108), (108.5, 132),
    ]  # fmt: skip


def test_the_strip_is_to_scale(sample, frames):
    html = page(sample.manifest, frames=frames, seams=None)
    rule = re.search(r"\.strip\{grid-template-columns:([^}]*)\}", html)
    assert rule is not None
    assert re.findall(r"([\d.]+)fr", rule[1]) == ["24", "24", "12", "24", "24", "24"]


def test_a_clip_shown_twice_is_paid_once(sample, frames):
    bought = sample.manifest.shots[3].bought
    manifest = changed(sample.manifest, 0, bought=bought)
    words = Outline(page(manifest, frames=frames, seams=None)).words
    assert "1.05 USD + 1 clip unpriced" in words
    assert "As evolink@sandbox says credits_used 40;" in words


def test_missing_pictures_leave_no_broken_ones(sample):
    outline = Outline(page(sample.manifest, frames={}, seams=None))
    assert outline.all("img") == []
    assert "poster" not in outline.all("video")[0]
    assert "#joins" not in [link["href"] for link in outline.all("a")]


def test_a_copied_complete_film_says_so(sample, frames):
    film = sample.manifest.film.model_copy(update={"picture": "copied", "why_encoded": ""})
    update = {"film": film, "missing": (), "sandbox": False}
    outline = Outline(page(sample.manifest.model_copy(update=update), frames=frames, seams=None))
    assert "copied bit by bit from the clips" in outline.words
    assert "Missing:" not in outline.words
    assert "from a sandbox" not in outline.words


@pytest.mark.parametrize(("why", "transition"), [("cut", "cut"), ("chained", "crossfade")])
def test_a_picture_that_is_meant_to_change_is_no_jump(sample, why, transition):
    join = sample.manifest.shots[2].join
    assert join.flag == "jump"
    assert join.model_copy(update={"why": why, "transition": transition}).flag == ""


def test_a_repeated_frame_is_told(sample):
    join = sample.manifest.shots[1].join
    same = join.shown.model_copy(update={"luma": 0.0, "red": 0.0, "green": 0.0, "psnr": 99.0})
    words = join_words(join.model_copy(update={"shown": same}), Fraction(24))
    assert words.warning == "A frame repeats here."
    assert words.numbers.endswith("identical")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (59.96, "1:00.0"), (62.5, "1:02.5"), (3600, "60:00.0")]
)
def test_places_read_like_a_players_clock(seconds, text):
    assert clock(seconds) == text
