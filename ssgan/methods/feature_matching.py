"""Feature matching: the semi-supervised GAN of Improved GAN; the other techniques of its paper as options.

Paper: Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen: Improved Techniques for Training GANs (NIPS 2016),
arXiv:1606.03498, sections 3 and 5; details from the authors' code.

Objective, with K logits l(x), D(x) = Z/(Z+1), Z = sum_k exp l_k, so the real/fake logit is r = lse(l):
    D:  min  E_labeled [ lse(l(x)) - l_y(x) ]  + 1/2 E_unlabeled softplus(-r(x)) + 1/2 E_z softplus(r(G(z)))
    G:  min  mean_j ( E_z f_j(G(z)) - E_x f_j(x) )^2          f: last hidden layer of D, after ReLU, before its noise
The G step sees a second, independent stream of unlabeled images. Noise is on in both steps.
The paper's other techniques are options, all off by default: ``ssgan/players/improved_gan.py``.

Deviations:
    1. Adam with epsilon 1e-4 outside of the root; the authors' rule has 1e-8 inside it, which is nearest to that.
    2. The average of D's weights is bias-corrected (theirs starts at zero), and its horizon never exceeds 5 % of the run.
    3. On a CPU the Gaussian noise comes from a bank (decision 0003).
    4. With convolutions, gradient norms above twice their running RMS are clipped (decision 0015).

Expected error on MNIST (paper, 10 label draws): 20 labels 16.77 +- 4.52 %, 50: 2.21 +- 1.36, 100: 0.93 +- 0.07,
200: 0.90 +- 0.04, after 180,000 steps. Cost on 28x28: 3.8 GFLOP a step at batch 100.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.method import Terms
from ssgan.players.improved_gan import ImprovedGan, ImprovedGanConfig
from ssgan.players.two import Rates


class Config(ImprovedGanConfig):
    # of both players; null: the authors', 3e-3 with perceptrons (their MNIST), 3e-4 with convolutions (SVHN, CIFAR-10)
    learning_rate: float | None = Field(default=None, gt=0)
    adam_epsilon: float = Field(default=1e-4, gt=0)  # see deviation 1
    distance: Literal["squared", "absolute"] = "squared"  # absolute: the authors' code for SVHN and CIFAR-10
    # the generator's cost; nonsaturating: min E_z softplus(-r(G(z))), saturating: min -E_z softplus(r(G(z)))
    generator: Literal["matching", "nonsaturating", "saturating"] = "matching"


class Method(ImprovedGan):
    unlabeled_streams = 2
    rates = Rates(perceptron=3e-3, convolutional=3e-4)
    config: Config

    def real_logit(self, logits: Tensor) -> Tensor:
        return losses.implicit_real_logit(logits)

    def generator_loss(self, batch: Batch) -> Terms:
        x_f = self.fakes(batch, "generator")
        if self.config.generator == "matching":
            total = self.matching(x_f, batch.x_u2)
        else:
            total = losses.ADVERSARIAL[self.config.generator](self.real_logit(self.discriminator(x_f).logits))
        return self.with_historical_averaging("generator", {"total": total})

    def matching(self, x_f: Tensor, x_u: Tensor) -> Tensor:
        """Distance between the mean features of fake and of real images; the real ones are constant."""
        features_fake = self.discriminator.features(x_f)
        with torch.no_grad():
            features_real = self.discriminator.features(x_u)
        return losses.MATCHING[self.config.distance](features_fake, features_real)
