"""Binary netpbm by numpy: the form in which array data sets are read. Other kinds by Pillow."""

from __future__ import annotations

import re

import numpy as np

from ssgan.data import codec_pillow
from ssgan.data.raw import Raw, Request, check_pixels, to_eight_bits
from ssgan.data.rejections import Rejected

_HEADER = re.compile(rb"P([56])%b(\d{1,9})%b(\d{1,9})%b(\d{1,5})\s" % ((rb"(?:\s|#[^\n]*\n)+",) * 3))


def decode(data: bytes, request: Request) -> Raw:
    """Raises Rejected."""
    match = _HEADER.match(data)
    if match is None or not (match[4] == b"255" or 255 < int(match[4]) < 1 << 16):
        return codec_pillow.decode(data, "PPM", request)
    color, highest = match[1] == b"6", int(match[4])
    width, height = int(match[2]), int(match[3])
    check_pixels(height, width, request.max_pixels)
    shape = (height, width, 3) if color else (height, width)
    dtype = np.dtype(np.uint8 if highest == 255 else ">u2")
    expected = height * width * (3 if color else 1) * dtype.itemsize
    if len(data) - match.end() < expected:
        raise Rejected("truncated", f"{len(data) - match.end()} bytes of pixels, the header promises {expected}")
    image = np.frombuffer(data, dtype, expected // dtype.itemsize, match.end()).reshape(shape)
    mode = "RGB" if color else "L" if dtype.itemsize == 1 else "I;16"
    bits = highest.bit_length()
    return Raw(to_eight_bits(image, request, highest=highest), height, width, mode, bits=bits)
