"""Self-training: a classifier's surest answers on unlabeled images become labels of the next one, more of them every round.

Lee 2013 (Pseudo-Label) with a linear classifier; the answers of each round are brought to given class shares (distribution
alignment, Berthelot et al. 2020), without which the class that is easier to see takes over.
"""

from __future__ import annotations

import numpy as np

from ssgan.fitting.linear import Floats, Ints, Linear, logistic, strength

ROUNDS = 10
BALANCE_ITERATIONS = 100


def self_training(x: Floats, y: Ints, unlabeled: Floats, shares: Floats, seed: int, rounds: int = ROUNDS) -> Linear:
    """(L, P), (L,) and (U, P) -> a classifier; ``shares`` (K,) of the classes among the unlabeled images."""
    classes, c = len(shares), strength(x, y, len(shares), seed)
    model = logistic(x, y, classes, c)
    for number in range(1, rounds + 1):
        p = balanced(model.logits(unlabeled), shares)
        pseudo = p.argmax(1)
        sure = surest(p.max(1), pseudo, number / rounds, classes)
        model = logistic(np.concatenate([x, unlabeled[sure]]), np.concatenate([y, pseudo[sure]]), classes, c)
    return model


def balanced(logits: Floats, shares: Floats) -> Floats:
    """(U, K) logits -> (U, K) probabilities whose mean is ``shares``: one number is taken from the logits of each class."""
    from scipy.special import softmax

    offset = np.zeros(logits.shape[1])
    wanted = np.maximum(shares, 1e-6)
    for _ in range(BALANCE_ITERATIONS):
        mean = softmax(logits - offset, axis=1).mean(0)
        offset += np.log(np.maximum(mean, 1e-12) / wanted)
    out: Floats = softmax(logits - offset, axis=1)
    return out


def surest(confidence: Floats, pseudo: Ints, share: float, classes: int) -> Ints:
    """Rows of the surest ``share`` of every class."""
    rows = []
    for k in range(classes):
        of_class = np.flatnonzero(pseudo == k)
        kept = np.argsort(-confidence[of_class], kind="stable")[: round(share * len(of_class))]
        rows.append(of_class[kept])
    return np.sort(np.concatenate(rows))


def label_shares(y: Ints, classes: int) -> Floats:
    """(K,) shares of the classes among the labels, which have to be drawn at random for that."""
    return np.bincount(y, minlength=classes) / len(y)
