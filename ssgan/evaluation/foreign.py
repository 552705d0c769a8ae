"""How many of the unlabeled images look like none that a person has named?

Seen by the distance of a feature vector to the nearest labeled one. Test images were drawn at random from those that belong to
a class; the pool is a mixture of such images and of a share f of foreign ones. With F the distributions of the distance,

    F_pool = (1 - f) F_test + f F_foreign,   so   F_test - F_pool = f (F_test - F_foreign) <= f   at every distance.

The largest difference is an estimate of f from below; minus what chance can do to two samples (Dvoretzky-Kiefer-Wolfowitz with
the constant of Massart 1990) it is a bound. Letters: L labeled, T test images, U unlabeled ones, P numbers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
LOOKED_AT = 2_000  # unlabeled images, and test images; more would make the bound hardly tighter


class Foreign(NamedTuple):
    """A share of the unlabeled images, in [0, 1]: as estimated, and what it is at least."""

    share: float
    at_least: float


def foreign_share(labeled: Vectors, test: Vectors, unlabeled: Vectors, confidence: float) -> Foreign:
    """From vectors (L, P), (T, P) and (U, P); ``confidence`` of the bound, in (0, 1)."""
    if not len(unlabeled):
        return Foreign(0.0, 0.0)
    known, pool = nearest(test, labeled), nearest(unlabeled, labeled)
    at = np.concatenate([known, pool])
    difference = float(np.max(_distribution(known, at) - _distribution(pool, at)))
    chance = sum(math.sqrt(math.log(2 / (1 - confidence)) / (2 * len(one))) for one in (known, pool))
    return Foreign(max(0.0, difference), max(0.0, difference - chance))


def nearest(x: Vectors, reference: Vectors) -> Vectors:
    """(N, P) and (L, P) -> (N,) distances to the nearest of the reference."""
    from sklearn.metrics import pairwise_distances_argmin_min

    out: Vectors = pairwise_distances_argmin_min(x, reference)[1]
    return out


def _distribution(sample: Vectors, at: Vectors) -> npt.NDArray[np.float64]:
    """Share of a sample that is not above each number."""
    out: npt.NDArray[np.float64] = np.searchsorted(np.sort(sample), at, side="right") / len(sample)
    return out
