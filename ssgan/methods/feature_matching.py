"""Feature matching: the semi-supervised GAN of Improved GAN.

Paper: Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen: Improved Techniques for Training GANs (NIPS 2016),
arXiv:1606.03498, sections 3.1 and 5; details from the authors' code.

Objective, with K logits l(x), D(x) = Z/(Z+1), Z = sum_k exp l_k, so the real/fake logit is r = lse(l):
    D:  min  E_labeled [ lse(l(x)) - l_y(x) ]  + 1/2 E_unlabeled softplus(-r(x)) + 1/2 E_z softplus(r(G(z)))
    G:  min  mean_j ( E_z f_j(G(z)) - E_x f_j(x) )^2          f: last hidden layer of D, after ReLU, before its noise
The G step sees a second, independent stream of unlabeled images. Noise is on in both steps.

Deviations:
    1. Adam with epsilon 1e-4 outside of the root; the authors' rule has 1e-8 inside it, which is nearest to that.
    2. The average of D's weights is bias-corrected (theirs starts at zero), and its horizon never exceeds 5 % of the run.
    3. On a CPU the Gaussian noise comes from a bank (decision 0003).

Expected error on MNIST (paper, 10 label draws): 20 labels 16.77 +- 4.52 %, 50: 2.21 +- 1.36, 100: 0.93 +- 0.07,
200: 0.90 +- 0.04, after 180,000 steps. Cost on 28x28: 3.8 GFLOP a step at batch 100.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ssgan import losses
from ssgan.batch import Batch
from ssgan.method import Terms
from ssgan.players.two import TwoPlayerConfig, TwoPlayerMethod


class Config(TwoPlayerConfig):
    learning_rate: float = Field(default=3e-3, gt=0)  # of both players; the authors use 3e-4 at 32x32
    adam_epsilon: float = Field(default=1e-4, gt=0)  # see deviation 1
    distance: Literal["squared", "absolute"] = "squared"  # absolute: the authors' code for SVHN and CIFAR-10


class Method(TwoPlayerMethod):
    unlabeled_streams = 2
    config: Config

    def real_logit(self, logits: Tensor) -> Tensor:
        return losses.implicit_real_logit(logits)

    def generator_loss(self, batch: Batch) -> Terms:
        features_fake = self.discriminator.features(self.generator(self.latent(batch, "generator")))
        with torch.no_grad():
            features_real = self.discriminator.features(batch.x_u2)
        return {"total": losses.MATCHING[self.config.distance](features_fake, features_real)}
