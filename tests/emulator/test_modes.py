"""Every model and mode yields a playable clip of the right length that shows the pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from prefect_videogen.capabilities import MODELS
from prefect_videogen.media import first_frame_png, last_frame_png, probe, psnr

EVOLINK = "wan2.5-image-to-video"

MODES = [(model, mode) for model in MODELS.values() for mode in model.modes]
LEAST_PSNR = 38


def expected(path, size):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def frame_count(path):
    import av  # noqa: PLC0415 - the one test that counts for itself

    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize(("model", "mode"), MODES, ids=[f"{m.id} {mode.name}" for m, mode in MODES])
def test_every_mode_yields_a_clip_on_its_pictures(customer, media, tmp_path, model, mode):
    names = ["sky.png", "sea.png"][: mode.images[1]]
    urls = [customer.picture(name) for name in names]
    if model.id == EVOLINK:
        answer = customer.evolink(image_urls=urls)
    else:
        loras = [{"path": customer.picture("style.safetensors"), "scale": 1.2}]
        answer = customer.apixo(
            model.id, mode.name, image_urls=urls, loras=loras, aspect_ratio="16:9"
        )
    task = customer.ended(model.id, customer.id_of(answer))
    download = customer.http.get(customer.url_of(task))
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(download.content)

    assert download.headers["content-type"] == "video/mp4"
    assert int(download.headers["content-length"]) == len(download.content)
    assert frame_count(clip) == 5 * 4
    facts = probe(clip)
    short_side = 1080 if model.id == "kling-2-1" and mode.tier != "standard" else 720
    assert facts.height == round(short_side * 0.125 / 2) * 2
    assert bool(facts.has_audio) == (model.id in {"vidu-q3", "ltx-2-19b"})
    size = (facts.width, facts.height)
    if names:
        wanted = expected(media / names[0], size)
        assert psnr(first_frame_png(clip), wanted) >= LEAST_PSNR
    if len(names) > 1:
        wanted = expected(media / names[1], size)
        assert psnr(last_frame_png(clip), wanted) >= LEAST_PSNR
    (charge,) = customer.emulator.charges
    assert [picture.data for picture in charge.images] == [
        (media / name).read_bytes() for name in names
    ]


@pytest.mark.parametrize("image", ["tall.jpg"])
def test_tall_picture_makes_a_tall_clip(customer, tmp_path, image):
    answer = customer.apixo("vidu-q3", "image-to-video", image_urls=[customer.picture(image)])
    task = customer.ended("vidu-q3", customer.id_of(answer))
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(customer.http.get(customer.url_of(task)).content)

    assert (probe(clip).width, probe(clip).height) == (90, 160)


def test_sound_switched_off_makes_a_silent_clip(customer, tmp_path):
    answer = customer.apixo("vidu-q3", "text-to-video", sound=False, bgm=False, duration=1)
    task = customer.ended("vidu-q3", customer.id_of(answer))
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(customer.http.get(customer.url_of(task)).content)

    assert not probe(clip).has_audio


def test_same_request_twice_gives_the_same_bytes(customer, start):
    other = start()
    clips = [
        client.http.get(
            customer.url_of(client.ended("wan-2-5", customer.id_of(client.wan(seed=7))))
        ).content
        for client in (customer, other)
    ]

    assert clips[0] == clips[1]


def test_other_seed_gives_another_clip(customer):
    clips = [
        customer.http.get(
            customer.url_of(customer.ended("wan-2-5", customer.id_of(customer.wan(seed=seed))))
        ).content
        for seed in (1, 2)
    ]

    assert clips[0] != clips[1]


def test_result_in_ranges_is_the_whole_clip(customer):
    _, url = customer.finished()
    whole = customer.http.get(url).content
    half = len(whole) // 2
    first = customer.http.get(url, headers={"range": f"bytes=0-{half - 1}"})
    rest = customer.http.get(url, headers={"range": f"bytes={half}-"})

    assert (first.status_code, rest.status_code) == (206, 206)
    assert rest.headers["content-range"] == f"bytes {half}-{len(whole) - 1}/{len(whole)}"
    assert first.content + rest.content == whole


def test_result_url_needs_no_key_and_keeps_its_secret(customer):
    job_id, url = customer.finished()

    assert customer.http.get(url, headers={"authorization": ""}).status_code == 200
    assert customer.http.get(f"/results/{job_id}/guess.mp4").status_code == 404
