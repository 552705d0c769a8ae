"""The techniques of Improved GAN besides feature matching, each an option that is off by default.

Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen 2016, arXiv:1606.03498, sections 3.2 to 3.5, with its symbols:
    minibatch_kernels    3.2: the last layer of D sees (f, o), o_ib = sum_{j != i} exp(-|M_ib - M_jb|_1) + beta_b, M = f T, the
                         sum over a labeled, unlabeled or fake batch. The paper: better images, but worse classifiers.
    historical_weight    3.3: D and G are also penalized by historical_weight * |theta - 1/t sum_i theta_i|^2
    label_smoothing      3.4: a softplus(-r(x)) + (1-a) softplus(r(x)) on unlabeled images, a = 1 - label_smoothing
    virtual_batch_norm   3.5: G normalizes an image by the statistics of a fixed reference batch and itself, weight 1/(n+1)

Deviations:
    1. Minibatch discrimination in evaluation mode: a prediction must not depend on the other images, so in the place of
       sum_{j != i} stands its running mean over the unlabeled images of training, the same for every image. In training f has
       the noise of D's last layer. One G step for each D step and the noise of `net.family`; the authors' scripts: 3, and 0.2.
    2. The mean of 3.3 is that of the weights after every step so far, a constant in the gradient. The paper gives no weight.
    3. The reference batch of 3.5 has `batch_size` latents and goes through G in the same pass.
"""

from __future__ import annotations

import torch
from pydantic import Field

from ssgan.config import Problem
from ssgan.core import losses
from ssgan.core.batch import Batch
from ssgan.core.method import Terms
from ssgan.nets.minibatch import add_minibatch_discrimination, update_neighbors
from ssgan.nets.virtual_batch_norm import VirtuallyNormalized
from ssgan.players.averages import (
    add_running_averages,
    distance_from_running_average,
    ema_weight,
    start_running_averages,
    update_running_averages,
)
from ssgan.players.two import PlayersConfig, TwoPlayerMethod


class ImprovedGanConfig(PlayersConfig):
    # minibatch discrimination (section 3.2), B; the authors: 100, with generator saturating. It counts images, so
    # labeled_batch_size should be batch_size. 0: off
    minibatch_kernels: int = Field(default=0, ge=0)
    minibatch_dims: int = Field(default=5, gt=0)  # C, of each kernel
    historical_weight: float = Field(default=0.0, ge=0)  # historical averaging of both players (3.3); 0: off
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)  # one-sided (3.4); the paper: 0.1; 0: off
    virtual_batch_norm: bool = False  # in the generator (3.5); its passes become twice as large


class ImprovedGan(TwoPlayerMethod):
    """Two players with these options; the method says what trains the generator."""

    config: ImprovedGanConfig

    def __init__(self, config: ImprovedGanConfig, problem: Problem) -> None:
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

    def schedule(self, step: int) -> dict[str, float]:
        return {"history": ema_weight(step, decay=1.0)}

    def discriminator_loss(self, batch: Batch) -> Terms:
        c = self.config
        labeled, unlabeled, fake = self.forward_all(batch)
        r_u, r_f = self.real_logit(unlabeled.logits), self.real_logit(fake.logits)
        terms = losses.discriminator_terms(labeled.logits, batch.y_l, r_u, r_f, c.unlabeled_weight, c.label_smoothing)
        return self.with_historical_averaging("classifier", terms)

    def with_historical_averaging(self, name: str, terms: Terms) -> Terms:
        """The terms of one player, plus historical averaging where it is on."""
        if not self.config.historical_weight:
            return terms
        historical = distance_from_running_average(self.nets, name)
        total = terms["total"] + self.config.historical_weight * historical
        return terms | {"historical": historical, "total": total}

    def after_step(self, batch: Batch) -> None:
        update_running_averages(self.nets, self.scheduled("history", batch.step))
        if self.config.minibatch_kernels:
            update_neighbors(self.discriminator, batch.x_u)
