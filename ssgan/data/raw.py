"""What every codec is asked for and hands out, and the conversions that they share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.data.opencv import cv2
from ssgan.data.rejections import Rejected

Pixels = npt.NDArray[np.uint8]
HIGHEST = (1 << 16) - 1  # of 16 bits


class Request(NamedTuple):
    """What is wanted of a file, whatever its format.

    deep_bits: how many bits of a file of 16 bits are used; None: all. accept_damaged: take what decodes despite damage.
    """

    channels: int  # 1 or 3
    max_pixels: int
    deep_bits: int | None = None
    accept_damaged: bool = False

    def peak(self, highest: int) -> int:
        """The value that becomes 255, where the header says that values go up to ``highest``. 16 bits are but a container."""
        return (1 << self.deep_bits) - 1 if self.deep_bits and highest == HIGHEST else highest


class Raw(NamedTuple):
    """A decoded image before orientation and resize; the JPEG codec may already have shrunk ``image``."""

    image: Pixels  # (H, W) where one channel is asked for, (H, W, 3) RGB where three are
    height: int  # pixels, by the header
    width: int
    mode: str
    orientation: int = 1  # EXIF, 1-8; 1 is upright
    bits: int = 8  # of a sample, by the header
    damaged: bool = False  # it decodes, but some pixels are not those that were stored


def check_pixels(height: int, width: int, max_pixels: int) -> None:
    """Refuse decompression bombs before they are decoded. Raises Rejected."""
    if height <= 0 or width <= 0:
        raise Rejected("corrupt", f"the header says {width} x {height} pixels")
    if height * width > max_pixels:
        raise Rejected("too_many_pixels", f"{width} x {height} pixels; data.max_pixels is {max_pixels}")


def to_eight_bits(image: npt.NDArray[Any], request: Request, highest: int = HIGHEST, inverted: bool = False) -> Pixels:
    """(H, W), (H, W, 2 with alpha), (H, W, 3) or (H, W, 4 with alpha) to (H, W) or (H, W, 3) uint8; alpha is put on black.

    Args:
        image: uint8, or uint16 with values up to ``highest`` by the header.
        inverted: 0 is white; for uint16.

    Raises:
        Rejected: out_of_range, where values do not fit into ``request.deep_bits``; corrupt, where they are above ``highest``.
    """
    color, alpha = (image[..., :-1], image[..., -1:]) if image.ndim == 3 and image.shape[2] in (2, 4) else (image, None)
    if image.dtype.itemsize == 2:
        color = _scaled(color, request, highest, inverted)
        alpha = None if alpha is None else _rounded(alpha, highest)
    if alpha is not None:
        color = ((color * alpha.astype(np.uint16) + 127) // 255).astype(np.uint8)
    if color.ndim == 3 and color.shape[2] == 1:
        color = color[..., 0]
    if request.channels == 1 and color.ndim == 3:
        color = cv2.cvtColor(np.ascontiguousarray(color), cv2.COLOR_RGB2GRAY)
    elif request.channels == 3 and color.ndim == 2:
        color = np.repeat(color[..., None], 3, axis=2)
    return np.ascontiguousarray(color)


def _scaled(color: npt.NDArray[Any], request: Request, highest: int, inverted: bool) -> Pixels:
    peak, found = request.peak(highest), int(color.max(initial=0))
    if found > highest:
        raise Rejected("corrupt", f"values up to {found}; the header promises {highest} at most")
    if found > peak:
        raise Rejected(
            "out_of_range", f"values up to {found}, {found.bit_length()} bits; data.deep_bits is {request.deep_bits}"
        )
    return _rounded(peak - color if inverted else color, peak)


def _rounded(values: npt.NDArray[Any], peak: int) -> Pixels:
    """0 to ``peak`` becomes 0 to 255."""
    return ((values.astype(np.uint32) * 255 + peak // 2) // peak).astype(np.uint8)
