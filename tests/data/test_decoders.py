"""Every decoder against the pixels that were stored, and against other libraries, over generated files of every layout.

A file either comes out right or is refused as a mode or format that is not decoded; nothing is "corrupt", for none is.
"""

from __future__ import annotations

from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from ssgan.config import ImageSpec
from ssgan.data.decode import DecodeLimits, Rejected, decode_info, decode_within
from ssgan.data.opencv import cv2
from tests.support.image_files import H, Made, Samples, W, every
from tests.support.images import picture

LIMITS = DecodeLimits(1 << 26, 1 << 26)
FILES = every()
REFUSED = ("unsupported_mode", "unsupported_format")
MUST_DECODE = (
    "tiff 8 bits, 3 bands planar, rgb, lzw, <",
    "tiff 16 bits, 3 bands, rgb, plain, >",
    "tiff 16 bits, 4 bands, rgb, zlib, <",
    "tiff 16 bits, 1 bands, miniswhite, plain, <",
    "tiff 12 bits, 1 bands, minisblack, plain, <",
    "tiff 1 bits, 1 bands, miniswhite, plain, <",
    "tiff 8 bits, 2 bands, minisblack, plain, <",
    "jpeg 2000 jp2, 12 bits, 3 components",
    "jpeg 2000 j2k, 16 bits, 1 components",
    "jpeg 2000 jp2, 8 bits, 4 components",
    "jpeg lossless, 8 bits, 1 bands",
    "jpeg lossless, 8 bits, 3 bands",
)


def expected(made: Made) -> Samples:
    """(H, W, 3) float, by the definition: the range becomes 0-255, alpha is put on black."""
    assert made.white is not None
    peak = abs(made.white)
    values = made.pixels.reshape(H, W, -1).astype(float)
    values = values[..., :3] if values.shape[2] == 5 else values  # RGB and two bands that are no color
    color, alpha = (values[..., :-1], values[..., -1:] / peak) if values.shape[2] in (2, 4) else (values, 1.0)
    return np.broadcast_to((peak - color if made.white < 0 else color) * 255 / peak * alpha, (H, W, 3))


def ours(made: Made) -> Samples | str:
    """(H, W, 3) float, or the reason for which it is refused."""
    try:
        return decode_within(made.data, W, LIMITS).astype(float)
    except Rejected as why:
        return why.reason


@pytest.mark.parametrize("made", FILES, ids=lambda made: made.name)
def test_right_or_refused(made: Made, capfd: pytest.CaptureFixture[str]) -> None:
    found = ours(made)
    if isinstance(found, str):
        assert found in REFUSED
        assert made.name not in MUST_DECODE
        assert not made.name.startswith(("png", "netpbm", "webp"))
    else:
        assert np.abs(found - expected(made)).max() <= 1.5  # rounded for the range, of color and alpha, and for their product
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("made", FILES, ids=lambda made: made.name)
def test_gray_is_the_gray_of_the_colors(made: Made) -> None:
    found = ours(made)
    if isinstance(found, str):
        return
    gray = decode_info(made.data, ImageSpec(1, 24, "fit"), LIMITS)
    wide = decode_info(made.data, ImageSpec(3, 24, "fit"), LIMITS)
    luma = np.tensordot([0.299, 0.587, 0.114], wide.pixels.astype(float), 1)
    assert np.abs(gray.pixels[0] - luma).max() <= 2
    assert (gray.header.height, gray.header.width) == (H, W)
    assert wide.header.bits == gray.header.bits
    assert (gray.header.bits > 8) == (made.white is not None and abs(made.white) > 255)


def test_what_has_no_agreed_meaning_is_always_refused() -> None:
    odd = [made for made in FILES if made.white is None]
    assert {ours(made) if isinstance(ours(made), str) else made.name for made in odd} <= set(REFUSED)
    assert len(odd) > 50


def test_the_names_of_what_must_decode_are_those_of_files() -> None:
    assert set(MUST_DECODE) <= {made.name for made in FILES}


LOSSY = [*(f"jpeg {how}" for how in ("444", "420", "gray", "progressive", "cmyk")), "webp", "avif", "gif", "bmp 8", "bmp 32"]


def lossy(name: str) -> bytes:
    kind, _, how = name.partition(" ")
    image, out = Image.fromarray(picture(H * 4, W * 4)[..., :3]), BytesIO()
    modes = {"gray": "L", "cmyk": "CMYK", "8": "P", "32": "RGBA"}
    options = {"progressive": how == "progressive", "subsampling": 0 if how == "444" else 2} if kind == "jpeg" else {}
    image.convert(modes.get(how, "RGB")).save(out, kind.upper(), **options)
    return out.getvalue()


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_formats_as_two_other_libraries_decode_them(name: str) -> None:
    data = lossy(name)
    found = decode_within(data, W * 4, LIMITS).astype(float)
    assert np.abs(found - np.asarray(Image.open(BytesIO(data)).convert("RGB"))).mean() < 0.6
    if name == "jpeg cmyk":  # inks of Adobe are stored inverted, which only Pillow looks after
        return
    raw = np.frombuffer(data, np.uint8)
    second = imagecodecs.avif_decode(data) if name == "avif" else cv2.imdecode(raw, cv2.IMREAD_COLOR_RGB)
    assert np.abs(found - second).mean() < 0.6
