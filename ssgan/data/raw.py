"""What every codec hands out, and the conversions that they share."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ssgan.data.rejections import Rejected

Pixels = npt.NDArray[np.uint8]


class Raw(NamedTuple):
    """A decoded image before orientation and resize; the JPEG codec may already have shrunk ``image``."""

    image: Pixels  # (H, W) where the spec has one channel, (H, W, 3) RGB where it has three
    height: int  # pixels, by the header
    width: int
    mode: str
    orientation: int  # EXIF, 1-8; 1 is upright


def check_pixels(height: int, width: int, max_pixels: int) -> None:
    """Refuse decompression bombs before they are decoded. Raises Rejected."""
    if height <= 0 or width <= 0:
        raise Rejected("corrupt", f"the header says {width} x {height} pixels")
    if height * width > max_pixels:
        raise Rejected("too_many_pixels", f"{width} x {height} pixels; data.max_pixels is {max_pixels}")


def to_eight_bits(image: npt.NDArray[Any], channels: int) -> Pixels:
    """uint8 or uint16 (H, W), (H, W, 2 with alpha), (H, W, 3) or (H, W, 4 with alpha) to (H, W) or (H, W, 3) uint8."""
    if image.dtype.itemsize == 2:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.ndim == 3 and image.shape[2] in (2, 4):
        alpha = image[..., -1:].astype(np.uint16)
        image = ((image[..., :-1] * alpha + 127) // 255).astype(np.uint8)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if channels == 1 and image.ndim == 3:
        image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    elif channels == 3 and image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    return np.ascontiguousarray(image)
