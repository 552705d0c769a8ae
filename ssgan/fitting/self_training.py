"""Self-training: a classifier's surest answers on unlabeled images become labels of the next one, more of them every round.

Lee 2013 (Pseudo-Label) with a linear classifier; the answers of each round are brought to given class shares (distribution
alignment, Berthelot et al. 2020), without which the class that is easier to see takes over.
"""

from __future__ import annotations

import numpy as np

from ssgan.fitting.linear import Floats, Ints, Linear, even, label_shares, logistic, strength

ROUNDS = 10
BALANCE_ITERATIONS = 100
BALANCED = 1e-6  # of the shares: near enough


def self_training(x: Floats, y: Ints, unlabeled: Floats, shares: Floats, seed: int, rounds: int = ROUNDS) -> Linear:
    """(L, P), (L,) and (U, P) -> a classifier; ``shares`` (K,) of the classes among the unlabeled images.

    In the end answers weigh so that the classes have the shares of the labels again: the classifier keeps the prior of the
    probe, and where labels were drawn evenly from a skewed pool it is judged on what the labels stand for.
    """
    classes, c = len(shares), strength(x, y, len(shares), seed)
    every, answers = pseudo_labeled(x, y, unlabeled, shares, c, rounds)
    weight = label_shares(y, classes) / np.maximum(label_shares(answers, classes), 1e-9)
    return logistic(every, answers, classes, c, weight[answers])


def learned(x: Floats, y: Ints, unlabeled: Floats, shares: Floats, strength: float, rounds: int) -> Linear:
    """As ``self_training``, but with the given shares in the end too."""
    every, answers = pseudo_labeled(x, y, unlabeled, shares, strength, rounds)
    return logistic(every, answers, len(shares), strength)


def pseudo_labeled(x: Floats, y: Ints, unlabeled: Floats, shares: Floats, strength: float, rounds: int) -> tuple[Floats, Ints]:
    """Vectors and classes of the last round: the labeled images, then unlabeled ones with their answers."""
    every, answers, model = x, y, even(x, y, len(shares), strength)
    for number in range(1, rounds + 1):
        p = balanced(model.logits(unlabeled), shares)
        pseudo = p.argmax(1)
        sure = surest(p.max(1), pseudo, number / rounds, len(shares))
        every, answers = np.concatenate([x, unlabeled[sure]]), np.concatenate([y, pseudo[sure]])
        if number < rounds:
            model = logistic(every, answers, len(shares), strength)
    return every, answers


def balanced(logits: Floats, shares: Floats) -> Floats:
    """(U, K) logits -> (U, K) probabilities whose mean is ``shares``: one number is taken from the logits of each class."""
    wanted = np.maximum(shares, 1e-6)
    likelihood = np.exp(logits - logits.max(1, keepdims=True))
    factor = np.ones(logits.shape[1])  # of each class: exp of what is taken from its logit
    for _ in range(BALANCE_ITERATIONS):
        mean = factor * (likelihood.T @ (1 / (likelihood @ factor))) / len(logits)
        if np.abs(mean - wanted).max() < BALANCED:
            break
        factor *= wanted / np.maximum(mean, 1e-12)
    out: Floats = likelihood * factor
    return out / out.sum(1, keepdims=True)


def surest(confidence: Floats, pseudo: Ints, share: float, classes: int) -> Ints:
    """Rows of the surest ``share`` of every class."""
    rows = []
    for k in range(classes):
        of_class = np.flatnonzero(pseudo == k)
        kept = np.argsort(-confidence[of_class], kind="stable")[: round(share * len(of_class))]
        rows.append(of_class[kept])
    return np.sort(np.concatenate(rows))
