"""What all methods with a classifier and no generator share: the network, its one phase, the labeled images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from pydantic import Field
from torch import Tensor

from ssgan import nets
from ssgan.config import MethodConfig, Problem
from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.method import Adam, Phase, SemiSupervisedMethod, Terms
from ssgan.nets.layers import Classifier
from ssgan.nets.weight_norm import data_dependent_init


class OnePlayerConfig(MethodConfig):
    learning_rate: float = Field(default=1e-3, gt=0)  # of Adam


class OnePlayerMethod(SemiSupervisedMethod):
    """A classifier of K classes, updated once per step."""

    config: OnePlayerConfig

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        super().__init__(config, problem)
        self.nets["classifier"] = nets.family(problem.net.family).classifier(problem, problem.num_classes)

    @property
    def net(self) -> Classifier:
        return cast(Classifier, self.nets["classifier"])

    def init(self, batch: Batch) -> None:
        data_dependent_init(self.net, batch.x_u)

    def phases(self) -> Sequence[Phase]:
        return [Phase("classifier", ("classifier",), self.classifier_loss, Adam(self.config.learning_rate))]

    @abstractmethod
    def classifier_loss(self, batch: Batch) -> Terms:
        """The terms of ``labeled_terms``, those of the method, and their total."""

    def labeled_terms(self, batch: Batch, logits: Tensor | None = None) -> Terms:
        """Cross-entropy of the labeled images, and the accuracy on them (no gradient).

        ``logits``: (L, K) on the labeled images, where the method has them already.
        """
        if logits is None:
            logits = self.net(batch.x_l).logits
        with torch.no_grad():
            accuracy = (logits.argmax(1) == batch.y_l).float().mean()
        return {"labeled": losses.cross_entropy(logits, batch.y_l), "labeled_accuracy": accuracy}

    def predict(self, x: Tensor) -> Tensor:
        return self.net(x).logits
