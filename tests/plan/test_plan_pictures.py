"""Pictures: where a shot starts and ends, what hangs on what, and how stills get their shape."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from prefect_videogen.capabilities import MODELS, Images
from prefect_videogen.errors import MediaError
from prefect_videogen.media import fit_still
from prefect_videogen.plan import Picture, PictureUse, Unreadable, still_references
from prefect_videogen.storyboard import Shot, Storyboard


def use(role, kind, ref, fit="") -> PictureUse:
    return PictureUse(role=role, kind=kind, ref=ref, fit=fit)


def test_every_kind_of_reference_is_told_apart(planned):
    made = planned(
        """
        model: vidu-q3
        shots:
          - {id: still, prompt: x, first_frame: a.jpg, last_frame: next}
          - {id: web, prompt: x, first_frame: 'https://x/b.jpg', last_frame: next}
          - {id: vendor, prompt: x, first_frame: 'vendor:https://cdn/c.jpg'}
          - {id: chained, prompt: x, first_frame: previous, last_frame: next}
          - {id: branch, prompt: x, first_frame: 'shot:still'}
        """
    )
    assert {clip.id: clip.pictures for clip in made.clips} == {
        "still": (use("first", "still", "a.jpg"), use("last", "still", "https://x/b.jpg")),
        "web": (
            use("first", "still", "https://x/b.jpg"),
            use("last", "vendor", "https://cdn/c.jpg"),
        ),
        "vendor": (use("first", "vendor", "https://cdn/c.jpg"),),
        "chained": (use("first", "clip", "vendor"), use("last", "clip", "still")),
        "branch": (use("first", "clip", "still"),),
    }
    assert {clip.id: clip.depends_on for clip in made.clips} == {
        "still": (),
        "web": (),
        "vendor": (),
        "chained": ("vendor", "still"),
        "branch": ("still",),
    }


def test_stills_to_read_are_named_once_and_in_order():
    board = Storyboard(
        shots=[
            Shot(first_frame="b", last_frame="next"),
            Shot(first_frame="previous", last_frame="a"),
            Shot(first_frame="shot:01", last_frame="b"),
            Shot(first_frame="vendor:https://x/y"),
        ]
    )
    assert still_references(board) == ("b", "a")


@pytest.mark.parametrize(
    ("shots", "fault"),
    [
        (
            "[{id: a, prompt: x, first_frame: previous}]",
            (
                "shot a: first_frame = previous: no shot stands before it; name a picture, or move "
                "the shot"
            ),
        ),
        (
            "[{id: a, prompt: x, first_frame: next}]",
            (
                "shot a: first_frame = next: can't start on a later picture; `next` belongs to "
                "last_frame; use `previous` or a picture"
            ),
        ),
        (
            "[{id: a, prompt: x, first_frame: 'shot:q'}]",
            "shot a: first_frame = shot:q: names no shot; name another shot or a picture",
        ),
        (
            "[{id: night, prompt: x}, {id: b, prompt: x, first_frame: 'shot:nigth'}]",
            "shot b: first_frame = shot:nigth: names no shot; did you mean `shot:night`?",
        ),
        (
            "[{id: a, prompt: x, first_frame: 'vendor:ftp://x'}]",
            "shot a: first_frame = vendor:ftp://x: is not a URL; write `vendor:https://...`",
        ),
        *[
            (
                f"[{{id: a, prompt: x, first_frame: 'vendor:{url}'}}]",
                f"shot a: first_frame = vendor:{url}: is not a URL; write `vendor:https://...`",
            )
            for url in ("https://[bad", "http:///a")
        ],
        (
            "[{id: a, prompt: x, last_frame: a.jpg}]",
            (
                "shot a: last_frame = a.jpg: has no first_frame; set `first_frame` too, or leave "
                "`last_frame` out"
            ),
        ),
        (
            "[{id: a, prompt: x, first_frame: f, last_frame: previous}]",
            "shot a: last_frame = previous: can't be another shot's end; use a picture or `next`",
        ),
        (
            "[{id: a, prompt: x, first_frame: f, last_frame: 'shot:a'}]",
            "shot a: last_frame = shot:a: can't be another shot's end; use a picture or `next`",
        ),
        (
            "[{id: a, prompt: x, first_frame: f, last_frame: next}]",
            "shot a: last_frame = next: no shot follows; name a picture",
        ),
        (
            "[{id: a, prompt: x, first_frame: f, last_frame: next}, {id: b, prompt: x}]",
            (
                "shot a: last_frame = next: the next shot has no first_frame; give b a "
                "first_frame, or name a picture"
            ),
        ),
        *[
            (
                (
                    f"[{{id: a, prompt: x, first_frame: f, last_frame: next}}, "
                    f"{{id: b, prompt: x, first_frame: '{target}'}}]"
                ),
                (
                    f"shot a: last_frame = next: the next shot starts where this one ends "
                    f"({target}); leave it out or name a picture"
                ),
            )
            for target in ("previous", "shot:a")
        ],
        (
            "[{id: a, prompt: x, first_frame: 'shot:a'}]",
            (
                "shot a: first_frame = shot:a: waits for itself (a -> a); start one of them on a "
                "picture"
            ),
        ),
    ],
)
def test_reference_that_leads_nowhere_is_one_fault(faults_of, shots, fault):
    assert faults_of(f"model: vidu-q3\nshots: {shots}") == [fault]


@pytest.mark.parametrize("model", ["kling-2-1", "wan2.5-image-to-video"])
@pytest.mark.parametrize("frame", ["previous", "next", "shot:q", "vendor:q"])
def test_reference_that_leads_nowhere_is_no_missing_picture_too(faults_of, model, frame):
    (fault,) = faults_of(f"model: {model}\nshots: [{{prompt: x, first_frame: '{frame}'}}]")
    assert fault.startswith(f"shot 01: first_frame = {frame}: ")


def test_shots_that_may_be_named_are_each_named_once_and_the_shot_itself_is_not(faults_of):
    faults = faults_of(
        "model: vidu-q3\n"
        "shots: [{id: c, prompt: x}, {id: d, prompt: x}, {id: d, prompt: y}, "
        "{id: b, prompt: x, first_frame: 'shot:q'}]"
    )
    assert "shot b: first_frame = shot:q: names no shot; use c or d" in faults


def test_every_cycle_is_a_fault(faults_of):
    faults = faults_of(
        """
        model: vidu-q3
        shots:
          - {id: a, prompt: x, first_frame: 'shot:b'}
          - {id: b, prompt: x, first_frame: 'shot:a'}
          - {id: c, prompt: x, first_frame: 'shot:e'}
          - {id: d, prompt: x, first_frame: 'shot:c'}
          - {id: e, prompt: x, first_frame: 'shot:d'}
          - {id: f, prompt: x, first_frame: 'shot:a'}
        """
    )
    assert faults == [
        (
            "shot a: first_frame = shot:b: waits for itself (a -> b -> a); start one of them on a "
            "picture"
        ),
        (
            "shot c: first_frame = shot:e: waits for itself (c -> e -> d -> c); start one of them "
            "on a picture"
        ),
    ]


def test_next_that_closes_a_circle_is_a_fault(faults_of):
    (fault,) = faults_of(
        """
        model: vidu-q3
        shots:
          - {id: a, prompt: x, first_frame: f, last_frame: next}
          - {id: b, prompt: x, first_frame: 'shot:c'}
          - {id: c, prompt: x, first_frame: 'shot:a'}
        """
    )
    assert fault.startswith("shot a: last_frame = next: waits for itself (a -> c -> a)")


def test_unreadable_still_is_a_fault_of_every_shot_that_uses_it(faults_of):
    gone = Unreadable("can't be read: No such file or directory", "check the path or address")
    assert faults_of(
        """
        model: vidu-q3
        shots:
          - {id: a, prompt: x, first_frame: gone.jpg}
          - {id: b, prompt: x, first_frame: fine.jpg, last_frame: gone.jpg}
        """,
        stills={"gone.jpg": gone},
    ) == [
        f"shot {shot}: {field} = gone.jpg: can't be read: No such file or directory; "
        "check the path or address"
        for shot, field in (("a", "first_frame"), ("b", "last_frame"))
    ]


@pytest.mark.parametrize("model", ["vidu-q3", "vidu"])
@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        ("first_frame", "previos", "did you mean `previous`?"),
        ("first_frame", "Previous", "did you mean `previous`?"),
        ("last_frame", "nxt", "did you mean `next`?"),
        ("last_frame", "previos", "check the path"),
        ("first_frame", "previous.jpg", "check the path"),
        ("first_frame", "stills/previos", "check the path"),
    ],
)
def test_picture_that_is_not_found_may_be_a_misspelt_word(faults_of, model, field, value, remedy):
    gone = Unreadable("can't be read: No such file or directory", "check the path")
    first = "" if field == "first_frame" else "first_frame: a.jpg, "
    faults = faults_of(
        f"shots: [{{id: a, model: {model}, prompt: x, {first}{field}: {value}}}]",
        stills={value: gone},
    )
    says = f"shot a: {field} = {value}: can't be read: No such file or directory; {remedy}"
    assert [fault for fault in faults if "_frame" in fault] == [says]


@pytest.mark.parametrize("frame", ["a.jpg", "previous"])
def test_picture_that_can_not_be_published_is_a_fault(faults_of, frame):
    faults = faults_of(
        f"""
        model: vidu-q3
        shots:
          - {{id: text, prompt: x}}
          - {{id: a, prompt: x, first_frame: {frame}}}
          - {{id: b, prompt: x, first_frame: 'vendor:https://x/y.jpg'}}
          - {{id: c, prompt: x, model: wan2.5-image-to-video, first_frame: b.jpg}}
        """,
        publishes=frozenset({"evolink"}),
    )
    assert faults == [
        (
            f"shot a: first_frame = {frame}: can't be handed to apixo: nowhere to publish a "
            "picture that it can reach; keep media in S3, set VIDEOGEN_MEDIA_PUBLIC_URL (the media "
            "store's public URL), or write `vendor:https://...`"
        )
    ]


PRIVATE = ["http://192.168.1.20/p", "http://127.0.0.1:9/p", "https://[64:ff9b::7f00:1]/p"]
BOARD_AT_HOME = """
    model: ltx-2-19b
    shots:
      - {{id: a, prompt: x, first_frame: 'vendor:{url}'}}
      - {{id: b, prompt: x, loras: [{{path: '{url}'}}]}}
      - {{id: c, prompt: x, model: wan-2-5, fallback: [wan2.5-image-to-video],
          first_frame: 'vendor:{url}'}}
"""


@pytest.mark.parametrize("url", PRIVATE)
def test_private_address_is_no_use_to_a_real_vendor(faults_of, url):
    where = "use an https:// address on the internet"
    out = f"{where}, or leave `vendor:` out to have it read and published"
    assert faults_of(BOARD_AT_HOME.format(url=url)) == [
        f"shot a: first_frame = vendor:{url}: leads to no address that apixo can reach; {out}",
        f"shot b: loras = {url}: leads to no address that apixo can reach; {where}",
        f"shot c: first_frame = vendor:{url}: leads to no address that apixo can reach; {out}",
        f"shot c: first_frame = vendor:{url}: leads to no address that evolink can reach; {out}",
    ]


@pytest.mark.parametrize("url", PRIVATE)
def test_sandbox_reaches_private_addresses(planned, url):
    labels = {"apixo": "apixo@sandbox", "evolink": "evolink@sandbox"}
    assert planned(BOARD_AT_HOME.format(url=url), labels=labels).sandbox


WAN25 = "wan2.5-image-to-video"
KEPT = "crop it, or set `aspect_ratio` at the top and `picture_fit` to crop or pad"


def test_picture_that_can_not_be_scaled_to_the_models_sides_is_a_fault(faults_of):
    (fault,) = faults_of(
        f"model: {WAN25}\nshots: [{{id: a, prompt: x, first_frame: pano.png}}]",
        stills={"pano.png": Picture("0" * 64, "png", 4000, 300)},
    )
    assert fault == (
        "shot a: first_frame = pano.png: is 4000x300: it can't be scaled to the sides of 360 to "
        f"2000 pixels that {WAN25} takes; {KEPT}"
    )


def test_picture_that_does_not_fit_a_model_to_fall_back_on_is_a_fault(faults_of):
    (fault,) = faults_of(
        f"model: wan-2-5\nfallback: [{WAN25}]\nshots: [{{prompt: x, first_frame: pano.png}}]",
        stills={"pano.png": Picture("0" * 64, "png", 4000, 300)},
    )
    assert f"pixels that {WAN25} takes" in fault


@pytest.mark.parametrize("size", [(64, 12), (12, 64), (40, 40), (30, 36), (500, 100), (61, 12)])
@pytest.mark.parametrize(
    "settings",
    [
        "",
        "aspect_ratio: 16:9",
        "aspect_ratio: 1:9",
        "aspect_ratio: 1:9\npicture_fit: pad",
        "aspect_ratio: 16:9\npicture_fit: pad",
        "aspect_ratio: 16:9\npicture_fit: keep",
    ],
)
def test_plan_and_fitting_agree_on_what_can_be_scaled(plan_of, size, settings):
    images = Images(min_side=36, max_side=200)
    small = MODELS[WAN25].model_copy(update={"images": images})
    made = plan_of(
        f"model: {WAN25}\n{settings}\nshots: [{{prompt: x, first_frame: a}}]",
        stills={"a": Picture("0" * 64, "png", *size)},
        models={WAN25: small},
    )
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "PNG")
    kind, _, ratio = made.clips[0].pictures[0].fit.partition(" ")
    try:
        fit_still(
            buffer.getvalue(),
            formats=images.formats,
            max_bytes=images.max_bytes,
            min_side=images.min_side,
            max_side=images.max_side,
            aspect_ratio=ratio or None,
            fit="pad" if kind == "pad" else "crop",
        )
    except MediaError:
        assert "it can't be scaled" in str(made.faults[0])
    else:
        assert made.faults == ()


@pytest.mark.parametrize(
    ("size", "settings", "fit"),
    [
        ((1600, 900), "aspect_ratio: 16:9", ""),
        ((1605, 900), "aspect_ratio: 16:9", ""),
        ((1600, 1200), "aspect_ratio: 16:9", "crop 16:9"),
        ((900, 1600), "aspect_ratio: 16:9", "crop 16:9"),
        ((1600, 1200), "aspect_ratio: 16:9\npicture_fit: pad", "pad 16:9"),
        ((1600, 1200), "aspect_ratio: 16:9\npicture_fit: keep", ""),
        ((1600, 1200), "picture_fit: pad", ""),
        ((1600, 1200), "", ""),
    ],
)
def test_picture_is_brought_to_the_boards_shape(planned, size, settings, fit):
    made = planned(
        f"model: vidu-q3\n{settings}\nshots: [{{prompt: x, first_frame: a}}]",
        stills={"a": Picture("0" * 64, "jpeg", *size)},
    )
    assert made.clips[0].pictures == (use("first", "still", "a", fit),)
    assert made.notes == ()


def test_own_picture_fit_wins_over_the_one_at_the_top(planned):
    made = planned(
        """
        model: vidu-q3
        aspect_ratio: 1:1
        picture_fit: pad
        shots: [{prompt: x, first_frame: a, last_frame: b, picture_fit: crop}]
        """,
    )
    assert [picture.fit for picture in made.clips[0].pictures] == ["crop 1:1", "crop 1:1"]


def test_last_frame_of_another_clip_and_vendors_picture_are_left_as_they_are(planned):
    made = planned(
        """
        model: vidu-q3
        aspect_ratio: 1:1
        shots:
          - {prompt: x, first_frame: 'vendor:https://x/a.jpg'}
          - {prompt: x, first_frame: previous}
        """
    )
    assert [clip.pictures[0].fit for clip in made.clips] == ["", ""]


@pytest.mark.parametrize(
    ("shots", "doubled"),
    [
        ("[{prompt: x, first_frame: p}, {prompt: x, first_frame: q}]", [0, 0]),
        ("[{prompt: x, first_frame: p}, {prompt: x, first_frame: p}]", [0, 0]),
        ("[{prompt: x}, {prompt: x, first_frame: previous}]", [0, 1]),
        ("[{prompt: x}, {prompt: x}, {prompt: x, first_frame: 'shot:01'}]", [0, 0, 0]),
        ("[{prompt: x, first_frame: p, last_frame: next}, {prompt: x, first_frame: q}]", [0, 1]),
        ("[{prompt: x, first_frame: p, last_frame: q}, {prompt: x, first_frame: q}]", [0, 1]),
        ("[{prompt: x, first_frame: p, last_frame: r}, {prompt: x, first_frame: q}]", [0, 1]),
        (
            (
                "[{prompt: x, first_frame: p, last_frame: q}, "
                "{prompt: x, first_frame: q, picture_fit: pad}]"
            ),
            [0, 0],
        ),
        (
            (
                "[{prompt: x, first_frame: p, last_frame: 'vendor:https://x/y'}, "
                "{prompt: x, first_frame: 'vendor:https://x/y'}]"
            ),
            [0, 1],
        ),
        (
            (
                "[{prompt: x}, {prompt: x, first_frame: p, last_frame: next}, "
                "{prompt: x, first_frame: 'shot:01'}]"
            ),
            [0, 0, 1],
        ),
    ],
)
def test_doubled_frames_are_counted_where_shots_share_a_picture(planned, shots, doubled):
    same = Picture("5" * 64, "png", 800, 600)
    made = planned(
        f"model: vidu-q3\naspect_ratio: 16:9\nshots: {shots}", stills={"q": same, "r": same}
    )
    assert [join.doubled for join in made.joins] == doubled
    assert made.joins[0].why == "start"


def test_join_says_why_a_frame_is_doubled(planned):
    made = planned(
        """
        model: vidu-q3
        shots:
          - {prompt: x}
          - {prompt: x, first_frame: previous, last_frame: next}
          - {prompt: x, first_frame: p}
          - {prompt: x}
        """
    )
    assert [join.why for join in made.joins] == ["start", "chained", "shared still", "cut"]


def test_long_chain_is_noted_once_where_it_gets_long(planned):
    chain = "".join(f"  - {{id: s{n}, prompt: x, first_frame: previous}}\n" for n in range(1, 7))
    made = planned(f"model: vidu-q3\nshots:\n  - {{id: s0, prompt: x}}\n{chain}")
    (note,) = made.notes
    assert note.startswith("shot s4: more than 3 links from a still")
