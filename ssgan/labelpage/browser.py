"""Image files as browsers show them: most as they are, the others as PNG of the same size."""

from __future__ import annotations

import io
import sys

import numpy as np
from PIL import Image

from ssgan.data import codec_pillow, codecs
from ssgan.data.decode import PILLOW_FORMATS
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


def for_browser(data: bytes) -> tuple[str, bytes]:
    """Content type and bytes of an ingested file. TIFF, JPEG 2000 and netpbm become PNG, upright. Raises Rejected."""
    for offset, magic, kind in SHOWN:
        if data.startswith(magic, offset):
            return kind, data
    name = next((name for offset, magic, name in PILLOW_FORMATS if data.startswith(magic, offset)), None)
    if name is None:
        return "image/png", png(codecs.decode_netpbm(data, 3, ANY_SIZE).image)
    return "image/png", png(codec_pillow.decode(data, name, 3, ANY_SIZE).image)


def png(pixels: Pixels) -> bytes:
    """(H, W) gray or (H, W, 3) RGB uint8."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return buffer.getvalue()
