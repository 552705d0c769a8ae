"""Clusters of feature vectors, and the most typical images of each: what to label first where there is no model yet.

TypiClust (Hacohen et al. 2022, arXiv:2202.02794): with few labels, typical images of different clusters teach more than
uncertain ones. Letters: N images, P numbers of a vector, K clusters, M images of one cluster.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors

from ssgan.selection.scoring import F32, I64, Floats

NEIGHBORS = 20  # in the mean distance, as in the paper
MOST_CLUSTERS = 500  # as in the paper: more are too small to have typical images
FITTED_ON = 20_000  # images; more move the centers hardly
STARTS = 4  # of k-means; the best is kept
LARGEST = 5000  # images of a cluster among which typical ones are looked for: those nearest to its center


def cluster(vectors: F32, count: int, seed: int) -> I64:
    """(N, P) -> (N,) numbers of clusters from 0 to ``count`` - 1, by k-means."""
    means = KMeans(min(count, len(vectors)), n_init=STARTS, random_state=seed)
    sample = np.random.default_rng(seed).permutation(len(vectors))[:FITTED_ON]
    found: I64 = means.fit(vectors[np.sort(sample)]).predict(vectors).astype(np.int64)
    return found


def typical_first(vectors: F32, rows: I64) -> tuple[I64, Floats]:
    """(M,) rows of one cluster -> its rows with the most typical first, and how typical each is.

    Typical is who has many close neighbors: the inverse of the mean distance to the nearest NEIGHBORS of the cluster.
    """
    if len(rows) > LARGEST:
        distance = np.linalg.norm(vectors[rows] - vectors[rows].mean(0), axis=1)
        rows = np.sort(rows[np.argsort(distance, kind="stable")[:LARGEST]])
    if len(rows) < 2:
        return rows, np.zeros(len(rows))
    score = typicality(vectors[rows])
    order = np.argsort(-score, kind="stable")
    return rows[order], score[order]


def typicality(vectors: npt.NDArray[np.float32]) -> Floats:
    """(M, P) of one cluster, M > 1 -> (M,) 1 / mean distance to the nearest of the others (section 3.2 of the paper)."""
    near = NearestNeighbors(n_neighbors=min(NEIGHBORS, len(vectors) - 1)).fit(vectors)
    distances, _ = near.kneighbors()  # without the image itself
    out: Floats = 1 / np.maximum(distances.mean(axis=1), 1e-12)
    return out
