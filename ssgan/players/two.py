"""What all methods with one classifier and one generator share: networks, the two phases, the K+1 discriminator's objective.

The discriminator of these methods is the classifier. A method says how the real/fake logit r is read off its logits, and what
trains the generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from ssgan import nets
from ssgan.config import MethodConfig, Problem
from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.method import Adam, Phase, SemiSupervisedMethod, Terms
from ssgan.nets.layers import Classifier, Out, forward_parts
from ssgan.nets.weight_norm import data_dependent_init
from ssgan.players.generating import generated


class Rates(NamedTuple):
    """Default learning rates; authors use lower ones for convolutions."""

    perceptron: float
    convolutional: float


class PlayersConfig(MethodConfig):
    """For methods whose authors use a rate for each kind of network: where it is null, it is that of `Method.rates`."""

    learning_rate: float | None = Field(default=None, gt=0)
    beta1: float = Field(default=0.5, ge=0, lt=1)  # of Adam, both players
    beta2: float = Field(default=0.999, gt=0, lt=1)  # of Adam, both players
    adam_epsilon: float = Field(default=1e-8, gt=0)  # of Adam, both players
    unlabeled_weight: float = Field(default=1.0, ge=0)  # of the terms on unlabeled and on fake images


class TwoPlayerConfig(PlayersConfig):
    learning_rate: float = Field(default=1e-3, gt=0)  # of both players


def default_clip(family: nets.Family, config: MethodConfig) -> float:
    """``gradient_clip`` where the config sets none: 2 for Adam on convolutions (decision 0015)."""
    return 2.0 if family.CONVOLUTIONAL and not config.muon_rate else 0.0


class TwoPlayerMethod(SemiSupervisedMethod):
    """A classifier (which is the discriminator) against a generator, one update of each per step."""

    config: PlayersConfig
    fake_logits = 0  # logits besides those of the K real classes, last
    rates: ClassVar[Rates]  # needed where `learning_rate` can be null

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        super().__init__(config, problem)
        family = nets.family(problem.net.family)
        self.nets["classifier"] = family.classifier(problem, problem.num_classes + self.fake_logits)
        self.nets["generator"] = family.generator(problem)
        self.convolutional = family.CONVOLUTIONAL
        self.default_clip = default_clip(family, config)

    @property
    def discriminator(self) -> Classifier:
        return cast(Classifier, self.nets["classifier"])

    @property
    def generator(self) -> nn.Module:
        return self.nets["generator"]

    def phases(self) -> Sequence[Phase]:
        c = self.config
        adam = Adam(self.learning_rate(), (c.beta1, c.beta2), c.adam_epsilon)
        return [
            Phase("discriminator", ("classifier",), self.discriminator_loss, adam),
            Phase("generator", ("generator",), self.generator_loss, adam),
        ]

    def learning_rate(self) -> float:
        """The configured one, or else the authors' for this kind of network."""
        if self.config.learning_rate is not None:
            return self.config.learning_rate
        return self.rates.convolutional if self.convolutional else self.rates.perceptron

    def real_logit(self, logits: Tensor) -> Tensor:
        """(N, K + fake_logits) -> r (N,), P(real|x) = sigmoid(r)."""
        raise NotImplementedError

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Cross-entropy over the K classes on labeled images, real against fake on the others."""
        labeled, unlabeled, fake = self.forward_all(batch)
        r_u, r_f = self.real_logit(unlabeled.logits), self.real_logit(fake.logits)
        classes = labeled.logits[:, : self.problem.num_classes]
        return losses.discriminator_terms(classes, batch.y_l, r_u, r_f, self.config.unlabeled_weight)

    def generator_loss(self, batch: Batch) -> Terms:
        """The non-saturating cost."""
        x_f = self.fakes(batch, "generator")
        return {"total": losses.generator_nonsaturating(self.real_logit(self.discriminator(x_f).logits))}

    def init(self, batch: Batch) -> None:
        data_dependent_init(self.discriminator, batch.x_u)
        data_dependent_init(self.generator, self.latent(batch, "init"))

    def fakes(self, batch: Batch, phase: str) -> Tensor:
        """(U, C, S, S) images of the generator from the latents of a phase."""
        return generated(self.generator, lambda n: self.latent(batch, phase, n), len(batch.x_u))

    def forward_all(self, batch: Batch) -> tuple[Out, Out, Out]:
        """The discriminator on labeled, unlabeled and freshly generated images; the generator is constant."""
        with torch.no_grad():
            x_f = self.fakes(batch, "discriminator")
        labeled, unlabeled, fake = forward_parts(self.discriminator, batch.x_l, batch.x_u, x_f)
        return labeled, unlabeled, fake

    def predict(self, x: Tensor) -> Tensor:
        return self.discriminator(x).logits[:, : self.problem.num_classes]

    def sample(self, n: int) -> Tensor | None:
        device = next(self.generator.parameters()).device
        return self.generator(torch.rand(n, self.problem.net.latent_dim, device=device))
