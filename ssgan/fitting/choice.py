"""The choice among classifiers by folds of the labels: what costs nothing where unlabeled images do not help.

With few labels folds often tie. Then the one that gains most on balanced pools wins; on pools skewed 5 to 1 this order was not
measurably behind the probe (docs/results/photos.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ssgan.fitting.linear import Floats, Ints, Linear, folds, probe
from ssgan.fitting.self_training import self_training
from ssgan.fitting.spreading import label_spreading

PROBE = "linear_probe"
WITHOUT_FOLDS = "label_spreading"  # where a class has one label

Fit = Callable[[Floats, Ints], Linear]


def candidates(unlabeled: Floats, classes: int, seed: int) -> dict[str, Fit]:
    """The first wins ties."""
    equal = np.full(classes, 1 / classes)
    return {
        "self_training": lambda x, y: self_training(x, y, unlabeled, equal, seed),
        "label_spreading": lambda x, y: label_spreading(x, y, unlabeled, classes, seed),
        PROBE: lambda x, y: probe(x, y, classes, seed),
    }


def scores(x: Floats, y: Ints, fits: Mapping[str, Fit], seed: int) -> dict[str, float]:
    """Share of held-out labels that each gets right; empty where a class has one label."""
    pairs = list(folds(y, seed))
    if not pairs:
        return {}
    right = dict.fromkeys(fits, 0)
    for a, b in pairs:
        for name, fit in fits.items():
            right[name] += int((fit(x[a], y[a]).logits(x[b]).argmax(1) == y[b]).sum())
    return {name: count / len(y) for name, count in right.items()}


def best(scores: Mapping[str, float]) -> str:
    """The one with the highest score, of equal ones the first; ``WITHOUT_FOLDS`` where there is no score."""
    return max(scores, key=scores.__getitem__) if scores else WITHOUT_FOLDS
