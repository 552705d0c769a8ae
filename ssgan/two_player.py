"""What all methods with one classifier and one generator share: the networks, their initialisation, prediction, samples.

The discriminator of these methods is the classifier. A method adds its losses and phases; it may ask for more outputs.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ssgan import nets
from ssgan.batch import Batch
from ssgan.config import MethodConfig, Problem
from ssgan.method import SemiSupervisedMethod
from ssgan.nets.layers import Classifier, Out, forward_parts
from ssgan.nets.weight_norm import data_dependent_init


class TwoPlayerMethod(SemiSupervisedMethod):
    """A classifier (which is the discriminator) against a generator."""

    fake_logits = 0  # logits besides those of the K real classes, last

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        super().__init__(config, problem)
        family = nets.family(problem.net.family)
        self.nets["classifier"] = family.classifier(problem, problem.num_classes + self.fake_logits)
        self.nets["generator"] = family.generator(problem)

    @property
    def discriminator(self) -> Classifier:
        return cast(Classifier, self.nets["classifier"])

    @property
    def generator(self) -> nn.Module:
        return self.nets["generator"]

    def init(self, batch: Batch) -> None:
        data_dependent_init(self.discriminator, batch.x_u)
        data_dependent_init(self.generator, self.latent(batch, "init"))

    def forward_all(self, batch: Batch) -> tuple[Out, Out, Out]:
        """The discriminator on labeled, unlabeled and freshly generated images; the generator is constant."""
        with torch.no_grad():
            x_f = self.generator(self.latent(batch, "discriminator"))
        labeled, unlabeled, fake = forward_parts(self.discriminator, batch.x_l, batch.x_u, x_f)
        return labeled, unlabeled, fake

    def predict(self, x: Tensor) -> Tensor:
        return self.discriminator(x).logits[:, : self.problem.num_classes]

    def sample(self, n: int) -> Tensor:
        device = next(self.generator.parameters()).device
        return self.generator(torch.rand(n, self.problem.net.latent_dim, device=device))
