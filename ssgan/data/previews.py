"""Small pictures of original files, for people: what training sees is often too small to tell a class by."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from PIL import Image

from ssgan.config import DataConfig
from ssgan.data.decode import DecodeLimits, decode_within
from ssgan.data.originals import originals
from ssgan.data.raw import Pixels
from ssgan.data.rejections import Rejected
from ssgan.errors import SsganError

SIDE = 256  # pixels: the longer side of a preview
LIMITS = DecodeLimits(sys.maxsize, sys.maxsize, "accept")  # ingest has accepted these very bytes


def preview(data: bytes, side: int, deep_bits: int | None = None) -> bytes:
    """JPEG of an ingested file, upright and whole, its longer side at most ``side`` pixels. Raises Rejected."""
    return _jpeg(decode_within(data, side, LIMITS, deep_bits))


def previews_of(config: DataConfig) -> Callable[[Sequence[str], Sequence[str]], list[bytes | None]]:
    """``previews`` of images of ``data.source``, by ids and paths."""
    return partial(
        previews, original=originals(config.source, config.max_file_bytes), stored=config.image_size, deep_bits=config.deep_bits
    )


def previews(
    ids: Sequence[str],
    paths: Sequence[str],
    original: Callable[[str], bytes],
    stored: int,
    deep_bits: int | None = None,
) -> list[bytes | None]:
    """A preview of each image; None where the stored copy shows as much, or the original is not to be had.

    Args:
        ids: sha256 of the files, hex; a file that has changed since is not shown.
        original: from a path within the source to the bytes of that file (``ssgan.data.originals``). A source that does not
            answer is not asked again.
        stored: side of the stored copies, pixels.
        deep_bits: ``data.deep_bits``.
    """
    found: list[bytes | None] = []
    answers = True
    for image, path in zip(ids, paths, strict=True):
        shown = None
        try:
            shown = _larger(original(path), image, stored, deep_bits) if answers else None
        except Rejected:
            pass  # this file is gone; others may be there
        except SsganError:
            answers = False
        found.append(shown)
    return found


def _larger(data: bytes, image: str, stored: int, deep_bits: int | None) -> bytes | None:
    if hashlib.sha256(data).hexdigest() != image:
        return None
    pixels = decode_within(data, SIDE, LIMITS, deep_bits)
    return _jpeg(pixels) if max(pixels.shape[:2]) > stored else None


def _jpeg(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
