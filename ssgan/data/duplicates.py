"""Groups of near-duplicates: images so alike that one of them in test and another in train would be a leak.

Equal pixels always make a group. Beyond that, the perceptual hash proposes a pair (at most ``bits`` of 64 differ) and the
pixels confirm it (root mean square difference of at most ``rmse`` gray levels). Groups are connected components.

It never compares all with all. The 64 bits are cut into ``bits + k`` bands: two hashes that differ in at most ``bits``
bits agree in k whole bands. So for every choice of k bands, images are put into buckets by these bands. Most images are alone
in theirs; the others are sorted by their mean gray level, and since levels that lie more than ``rmse`` apart rule a pair out,
each meets only its neighbors in the sorted order. A 4x4 thumbnail rules out most of what is left, before any pixel is read: a
mean over a block is a projection, so the thumbnails of a pair are never farther apart than its pixels.

With the defaults (4 bits, 6 levels), 32-pixel images of photographs that were saved again as JPEG, at half size, or cut one
pixel apart are found (all of 400); one that was made 5 % brighter every second time; a shift by a pixel *after* resizing is
not found.

The result is exact unless ``max_comparisons`` is hit (``images_cut_short`` > 0), so adding images only ever joins groups.

Letters: N images, B = C*S*S bytes of one image, M pairs. Memory: about 40 bytes for each image beside its signature, plus the
pairs; pixels of proposed pairs are read in blocks of BLOCK_BYTES.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, count, pairwise
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ssgan.config import MIB
from ssgan.data.signatures import THUMB, Signatures

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

MAX_COMPARISONS = 500_000_000  # of hashes, in total: about a minute
BLOCK_BYTES = 16 * MIB  # of pixels, as uint8, at a time
BATCH_PAIRS = 1 << 18  # proposed pairs that are confirmed at once
SLICE = 1 << 18  # images whose buckets are searched at once
REFRESH = 32  # rounds of the search until it looks again at which images were joined
SLACK = 1.0  # gray levels: thumbnails are rounded down to whole ones
LEVEL_BITS = 12  # of a level, the sum of a thumbnail
MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, bits well spread: multiplied by it, masked hashes differ in their first bits


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
    copies, originals = _equal(images.digest)
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


class PairSearch:
    """The search for pairs among N images, all but the copies of others: what is compared, and what was found so far.

    group: (N,) int32; the caller joins groups between two batches of proposals, and pairs within a group are no longer
        proposed. compared, proposed: pairs so far. cut_short: images that have neighbors which the budget left unseen.
    """

    def __init__(self, images: Signatures, copies: I64, bits: int, rmse: float) -> None:
        self.phash, self.thumbs, self.bits = images.phash, images.thumbs, bits
        self.window = rmse + SLACK
        self.is_copy = np.zeros(len(images.phash), np.bool_)
        self.is_copy[copies] = True
        self.level = self.thumbs.sum(axis=1, dtype=np.uint16)  # (N,) THUMB**2 times the mean
        self.group = np.arange(len(self.phash), dtype=np.int32)
        self.compared = 0
        self.proposed = 0
        self.cut_short = 0

    def proposals(self, budget: int) -> Iterator[I64]:
        """Pairs (M, 2) of rows that hash and thumbnails allow, each pair once, in batches of about BATCH_PAIRS."""
        bands, choices = _bands(self.bits)
        for done, choice in enumerate(choices):
            batch: list[I64] = []
            share = (budget - self.compared) // (len(choices) - done)  # what one choice spares is for the later ones
            for pairs in self._neighbors(sum(bands[i] for i in choice), share):
                for start in range(0, len(pairs), BATCH_PAIRS):
                    batch.append(self._allowed(pairs[start : start + BATCH_PAIRS], bands, choice))
                    if sum(map(len, batch)) >= BATCH_PAIRS:
                        yield self._count(batch)
                        batch = []
            if batch:
                yield self._count(batch)

    def _count(self, batch: list[I64]) -> I64:
        pairs = np.concatenate(batch)
        self.proposed += len(pairs)
        return pairs

    def _allowed(self, pairs: I64, bands: list[int], choice: tuple[int, ...]) -> I64:
        """Those of the pairs whose hashes and thumbnails are close, and that no earlier choice of bands has shown."""
        difference = self.phash[pairs[:, 0]] ^ self.phash[pairs[:, 1]]
        near = np.bitwise_count(difference) <= self.bits
        pairs = pairs[near][_first_choice(difference[near], bands, choice)]
        squares = (np.subtract(*(self.thumbs[pairs[:, i]] for i in (0, 1)), dtype=np.float32) ** 2).mean(axis=1)
        return pairs[np.sqrt(squares) <= self.window]

    def _neighbors(self, mask: int, budget: int) -> Iterator[I64]:
        """Pairs (M, 2) of one bucket and of different groups whose levels are close.

        One number for each image says it all: first bits of its mixed bucket, its level, its row; so one sort does it. Two
        buckets may come to lie together: their pairs agree in too few bits, and are dropped.
        """
        rows, levels = _row_bits(len(self.phash)), np.uint64(LEVEL_BITS)
        key = self.phash & np.uint64(mask)
        key *= MIX
        key >>= rows + levels
        key <<= levels
        key |= self.level
        key <<= rows
        key |= np.arange(len(key), dtype=np.uint32)
        key.sort()
        for part in _slices(key, rows + levels):
            found = _rows(part, _not_alone(part, rows + levels), rows)
            before = self.compared
            yield from self._rounds(found[~self.is_copy[found]], mask, budget)
            budget -= self.compared - before

    def _rounds(self, order: I64, mask: int, budget: int) -> Iterator[I64]:
        """Pairs (M, 2) out of rows that are sorted by bucket, then by level, in rounds.

        In each round every image meets the next one behind it in the sorted order. Runs of its own group are jumped
        over, so that thousands of frames of one scene cost little.
        """
        bucket, level = self.phash[order] & np.uint64(mask), self.level[order].astype(np.int64)
        left = np.flatnonzero(bucket[1:] == bucket[:-1])
        other = left + 1
        for turn in count():
            if turn % REFRESH == 0:
                group = self.group[order]
                run_end = _run_ends(group)
            own = group[left] == group[other]
            other[own] = run_end[other[own]]
            inside = other < len(order)
            left, other = left[inside], other[inside]
            near = (bucket[left] == bucket[other]) & (level[other] - level[left] <= self.window * THUMB**2)
            left, other = left[near], other[near]  # what lies behind the first one that is too far is farther still
            if not len(left) or len(left) > budget:
                break
            budget -= len(left)
            self.compared += len(left)
            yield np.stack([order[left], order[other]], axis=1)
            left, other = left[other + 1 < len(order)], other[other + 1 < len(order)] + 1
        self.cut_short = max(self.cut_short, len(left))


def _sharing(keys: U64) -> I64:
    """(M,) rows whose key another row has too, ordered by key, then ascending; some that are alone may be among them.

    A key gives up its last bits to the number of its row, so that one sort of N numbers does it.
    """
    bits = _row_bits(len(keys))
    keys = keys >> bits
    keys <<= bits
    keys |= np.arange(len(keys), dtype=np.uint32)
    keys.sort()
    return _rows(keys, _not_alone(keys, bits), bits)


def _row_bits(n: int) -> np.uint64:
    return np.uint64(max(1, (n - 1).bit_length()))


def _not_alone(keys: U64, bits: np.uint64) -> npt.NDArray[np.bool_]:
    """(N,) which of N sorted numbers agree with a neighbor in all but their last bits."""
    same = (keys[1:] ^ keys[:-1]) < np.uint64(1) << bits
    return np.append(same, False) | np.append(False, same)


def _rows(keys: U64, which: npt.NDArray[np.bool_], bits: np.uint64) -> I64:
    """The rows that some keys carry in their last bits."""
    return (keys[which] & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)


def _slices(keys: U64, bits: np.uint64) -> Iterator[U64]:
    """Sorted numbers, some SLICE at once; those that differ in the last bits only stay together."""
    start = 0
    while start < len(keys):
        stop = min(start + SLICE, len(keys))
        if stop < len(keys):
            behind = (int(keys[stop - 1]) >> int(bits)) + 1 << int(bits)
            stop = int(np.searchsorted(keys, np.uint64(behind))) if behind < 1 << 64 else len(keys)
        yield keys[start:stop]
        start = stop


def _equal(keys: U64) -> tuple[I64, I64]:
    """Rows whose key an earlier row has, and the first row with that key."""
    rows = _sharing(keys)
    rows = rows[np.lexsort((rows, keys[rows]))]
    same = keys[rows[1:]] == keys[rows[:-1]]
    starts = np.flatnonzero(np.append(True, ~same))[: len(rows)]
    later = np.flatnonzero(same) + 1
    return rows[later], rows[starts[np.searchsorted(starts, later, side="right") - 1]]


def _run_ends(group: I32) -> I64:
    """(N,) for each position the first one behind it that holds another group; N where there is none."""
    starts = np.flatnonzero(group[1:] != group[:-1]) + 1
    return np.repeat(np.append(starts, len(group)), np.diff(np.concatenate([[0], starts, [len(group)]])))


def _bands(bits: int) -> tuple[list[int], list[tuple[int, ...]]]:
    """Masks of ``bits + k`` bands that make up 64 bits, and every choice of k of them."""
    k = 2  # more bands to a choice: smaller buckets, but more choices
    edges = np.linspace(0, 64, bits + k + 1).round().astype(int).tolist()
    masks = [(1 << high) - (1 << low) for low, high in pairwise(edges)]
    return masks, list(combinations(range(len(masks)), k))


def _first_choice(difference: U64, bands: list[int], choice: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Whether ``choice`` is the first one that proposes a pair: of the bands up to its last one, just its own agree."""
    agree = [(difference & np.uint64(bands[i])) == 0 for i in range(choice[-1] + 1)]
    return np.logical_and.reduce([same if i in choice else ~same for i, same in enumerate(agree)])


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
