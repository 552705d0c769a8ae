"""PNG by OpenCV, its chunks checked before; by Pillow where transparency lies outside of an alpha channel.

Every chunk has a checksum. Wrong in a chunk that carries no pixels (text, a color profile), it is no flaw of the picture.
Wrong in compressed pixels, the file is damaged: it may still decode, with other pixels than those that were stored.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import numpy as np

from ssgan.data import codec_pillow
from ssgan.data.exif import exif_orientation
from ssgan.data.opencv import cv2
from ssgan.data.png_stream import repacked
from ssgan.data.raw import Pixels, Raw, Request, check_pixels, to_eight_bits
from ssgan.data.rejections import Rejected
from ssgan.wording import counted

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNK = struct.Struct(">I4s")
_NUMBER = struct.Struct(">I")
_IHDR = struct.Struct(">IIBB")
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_FOR_PILLOW = (*_CRITICAL, b"tRNS", b"eXIf")
# of the PNG specification, third edition: what a decoder may skip without a pixel being another one
_WITHOUT_PIXELS = (
    *(b"cHRM", b"cICP", b"gAMA", b"iCCP", b"mDCV", b"cLLI", b"sBIT", b"sRGB", b"bKGD", b"hIST", b"pHYs", b"sPLT"),
    *(b"tIME", b"iTXt", b"tEXt", b"zTXt"),
)
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}


class _Png(NamedTuple):
    data: bytes  # what libpng gets: ancillary chunks (profiles, text) slow it down and make it write to stderr
    transparent: bool  # has a tRNS chunk
    orientation: int
    damage: str  # where pixels have a wrong checksum; empty: nowhere


def is_deep(data: bytes) -> bool:
    """Whether a PNG has 16 bits."""
    return data[24:25] == b"\x10"


def decode(data: bytes, request: Request) -> Raw:
    """Raises Rejected."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise Rejected("truncated", f"{len(data)} bytes; a PNG header alone has 33")
    width, height, depth, color = _IHDR.unpack_from(data, 16)
    check_pixels(height, width, request.max_pixels)
    png = _checked(data)
    raw = _decoded(png, request, Raw(np.empty(0, np.uint8), height, width, _mode(depth, color), png.orientation, depth))
    if png.damage and not request.accept_damaged:
        raise Rejected("damaged", png.damage)
    return raw._replace(damaged=bool(png.damage))


def _mode(depth: int, color: int) -> str:
    mode = _MODES.get(color, "?")
    return {("L", 16): "I;16", ("L", 1): "1"}.get((mode, depth), mode)


def _decoded(png: _Png, request: Request, header: Raw) -> Raw:
    if png.transparent and header.bits < 16:
        return codec_pillow.decode(png.data, "PNG", request)
    if png.transparent:
        raise Rejected("unsupported_mode", "16 bits with one color for transparent; store an alpha channel, or 8 bits")
    image = _opencv(png.data, request, exact=header.bits == 16 or header.mode in ("LA", "RGBA"))
    return header._replace(image=image)


def _checked(data: bytes) -> _Png:
    """Walk the chunks up to IEND and verify their checksums. Raises Rejected (truncated, corrupt, animated)."""
    position, size = 8, len(data)
    plain, transparent, orientation, damage = True, False, 1, ""
    while position + 12 <= size:
        length, kind = _CHUNK.unpack_from(data, position)
        end = position + 12 + length
        if end > size:
            break
        if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            plain, wrong = False, f"the checksum of PNG chunk {kind!r} at byte {position} is wrong"
            if kind == b"IHDR":
                raise Rejected("corrupt", wrong)
            if kind not in _WITHOUT_PIXELS:  # or the name is wrong, and it was a chunk of pixels
                damage = damage or wrong
        if kind == b"IEND":
            return _Png(data if plain else _cleaned(data, transparent, bool(damage)), transparent, orientation, damage)
        if kind not in _CRITICAL:
            plain = False
            if kind == b"tRNS":
                transparent = True
            elif kind == b"eXIf":
                orientation = exif_orientation(data[position + 8 : end - 4])
            elif kind == b"acTL" and length >= 4 and _NUMBER.unpack_from(data, position + 8)[0] > 1:
                raise Rejected("animated", f"an animated PNG of {counted(_NUMBER.unpack_from(data, position + 8)[0], 'frame')}")
        position = end
    raise Rejected("truncated", f"the PNG ends after {size} bytes, without its IEND chunk")


def _cleaned(data: bytes, transparent: bool, damaged: bool) -> bytes:
    """The chunks that decide on pixels, with right checksums. Raises Rejected."""
    parts, position, pixels = [PNG_SIGNATURE], 8, b""
    kept = _FOR_PILLOW if transparent else _CRITICAL
    while True:
        length, kind = _CHUNK.unpack_from(data, position)
        end = position + 12 + length
        if damaged and kind == b"IDAT":
            pixels += data[position + 8 : end - 4]
        elif kind == b"IEND":
            packed = repacked(pixels, data[16:29]) if damaged else b""
            if packed is None:
                raise Rejected("corrupt", "the compressed pixels of the PNG are damaged or too few")
            return b"".join([*parts, *([_chunk(b"IDAT", packed)] if damaged else []), _chunk(b"IEND", b"")])
        elif kind in kept:
            parts.append(_chunk(kind, data[position + 8 : end - 4]))
        position = end


def _chunk(kind: bytes, content: bytes) -> bytes:
    return b"".join([_NUMBER.pack(len(content)), kind, content, _NUMBER.pack(zlib.crc32(kind + content))])


def _opencv(data: bytes, request: Request, exact: bool) -> Pixels:
    """Decode by OpenCV; ``exact``: keep 16 bits and alpha, and bring them to 8-bit gray or RGB here."""
    flag = cv2.IMREAD_UNCHANGED if exact else cv2.IMREAD_GRAYSCALE if request.channels == 1 else cv2.IMREAD_COLOR_RGB
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        raise Rejected("corrupt", f"OpenCV: {error.err}") from None
    if image is None:
        raise Rejected("corrupt", "the compressed pixels of the PNG are damaged or too few")
    if not exact:
        return image  # type: ignore[return-value]
    if image.ndim == 3:
        image = image[..., [2, 1, 0, 3][: image.shape[2]]]
    return to_eight_bits(image, request)
