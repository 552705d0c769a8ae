"""Bad GAN: feature matching with a generator that is pushed off the data, so that classes are parted where data is thin.

Paper: Dai, Yang, Yang, Cohen, Salakhutdinov: Good Semi-supervised Learning that Requires a Bad GAN (NIPS 2017),
arXiv:1705.09783, eq. 4 to 9; weights from the authors' code.

Objective, with r = lse(l), f the features, H the entropy of softmax(l):
    D:  that of feature matching  + entropy * E_unlabeled H(p(x))
    G:  feature matching + pull_away * PT(f(G(z))) + variational * VI(G) + low_density * LD(f(G(z)))
    PT = mean over i != j of cos^2(f_i, f_j);  VI = -log q(z | G(z)), q an encoder that is trained with G;
    LD = mean of log p - eps over the fake images with log p > eps.

Deviations:
    1. p in LD is a kernel density of features, and eps the quantile `density_quantile` of it over unlabeled images of the same
       step. The paper has a PixelCNN++ over pixels, and its code takes eps from the test images. Not offered here yet.
    2. LD stands in every step from `density_start` on; the code draws it in a tenth of them.
    3. The encoder is a classifier network of `net.family` with 2 Z outputs; log sigma is at least -5.
    4. As in feature matching: Adam's epsilon, and an average of weights (the authors keep none).

Expected error (paper): MNIST, 100 labels, 0.795 +- 0.098 %; SVHN, 1,000 labels, 4.25 +- 0.03 % (with PT and entropy); CIFAR-10,
4,000 labels, 14.41 +- 0.30 % (with VI). 20 and 50 labels: none published.
Cost: as feature matching; with VI a forward and backward pass of the encoder more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ssgan import losses, nets
from ssgan.batch import Batch
from ssgan.config import Problem
from ssgan.method import Phase, Terms
from ssgan.nets.weight_norm import data_dependent_init
from ssgan.players.two import TwoPlayerConfig, TwoPlayerMethod


class Config(TwoPlayerConfig):
    learning_rate: float = Field(default=3e-3, gt=0)  # of the discriminator
    generator_learning_rate: float = Field(default=1e-3, gt=0)  # also of the encoder
    adam_epsilon: float = Field(default=1e-4, gt=0)  # as in feature_matching, deviation 1
    distance: Literal["squared", "absolute"] = "squared"  # absolute: the authors' code for SVHN and CIFAR-10
    entropy_weight: float = Field(default=0.0, ge=0)  # the authors: 0 on MNIST, 0.1 on SVHN
    pull_away_weight: float = Field(default=0.1, ge=0)  # the authors: 0 on MNIST, 0.8 on SVHN
    variational_weight: float = Field(default=0.0, ge=0)  # the authors: 0.01 on CIFAR-10; 0: no encoder
    low_density_weight: float = Field(default=0.1, ge=0)
    density_start: int = Field(default=2000, ge=0)  # first step with the low-density term; the authors: 9,000
    density_quantile: float = Field(default=0.1, ge=0, le=1)  # of real images, below which a density counts as low


class Method(TwoPlayerMethod):
    unlabeled_streams = 2
    config: Config

    def __init__(self, config: Config, problem: Problem) -> None:
        super().__init__(config, problem)
        if config.variational_weight:
            self.nets["encoder"] = nets.family(problem.net.family).classifier(problem, 2 * problem.net.latent_dim)

    def init(self, batch: Batch) -> None:
        super().init(batch)
        if "encoder" in self.nets:
            data_dependent_init(self.nets["encoder"], batch.x_u)

    def phases(self) -> Sequence[Phase]:
        discriminator, generator = super().phases()
        adam = replace(generator.optimizer, lr=self.config.generator_learning_rate)
        trains = tuple(name for name in ("generator", "encoder") if name in self.nets)
        return [discriminator, replace(generator, trains=trains, optimizer=adam)]

    def real_logit(self, logits: Tensor) -> Tensor:
        return losses.implicit_real_logit(logits)

    def discriminator_loss(self, batch: Batch) -> Terms:
        labeled, unlabeled, fake = self.forward_all(batch)
        r_u, r_f = self.real_logit(unlabeled.logits), self.real_logit(fake.logits)
        terms = losses.discriminator_terms(labeled.logits, batch.y_l, r_u, r_f, self.config.unlabeled_weight)
        terms["entropy"] = losses.conditional_entropy(unlabeled.logits)
        return terms | {"total": terms["total"] + self.config.entropy_weight * terms["entropy"]}

    def generator_loss(self, batch: Batch) -> Terms:
        c, z = self.config, self.latent(batch, "generator")
        x_f = self.generator(z)
        features_fake = self.discriminator.features(x_f)
        with torch.no_grad():
            features_real = self.discriminator.features(batch.x_u2)
        terms = {
            "matching": losses.MATCHING[c.distance](features_fake, features_real),
            "pull_away": losses.pull_away(features_fake),
        }
        total = terms["matching"] + c.pull_away_weight * terms["pull_away"]
        if c.low_density_weight and batch.step >= c.density_start:
            terms["low_density"] = self.low_density(features_fake, features_real, batch.x_u)
            total = total + c.low_density_weight * terms["low_density"]
        if "encoder" in self.nets:
            mean, log_sigma = self.nets["encoder"](x_f).logits.chunk(2, dim=1)
            terms["variational"] = losses.variational_entropy(mean, log_sigma, z)
            total = total + c.variational_weight * terms["variational"]
        return terms | {"total": total}

    def low_density(self, features_fake: Tensor, features_real: Tensor, x_u: Tensor) -> Tensor:
        """LD, with the threshold from another batch of unlabeled images."""
        with torch.no_grad():
            threshold_features = self.discriminator.features(x_u)
        return losses.low_density(features_fake, threshold_features, features_real, self.config.density_quantile)
