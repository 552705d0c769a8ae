"""Label spreading (Zhou et al. 2004) over a nearest-neighbor graph of labeled and unlabeled images.

What it says of the unlabeled images becomes a linear classifier, so that new images need no graph.
"""

from __future__ import annotations

import numpy as np

from ssgan.fitting.linear import Floats, Ints, Linear, label_shares, logistic, strength

NEIGHBORS = 10
ALPHA = 0.9  # of what an image knows, the part that comes from its neighbors
ITERATIONS = 50
LARGEST_GRAPH = 20_000  # images: neighbors are searched among all of them


def label_spreading(x: Floats, y: Ints, unlabeled: Floats, shares: Floats, seed: int) -> Linear:
    """(L, P), (L,) and (U, P) -> a classifier; ``shares`` (K,) of the classes among the unlabeled images.

    As in ``self_training``, the classifier has the shares of the labels in the end.
    """
    classes = len(shares)
    c = strength(x, y, classes, seed)
    some = unlabeled[: max(0, LARGEST_GRAPH - len(x))]
    if not len(some):
        return logistic(x, y, classes, c)
    mass = spread(np.concatenate([x, some]), y, classes)[len(x) :]
    mass = mass / np.maximum(mass.sum(0), 1e-12) * shares  # class mass normalization (Zhu et al. 2003)
    p = mass / np.maximum(mass.sum(1, keepdims=True), 1e-12)
    known = mass.sum(1) > 1e-12  # the graph may not reach an image
    every, pseudo = np.concatenate([x, some[known]]), np.concatenate([y, p[known].argmax(1)])
    weight = np.concatenate([np.ones(len(x)), p[known].max(1)])
    have = np.bincount(pseudo, weight, minlength=classes) / weight.sum()
    return logistic(every, pseudo, classes, c, weight * (label_shares(y, classes) / np.maximum(have, 1e-9))[pseudo])


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
