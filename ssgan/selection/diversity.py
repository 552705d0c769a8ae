"""Uncertain images that differ: from each other, and from all that is labeled already.

Letters: M candidates, L labeled images, F features, K classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan.data import duplicates
from ssgan.data.phash import phash
from ssgan.data.signatures import signatures
from ssgan.selection.scoring import F32, I64, Floats

U8 = npt.NDArray[np.uint8]
BLOCK = 4096  # rows of a matrix of hash differences at a time


class Chosen(NamedTuple):
    """Rows in the order in which they were chosen, each with its score and its distance at that moment."""

    rows: list[int]
    scores: list[float]
    distances: list[float]

    @classmethod
    def every(cls, n: int) -> Chosen:
        """All of n rows, as they are."""
        return cls(list(range(n)), [0.0] * n, [0.0] * n)


def best_first(score: Floats, group: I64, taken: set[int], wanted: int) -> Chosen:
    """Up to ``wanted`` of M candidates in their order, one of each group of near-duplicates and none of the taken ones."""
    rows: list[int] = []
    gone = set(taken)
    for row, one in enumerate(group.tolist()):
        if len(rows) < wanted and one not in gone:
            rows.append(row)
            gone.add(one)
    return Chosen(rows, score[rows].tolist(), [0.0] * len(rows))


def greedy(
    weight: Floats, features: F32, nearest: Floats, group: I64, taken: set[int], kind: I64, cap: int, wanted: int
) -> Chosen:
    """Choose up to ``wanted`` of M candidates, each time the one with the largest ``weight * distance``.

    The distance is that to the nearest of all images that are labeled or chosen: k-center greedy (Sener & Savarese 2018,
    arXiv:1708.00489, algorithm 1) with each distance weighted by how uncertain the image is, as BADGE weighs both in the
    length of a gradient (Ash et al. 2020, arXiv:1906.03671). Of equal ones the earlier candidate.

    Args:
        weight: (M,) >= 0.
        features: (M, F) of unit length.
        nearest: (M,) distance to the nearest labeled image; inf where none is.
        group: (M,) near-duplicates share a number; of each group one is chosen.
        taken: groups of which none may be chosen, for one of them is labeled.
        kind: (M,) predicted class; at most ``cap`` of each are chosen.
    """
    nearest = np.minimum(nearest, 2.0)  # the largest distance there is between unit vectors
    free = ~np.isin(group, list(taken))
    left = np.full(int(kind.max(initial=0)) + 1, cap)
    chosen = Chosen([], [], [])
    while len(chosen.rows) < wanted and free.any():
        score = np.where(free, weight * nearest, -1.0)
        row = int(score.argmax())
        chosen.rows.append(row)
        chosen.scores.append(float(score[row]))
        chosen.distances.append(float(nearest[row]))
        left[kind[row]] -= 1
        free &= group != group[row]
        if not left[kind[row]]:
            free &= kind != kind[row]
        cosine = (features @ features[row]).astype(np.float64)
        nearest = np.minimum(nearest, np.sqrt(np.maximum(2.0 - 2.0 * cosine, 0.0)))
    return chosen


def groups(pixels: U8, bits: int, rmse: float) -> I64:
    """(N, C, S, S) -> (N,) number of the group of near-duplicates an image belongs to, as ``split`` finds them."""
    return duplicates.find(signatures(pixels), pixels.reshape(len(pixels), -1), bits, rmse).group.astype(np.int64)


def alike(pixels: U8, others: U8, bits: int) -> npt.NDArray[np.bool_]:
    """(N,) which images have a perceptual hash within ``bits`` of one of the others: the only ones ``groups`` need look at."""
    hashes, theirs = phash(pixels), phash(others)
    found = np.zeros(len(hashes), np.bool_)
    for start in range(0, len(theirs), BLOCK):
        difference = np.bitwise_count(hashes[:, None] ^ theirs[None, start : start + BLOCK])
        found |= (difference <= bits).any(axis=1)
    return found
