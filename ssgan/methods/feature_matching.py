"""Feature matching: the semi-supervised GAN of Improved GAN; the other techniques of its paper as options.

Paper: Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen: Improved Techniques for Training GANs (NIPS 2016),
arXiv:1606.03498, sections 3 and 5; details from the authors' code.

Objective, with K logits l(x), D(x) = Z/(Z+1), Z = sum_k exp l_k, so the real/fake logit is r = lse(l):
    D:  min  E_labeled [ lse(l(x)) - l_y(x) ]  + 1/2 E_unlabeled softplus(-r(x)) + 1/2 E_z softplus(r(G(z)))
    G:  min  mean_j ( E_z f_j(G(z)) - E_x f_j(x) )^2          f: last hidden layer of D, after ReLU, before its noise
The G step sees a second, independent stream of unlabeled images. Noise is on in both steps.
Options, all off by default:
    generator            "nonsaturating" G: min E_z softplus(-r(G(z))), "saturating" G: min -E_z softplus(r(G(z)))
    minibatch_kernels    3.2: the last layer of D sees (f, o), o_ib = sum_{j != i} exp(-|M_ib - M_jb|_1) + beta_b, M = f T, the
                         sum over a labeled, unlabeled or fake batch. The paper: better images, but worse classifiers.
    historical_weight    3.3: D and G are also penalized by historical_weight * |theta - 1/t sum_i theta_i|^2
    label_smoothing      3.4: a softplus(-r(x)) + (1-a) softplus(r(x)) on unlabeled images, a = 1 - label_smoothing
    virtual_batch_norm   3.5: G normalizes an image by the statistics of a fixed reference batch and itself, weight 1/(n+1)

Deviations:
    1. Adam with epsilon 1e-4 outside of the root; the authors' rule has 1e-8 inside it, which is nearest to that.
    2. The average of D's weights is bias-corrected (theirs starts at zero), and its horizon never exceeds 5 % of the run.
    3. On a CPU the Gaussian noise comes from a bank (decision 0003).
    4. Minibatch discrimination in evaluation mode: a prediction must not depend on the other images, so in the place of
       sum_{j != i} stands its running mean over the unlabeled images of training, the same for every image. In training f has
       the noise of D's last layer. One G step for each D step and the noise of `net.family`; the authors' scripts: 3, and 0.2.
    5. The mean of 3.3 is that of the weights after every step so far, a constant in the gradient. The paper gives no weight.
    6. The reference batch of 3.5 has `batch_size` latents and goes through G in the same pass.
    7. With convolutions, gradient norms above twice their running RMS are clipped (decision 0015).

Expected error on MNIST (paper, 10 label draws): 20 labels 16.77 +- 4.52 %, 50: 2.21 +- 1.36, 100: 0.93 +- 0.07,
200: 0.90 +- 0.04, after 180,000 steps. Cost on 28x28: 3.8 GFLOP a step at batch 100.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ssgan.config import Problem
from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.method import Terms
from ssgan.nets.minibatch import add_minibatch_discrimination, update_neighbors
from ssgan.nets.virtual_batch_norm import VirtuallyNormalized
from ssgan.players.averages import (
    add_running_averages,
    distance_from_running_average,
    start_running_averages,
    update_running_averages,
)
from ssgan.players.two import PlayersConfig, Rates, TwoPlayerMethod


class Config(PlayersConfig):
    # of both players; null: the authors', 3e-3 with perceptrons (their MNIST), 3e-4 with convolutions (SVHN, CIFAR-10)
    learning_rate: float | None = Field(default=None, gt=0)
    adam_epsilon: float = Field(default=1e-4, gt=0)  # see deviation 1
    distance: Literal["squared", "absolute"] = "squared"  # absolute: the authors' code for SVHN and CIFAR-10
    generator: Literal["matching", "nonsaturating", "saturating"] = "matching"  # the generator's cost
    # B; the authors: 100, with generator saturating. It counts images, so labeled_batch_size should be batch_size. 0: off
    minibatch_kernels: int = Field(default=0, ge=0)
    minibatch_dims: int = Field(default=5, gt=0)  # C, of each kernel
    historical_weight: float = Field(default=0.0, ge=0)  # 0: off
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)  # the paper: 0.1; 0: off
    virtual_batch_norm: bool = False  # in the generator; its passes become twice as large


class Method(TwoPlayerMethod):
    unlabeled_streams = 2
    rates = Rates(perceptron=3e-3, convolutional=3e-4)
    config: Config

    def __init__(self, config: Config, problem: Problem) -> None:
        super().__init__(config, problem)
        if config.minibatch_kernels:
            add_minibatch_discrimination(self.discriminator, config.minibatch_kernels, config.minibatch_dims)
        if config.virtual_batch_norm:
            reference = torch.rand(config.batch_size, problem.net.latent_dim)
            self.nets["generator"] = VirtuallyNormalized(self.generator, reference)
        if config.historical_weight:
            add_running_averages(self.nets, "classifier", "generator")

    def init(self, batch: Batch) -> None:
        super().init(batch)
        start_running_averages(self.nets)

    def real_logit(self, logits: Tensor) -> Tensor:
        return losses.implicit_real_logit(logits)

    def discriminator_loss(self, batch: Batch) -> Terms:
        c = self.config
        labeled, unlabeled, fake = self.forward_all(batch)
        r_u, r_f = self.real_logit(unlabeled.logits), self.real_logit(fake.logits)
        terms = losses.discriminator_terms(labeled.logits, batch.y_l, r_u, r_f, c.unlabeled_weight, c.label_smoothing)
        return self.with_historical_averaging("classifier", terms)

    def generator_loss(self, batch: Batch) -> Terms:
        x_f = self.generator(self.latent(batch, "generator"))
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

    def with_historical_averaging(self, name: str, terms: Terms) -> Terms:
        """The terms of one player, plus historical averaging where it is on."""
        if not self.config.historical_weight:
            return terms
        historical = distance_from_running_average(self.nets, name)
        total = terms["total"] + self.config.historical_weight * historical
        return terms | {"historical": historical, "total": total}

    def after_step(self, batch: Batch) -> None:
        update_running_averages(self.nets, batch.step)
        if self.config.minibatch_kernels:
            update_neighbors(self.discriminator, batch.x_u)
