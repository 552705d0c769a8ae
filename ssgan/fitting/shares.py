"""Shares of the classes among unlabeled images: those with which self-training puts its boundary where no images are.

A classifier forced to shares that are not those of the images cuts through a cluster of them: its answers there are unsure, or
it contradicts the labels. Both are seen without knowing a class: the mean entropy of the answers on unlabeled images (entropy
minimization, Grandvalet & Bengio 2004) and the log loss of the labels. Shares are looked for between equal ones and beyond
those that the linear probe predicts, which errs on the side of equal ones:

    s(t) proportional to  q^t,  q the shares of the answers of the probe,  t in POWERS;  t = 0 are equal shares

Without evidence against them equal shares stay: others have to be better by the margin of ``EVIDENCE``. Margin and powers were
chosen on cats and dogs and CIFAR-10, label draws from 100 on (docs/results/harm.md).
"""

from __future__ import annotations

import numpy as np

from ssgan.fitting.linear import Floats, Ints, Linear, even, log_likelihoods, strength
from ssgan.fitting.self_training import learned

POWERS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
EVIDENCE = 0.88  # of the cost of equal shares
SOME, ROUNDS = 2_000, 5  # unlabeled images that are looked at, and rounds of self-training on them
LEAST = 0.04  # of an equal share: no class is thought away


def estimated_shares(x: Floats, y: Ints, unlabeled: Floats, classes: int, seed: int) -> Floats:
    """(L, P), (L,) and (U, P) -> (K,) shares that sum to 1."""
    c = strength(x, y, classes, seed)
    if len(unlabeled) > SOME:
        unlabeled = unlabeled[np.random.default_rng(seed).choice(len(unlabeled), SOME, replace=False)]
    answers = even(x, y, classes, c).logits(unlabeled).argmax(1)
    predicted = np.maximum(np.bincount(answers, minlength=classes) / len(unlabeled), LEAST / classes)
    found = [shares / shares.sum() for shares in (predicted**power for power in POWERS)]
    costs = np.array([cost(learned(x, y, unlabeled, shares, c, ROUNDS), x, y, unlabeled) for shares in found])
    costs[0] *= EVIDENCE
    return found[int(costs.argmin())]


def rounded(shares: Floats) -> list[float]:
    """For a summary."""
    return [round(float(share), 4) for share in shares]


def cost(model: Linear, x: Floats, y: Ints, unlabeled: Floats) -> float:
    """Mean entropy of the answers on unlabeled images plus the log loss of the labels, in nats."""
    from scipy.special import log_softmax

    log_p = log_softmax(model.logits(unlabeled), axis=1)
    return float(-(np.exp(log_p) * log_p).sum(1).mean() - log_likelihoods(model, x, y).mean())
