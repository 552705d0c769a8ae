"""What the search for near-duplicates knows of an image without its pixels. Letters: N images, C, S, S of one image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.data.phash import phash

THUMB = 4  # pixels, height = width of a thumbnail
BLOCK = 256  # images at a time: sums of bytes are made as int64


class Signatures(NamedTuple):
    """Of N images.

    phash: (N,) uint64 perceptual hashes. thumbs: (N, 16) uint8, means rounded down. digest: (N,) uint64, of all pixels.
    """

    phash: npt.NDArray[np.uint64]
    thumbs: npt.NDArray[np.uint8]
    digest: npt.NDArray[np.uint64]

    def take(self, rows: Any) -> Signatures:
        """Of some rows: numbers, a mask or a slice."""
        return Signatures(*(one[rows] for one in self))

    @classmethod
    def join(cls, parts: Sequence[Signatures]) -> Signatures:
        """Of all images of one or more parts."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def signatures(images: npt.NDArray[np.uint8]) -> Signatures:
    """Of (N, C, S, S) uint8 images, S a multiple of THUMB."""
    n, channels, size, _ = images.shape
    side = size // THUMB
    thumbs = np.zeros((n, THUMB * THUMB), np.uint8)
    for start in range(0, n, BLOCK):
        tiles = images[start : start + BLOCK].reshape(-1, channels, THUMB, side, THUMB, side)
        sums = tiles.sum(axis=(1, 3, 5), dtype=np.int64).reshape(len(tiles), -1)
        thumbs[start : start + BLOCK] = sums // (channels * side * side)
    digests = b"".join(hashlib.blake2b(one.tobytes(), digest_size=8).digest() for one in images)
    return Signatures(phash(images), thumbs, np.frombuffer(digests, "<u8").astype(np.uint64))


NOTHING = Signatures(np.empty(0, np.uint64), np.empty((0, THUMB * THUMB), np.uint8), np.empty(0, np.uint64))
