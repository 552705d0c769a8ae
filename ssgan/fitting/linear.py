"""Logistic regression with an L2 penalty, whose strength folds of the labels choose: the linear probe of features."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # of C, the inverse penalty of scikit-learn, times P: vectors have length sqrt(P)
DEFAULT = 1.0  # where too few labels for folds
FOLDS = 5


class Linear(NamedTuple):
    """A linear classifier: logits = x @ weight + bias."""

    weight: Floats  # (P, K)
    bias: Floats  # (K,)

    def logits(self, x: Floats) -> Floats:
        """(N, P) -> (N, K)."""
        scores: Floats = x @ self.weight + self.bias
        return scores


def logistic(x: Floats, y: Ints, classes: int, strength: float, sample_weight: Floats | None = None) -> Linear:
    """Logistic regression on (N, P) vectors of classes (N,); a class without an image has a logit far below the others."""
    present = np.unique(y)
    weight, bias = np.zeros((x.shape[1], classes)), np.full(classes, -50.0)
    bias[present] = 0.0
    if len(present) == 1:
        return Linear(weight, bias)
    from sklearn.exceptions import ConvergenceWarning  # here: trainings on pixels should not wait for it
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength / x.shape[1], max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits of a classifier do not matter
        model.fit(x, y, sample_weight)
    if len(present) == 2:  # one logit stands for both
        weight[:, present] = np.stack([-model.coef_[0], model.coef_[0]], 1) / 2
        bias[present] = np.array([-1, 1]) * model.intercept_[0] / 2
    else:
        weight[:, present], bias[present] = model.coef_.T, model.intercept_
    return Linear(weight, bias)


def even(x: Floats, y: Ints, classes: int, strength: float) -> Linear:
    """Logistic regression in which every class that has a label weighs the same, however many labels it has."""
    return logistic(x, y, classes, strength, (len(y) / len(np.unique(y)) / np.bincount(y))[y])


def probe(x: Floats, y: Ints, classes: int, seed: int) -> Linear:
    """The linear probe: the strength with the lowest log loss on held-out folds of the labels."""
    return logistic(x, y, classes, strength(x, y, classes, seed))


def strength(x: Floats, y: Ints, classes: int, seed: int) -> float:
    """C * P with the lowest log loss on held-out folds; DEFAULT where a class has one label."""
    pairs = list(folds(y, seed))
    if not pairs:
        return DEFAULT
    losses = {
        one: sum(-log_likelihoods(logistic(x[a], y[a], classes, one), x[b], y[b]).sum() for a, b in pairs) for one in STRENGTHS
    }
    return min(losses, key=losses.__getitem__)


def folds(y: Ints, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """(rows to fit on, rows held out), stratified; none where a class has one label."""
    counts = np.bincount(y)
    number = min(FOLDS, int(counts[counts > 0].min(initial=FOLDS)))
    if number >= 2:
        from sklearn.model_selection import StratifiedKFold

        yield from StratifiedKFold(number, shuffle=True, random_state=seed).split(np.zeros(len(y)), y)


def label_shares(y: Ints, classes: int) -> Floats:
    """(K,) shares of the classes among labels."""
    return np.bincount(y, minlength=classes) / len(y)


def log_likelihoods(model: Linear, x: Floats, y: Ints) -> Floats:
    """(N,) log-probability of each label."""
    from scipy.special import log_softmax

    out: Floats = log_softmax(model.logits(x), axis=1)[np.arange(len(y)), y]
    return out
