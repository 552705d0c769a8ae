"""JPEG 2000: Pillow for 8 bits, OpenCV for more, of which Pillow lets white wrap around to black.

Other depths, signed values and, above 8 bits, anything but plain gray, RGB and RGBA are refused.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from ssgan.data import codec_pillow
from ssgan.data.opencv import cv2
from ssgan.data.raw import Raw, Request, check_pixels, to_eight_bits
from ssgan.data.rejections import Rejected
from ssgan.wording import counted

_CODESTREAM = b"\xff\x4f\xff\x51"  # its first two markers: SOC, SIZ
_END = b"\xff\xd9"
_SIZ = struct.Struct(">HH8IH")
_PLAIN_COLORS = (16, 17)  # numbers of sRGB and gray in a box `colr`


class _Header(NamedTuple):
    """What the header says."""

    height: int
    width: int
    bits: set[int]  # of the components
    components: int
    plain: bool  # gray, RGB or RGBA, no palette, all components of one size
    signed: bool


def decode(data: bytes, request: Request) -> Raw:
    """Raises Rejected."""
    header = _header(data)
    if header is None:  # Pillow says what is wrong with it
        return codec_pillow.decode(data, "JPEG2000", request)
    check_pixels(header.height, header.width, request.max_pixels)
    deepest = max(header.bits)
    if header.signed or min(header.bits) < 8 or deepest > 16 or (deepest > 8 and not (header.plain and len(header.bits) == 1)):
        sign = " signed" if header.signed else ""
        bits = " and ".join(map(str, sorted(header.bits)))
        told = f"JPEG 2000 of {counted(header.components, 'component')} of {bits}{sign} bits"
        raise Rejected("unsupported_mode", f"{told}; convert it to PNG or TIFF")
    return codec_pillow.decode(data, "JPEG2000", request) if deepest == 8 else _opencv(data, header, deepest, request)


def _header(data: bytes) -> _Header | None:
    """None where it is cut short."""
    start = data.find(_CODESTREAM)
    try:
        _, _, x1, y1, x0, y0, *_, count = _SIZ.unpack_from(data, start + 4)
        sizes = [struct.unpack_from("BBB", data, start + 4 + _SIZ.size + 3 * i) for i in range(count)]
    except struct.error:
        return None
    if start < 0 or not sizes:
        return None
    boxes, bits = data[:start], {(depth & 0x7F) + 1 for depth, _, _ in sizes}
    color = boxes.find(b"colr\x01")
    enumerated = int.from_bytes(boxes[color + 7 : color + 11], "big") if color >= 0 else _PLAIN_COLORS[0]
    plain = count in (1, 3, 4) and enumerated in _PLAIN_COLORS and b"pclr" not in boxes
    plain = plain and all((dx, dy) == (1, 1) for _, dx, dy in sizes)
    return _Header(y1 - y0, x1 - x0, bits, count, plain, any(depth & 0x80 for depth, _, _ in sizes))


def _opencv(data: bytes, header: _Header, bits: int, request: Request) -> Raw:
    if _END not in data:  # no compressed pixels hold these bytes; OpenJPEG paints what is missing
        raise Rejected("truncated", f"the JPEG 2000 ends after {len(data)} bytes, without its end marker")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise Rejected("corrupt", f"OpenCV: {error.err}") from None
    if image is None or image.dtype != np.uint16 or (1 if image.ndim == 2 else image.shape[2]) != header.components:
        raise Rejected("corrupt", "the compressed pixels of the JPEG 2000 are damaged")
    if image.ndim == 3:
        image = image[..., [2, 1, 0, 3][: image.shape[2]]]
    mode = {1: "I;16", 3: "RGB", 4: "RGBA"}[header.components]
    return Raw(to_eight_bits(image, request, (1 << bits) - 1), header.height, header.width, mode, bits=bits)
