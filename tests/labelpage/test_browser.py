"""What ingest accepts, a browser shows: as it is, or as PNG with the same pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ssgan.data.sources.arrays import netpbm
from ssgan.labelpage.browser import for_browser

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
