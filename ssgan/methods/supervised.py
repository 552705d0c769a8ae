"""Supervised classifier: the baseline of every other method.

Paper: none; Adam (Kingma & Ba 2015) on the cross-entropy of the labeled images alone. It sees no unlabeled image, not even
in the data-dependent initialization.

Objective: min_C  E_(x,y)~labeled [ lse(l(x)) - l_y(x) ].

Expected error on MNIST, permutation-invariant network, no augmentation: about 20 to 25 % at 100 labels.
Cost: one forward and backward pass of the labeled batch.
"""

from __future__ import annotations

from ssgan.core.batch import Batch
from ssgan.core.method import Terms
from ssgan.nets.weight_norm import data_dependent_init
from ssgan.players.one import OnePlayerConfig, OnePlayerMethod


class Config(OnePlayerConfig):
    pass


class Method(OnePlayerMethod):
    unlabeled_streams = 0

    def init(self, batch: Batch) -> None:
        data_dependent_init(self.net, batch.x_l)

    def classifier_loss(self, batch: Batch) -> Terms:
        terms = self.labeled_terms(batch)
        return terms | {"total": terms["labeled"]}
