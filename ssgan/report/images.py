"""uint8 arrays to PNG bytes, data URIs and contact sheets. Letters: N images, C channels, S pixels."""

from __future__ import annotations

import base64
import io
import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from ssgan.report.inputs import U8

TILE = 96  # pixels on the page to which small images are enlarged
LOSSLESS_UP_TO = 96  # pixels; larger images go into the page as JPEG, a tenth of the size
SHOWN = 144  # pixels of the page: width of an original
GAP = 2  # pixels between the images of a sheet


def factor(size: int, target: int = TILE) -> int:
    """Whole number by which an image of ``size`` pixels is enlarged: no pixel gets wider than its neighbor."""
    return max(1, target // size)


def encode(image: U8, lossless: bool = True) -> bytes:
    """(C, H, W) uint8, C of 1 or 3, as PNG or JPEG."""
    array = np.ascontiguousarray(image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0))
    buffer = io.BytesIO()
    if lossless:
        Image.fromarray(array).save(buffer, "PNG", optimize=True)
    else:
        Image.fromarray(array).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def data_uri(image: U8, lossless: bool) -> str:
    """(C, H, W) uint8 as a data URI."""
    kind = "png" if lossless else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(encode(image, lossless)).decode()}"


class Picture(NamedTuple):
    """An image on a page. width: pixels of the page; small: a stored copy, enlarged, whose pixels should stay squares."""

    uri: str
    width: int
    small: bool


def picture(pixels: U8, original: bytes | None) -> Picture:
    """The original (JPEG) where there is one, else the stored (C, S, S) uint8."""
    if original is not None:
        return Picture(f"data:image/jpeg;base64,{base64.b64encode(original).decode()}", SHOWN, small=False)
    size = pixels.shape[-1]
    return Picture(data_uri(pixels, lossless=size <= LOSSLESS_UP_TO), size * factor(size), small=True)


def as_array(original: bytes) -> U8:
    """JPEG as (3, H, W) uint8."""
    return np.asarray(Image.open(io.BytesIO(original)).convert("RGB")).transpose(2, 0, 1)


def enlarge(image: U8, times: int) -> U8:
    """Nearest neighbor, by a whole number."""
    return image.repeat(times, axis=-2).repeat(times, axis=-1)


def sheet(images: U8, columns: int = 8) -> U8:
    """(N, C, S, S) uint8 with N > 0 -> (C, H, W): rows of ``columns`` images with a mid-gray gap of GAP pixels."""
    n, channels, size = images.shape[:3]
    columns = min(columns, n)
    step = size + GAP
    out = np.full((channels, math.ceil(n / columns) * step - GAP, columns * step - GAP), 128, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * step, i % columns * step
        out[:, top : top + size, left : left + size] = image
    return out
