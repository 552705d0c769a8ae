"""Pixels of every format and mode against Pillow's own; orientation; geometry."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from ssgan.config import ImageSpec
from ssgan.data.decode import DecodeLimits, decode, decode_info, decode_within
from tests.support.images import encode, picture

LIMITS = DecodeLimits(1 << 26, 10**8)
H, W = 48, 64


def reference(image: Image.Image, channels: int) -> np.ndarray:
    """(C, H, W) by Pillow, alpha composited on black."""
    if image.mode.startswith("I"):
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return array[None] if channels == 1 else array.transpose(2, 0, 1)


def in_mode(mode: str) -> Image.Image:
    rgba = Image.fromarray(picture())
    if mode == "I;16":
        return Image.fromarray((picture()[..., 0].astype(np.uint16) * 257) ^ 0x55)
    if mode == "P with alpha":
        image = rgba.convert("RGB").quantize(16)
        image.info["transparency"] = 3
        return image
    if mode == "RGB with key":
        image = rgba.convert("RGB").quantize(8).convert("RGB")
        image.info["transparency"] = image.getpixel((5, 5))
        return image
    return rgba if mode == "RGBA" else rgba.convert("RGB").convert(mode) if mode != "LA" else rgba.convert("LA")


CASES = [
    *[("PNG", mode) for mode in ("1", "L", "LA", "P", "P with alpha", "RGB", "RGB with key", "RGBA", "I;16")],
    *[("JPEG", mode) for mode in ("L", "RGB", "CMYK")],
    *[("TIFF", mode) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16")],
    *[("BMP", mode) for mode in ("1", "L", "P", "RGB")],
    *[("GIF", mode) for mode in ("L", "P", "P with alpha")],
    *[("WEBP", mode) for mode in ("RGB", "RGBA")],
    *[("PPM", mode) for mode in ("1", "L", "RGB", "I;16")],
    ("JPEG2000", "RGB"),
    ("AVIF", "RGB"),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("fmt", "mode"), CASES)
def test_every_format_and_mode_as_pillow_decodes_it(fmt: str, mode: str, channels: int) -> None:
    options = {"lossless": True} if fmt == "WEBP" else {}
    if "transparency" in in_mode(mode).info:
        options["transparency"] = in_mode(mode).info["transparency"]
    data = encode(in_mode(mode), fmt, **options)
    found, header = decode_info(data, ImageSpec(channels, 64, "fit"), LIMITS)
    want = reference(Image.open(BytesIO(data)), channels)
    top = (64 - H) // 2
    difference = np.abs(found[:, top : top + H].astype(int) - want)
    # JPEG decoders differ in how they enlarge the color planes; all else is exact but for rounding
    assert difference.mean() < (1.0 if fmt in ("JPEG", "AVIF") else 0.6)
    assert difference.max() <= (24 if fmt in ("JPEG", "AVIF") else 2)
    assert (header.height, header.width) == (H, W)
    assert not found[:, :top].any()
    assert not found[:, top + H :].any()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_mode_is_that_of_the_raw_file(mode: str) -> None:
    data = encode(in_mode(mode), "PNG")
    assert decode_info(data, ImageSpec(1, 8, "fit"), LIMITS).header.mode == Image.open(BytesIO(data)).mode == mode


def test_sixteen_bits_use_the_whole_range() -> None:
    image = np.full((8, 8), 65535, np.uint16)
    image[0] = 0
    image[1] = 32768
    pixels = decode(encode(Image.fromarray(image), "PNG"), ImageSpec(1, 8, "fit"), LIMITS)[0]
    assert pixels[:3, 0].tolist() == [0, 128, 255]


def test_color_png_of_sixteen_bits_and_alpha() -> None:
    import cv2

    rgba = picture().astype(np.uint16) * 257
    data = cv2.imencode(".png", rgba[..., [2, 1, 0, 3]])[1].tobytes()
    want = reference(Image.fromarray(picture()), 3)
    found = decode(data, ImageSpec(3, 64, "fit"), LIMITS)[:, 8:56]
    assert np.abs(found.astype(int) - want).max() <= 1


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_as_pillow_turns_it(orientation: int, fmt: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(picture()[..., :3])
    exact: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
    options = exact.get(fmt, {})
    data = encode(image, fmt, exif=exif.tobytes() if fmt != "TIFF" else exif, **options)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))))
    height, width = upright.shape[:2]
    assert (height > width) == (orientation >= 5)
    found = decode(data, ImageSpec(3, 64, "fit"), LIMITS).transpose(1, 2, 0)
    inner = found[(64 - height) // 2 :, (64 - width) // 2 :][:height, :width]
    assert np.abs(inner.astype(int) - upright).mean() < 1


def test_big_endian_exif() -> None:
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    data = encode(Image.fromarray(picture()[..., :3]), "JPEG", exif=exif)
    found = decode(data, ImageSpec(3, 64, "fit"), LIMITS)
    assert not found[:, :, :8].any()  # landscape became portrait: black at the left and right
    assert found[:, :8].any()


@pytest.mark.parametrize("exif", [b"", b"II", b"II*\x00\xff\xff\xff\xff", b"MM\x00*\x00\x00\x00\x08\xff\xff", b"garbage" * 9])
def test_damaged_exif_means_upright(exif: bytes) -> None:
    image = Image.fromarray(picture()[..., :3])
    data = encode(image, "JPEG", exif=b"Exif\x00\x00" + exif)
    assert np.array_equal(
        decode(data, ImageSpec(3, 64, "fit"), LIMITS), decode(encode(image, "JPEG"), ImageSpec(3, 64, "fit"), LIMITS)
    )


def overlaps(old: int, new: int) -> np.ndarray:
    """(new, old): the share of each old pixel in each new one, by area."""
    edges, pixel = np.arange(new + 1) * old / new, np.arange(old)
    covered = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.clip(covered, 0, None) * new / old


def shrunk(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.einsum("yh,hwc,xw->yxc", overlaps(image.shape[0], height), image, overlaps(image.shape[1], width), optimize=True)


def expected(image: np.ndarray, policy: str, size: int) -> np.ndarray:
    """The definition of each policy, with exact averages over areas."""
    height, width = image.shape[:2]
    if policy == "fit":
        inner = shrunk(image, round(height * size / max(height, width)), round(width * size / max(height, width)))
        out = np.zeros((size, size, 3))
        top, left = (size - inner.shape[0]) // 2, (size - inner.shape[1]) // 2
        out[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return out
    if policy == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    return shrunk(image, size, size)


@pytest.mark.parametrize("policy", ["fit", "crop", "stretch"])
@pytest.mark.parametrize(("height", "width"), [(300, 400), (400, 300), (257, 257)])
@pytest.mark.parametrize("fmt", ["PNG", "JPEG"])
def test_resize_policies(fmt: str, height: int, width: int, policy: str) -> None:
    data = encode(Image.fromarray(picture(height, width)[..., :3]), fmt, **({"quality": 95} if fmt == "JPEG" else {}))
    found = decode(data, ImageSpec(3, 32, policy), LIMITS).transpose(1, 2, 0)
    difference = np.abs(found - expected(np.asarray(Image.open(BytesIO(data))), policy, 32)).mean()
    # a JPEG is shrunk in steps of 1/8, and padded to whole pixels: that shifts it by up to half a pixel of the shrunk one
    assert difference < (2.5 if fmt == "JPEG" else 0.5)


@pytest.mark.parametrize("policy", ["fit", "crop", "stretch"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5000), (5000, 1), (3, 7), (40000, 2), (8, 9)])
def test_extreme_shapes(height: int, width: int, policy: str) -> None:
    for fmt in ("PNG", "JPEG"):
        data = encode(Image.fromarray(np.full((height, width), 200, np.uint8)), fmt)
        pixels = decode(data, ImageSpec(1, 64, policy), LIMITS)
        assert pixels.shape == (1, 64, 64)
        assert abs(int(pixels.max()) - 200) <= 1
        if policy != "fit":
            assert abs(int(pixels.min()) - 200) <= 1


def test_small_images_are_enlarged() -> None:
    data = encode(Image.fromarray(picture(8, 8)[..., :3]), "PNG")
    pixels = decode(data, ImageSpec(3, 64, "fit"), LIMITS)
    assert pixels[0, :, -1].min() > 150  # red grows to the right, up to the edge


@pytest.mark.parametrize("name", ["iCCP", "tEXt", "gAMA", "zzZz"])
def test_ancillary_chunks_change_nothing_and_are_not_printed(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    import struct
    import zlib

    plain = encode(Image.fromarray(picture()[..., :3]), "PNG")
    body = name.encode() + b"damaged \x00\x00 content"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    spec = ImageSpec(3, 64, "fit")
    assert np.array_equal(decode(plain[:33] + chunk + plain[33:], spec, LIMITS), decode(plain, spec, LIMITS))
    assert capfd.readouterr().err == ""


def test_within_a_side_an_image_keeps_its_shape_and_a_small_one_its_size() -> None:
    limits = DecodeLimits(1 << 24, 1 << 24)
    wide = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (100, 1)))
    buffer, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    wide.save(buffer, "JPEG", exif=exif)
    assert decode_within(buffer.getvalue(), 50, limits).shape == (50, 25, 3)
    assert decode_within(buffer.getvalue(), 400, limits).shape == (200, 100, 3)
