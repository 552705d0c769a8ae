"""Which labels look wrong: confident learning (Northcutt, Jiang & Chuang 2021, arXiv:1911.00068), written out from the paper.

Letters: N images, K classes. Probabilities are out of sample: no image was judged by something that learned from its label.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ssgan.selection.scoring import I64, Floats

NO_CLASS = -1


class Noise(NamedTuple):
    """What confident learning says.

    suggested: (N,) the class that an image is confidently counted to, NO_CLASS where it is none.
    margin: (N,) p(given class) - p(best other class), in [-1, 1]; the lower, the more likely the label is wrong.
    share: estimated share of wrong labels; None where no image is counted to any class.
    """

    suggested: I64
    margin: Floats
    share: float | None

    def suspects(self, given: I64) -> I64:
        """Rows that are confidently counted to another class than the given one (N,), the worst first.

        "Confident joint, off-diagonal", ranked by normalized margin (sections 3.1 and 3.2 of the paper).
        """
        wrong = np.flatnonzero((self.suggested != NO_CLASS) & (self.suggested != given))
        return wrong[np.argsort(self.margin[wrong], kind="stable")]


def confident_learning(probability: Floats, given: I64) -> Noise:
    """(N, K) out-of-sample probabilities and (N,) given labels -> suspects and an estimate of the noise.

    An image is counted to class j if p_j is at least the mean of p_j over the images labeled j (eq. 2); of several such j to
    the most probable one (eq. 1). A class that no image is labeled with is never suggested.
    """
    n, k = probability.shape
    totals = np.bincount(given, minlength=k)
    own = np.bincount(given, weights=probability[np.arange(n), given], minlength=k)
    threshold = np.where(totals > 0, own / np.maximum(totals, 1), np.inf)
    confident = np.where(probability >= threshold, probability, -1.0)
    suggested = np.where(confident.max(axis=1) >= 0, confident.argmax(axis=1), NO_CLASS)
    others = probability.copy()
    others[np.arange(n), given] = -np.inf
    margin = probability[np.arange(n), given] - others.max(axis=1)
    return Noise(suggested, margin, _share(suggested, given, totals))


def _share(suggested: I64, given: I64, totals: I64) -> float | None:
    """Off-diagonal mass of the joint of given and true labels, each row scaled to the images of its class (eq. 3)."""
    counted = suggested != NO_CLASS
    rows = np.bincount(given[counted], minlength=len(totals))
    wrong = np.bincount(given[counted & (suggested != given)], minlength=len(totals))
    usable = rows > 0
    if not usable.any():
        return None
    return float((wrong[usable] / rows[usable] * totals[usable]).sum() / totals[usable].sum())
