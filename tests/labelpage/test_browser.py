"""What ingest accepts, a browser shows: as it is, or as PNG with the same pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ssgan.data.sources.arrays import netpbm
from ssgan.labelpage.browser import for_browser, small

PIXELS = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)


def written(kind: str, pixels: np.ndarray = PIXELS, **more: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **more)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "AVIF"])
def test_what_browsers_show_stays_as_it_is(kind: str) -> None:
    data = written(kind)
    assert for_browser(data) == (f"image/{kind.lower()}", data)


@pytest.mark.parametrize(
    "data",
    [
        written("TIFF"),
        written("JPEG2000", irreversible=False),
        netpbm(PIXELS),
        written("TIFF", np.ascontiguousarray(PIXELS[::-1]), tiffinfo={274: 4}),
    ],
    ids=["TIFF", "JPEG 2000", "PPM", "TIFF upside down"],
)
def test_the_others_become_png_of_the_same_pixels(data: bytes) -> None:
    kind, made = for_browser(data)
    image = Image.open(io.BytesIO(made))
    assert (kind, image.format) == ("image/png", "PNG")
    assert np.array_equal(np.asarray(image), PIXELS)


def test_images_of_array_data_sets_are_grey_or_color() -> None:
    image = Image.open(io.BytesIO(for_browser(netpbm(PIXELS[..., 0]))[1]))
    assert np.array_equal(np.asarray(image.convert("L")), PIXELS[..., 0])


def test_a_deep_file_is_shown_as_it_is_learned_from() -> None:
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 65
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    assert for_browser(out.getvalue()) == ("image/png", out.getvalue())
    shown = np.asarray(Image.open(io.BytesIO(for_browser(out.getvalue(), 12)[1])).convert("L"))
    assert np.abs(shown - values * (255 / 4095)).max() <= 0.5
    sheet = np.asarray(Image.open(io.BytesIO(small(out.getvalue(), 12)[1])).convert("L"))
    assert int(sheet.max()) > 240
    assert for_browser(written("PNG"), 12) == ("image/png", written("PNG"))
