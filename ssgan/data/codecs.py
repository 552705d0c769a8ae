"""The fast codecs: PNG by OpenCV, JPEG by libjpeg-turbo (simplejpeg), binary netpbm by numpy.

What they cannot decode exactly right goes to Pillow (``codec_pillow``). Every codec reads the dimensions from the header
before it decodes, and refuses what is cut short or damaged: decoders like to hand out half a picture with gray below.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg

from ssgan.data import codec_pillow
from ssgan.data.raw import Pixels, Raw, check_pixels, to_eight_bits
from ssgan.data.rejections import Rejected

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNK = struct.Struct(">I4s")
_CRC = struct.Struct(">I")
_IHDR = struct.Struct(">IIBB")
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}

__all__ = ["PNG_SIGNATURE", "Raw", "decode_jpeg", "decode_netpbm", "decode_png"]


# --- PNG -------------------------------------------------------------------------------------------------------------


class _Png(NamedTuple):
    data: bytes  # only the critical chunks: ancillary ones (profiles, text) slow libpng down and make it write to stderr
    transparent: bool  # has a tRNS chunk
    orientation: int


def decode_png(data: bytes, channels: int, max_pixels: int) -> Raw:
    """Raises Rejected."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise Rejected("truncated", f"{len(data)} bytes; a PNG header alone has 33")
    width, height, depth, color = _IHDR.unpack_from(data, 16)
    check_pixels(height, width, max_pixels)
    png = _check_png(data)
    mode = _PNG_MODES.get(color, "?")
    if png.transparent:
        return codec_pillow.decode(data, "PNG", channels, max_pixels)
    if depth == 16:
        mode = {"L": "I;16"}.get(mode, mode)
    elif depth == 1 and color == 0:
        mode = "1"
    image = _opencv(png.data, channels, exact=depth == 16 or color in (4, 6))
    return Raw(image, height, width, mode, png.orientation)


def _check_png(data: bytes) -> _Png:
    """Walk the chunks up to IEND and verify their checksums. Raises Rejected (truncated, corrupt, animated)."""
    position, size = 8, len(data)
    extra, transparent, orientation = False, False, 1
    while position + 12 <= size:
        length, kind = _CHUNK.unpack_from(data, position)
        end = position + 12 + length
        if end > size:
            break
        if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise Rejected("corrupt", f"the checksum of PNG chunk {kind!r} at byte {position} is wrong")
        if kind == b"IEND":
            return _Png(_critical_chunks(data) if extra else data, transparent, orientation)
        if kind not in _CRITICAL:
            extra = True
            if kind == b"tRNS":
                transparent = True
            elif kind == b"eXIf":
                orientation = exif_orientation(data[position + 8 : end - 4])
            elif kind == b"acTL" and length >= 4 and _CRC.unpack_from(data, position + 8)[0] > 1:
                raise Rejected("animated", f"an animated PNG of {_CRC.unpack_from(data, position + 8)[0]} frames")
        position = end
    raise Rejected("truncated", f"the PNG ends after {size} bytes, without its IEND chunk")


def _critical_chunks(data: bytes) -> bytes:
    parts, position = [PNG_SIGNATURE], 8
    while True:
        length, kind = _CHUNK.unpack_from(data, position)
        end = position + 12 + length
        if kind in _CRITICAL:
            parts.append(data[position:end])
        if kind == b"IEND":
            return b"".join(parts)
        position = end


def _opencv(data: bytes, channels: int, exact: bool) -> Pixels:
    """Decode by OpenCV; ``exact``: keep 16 bits and alpha, and bring them to 8-bit gray or RGB here."""
    flag = cv2.IMREAD_UNCHANGED if exact else cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR_RGB
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
    return to_eight_bits(image, channels)


# --- JPEG ------------------------------------------------------------------------------------------------------------


def decode_jpeg(data: bytes, channels: int, max_pixels: int, least_size: Callable[[int, int], tuple[int, int]]) -> Raw:
    """``least_size`` maps the raw (height, width) to the size below which the decoder must not shrink. Raises Rejected."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        if "subsampling" in str(error) and _has_end(data):  # rare but legal; Pillow knows them
            return codec_pillow.decode(data, "JPEG", channels, max_pixels)
        raise _jpeg_rejection(data, error) from None
    check_pixels(height, width, max_pixels)
    if space in ("CMYK", "YCCK"):
        return codec_pillow.decode(data, "JPEG", channels, max_pixels)
    min_height, min_width = least_size(height, width)
    try:
        # strict: a warning of libjpeg (premature end, damaged data) is an error; otherwise it paints the rest gray
        image = simplejpeg.decode_jpeg(
            data, "GRAY" if channels == 1 else "RGB", min_height=min_height, min_width=min_width, strict=True
        )
    except ValueError as error:
        raise _jpeg_rejection(data, error) from None
    mode = "L" if space == "Gray" else "RGB"
    image = _without_padding(image[..., 0] if channels == 1 else image, height, width)
    return Raw(image, height, width, mode, _jpeg_orientation(data))


def _without_padding(image: Pixels, height: int, width: int) -> Pixels:
    """Drop the last row and column where the shrunk image covers less than half of them.

    257 pixels at 1/8 are handed out as 33, of which the last is padding but for 1/8: left in, it would shift the picture.
    """
    eighths = 8 * max(image.shape[:2]) // max(height, width)
    return image[: max(1, round(height * eighths / 8)), : max(1, round(width * eighths / 8))]


def _has_end(data: bytes) -> bool:
    return data.rfind(b"\xff\xd9") > 0


def _jpeg_rejection(data: bytes, error: ValueError) -> Rejected:
    reason = "truncated" if "Premature end" in str(error) or not _has_end(data) else "corrupt"
    return Rejected(reason, f"JPEG of {len(data)} bytes: {error}")


def _jpeg_orientation(data: bytes) -> int:
    """EXIF orientation of a JPEG that decodes: the first Exif segment before the scan; 1 where there is none."""
    position, size = 2, len(data)
    while position + 4 <= size and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xDA:
            break
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0xE1 and data.startswith(b"Exif\x00\x00", position + 4):
            return exif_orientation(data[position + 10 : position + 2 + length])
        position += 2 + length
    return 1


def exif_orientation(tiff: bytes) -> int:
    """Orientation (1-8) in an EXIF block that begins with its TIFF header; 1 where absent, damaged or out of range."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for i in range(count):
            tag, kind = struct.unpack_from(order + "HH", tiff, directory + 2 + 12 * i)
            if tag == 0x0112:
                (value,) = struct.unpack_from(order + ("I" if kind == 4 else "H"), tiff, directory + 10 + 12 * i)
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


# --- netpbm ----------------------------------------------------------------------------------------------------------

_NETPBM = re.compile(rb"P([56])\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,5})\s")


def decode_netpbm(data: bytes, channels: int, max_pixels: int) -> Raw:
    """Binary PGM and PPM, the form in which array data sets are read; other kinds by Pillow. Raises Rejected."""
    match = _NETPBM.match(data)
    if match is None or match[4] not in (b"255", b"65535"):
        return codec_pillow.decode(data, "PPM", channels, max_pixels)
    color = match[1] == b"6"
    width, height = int(match[2]), int(match[3])
    check_pixels(height, width, max_pixels)
    shape = (height, width, 3) if color else (height, width)
    dtype = np.dtype(np.uint8 if match[4] == b"255" else ">u2")
    expected = height * width * (3 if color else 1) * dtype.itemsize
    if len(data) - match.end() < expected:
        raise Rejected("truncated", f"{len(data) - match.end()} bytes of pixels, the header promises {expected}")
    image = np.frombuffer(data, dtype, expected // dtype.itemsize, match.end()).reshape(shape)
    mode = "RGB" if color else "L" if dtype.itemsize == 1 else "I;16"
    return Raw(to_eight_bits(image, channels), height, width, mode, 1)
