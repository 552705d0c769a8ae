"""Label spreading on features: labels propagate along a graph of nearest neighbors; a linear classifier learns the result.

Paper: Zhou, Bousquet, Lal, Weston, Schoelkopf: Learning with Local and Global Consistency (NIPS 2003); class mass normalization
as in Zhu, Ghahramani, Lafferty (ICML 2003).

Objective, with S the normalized adjacency of ten nearest neighbors:  F = (1 - alpha) (I - alpha S)^-1 Y

Deviations:
    1. Fifty steps of the iteration instead of the inverse.
    2. New images are classified by logistic regression on the result, weighted by its certainty, not by the graph.
    3. The graph has at most 20,000 images.
    4. Class mass is brought to estimated shares (`ssgan/fitting/shares.py`), and the last classifier to those of the labels.

Expected error: docs/results/photos.md.
Cost: some seconds.
"""

from __future__ import annotations

from ssgan.config import MethodConfig
from ssgan.fitting.linear import Floats, Ints, Linear
from ssgan.fitting.shares import estimated_shares, rounded
from ssgan.fitting.spreading import label_spreading
from ssgan.players.fitted import FittedMethod


class Config(MethodConfig):
    pass


class Method(FittedMethod):
    def fitted(self, x: Floats, y: Ints, unlabeled: Floats, seed: int) -> Linear:
        shares = estimated_shares(x, y, unlabeled, self.problem.num_classes, seed)
        self.chosen = {"shares": rounded(shares)}
        return label_spreading(x, y, unlabeled, shares, seed)
