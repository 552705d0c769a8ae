"""Label spreading (Zhou et al. 2004) over a nearest-neighbor graph of labeled and unlabeled images.

What it says of the unlabeled images becomes a linear classifier, so that new images need no graph.
"""

from __future__ import annotations

import numpy as np

from ssgan.fitting.linear import Floats, Ints, Linear, logistic, strength

NEIGHBORS = 10
ALPHA = 0.9  # of what an image knows, the part that comes from its neighbors
ITERATIONS = 50
LARGEST_GRAPH = 20_000  # images: neighbors are searched among all of them


def label_spreading(x: Floats, y: Ints, unlabeled: Floats, classes: int, seed: int) -> Linear:
    """(L, P), (L,) and (U, P) -> a classifier."""
    c = strength(x, y, classes, seed)
    some = unlabeled[: max(0, LARGEST_GRAPH - len(x))]
    if not len(some):
        return logistic(x, y, classes, c)
    mass = spread(np.concatenate([x, some]), y, classes)[len(x) :]
    mass = mass / np.maximum(mass.sum(0), 1e-12)  # equal mass for every class (Zhu et al. 2003, class mass normalization)
    p = mass / np.maximum(mass.sum(1, keepdims=True), 1e-12)
    known = p.max(1) > 1 / classes  # the graph may not reach an image
    every, pseudo = np.concatenate([x, some[known]]), np.concatenate([y, p[known].argmax(1)])
    weight = np.concatenate([np.ones(len(x)), p[known].max(1)])
    return logistic(every, pseudo, classes, c, weight)


def spread(x: Floats, y: Ints, classes: int) -> Floats:
    """(N, P) vectors of which the first have classes (L,) -> (N, K) what reaches each image of every class."""
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(x, min(NEIGHBORS, len(x) - 1))
    graph = graph.maximum(graph.T)
    scale = 1 / np.sqrt(np.maximum(np.asarray(graph.sum(1)).ravel(), 1e-12))
    walk = graph.multiply(scale[:, None]).multiply(scale[None, :]).tocsr()
    start = np.zeros((len(x), classes))
    start[np.arange(len(y)), y] = 1
    mass = start.copy()
    for _ in range(ITERATIONS):
        mass = ALPHA * (walk @ mass) + (1 - ALPHA) * start
    out: Floats = mass
    return out
