"""The careful codec: Pillow, for formats and modes that the fast codecs do not decode exactly right.

GIF, WebP, BMP, AVIF, odd netpbm, most of TIFF and JPEG 2000 (``codec_tiff``, ``codec_jpeg2000``); CMYK and oddly subsampled
JPEG; PNG with transparency outside an alpha channel.
"""

from __future__ import annotations

import logging
import warnings
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ssgan.data.raw import HIGHEST, Raw, Request, check_pixels, to_eight_bits
from ssgan.data.rejections import Rejected
from ssgan.wording import counted

# What Pillow has to say stands in the reason of a rejection, beside the file's name. On stderr no name would stand beside it.
logging.getLogger("PIL").addHandler(logging.NullHandler())
warnings.filterwarnings("ignore", module=r"PIL\.")

_DIRECT = ("L", "LA", "RGB", "RGBA", "I;16")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes
_TRUNCATED = ("truncated", "premature", "not enough", "unexpected end", "too short", "eof")


def decode(
    data: bytes, name: str, request: Request, page: int | None = None, highest: int = HIGHEST, inverted: bool = False
) -> Raw:
    """Decode ``data`` by Pillow's codec ``name``. Raises Rejected.

    Args:
        page: which one; None: the only one.
        highest, inverted: of gray values of more than 8 bits, as in ``to_eight_bits``.
    """
    _check_frame(data, name)
    try:
        with Image.open(BytesIO(data), formats=[name]) as image:
            return decode_image(image, request, page, highest, inverted)
    except Rejected:
        raise
    except UnidentifiedImageError:
        raise Rejected("not_an_image", f"begins like {name}, but is none (or ends within its header)") from None
    except Image.DecompressionBombError as error:
        raise Rejected("too_many_pixels", str(error)) from None
    except Exception as error:  # Pillow's plugins raise whatever the damage led them to, from SyntaxError to KeyError
        text = f"{type(error).__name__}: {error}"
        reason = "truncated" if any(word in text.lower() for word in _TRUNCATED) else "corrupt"
        raise Rejected(reason, f"{name} of {len(data)} bytes: {text}") from None


def _check_frame(data: bytes, name: str) -> None:
    """What Pillow does not insist on: the end of the file, and more than two letters at its beginning. Raises Rejected."""
    if name == "BMP" and int.from_bytes(data[14:18], "little") not in _BMP_HEADERS:
        raise Rejected("not_an_image", "begins with BM like a bitmap, but its header is none")
    if name == "GIF" and not _gif_is_whole(data):
        raise Rejected("truncated", f"the GIF ends after {len(data)} bytes, without its trailer")
    if name == "WEBP" and len(data) < int.from_bytes(data[4:8], "little") + 8:
        raise Rejected("truncated", f"{len(data)} bytes; the header of the WebP promises more")


def _gif_is_whole(data: bytes) -> bool:
    """Whether its blocks lead to the trailer; what lies behind it is of no use to anyone."""
    position = 13 + _color_table(data[10:11])
    while data[position : position + 1] in (b"!", b","):
        if data[position] == ord("!"):
            position += 2
        else:
            position += 11 + _color_table(data[position + 9 : position + 10])
        while (length := int.from_bytes(data[position : position + 1], "big")) and position < len(data):
            position += 1 + length
        position += 1
    return data[position : position + 1] == b";"


def _color_table(flags: bytes) -> int:
    """Bytes of the table that follows."""
    bits = int.from_bytes(flags, "big")
    return 3 << (bits & 7) + 1 if bits & 0x80 else 0


def decode_image(
    image: Image.Image, request: Request, page: int | None = None, highest: int = HIGHEST, inverted: bool = False
) -> Raw:
    """What Pillow has opened or holds in memory, upright. Raises Rejected."""
    if page:
        image.seek(page)
    width, height = image.size
    check_pixels(height, width, request.max_pixels)
    frames = getattr(image, "n_frames", 1)
    if page is None and frames > 1 and image.format != "MPO":
        raise Rejected("animated", f"{counted(frames, 'frame or page', 'frames or pages')}")
    mode = image.mode
    image.load()
    # exif_transpose and not our own: Pillow has already turned TIFF upright while loading it, and dropped the tag
    array = _to_array(ImageOps.exif_transpose(image))
    bits = highest.bit_length() if array.dtype == np.uint16 else 8
    return Raw(to_eight_bits(array, request, highest, inverted), height, width, mode, bits=bits)


def _to_array(image: Image.Image) -> npt.NDArray[Any]:
    """uint8 or uint16, gray, gray + alpha, RGB or RGBA. Raises Rejected for modes without an agreed meaning."""
    if image.mode in ("F", "I"):
        raise Rejected("unsupported_mode", f"mode {image.mode} (32-bit values) has no agreed range; store 8 or 16 bits")
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode == "LAB":
        raise Rejected("unsupported_mode", "colors are stored as CIELAB; convert the file to RGB")
    if image.has_transparency_data:
        return np.asarray(image.convert("RGBA"))
    if image.mode not in _DIRECT:
        image = image.convert("L" if image.mode == "1" else "RGB")
    return np.asarray(image)
