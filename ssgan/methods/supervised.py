"""Supervised classifier: the floor line, and the twin of every other method.

Paper: none; Adam (Kingma & Ba 2015) on the cross-entropy of the labeled images alone. It sees no unlabeled image, not even
in the data-dependent initialisation.

Objective: min_C  E_(x,y)~labeled [ lse(l(x)) - l_y(x) ].

Expected error on MNIST, permutation-invariant network, no augmentation: about 20 to 25 % at 100 labels.
Cost: one forward and backward pass of the labeled batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from ssgan import losses, nets
from ssgan.batch import Batch
from ssgan.config import MethodConfig, Problem
from ssgan.method import Adam, Phase, SemiSupervisedMethod, Terms
from ssgan.nets.weight_norm import data_dependent_init


class Config(MethodConfig):
    learning_rate: float = Field(default=1e-3, gt=0)


class Method(SemiSupervisedMethod):
    unlabeled_streams = 0
    config: Config

    def __init__(self, config: Config, problem: Problem) -> None:
        super().__init__(config, problem)
        self.nets["classifier"] = nets.family(problem.net.family).classifier(problem, problem.num_classes)

    def init(self, batch: Batch) -> None:
        data_dependent_init(self.nets["classifier"], batch.x_l)

    def phases(self) -> Sequence[Phase]:
        return [Phase("classifier", ("classifier",), self.classifier_loss, Adam(self.config.learning_rate))]

    def classifier_loss(self, batch: Batch) -> Terms:
        logits = self.nets["classifier"](batch.x_l).logits
        total = losses.cross_entropy(logits, batch.y_l)
        with torch.no_grad():
            accuracy = (logits.argmax(1) == batch.y_l).float().mean()
        return {"total": total, "labeled_accuracy": accuracy}

    def predict(self, x: Tensor) -> Tensor:
        return self.nets["classifier"](x).logits
