"""Image files as browsers show them: most as they are, the others as PNG of the same size."""

from __future__ import annotations

import io
import sys

import numpy as np
from PIL import Image

from ssgan.data import codec_pillow, codecs
from ssgan.data.decode import PILLOW_FORMATS, DecodeLimits, decode_within
from ssgan.data.raw import Pixels

SHOWN = (  # told by the first bytes, as ingest does: names of objects often say nothing
    (0, codecs.PNG_SIGNATURE, "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypavi", "image/avif"),
    (0, b"BM", "image/bmp"),
)
ANY_SIZE = sys.maxsize  # pixels: ingest has accepted these very bytes
LIMITS = DecodeLimits(ANY_SIZE, ANY_SIZE)
SIDE = 320  # pixels: the longer side of an image on a sheet


def for_browser(data: bytes) -> tuple[str, bytes]:
    """Content type and bytes of an ingested file. TIFF, JPEG 2000 and netpbm become PNG, upright. Raises Rejected."""
    for offset, magic, kind in SHOWN:
        if data.startswith(magic, offset):
            return kind, data
    name = next((name for offset, magic, name in PILLOW_FORMATS if data.startswith(magic, offset)), None)
    if name is None:
        return "image/png", png(codecs.decode_netpbm(data, 3, ANY_SIZE).image)
    return "image/png", png(codec_pillow.decode(data, name, 3, ANY_SIZE).image)


def small(data: bytes) -> tuple[str, bytes]:
    """Content type and bytes of an ingested file, upright and shrunk for a sheet of many. Raises Rejected."""
    buffer = io.BytesIO()
    Image.fromarray(decode_within(data, SIDE, LIMITS)).save(buffer, "JPEG", quality=88)
    return "image/jpeg", buffer.getvalue()


def png(pixels: Pixels) -> bytes:
    """(H, W) gray or (H, W, 3) RGB uint8."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return buffer.getvalue()
