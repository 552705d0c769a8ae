"""Linear probe: logistic regression on the features of the labeled images alone; the baseline of all methods on features.

Paper: none; Alain & Bengio 2016, arXiv:1610.01644, for the name. The strength of the L2 penalty is the one with the lowest log
loss on five folds of the labels. Unlabeled images count only in the space of the features (``features.dimensions``).

Objective:  min_W  E_labeled CE(W f(x), y) + |W|^2 / (2 C L)

Deviations:
    1. None: there is no paper.

Expected error: docs/results/photos.md.
Cost: under a second.
"""

from __future__ import annotations

from ssgan.config import MethodConfig
from ssgan.fitting.linear import Floats, Ints, Linear, probe
from ssgan.players.fitted import FittedMethod


class Config(MethodConfig):
    pass


class Method(FittedMethod):
    unlabeled_streams = 0

    def fitted(self, x: Floats, y: Ints, unlabeled: Floats, seed: int) -> Linear:
        return probe(x, y, self.problem.num_classes, seed)
