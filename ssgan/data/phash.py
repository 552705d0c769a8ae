"""A 64-bit perceptual hash: images that look alike have hashes that differ in few bits.

DCT hash (pHash; Zauner 2010, "Implementation and benchmarking of perceptual image hash functions"): the 8 x 8 lowest
frequencies of the gray image, each compared with their median. The cosines are rounded to integers, so that every sum is
an integer below 2**53 and exact in float64: the hash is the same on every machine, whatever the order of summation.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

SIDE = 8  # frequencies per axis; SIDE**2 = 64 bits
BLOCK_PIXELS = 1 << 16  # worked on at once: half a megabyte of float64 stays in the cache
_SCALE = 1 << 12  # of the integer cosines: 255 * (2**12)**2 * 256**2 < 2**53


@lru_cache(maxsize=8)
def _cosines(size: int) -> npt.NDArray[np.float64]:
    """(SIDE, size) integer-valued DCT-II basis."""
    frequency, position = np.arange(SIDE)[:, None], np.arange(size)[None, :]
    return np.rint(_SCALE * np.cos(np.pi * frequency * (2 * position + 1) / (2 * size)))


def phash(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """(N, C, S, S) uint8 with C of 1 or 3 and 8 <= S <= 256 to (N,) uint64.

    Bit 63 - (8 v + u) tells whether frequency (v, u) lies above the median. An image of one color has hash 2**63, or 0
    where it is black.
    """
    n, _, size, _ = images.shape
    block = max(1, BLOCK_PIXELS // size**2)
    hashes = [_phash(images[start : start + block]) for start in range(0, n, block)]
    return np.concatenate([np.zeros(0, np.uint64), *hashes])


def _phash(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    n, channels, size, _ = images.shape
    if channels == 1:
        gray = images[:, 0]
    else:
        red, green, blue = (images[:, c].astype(np.uint16) for c in range(3))
        gray = ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.uint8)  # fits: 256 * 255 < 2**16
    basis = _cosines(size)
    rows = gray.reshape(n * size, size).astype(np.float64) @ basis.T  # (N S, SIDE): frequencies along x
    spectrum = np.matmul(basis, rows.reshape(n, size, SIDE)).reshape(n, SIDE * SIDE)
    ranked = np.sort(spectrum, axis=1)
    median = (ranked[:, 31:32] + ranked[:, 32:33]) / 2
    return np.packbits(spectrum > median, axis=1).view(">u8")[:, 0].astype(np.uint64)
