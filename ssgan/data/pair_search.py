"""Which pairs of images may be near-duplicates, without comparing all with all.

The 64 bits of a perceptual hash are cut into ``bits + k`` bands: two hashes that differ in at most ``bits`` bits agree in k
whole bands. So for every choice of k bands, images are put into buckets by these bands. Most images are alone in theirs; the
others are sorted by their mean gray level, and since levels that lie more than ``rmse`` apart rule a pair out, each meets only
its neighbors in the sorted order. A 4x4 thumbnail rules out most of what is left, before any pixel is read: a mean over a block
is a projection, so the thumbnails of a pair are never farther apart than its pixels.

Letters: N images, M pairs. Memory: about 40 bytes for each image beside its signature, plus the pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, count, pairwise

import numpy as np
import numpy.typing as npt

from ssgan.data import packed
from ssgan.data.signatures import THUMB, Signatures

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

BATCH_PAIRS = 1 << 18  # proposed pairs that are confirmed at once
REFRESH = 32  # rounds of the search until it looks again at which images were joined
SLACK = 1.0  # gray levels: thumbnails are rounded down to whole ones
LEVEL_BITS = 12  # of a level, the sum of a thumbnail
MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, bits well spread: multiplied by it, masked hashes differ in their first bits


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
        rows, levels = packed.row_bits(len(self.phash)), np.uint64(LEVEL_BITS)
        key = self.phash & np.uint64(mask)
        key *= MIX
        key >>= rows + levels
        key <<= levels
        key |= self.level
        key <<= rows
        key |= np.arange(len(key), dtype=np.uint32)
        key.sort()
        for part in packed.slices(key, rows + levels):
            found = packed.rows(part, packed.not_alone(part, rows + levels), rows)
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
