"""What methods share that are not trained in steps: a linear classifier of feature vectors, fitted at once by scikit-learn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ssgan.config import FeatureSpec, MethodConfig, Problem
from ssgan.core.method import Phase, SemiSupervisedMethod
from ssgan.errors import ConfigError
from ssgan.fitting.linear import Floats, Ints, Linear


class FittedMethod(SemiSupervisedMethod):
    """One linear layer on feature vectors. Letters: L labeled, U unlabeled images, P numbers, K classes.

    Attributes:
        chosen: what ``fit`` has to say of itself, for the summary of the run.
    """

    unlabeled_streams = 1

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        super().__init__(config, problem)
        if not isinstance(problem.input, FeatureSpec):
            name = type(self).__module__.rpartition(".")[2]
            raise ConfigError(
                f"`method.name` is {name!r}, which learns on features; set features.backbone, or take another method"
            )
        self.nets["classifier"] = nn.Linear(problem.input.components, problem.num_classes)
        self.chosen: dict[str, Any] = {}

    @abstractmethod
    def fitted(self, x: Floats, y: Ints, unlabeled: Floats, seed: int) -> Linear:
        """(L, P), (L,) and (U, P) -> a linear classifier."""

    @torch.no_grad()
    def fit(self, x_l: Tensor, y_l: Tensor, x_u: Tensor, seed: int) -> None:
        """Fit the classifier to all labeled (L, P), (L,) and unlabeled (U, P) vectors."""
        given = (x.double().cpu().numpy() for x in (x_l, x_u))
        x, unlabeled = given
        found = self.fitted(x, y_l.cpu().numpy(), unlabeled, seed)
        layer = self.nets["classifier"]
        assert isinstance(layer, nn.Linear)
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(found.weight.T)))
        layer.bias.copy_(torch.from_numpy(found.bias))

    def phases(self) -> Sequence[Phase]:
        return []

    def predict(self, x: Tensor) -> Tensor:
        logits: Tensor = self.nets["classifier"](x)
        return logits
