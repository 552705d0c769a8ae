"""Image files as browsers show them: most as they are, the others as PNG of the same size."""

from __future__ import annotations

import io
import sys

import numpy as np
from PIL import Image

from ssgan.data import codec_png
from ssgan.data.decode import DecodeLimits, decode_within
from ssgan.data.previews import preview
from ssgan.data.raw import Pixels

SHOWN = (  # told by the first bytes, as ingest does: names of objects often say nothing
    (0, codec_png.PNG_SIGNATURE, "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypavi", "image/avif"),
    (0, b"BM", "image/bmp"),
)
ANY_SIZE = sys.maxsize  # pixels: ingest has accepted these very bytes
LIMITS = DecodeLimits(ANY_SIZE, ANY_SIZE, "accept")
SIDE = 320  # pixels: the longer side of an image on a sheet


def for_browser(data: bytes, deep_bits: int | None = None) -> tuple[str, bytes]:
    """Content type and bytes of an ingested file. Raises Rejected.

    What browsers do not show, or, for want of ``deep_bits`` (`data.deep_bits`), would show nearly black, becomes PNG, upright.
    """
    for offset, magic, kind in SHOWN:
        if data.startswith(magic, offset) and not (deep_bits and magic == codec_png.PNG_SIGNATURE and codec_png.is_deep(data)):
            return kind, data
    return "image/png", png(decode_within(data, ANY_SIZE, LIMITS, deep_bits))


def small(data: bytes, deep_bits: int | None = None) -> tuple[str, bytes]:
    """Content type and bytes of an ingested file, upright and shrunk for a sheet of many. Raises Rejected."""
    return "image/jpeg", preview(data, SIDE, deep_bits)


def png(pixels: Pixels) -> bytes:
    """(H, W) gray or (H, W, 3) RGB uint8."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return buffer.getvalue()
