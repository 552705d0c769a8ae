"""JPEG by libjpeg-turbo (simplejpeg), shrunk while it is decoded; CMYK and rare subsampling by Pillow.

libjpeg warns of what is not as it should be, and goes on: it paints what is missing gray. Here a warning is an error, except
for two flaws that leave every pixel as it was stored: they are mended in a copy, which is decoded as strictly again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import simplejpeg

from ssgan.data import codec_pillow
from ssgan.data.exif import exif_orientation
from ssgan.data.raw import Pixels, Raw, Request, check_pixels, to_eight_bits
from ssgan.data.rejections import Rejected

LeastSize = Callable[[int, int], tuple[int, int]]
Segment = tuple[int, int, int]  # marker, start, end

_START_OF_SCAN, _END, _APP1 = 0xDA, b"\xff\xd9", 0xE1
_FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_SEQUENTIAL = (0xC0, 0xC1)
_FILLER = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_LOSSLESS = "color conversion"  # what libjpeg says of a lossless JPEG that is to come out as gray or as color
MOST_FLAWS = 3  # mended in one file


def decode(data: bytes, request: Request, least_size: LeastSize) -> Raw:
    """``least_size`` maps the raw (height, width) to the size below which the decoder must not shrink. Raises Rejected."""
    mended = data
    for _ in range(MOST_FLAWS):
        try:
            return _decoded(mended, request, least_size, strict=True)
        except Rejected:
            raise
        except ValueError as warning:
            first = str(warning)
        again = _mended(mended, first)
        if again is None:
            break
        mended = again
    return _despite(mended, first, request, least_size)


def _despite(data: bytes, warning: str, request: Request, least_size: LeastSize) -> Raw:
    """What there is despite damage. Raises Rejected."""
    told = f"JPEG of {len(data)} bytes: {warning}"
    if "Premature end of JPEG" in warning or data.find(_END, _first_scan(data)) < 0:
        raise Rejected("truncated", told)
    try:
        raw = _decoded(data, request, least_size, strict=False)
    except Rejected:
        raise
    except ValueError:
        raise Rejected("corrupt", told) from None
    if not request.accept_damaged:
        raise Rejected("damaged", told)
    return raw._replace(damaged=True)


def _decoded(data: bytes, request: Request, least_size: LeastSize, strict: bool) -> Raw:
    """Raises ValueError with libjpeg's first complaint, Rejected."""
    segments = _segments(data)
    _check_precision(data, segments)
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        if "subsampling" in str(error) and data.find(_END, _first_scan(data)) > 0:  # rare but legal; Pillow knows them
            return codec_pillow.decode(data, "JPEG", request)
        raise
    check_pixels(height, width, request.max_pixels)
    if space in ("CMYK", "YCCK"):
        simplejpeg.decode_jpeg(data, "CMYK", min_height=1, min_width=1, min_factor=8, strict=strict)  # Pillow hears no warning
        return codec_pillow.decode(data, "JPEG", request)
    min_height, min_width = least_size(height, width)
    wanted, how = "GRAY" if request.channels == 1 else "RGB", {"min_height": min_height, "min_width": min_width}
    try:
        image = simplejpeg.decode_jpeg(data, wanted, strict=strict, **how)
        image = image[..., 0] if request.channels == 1 else image
    except ValueError as error:
        if _LOSSLESS not in str(error):
            raise
        image = to_eight_bits(simplejpeg.decode_jpeg(data, "GRAY" if space == "Gray" else "RGB", strict=strict, **how), request)
    mode = "L" if space == "Gray" else "RGB"
    return Raw(_without_padding(image, height, width), height, width, mode, _orientation(data, segments))


def _without_padding(image: Pixels, height: int, width: int) -> Pixels:
    """Drop the last row and column where the shrunk image covers less than half of them.

    257 pixels at 1/8 are handed out as 33, of which the last is padding but for 1/8: left in, it would shift the picture.
    """
    eighths = 8 * max(image.shape[:2]) // max(height, width)
    return image[: max(1, round(height * eighths / 8)), : max(1, round(width * eighths / 8))]


# --- segments --------------------------------------------------------------------------------------------------------


def _segments(data: bytes) -> list[Segment]:
    """Every segment up to the first scan, whose header is the last; a damaged rest is left out."""
    found: list[Segment] = []
    position, size = 2, len(data)
    while position + 4 <= size and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        found.append((marker, position, end))
        if marker == _START_OF_SCAN:
            break
        position = end
    return found


def _first_scan(data: bytes) -> int:
    """Where it begins, or all ends that can be read of the header: a thumbnail before it has an end of its own."""
    return max((end for _, _, end in _segments(data)), default=2)


def _check_precision(data: bytes, segments: list[Segment]) -> None:
    """Raises Rejected."""
    for marker, start, _ in segments:
        if marker in _FRAMES and data[start + 4 : start + 5] not in (b"\x08", b""):
            raise Rejected("unsupported_mode", f"a JPEG of {data[start + 4]} bits; convert it to PNG or TIFF of 16 bits")


def _orientation(data: bytes, segments: list[Segment]) -> int:
    """EXIF orientation: the first Exif segment before the scan; 1 where there is none."""
    for marker, start, end in segments:
        if marker == _APP1 and data.startswith(b"Exif\x00\x00", start + 4):
            return exif_orientation(data[start + 10 : end])
    return 1


def _mended(data: bytes, warning: str) -> bytes | None:
    """The same without the flaw that libjpeg warns of, where it is one that no pixel hangs on; else None."""
    if "Invalid SOS parameters" in warning:
        return _with_whole_scans(data)
    filler = _FILLER.search(warning)
    end = data.find(_END, _first_scan(data))
    if filler and not any(data[end - int(filler[1]) : end]):  # what a damaged scan leaves behind is not all zeros
        return data[: end - int(filler[1])] + data[end:]
    return None


def _with_whole_scans(data: bytes) -> bytes | None:
    """A sequential JPEG has whole blocks in every scan, whatever some phones write into the scan's header."""
    if not any(marker in _SEQUENTIAL for marker, _, _ in _segments(data)):
        return None
    out, position = bytearray(data), _segments(data)[-1][1]
    while position >= 0:
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        out[end - 3 : end] = b"\x00\x3f\x00"
        position = data.find(b"\xff\xda", end)
    return bytes(out) if len(out) == len(data) else None
