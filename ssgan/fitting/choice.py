"""The choice among classifiers by folds of the labels: what costs nothing where unlabeled images do not help.

With few labels folds often tie. Then the one that gains most wins; what that costs on pools that are skewed, foreign or wrongly
labeled stands in docs/results/harm.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ssgan.fitting.linear import Floats, Ints, Linear, folds, probe
from ssgan.fitting.self_training import self_training
from ssgan.fitting.shares import estimated_shares
from ssgan.fitting.spreading import label_spreading

PROBE = "linear_probe"
WITHOUT_FOLDS = "label_spreading"  # where every class has one label

Fit = Callable[[Floats, Ints, Floats], Linear]  # labeled images (L, P), (L,), shares (K,) of the classes among unlabeled ones


class Choice(NamedTuple):
    """The classifier that was chosen."""

    name: str
    model: Linear
    accuracy: dict[str, float]  # of each candidate, on held-out labels
    shares: Floats  # (K,) estimated, of the classes among unlabeled images


def choose(x: Floats, y: Ints, unlabeled: Floats, classes: int, seed: int) -> Choice:
    """(L, P), (L,) and (U, P) -> the best of ``candidates`` on folds of the labels, fitted to all of them."""
    fits = candidates(unlabeled, seed)
    accuracy = scores(x, y, fits, lambda a, b: estimated_shares(a, b, unlabeled, classes, seed), seed)
    name, shares = best(accuracy, y), estimated_shares(x, y, unlabeled, classes, seed)
    return Choice(name, fits[name](x, y, shares), accuracy, shares)


def candidates(unlabeled: Floats, seed: int) -> dict[str, Fit]:
    """The first wins ties."""
    return {
        "self_training": lambda x, y, shares: self_training(x, y, unlabeled, shares, seed),
        "label_spreading": lambda x, y, shares: label_spreading(x, y, unlabeled, shares, seed),
        PROBE: lambda x, y, shares: probe(x, y, len(shares), seed),
    }


def scores(
    x: Floats, y: Ints, fits: Mapping[str, Fit], shares_of: Callable[[Floats, Ints], Floats], seed: int
) -> dict[str, float]:
    """Share of held-out labels that each gets right; empty where a class has one label."""
    pairs = list(folds(y, seed))
    if not pairs:
        return {}
    right = dict.fromkeys(fits, 0)
    for a, b in pairs:
        shares = shares_of(x[a], y[a])
        for name, fit in fits.items():
            right[name] += int((fit(x[a], y[a], shares).logits(x[b]).argmax(1) == y[b]).sum())
    return {name: count / len(y) for name, count in right.items()}


def best(scores: Mapping[str, float], y: Ints) -> str:
    """The one with the highest score, of equal ones the first.

    Without scores: where classes differ in their number of labels, the pool may be so skewed that nothing can be trusted, and
    it is the probe; else ``WITHOUT_FOLDS``.
    """
    if scores:
        return max(scores, key=scores.__getitem__)
    counts = np.bincount(y)
    return WITHOUT_FOLDS if len(set(counts[counts > 0])) == 1 else PROBE
