"""Groups of near-duplicates: images so alike that one of them in test and another in train would be a leak.

Equal pixels always make a group. Beyond that, the perceptual hash proposes a pair (at most ``bits`` of 64 differ) and the
pixels confirm it (root mean square difference of at most ``rmse`` gray levels). Groups are connected components.

With the defaults (4 bits, 6 levels), 32-pixel images of photographs that were saved again as JPEG, at half size, or cut one
pixel apart are found (all of 400); one that was made 5 % brighter every second time; a shift by a pixel *after* resizing is
not found.

The result is exact unless ``max_comparisons`` is hit (``images_cut_short`` > 0), so adding images only ever joins groups.

Letters: N images, B = C*S*S bytes of one image, M pairs. Pixels of proposed pairs are read in blocks of BLOCK_BYTES.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ssgan.config import MIB
from ssgan.data import packed
from ssgan.data.pair_search import PairSearch
from ssgan.data.signatures import Signatures

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

MAX_COMPARISONS = 500_000_000  # of hashes, in total: about a minute
BLOCK_BYTES = 16 * MIB  # of pixels, as uint8, at a time


class DuplicateGroups(NamedTuple):
    """Groups and how they were found.

    group: (N,) int32; the lowest row of the group an image belongs to (its own row: alone).
    pairs: (M, 2) int64; pairs that were confirmed, equal pixels included. They connect every group; further pairs within
        a group are in it or not, as the search had no need to look at them.
    counts: for ``split.json``.
    """

    group: I32
    pairs: I64
    counts: dict[str, int]


class PixelRows(Protocol):
    """(N, B) uint8: an array, or what reads it from a disk."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: I64, /) -> npt.NDArray[np.uint8]:
        """(M, B) of (M,) rows."""


def find(
    images: Signatures, pixels: PixelRows, bits: int, rmse: float, max_comparisons: int = MAX_COMPARISONS
) -> DuplicateGroups:
    """Groups of near-duplicates among N images.

    Args:
        images: what is known of N images.
        pixels: (N, B); those of proposed pairs are read, and no others.
        bits: largest Hamming distance that proposes a pair.
        rmse: largest root mean square difference, in gray levels, that confirms it.
        max_comparisons: of two hashes, in total; a bound on time.
    """
    copies, originals = packed.equal(images.digest)
    confirmed = [np.stack([originals, copies], axis=1)]
    search = PairSearch(images, copies, bits, rmse)
    for pairs in search.proposals(max_comparisons):
        pairs = pairs[_close(pixels, pairs, rmse)]
        join(search.group, pairs)
        confirmed.append(np.sort(pairs, axis=1))
    group, pairs = search.group, np.concatenate(confirmed)
    group[copies] = group[originals]
    sizes = np.bincount(group)
    counts = {
        "images_with_equal_pixels": len(copies),
        "proposed_pairs": search.proposed,
        "confirmed_pairs": len(pairs),
        "groups": int((sizes > 1).sum()),
        "images_in_groups": int(sizes[sizes > 1].sum()),
        "largest_group": int(sizes.max()),
        "images_cut_short": search.cut_short,
    }
    return DuplicateGroups(group, pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], counts)


def join(group: I32, pairs: I64) -> None:
    """Merge, in place, the groups that the (M, 2) pairs connect; a group keeps the name of its lowest row."""
    while len(pairs):
        a, b = group[pairs[:, 0]], group[pairs[:, 1]]
        apart = a != b
        pairs, low, high = pairs[apart], np.minimum(a, b)[apart], np.maximum(a, b)[apart]
        np.minimum.at(group, high, low)  # the first row of the higher group points to the lower one
        while (group[group] != group).any():
            group[:] = group[group]


def _close(pixels: PixelRows, pairs: I64, rmse: float) -> npt.NDArray[np.bool_]:
    """(M,) whether the pixels confirm the (M, 2) pairs."""
    size = pixels.shape[1]
    step = max(1, BLOCK_BYTES // size)
    close = np.zeros(len(pairs), np.bool_)
    for start in range(0, len(pairs), step):
        part = pairs[start : start + step]
        # float64 holds these sums of squares exactly: the outcome does not depend on the order of summation
        difference = np.subtract(pixels[part[:, 0]], pixels[part[:, 1]], dtype=np.float64)
        close[start : start + step] = np.einsum("ij,ij->i", difference, difference) <= rmse * rmse * size
    return close
