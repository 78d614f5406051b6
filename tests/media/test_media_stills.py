from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from prefect_videogen.errors import MediaError
from prefect_videogen.media import fit_still, inspect_still

ANY: dict[str, Any] = {"formats": {"png", "jpeg"}, "max_bytes": 10_000_000}


def photo(width=160, height=90, mode="RGB", seed=1):
    levels = np.random.default_rng(seed).integers(0, 255, (height, width, 4), np.uint8)
    return Image.fromarray(levels, "RGBA").convert(mode)


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    ("kind", "mode", "name", "alpha", "extension"),
    [
        ("PNG", "RGB", "png", False, "png"),
        ("PNG", "RGBA", "png", True, "png"),
        ("JPEG", "RGB", "jpeg", False, "jpg"),
        ("WEBP", "RGB", "webp", False, "webp"),
        ("BMP", "RGB", "bmp", False, "bmp"),
        ("GIF", "P", "gif", False, "gif"),
        ("TIFF", "RGB", "tiff", False, "tif"),
    ],
)
def test_picture_of_any_format_is_described(kind, mode, name, alpha, extension):
    data = saved(photo().convert("RGB").convert(mode), kind)

    info = inspect_still(data)

    assert (info.format, info.has_alpha, info.extension) == (name, alpha, extension)
    assert (info.width, info.height, info.size_bytes) == (160, 90, len(data))
    assert info.sha256 == hashlib.sha256(data).hexdigest()


def sideways():
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(photo(), "JPEG", exif=exif)


def test_camera_orientation_is_described_as_shown_and_applied():
    data = sideways()
    assert (inspect_still(data).width, inspect_still(data).height) == (90, 160)

    fitted, changes = fit_still(data, **ANY)

    assert opened(fitted).size == (90, 160)
    assert any("orientation" in change for change in changes)
    assert fit_still(fitted, **ANY) == (fitted, [])


@pytest.mark.parametrize("data", [b"", b"<html>no</html>", b"\x89PNG\r\n\x1a\n broken", b"GIF89a"])
def test_no_picture_is_refused(data):
    with pytest.raises(MediaError, match="not a picture") as caught:
        inspect_still(data)

    assert caught.value.next_step


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("part", [0.4, 0.97])
def test_picture_that_is_cut_off_is_refused(kind, part):
    whole = saved(photo(), kind)
    data = whole[: int(len(whole) * part)]

    with pytest.raises(MediaError, match="cut off") as caught:
        inspect_still(data)

    assert caught.value.next_step
    with pytest.raises(MediaError, match="cut off"):
        fit_still(data, formats={"webp"}, max_bytes=10**7)


@pytest.mark.parametrize("size", [(1, 1), (3, 400)])
def test_smallest_jpeg_is_a_picture(size):
    info = inspect_still(saved(photo(*size), "JPEG"))

    assert (info.width, info.height) == size


def test_decompression_bomb_is_refused_before_it_is_decoded():
    bomb = saved(Image.new("1", (20_000, 20_000)), "PNG")

    with pytest.raises(MediaError, match=r"enormous|megapixels"):
        inspect_still(bomb)
    with pytest.raises(MediaError, match="megapixels"):
        inspect_still(saved(Image.new("1", (9_000, 9_000)), "PNG"))


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"min_side": 90, "max_side": 160},
        {"aspect_ratio": "16:9"},
        {"aspect_ratio": "1:1", "fit": "keep"},
        {"formats": {"jpg"}},
    ],
)
def test_picture_that_will_do_is_left_untouched(limits):
    kind = "JPEG" if "formats" in limits else "PNG"
    data = saved(photo(), kind)

    fitted, changes = fit_still(data, **{**ANY, **limits})

    assert fitted is data
    assert changes == []


@pytest.mark.parametrize(
    ("size", "ratio", "fit", "wanted"),
    [
        ((160, 90), "1:1", "crop", (90, 90)),
        ((160, 90), "1:1", "pad", (160, 160)),
        ((90, 160), "16:9", "crop", (90, 51)),
        ((90, 160), "16:9", "pad", (284, 160)),
        ((200, 90), "16:9", "crop", (160, 90)),
        ((161, 90), "16:9", "crop", (161, 90)),
    ],
)
def test_shape_is_reached_by_crop_or_pad(size, ratio, fit, wanted):
    fitted, changes = fit_still(saved(photo(*size)), **ANY, aspect_ratio=ratio, fit=fit)

    assert opened(fitted).size == wanted
    assert bool(changes) == (size != wanted)


def test_crop_and_pad_are_centred():
    data = saved(photo(160, 90))
    source = np.asarray(photo(160, 90))

    cropped = np.asarray(opened(fit_still(data, **ANY, aspect_ratio="1:1")[0]))
    padded = np.asarray(opened(fit_still(data, **ANY, aspect_ratio="1:1", fit="pad")[0]))

    assert (cropped == source[:, 35:125]).all()
    assert (padded[35:125] == source).all()
    assert padded[:35].max() == padded[125:].max() == 0


@pytest.mark.parametrize(
    ("size", "limits", "wanted"),
    [
        ((160, 90), {"max_side": 80}, (80, 45)),
        ((160, 90), {"min_side": 360}, (640, 360)),
        ((90, 160), {"min_side": 360, "max_side": 2000}, (360, 640)),
        ((2400, 1350), {"min_side": 360, "max_side": 2000}, (2000, 1125)),
    ],
)
def test_size_is_brought_into_the_range(size, limits, wanted):
    fitted, changes = fit_still(saved(photo(*size)), **{**ANY, "max_bytes": 10**8}, **limits)

    assert opened(fitted).size == wanted
    assert any("scaled" in change for change in changes)


def test_range_that_the_shape_forbids_is_refused():
    data = saved(photo(1000, 50))

    with pytest.raises(MediaError, match="without changing its shape"):
        fit_still(data, **ANY, min_side=360, max_side=2000)
    assert opened(
        fit_still(data, **ANY, min_side=360, max_side=2000, aspect_ratio="16:9")[0]
    ).size == (641, 360)


def test_changed_picture_stays_lossless_where_it_may():
    source = photo()

    fitted, changes = fit_still(saved(source, "BMP"), **ANY)

    assert (np.asarray(opened(fitted)) == np.asarray(source)).all()
    assert inspect_still(fitted).format == "png"
    assert any("bmp is not accepted" in change for change in changes)


def test_png_over_the_limit_becomes_a_fine_jpeg():
    ramp = np.add.outer(np.arange(270), np.arange(480)) % 256
    grain = np.random.default_rng(2).integers(0, 12, (270, 480))
    image = Image.fromarray(np.clip(ramp + grain, 0, 255).astype(np.uint8)).convert("RGB")
    data = saved(image)

    fitted, changes = fit_still(data, formats={"png", "jpeg"}, max_bytes=len(data) - 1)

    assert opened(fitted).format in {"JPEG", "PNG"}
    assert len(fitted) < len(data)
    tight, sentences = fit_still(data, formats={"jpeg"}, max_bytes=10**7)
    jpeg = opened(tight)
    assert jpeg.format == "JPEG"
    assert jpeg.layer == [("1", 1, 1, 0)] or all(layer[1:3] == (1, 1) for layer in jpeg.layer)
    assert sentences[-1] == "written as JPEG of quality 97"
    assert changes


def test_quality_goes_down_before_size_does():
    data = saved(photo(320, 180))
    free = len(fit_still(data, formats={"jpeg"}, max_bytes=10**7)[0])

    lower, said = fit_still(data, formats={"jpeg"}, max_bytes=free * 8 // 10)
    smaller, also = fit_still(data, formats={"jpeg"}, max_bytes=free // 6)

    assert opened(lower).size == (320, 180)
    assert "quality" in said[-1]
    assert opened(smaller).size < (320, 180)
    assert "scaled to" in also[-1]
    with pytest.raises(MediaError, match="can't be brought under"):
        fit_still(data, formats={"jpeg"}, max_bytes=100)
    with pytest.raises(MediaError, match="can't be brought under"):
        fit_still(data, formats={"jpeg"}, max_bytes=free // 6, min_side=180)


def test_formats_that_nobody_writes_are_refused():
    with pytest.raises(MediaError, match="avif"):
        fit_still(saved(photo()), formats={"avif"}, max_bytes=10**7)


def test_webp_is_written_where_nothing_else_is_taken():
    fitted, _ = fit_still(saved(photo()), formats={"webp"}, max_bytes=10**7)

    assert inspect_still(fitted).format == "webp"


def test_transparent_parts_become_black_only_where_it_must():
    image = Image.new("RGBA", (64, 64), (250, 250, 250, 0))
    image.paste((200, 100, 50, 255), (0, 0, 32, 64))
    data = saved(image)

    assert fit_still(data, **ANY) == (data, [])
    fitted, changes = fit_still(data, **ANY, alpha=False)

    flat = np.asarray(opened(fitted))
    assert flat.shape == (64, 64, 3)
    assert (flat[:, :32] == (200, 100, 50)).all()
    assert flat[:, 32:].max() == 0
    assert any("transparen" in change for change in changes)


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK"])
def test_odd_modes_are_written_as_plain_rgb(mode):
    data = saved(photo().convert("RGB").convert(mode), "TIFF")

    fitted, _ = fit_still(data, **ANY)

    assert opened(fitted).mode == "RGB"


def test_sixteen_bit_grey_keeps_its_levels():
    ramp = np.linspace(0, 65_535, 64 * 64).reshape(64, 64).astype(np.uint16)

    fitted, _ = fit_still(saved(Image.fromarray(ramp)), **ANY, max_side=63)

    levels = np.asarray(opened(fitted))
    assert levels.min() < 8
    assert 120 < levels.mean() < 135


def test_colour_profile_is_turned_into_srgb():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    plain = saved(photo(), "TIFF")
    foreign = saved(photo(), "TIFF", icc_profile=profile.tobytes())
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    srgb = saved(photo(), "TIFF", icc_profile=same.tobytes())

    wanted, _ = fit_still(plain, **ANY)

    # A profile that does not go with the picture's mode is ignored, as viewers do.
    assert fit_still(foreign, **ANY)[0] == wanted
    fitted = opened(fit_still(srgb, **ANY)[0])
    assert "icc_profile" not in fitted.info
    levels = np.asarray(fitted).astype(int)
    assert np.abs(levels - np.asarray(opened(wanted))).max() <= 1


@pytest.mark.parametrize("ratio", ["wide", "16", "0:9", "16:0", "-16:9"])
def test_wrong_aspect_ratio_is_refused(ratio):
    with pytest.raises(MediaError, match="aspect ratio"):
        fit_still(saved(photo()), **ANY, aspect_ratio=ratio)


def test_same_picture_gives_the_same_bytes():
    data = saved(photo(300, 200), "BMP")

    results = [
        fit_still(data, formats={"jpeg"}, max_bytes=60_000, aspect_ratio="16:9") for _ in range(2)
    ]

    assert results[0] == results[1]
